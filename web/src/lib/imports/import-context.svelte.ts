/**
 * The import that is under way, shared by all pages of one page load: it goes on while a person looks at other
 * pages.
 *
 * Holds a place only, so that a page without an import loads none of its code.
 *
 * @module
 */
import { createContext } from 'svelte';
import type { ImportFlow } from './import-flow.svelte.ts';

class ImportPlace {
  flow = $state.raw<ImportFlow | null>(null);
}

const [getImportPlace, setImportPlace] = createContext<ImportPlace>();

export { getImportPlace };

/** Called once, by the layout. */
export const provideImport = (): void => void setImportPlace(new ImportPlace());
