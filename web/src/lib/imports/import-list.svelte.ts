/**
 * All imports, newest first, page after page.
 *
 * @module
 */
import type { Import, ImportList as ImportPage } from '../../../../src/shared/schemas/imports.ts';
import { api } from '../api/client.ts';
import { PagedList } from '../api/paged-list.svelte.ts';

const pageCount = 20;

export class ImportList extends PagedList<Import, ImportPage> {
  constructor() {
    super({
      fetchPage: (cursor) => api.imports({ cursor, limit: pageCount }),
      itemsOf: (page) => page.imports,
    });
  }

  /** Puts an import as it is now into the list, whether the list had it or not. */
  replace(now: Import): void {
    this.revise((shown) =>
      shown.some((it) => it.importId === now.importId)
        ? shown.map((it) => (it.importId === now.importId ? now : it))
        : [now, ...shown],
    );
  }
}
