/**
 * Removes the words of deleted leads from the full-text index of leads.
 *
 * FTS5 marks a word as deleted and keeps it until its segment is merged. With `secure-delete` (migration 0009) it
 * removes the word at once, which rewrites pages for each word: 1 to 2 ms a lead among a million, and minutes for
 * ten thousand at once. So single leads are deleted with it. Thousands of leads are deleted without it, and their
 * words are removed afterwards by merging, page by page: https://sqlite.org/fts5.html ("The 'secure-delete'
 * Configuration Option", "The 'merge' Command").
 *
 * Invariants: the option is off only inside one transaction; and only deleted leads are removed without it. An
 * edited lead would have its old and new words under one id, and its next secure deletion would fail as corrupt in
 * an index with `detail = none` (SQLite 3.53.4, docs/decisions/0013).
 *
 * @module
 */

/** Pages that one step of a merge writes, which takes the database some milliseconds. */
const mergePageCount = 64;

/**
 * Wraps statements that delete many leads, and edit none, in two that turn `secure-delete` off and on; for one
 * `batch`.
 */
export function deletingMany(
  db: D1Database,
  statements: readonly D1PreparedStatement[],
): D1PreparedStatement[] {
  // Not a bound parameter: D1 binds numbers as floating point, which the option refuses.
  const secureDelete = (value: 0 | 1): D1PreparedStatement =>
    db.prepare(`INSERT INTO leads_fts (leads_fts, rank) VALUES ('secure-delete', ${value})`);
  return [secureDelete(0), ...statements, secureDelete(1)];
}

/**
 * Merges the index into one segment, which has no word of a deleted lead. When the time is over, the next call
 * continues. Without segments to merge it does nothing.
 *
 * @param deadlineMs - epoch ms after which no further step is begun
 * @returns true when the index is one segment
 */
export async function mergeSearchIndex(
  db: D1Database,
  { now, deadlineMs }: { now: () => number; deadlineMs: number },
): Promise<boolean> {
  // A negative number merges all segments together; positive numbers continue such a merge.
  for (let pageCount = -mergePageCount; ; pageCount = mergePageCount) {
    const { meta } = await db
      .prepare(`INSERT INTO leads_fts (leads_fts, rank) VALUES ('merge', ${pageCount})`)
      .run();
    // The command itself counts as one change.
    if (meta.changes < 2) return true;
    if (now() >= deadlineMs) return false;
  }
}
