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
import type { ExternalId } from '../../shared/schemas/leads.ts';

/** A row that was not taken, as it is kept. */
export type StoredIssue = [
  line: number,
  outcome: ImportIssue['outcome'],
  reason: string,
  cells: readonly string[],
];

/** The issues without their cells, as a client gets them. */
export const toIssues = (stored: readonly StoredIssue[]): ImportIssue[] =>
  stored.map(([line, outcome, reason]) => ({ line, outcome, reason }));

/** An issue without its cells. */
const anonymizedSql = `json_array(issue ->> 0, issue ->> 1, issue ->> 2, json('[]'))`;

/** SQL of the issues of a chunk in their order, each replaced by the JSON of the expression `sql` over `issue`. */
const mappedSql = (sql: string): string =>
  `(SELECT json_group_array(json(${sql})) FROM (SELECT value AS issue FROM json_each(import_chunks.issues) ORDER BY key))`;

/**
 * What a row of a file may name a person by: an address, which may be a part of a cell, or the external id of a lead, which
 * is a whole cell of a file from its system.
 */
export type Mention = { email: string } | { externalId: ExternalId };

/** The parameters ?2 to ?5 of the statements below. SQLite's lower() knows ASCII letters only, so both sides use it. */
function paramsOf(mention: Mention): [address: string, id: string, system: string, text: string] {
  const lower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  // As it is in JSON.
  const escaped = (text: string): string => JSON.stringify(lower(text)).slice(1, -1);
  if ('email' in mention) return [lower(mention.email), '', '', escaped(mention.email)];
  const { id, source } = mention.externalId;
  return ['', id, source, escaped(id)];
}

/** SQL that is true when a cell of an issue is a mention. */
const isAboutSql = (issue: string): string =>
  `EXISTS (SELECT 1 FROM json_each(${issue}, '$[3]') AS cell
     WHERE iif(?2 = '', trim(cell.value) = ?3, instr(lower(cell.value), ?2) > 0))`;

/** SQL that is false when a chunk `c` of an import `i` certainly has no mention, without parsing it. */
const mayBeAboutSql =
  "instr(lower(c.issues), ?5) > 0 AND (?4 = '' OR coalesce(i.spec ->> 'externalSource', '') = ?4)";

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

/** Chunks whose rows are erased in one transaction. Each has up to one MiB of JSON. */
const erasedChunkCount = 20;

/** Drops the cells of every issue with this mention, in all imports. */
export async function eraseFromIssues(db: D1Database, mention: Mention): Promise<void> {
  for (let after = 0; ;) {
    const { results } = await db
      .prepare(
        `UPDATE import_chunks SET issues =
           ${mappedSql(`CASE WHEN ${isAboutSql('issue')} THEN ${anonymizedSql} ELSE issue END`)}
         WHERE rowid IN (
           SELECT c.rowid FROM import_chunks c CROSS JOIN imports i ON i.number = c.import_number
           WHERE c.rowid > ?1 AND ${mayBeAboutSql} ORDER BY c.rowid LIMIT ${erasedChunkCount})
         RETURNING rowid AS id`,
      )
      .bind(after, ...paramsOf(mention))
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

/** Issues read by one statement: a file may have the same address in every row. */
const issuePageCount = 500;

/** Every issue with one of these mentions, once. */
export async function issuesAbout(db: D1Database, mentions: readonly Mention[]): Promise<IssueOfFile[]> {
  const found = await Promise.all(mentions.map((mention) => issuesWith(db, mention)));
  return [...new Map(found.flat()).values()];
}

/** Every issue with this mention, by its place. */
async function issuesWith(db: D1Database, mention: Mention): Promise<[place: string, IssueOfFile][]> {
  const found: [string, IssueOfFile][] = [];
  for (let after = { chunk: 0, key: -1 }; ;) {
    const { results } = await db
      .prepare(
        `SELECT c.rowid AS chunk, issue.key, issue.value AS issue,
                i.import_id AS importId, i.file_name AS fileName, i.created_at AS createdAt
         FROM import_chunks c CROSS JOIN imports i ON i.number = c.import_number
         CROSS JOIN json_each(c.issues) AS issue
         WHERE c.rowid >= ?1 AND (c.rowid > ?1 OR issue.key > ?6)
           AND ${mayBeAboutSql} AND ${isAboutSql('issue.value')}
         ORDER BY c.rowid, issue.key LIMIT ${issuePageCount}`,
      )
      .bind(after.chunk, ...paramsOf(mention), after.key)
      .all<Omit<IssueOfFile, 'issue'> & { chunk: number; key: number; issue: string }>();
    for (const { chunk, key, importId, fileName, createdAt, issue } of results) {
      found.push([
        `${chunk} ${key}`,
        { importId, fileName, createdAt, issue: JSON.parse(issue) as StoredIssue },
      ]);
    }
    const last = results.at(-1);
    if (last === undefined || results.length < issuePageCount) return found;
    after = last;
  }
}
