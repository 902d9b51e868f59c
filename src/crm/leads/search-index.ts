/**
 * Upkeep of the full-text index of leads: how the words of deleted leads leave it.
 *
 * FTS5 marks a word as deleted and keeps it until its segment is merged. With `secure-delete` (migration 0009) it
 * removes the word at once, which rewrites pages for each word: 1 to 2 ms a lead among a million, and minutes for ten
 * thousand at once. So single leads are deleted that way; leads that go by the thousand are deleted without it and
 * merged away afterwards, page by page: https://sqlite.org/fts5.html ("The 'secure-delete' Configuration Option", "The
 * 'merge' Command").
 *
 * Invariants: the option is off only inside one transaction; and only deleted leads are removed without it. An edited
 * lead would have its old and its new words under one id, and its next secure deletion fails as corrupt in an index
 * with `detail = none` (SQLite 3.53.4, docs/decisions/0013).
 *
 * @module
 */

/** Pages that one step of a merge writes: some milliseconds of the database. */
const mergePageCount = 64;

/** Puts statements that delete many leads, and edit none, between two that turn `secure-delete` off and on; for one `batch`. */
export function deletingMany(
  db: D1Database,
  statements: readonly D1PreparedStatement[],
): D1PreparedStatement[] {
  // Not bound: D1 binds numbers as floating point, which the option refuses.
  const secureDelete = (value: 0 | 1): D1PreparedStatement =>
    db.prepare(`INSERT INTO leads_fts (leads_fts, rank) VALUES ('secure-delete', ${value})`);
  return [secureDelete(0), ...statements, secureDelete(1)];
}

/**
 * Merges the index into one segment, which has no word of a lead that is gone. Goes on at the next call where
 * the time was over; does nothing where nothing is left to merge.
 *
 * @param deadlineMs - epoch ms after which no further step is begun
 * @returns true when the index is one segment
 */
export async function mergeSearchIndex(
  db: D1Database,
  { now, deadlineMs }: { now: () => number; deadlineMs: number },
): Promise<boolean> {
  // A negative number takes all segments together; a merge that was begun so goes on with positive ones.
  for (let pageCount = -mergePageCount; ; pageCount = mergePageCount) {
    const { meta } = await db
      .prepare(`INSERT INTO leads_fts (leads_fts, rank) VALUES ('merge', ${pageCount})`)
      .run();
    // The command itself counts as one change.
    if (meta.changes < 2) return true;
    if (now() >= deadlineMs) return false;
  }
}
