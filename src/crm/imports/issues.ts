/**
 * The rows of imports that were not taken, as `import_chunks.issues` keeps them: one JSON array for each chunk.
 *
 * Owns that format and every change of it. Invariants: what is stored is changed in place by one statement, and never
 * read, edited and written back, so that two changes of one chunk cannot undo each other; line, outcome and reason
 * stay, so that the counts of the import still agree with its list.
 *
 * @module
 */
import type { ImportIssue } from '../../shared/schemas/imports.ts';

/** A row that was not taken, as it is kept. */
export type StoredIssue = [
  line: number,
  outcome: ImportIssue['outcome'],
  reason: string,
  cells: readonly string[],
];

/** An issue without its cells. */
const anonymizedSql = `json_array(issue ->> 0, issue ->> 1, issue ->> 2, json('[]'))`;

/** The issues of a chunk, in their order, with each become the JSON that `sql` says of `issue`. */
const mappedSql = (sql: string): string =>
  `(SELECT json_group_array(json(${sql})) FROM (SELECT value AS issue FROM json_each(import_chunks.issues) ORDER BY key))`;

/** True where a cell of an issue has the address in it; `address` is a parameter, in lower case. */
const isAboutSql = (issue: string, address: string): string =>
  `EXISTS (SELECT 1 FROM json_each(${issue}, '$[3]') AS cell WHERE instr(lower(cell.value), ${address}) > 0)`;

/** False where a chunk certainly has nothing of the address, without parsing it; the parameter is as within JSON. */
const mayBeAboutSql = (issues: string, text: string): string => `instr(lower(${issues}), ${text}) > 0`;

/** SQLite's lower() knows ASCII letters only; both sides must be lowered alike. */
function addressParams(email: string): { address: string; text: string } {
  const address = email.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return { address, text: JSON.stringify(address).slice(1, -1) };
}

/** Drops all cells of the chunks of an import with `fromSeq <= seq < toSeq`. */
export async function dropCells(
  db: D1Database,
  chunks: { importNumber: number; fromSeq: number; toSeq: number },
): Promise<void> {
  await db
    .prepare(
      `UPDATE import_chunks SET issues = ${mappedSql(anonymizedSql)}
       WHERE import_number = ? AND seq >= ? AND seq < ? AND issues <> '[]'`,
    )
    .bind(chunks.importNumber, chunks.fromSeq, chunks.toSeq)
    .run();
}

/** Chunks whose rows are erased in one transaction: up to as many MiB of JSON. */
const erasedChunkCount = 20;

/** Drops the cells of every issue that mentions the address, in all imports. */
export async function eraseFromIssues(db: D1Database, email: string): Promise<void> {
  const { address, text } = addressParams(email);
  for (let after = 0; ;) {
    const { results } = await db
      .prepare(
        `UPDATE import_chunks SET issues =
           ${mappedSql(`CASE WHEN ${isAboutSql('issue', '?2')} THEN ${anonymizedSql} ELSE issue END`)}
         WHERE rowid IN (
           SELECT rowid FROM import_chunks WHERE rowid > ?1 AND ${mayBeAboutSql('issues', '?3')}
           ORDER BY rowid LIMIT ${erasedChunkCount})
         RETURNING rowid AS id`,
      )
      .bind(after, address, text)
      .all<{ id: number }>();
    if (results.length < erasedChunkCount) return;
    after = Math.max(...results.map(({ id }) => id));
  }
}

/** A row that was not taken, with the file it was in. */
interface IssueOfFile {
  importId: string;
  fileName: string;
  createdAt: number;
  issue: StoredIssue;
}

/** Issues that are read at once: a file may have the same address in every row. */
const issuePageCount = 500;

/** Every issue that mentions the address. */
export async function issuesAbout(db: D1Database, email: string): Promise<IssueOfFile[]> {
  const { address, text } = addressParams(email);
  const found: IssueOfFile[] = [];
  for (let after = { chunk: 0, key: -1 }; ;) {
    const { results } = await db
      .prepare(
        `SELECT c.rowid AS chunk, issue.key, issue.value AS issue,
                i.import_id AS importId, i.file_name AS fileName, i.created_at AS createdAt
         FROM import_chunks c CROSS JOIN imports i ON i.number = c.import_number
         CROSS JOIN json_each(c.issues) AS issue
         WHERE c.rowid >= ?1 AND (c.rowid > ?1 OR issue.key > ?2)
           AND ${mayBeAboutSql('c.issues', '?4')} AND ${isAboutSql('issue.value', '?3')}
         ORDER BY c.rowid, issue.key LIMIT ${issuePageCount}`,
      )
      .bind(after.chunk, after.key, address, text)
      .all<Omit<IssueOfFile, 'issue'> & { chunk: number; key: number; issue: string }>();
    for (const { importId, fileName, createdAt, issue } of results) {
      found.push({ importId, fileName, createdAt, issue: JSON.parse(issue) as StoredIssue });
    }
    const last = results.at(-1);
    if (last === undefined || results.length < issuePageCount) return found;
    after = last;
  }
}
