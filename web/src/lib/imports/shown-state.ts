/**
 * What is said of an import's state. The server knows that an import is open; whether somebody is sending its
 * rows shows by how fresh its last chunk is.
 *
 * @module
 */
import type { Import, ImportState } from '../../../../src/shared/schemas/imports.ts';

export type ShownImportState = ImportState | 'importing';

/** A chunk takes a second, and a lost answer is asked for again within 15. */
const maxQuietMs = 30_000;

/** @param isMine - this tab sends it now */
export function shownState(
  imported: Pick<Import, 'state' | 'updatedAt'>,
  isMine: boolean,
  nowMs: number,
): ShownImportState {
  if (imported.state !== 'open') return imported.state;
  return isMine || nowMs - imported.updatedAt < maxQuietMs ? 'importing' : 'open';
}
