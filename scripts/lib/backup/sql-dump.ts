/**
 * A database as SQL text: made from anything that answers a query, and read back statement by statement.
 *
 * Not `wrangler d1 export`: D1 refuses to export a database that has a virtual table, and then answers no query
 * for a time (cloudflare/workers-sdk #6305 and #9519, both open). So rows are read by queries; of a search index
 * only its definition and settings are kept, and it is filled again from the rows.
 * Invariant: no statement is longer than D1's limit, triggers come after the rows so that none fires, and SQLite itself
 * writes the literals, so that every value is restored exactly.
 *
 * @module
 */

/** Answers one query with rows of columns. Every query here makes its values text, or numbers that are exact. */
export type Query = (sql: string) => Promise<(string | number | null)[][]>;

/** One row of `sqlite_master`. */
interface SchemaEntry {
  type: string;
  name: string;
  sql: string;
}

/** Separates two statements; it is an SQL comment for all other readers of the file. */
const separator = '--;;';

/** D1 takes 100,000 bytes in a statement (developers.cloudflare.com/d1/platform/limits). */
const maxStatementBytes = 90_000;
/** Bytes of a value above which it is written in pieces; each is twice as long in hexadecimal. */
const maxLiteralBytes = 40_000;
/** Rows of one query. D1 answers with at most 50 MB; a row of these tables is up to 2 MB, of others some 50 kB. */
const pageRowCount = 500;
const largeRowTables: ReadonlySet<string> = new Set(['import_chunks', 'imports', 'template_versions']);
const largePageRowCount = 20;
/** Leads put into the search index by one statement: D1 stops a query after 30 s. */
const indexedPerStatement = 20_000;

/**
 * The order in which tables are read when the database can change meanwhile. Tables that say who must not be mailed,
 * who was mailed and who was erased come last, so that they are not older than the leads. An import comes before the
 * leads of its chunks, so that a repeated chunk finds them.
 */
const readOrder = [
  'imports',
  'import_chunks',
  'templates',
  'template_versions',
  'leads',
  'lead_blocks',
  'import_leads',
];
const readLast = ['suppression_removals', 'suppressions', 'activations', 'audit'];

function rankOf(table: string): number {
  if (readLast.includes(table)) return 1_000 + readLast.indexOf(table);
  return readOrder.includes(table) ? 1 + readOrder.indexOf(table) : 0;
}

const shadowSuffixes = ['data', 'idx', 'content', 'docsize', 'config'];

/** The schema without what SQLite, D1 and search indexes keep for themselves. */
async function readSchema(query: Query): Promise<SchemaEntry[]> {
  const rows = await query(
    `SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*'
       AND name NOT GLOB '_cf_*' ORDER BY rowid`,
  );
  const entries = rows.map(([type, name, sql]) => ({
    type: String(type),
    name: String(name),
    sql: String(sql),
  }));
  const shadows = new Set(
    entries.filter(isVirtual).flatMap(({ name }) => shadowSuffixes.map((suffix) => `${name}_${suffix}`)),
  );
  return entries.filter(({ name }) => !shadows.has(name));
}

function isVirtual({ sql }: SchemaEntry): boolean {
  return /^create\s+virtual\s+table/i.test(sql);
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

interface Column {
  name: string;
  /** Place in the primary key from 1 on; 0 where it is not in it. */
  keyPlace: number;
}

async function columnsOf(query: Query, table: string): Promise<Column[]> {
  const rows = await query(`PRAGMA table_info(${quoted(table)})`);
  return rows.map((row) => ({ name: String(row[1]), keyPlace: Number(row[5]) }));
}

/** A literal on one line: `quote` leaves line ends as they are, and stops at a NUL. */
function literalSql(column: string): string {
  const name = quoted(column);
  const isOdd = ['0', '10', '13'].map((code) => `instr(${name}, char(${code})) > 0`).join(' OR ');
  return `CASE WHEN typeof(${name}) = 'text' AND (${isOdd}) THEN 'CAST(X''' || hex(${name}) || ''' AS TEXT)'
    ELSE quote(${name}) END`;
}

export interface DumpSummary {
  rowCounts: Record<string, number>;
  /** The highest id that a lead has, or had. */
  maxLeadId: number;
}

/**
 * Writes a database as statements; what was written is returned at the end.
 *
 * @param write - takes the text of one statement with its separator
 */
export async function dumpDatabase(
  query: Query,
  write: (text: string) => Promise<void> | void,
): Promise<DumpSummary> {
  const put = (sql: string) => write(`${sql};\n${separator}\n`);
  const schema = await readSchema(query);
  const tables = schema.filter((entry) => entry.type === 'table' && !isVirtual(entry));
  await put('PRAGMA defer_foreign_keys = TRUE');
  for (const { sql } of tables) await put(sql);
  const rowCounts: Record<string, number> = {};
  for (const { name } of tables.toSorted((a, b) => rankOf(a.name) - rankOf(b.name))) {
    rowCounts[name] = await dumpRows(query, name, put);
  }
  const sequences = await dumpSequences(query, put);
  // A search index may read a view.
  for (const { sql } of schema.filter(({ type }) => type === 'index' || type === 'view')) await put(sql);
  for (const entry of schema.filter(isVirtual)) await dumpIndex(query, entry, put);
  for (const { sql } of schema.filter(({ type }) => type === 'trigger')) await put(sql);
  return { rowCounts, maxLeadId: sequences.get('leads') ?? 0 };
}

type Put = (sql: string) => Promise<void> | void;

async function dumpRows(query: Query, table: string, put: Put): Promise<number> {
  const columns = await columnsOf(query, table);
  const key = columns.filter(({ keyPlace }) => keyPlace > 0).toSorted((a, b) => a.keyPlace - b.keyPlace);
  const keyNames = key.length === 0 ? ['rowid'] : key.map(({ name }) => quoted(name));
  const keyList = keyNames.join(', ');
  // The key is read twice: as literals for the start of the next page, and among the columns.
  const selected = [
    ...(key.length === 0 ? ['rowid'] : key.map(({ name }) => literalSql(name))),
    ...columns.map(({ name }) => literalSql(name)),
  ];
  const limit = largeRowTables.has(table) ? largePageRowCount : pageRowCount;
  const insert = `INSERT INTO ${quoted(table)} (${columns.map(({ name }) => quoted(name)).join(', ')}) VALUES\n`;
  let count = 0;
  let after: string | null = null;
  for (;;) {
    const from: string = after === null ? '' : `WHERE (${keyList}) > (${after})`;
    const rows = await query(
      `SELECT ${selected.join(', ')} FROM ${quoted(table)} ${from} ORDER BY ${keyList} LIMIT ${String(limit)}`,
    );
    let values: string[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      if (values.length > 0) await put(insert + values.join(',\n'));
      values = [];
      bytes = 0;
    };
    for (const row of rows) {
      const literals = row.slice(keyNames.length).map(String);
      const where = keyNames.map((name, index) => `${name} = ${String(row[index])}`).join(' AND ');
      const large = literals.flatMap((literal, index) => (literal.length > maxLiteralBytes ? [index] : []));
      const value = `(${literals.map((literal, index) => (large.includes(index) ? "''" : literal)).join(', ')})`;
      const size = Buffer.byteLength(value) + 2;
      if (bytes + size > maxStatementBytes) await flush();
      values.push(value);
      bytes += size;
      if (large.length === 0) continue;
      await flush();
      for (const index of large) {
        const column = quoted(columns[index]?.name ?? '');
        for (const piece of piecesOf(literals[index] ?? '')) {
          await put(
            `UPDATE ${quoted(table)} SET ${column} = ${column} || CAST(X'${piece}' AS TEXT) WHERE ${where}`,
          );
        }
      }
    }
    await flush();
    count += rows.length;
    if (rows.length < limit) return count;
    after = (rows.at(-1) ?? []).slice(0, keyNames.length).map(String).join(', ');
  }
}

/** A long text as hexadecimal pieces that end between characters. */
function* piecesOf(literal: string): Generator<string> {
  const hex = /^CAST\(X'([0-9A-F]*)' AS TEXT\)$/.exec(literal)?.[1];
  if (hex === undefined && !literal.startsWith("'")) throw new Error('Only texts are written in pieces.');
  const bytes =
    hex === undefined ? Buffer.from(literal.slice(1, -1).replaceAll("''", "'")) : Buffer.from(hex, 'hex');
  for (let start = 0; start < bytes.length;) {
    let end = Math.min(start + maxLiteralBytes, bytes.length);
    // A byte that begins with the bits 10 continues a character.
    while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
    yield bytes.subarray(start, end).toString('hex');
    start = end;
  }
}

async function dumpSequences(query: Query, put: Put): Promise<Map<string, number>> {
  const rows = await query("SELECT name, seq FROM sqlite_sequence WHERE name NOT GLOB '_cf_*'");
  await put('DELETE FROM sqlite_sequence');
  for (const [name, seq] of rows) {
    await put(`INSERT INTO sqlite_sequence (name, seq) VALUES ('${String(name)}', ${String(seq)})`);
  }
  return new Map(rows.map(([name, seq]) => [String(name), Number(seq)]));
}

/** A search index over a table or a view: made anew, its settings put back, and filled from the table. */
async function dumpIndex(query: Query, { name, sql }: SchemaEntry, put: Put): Promise<void> {
  // The list of an index's words stores nothing itself (sqlite.org/fts5.html, "The fts5vocab Virtual Table Module").
  if (/\bUSING fts5vocab\b/i.test(sql)) return put(sql);
  const option = (key: string): string | undefined =>
    new RegExp(`\\b${key}\\s*=\\s*['"]?(\\w+)['"]?`, 'i').exec(sql)?.[1];
  const table = option('content');
  const rowid = option('content_rowid') ?? 'rowid';
  if (table === undefined) throw new Error(`The search index ${name} is not one over a table.`);
  await put(sql);
  // Such as secure-delete, which is a row and not in the definition.
  const settings = await query(`SELECT k, quote(v) FROM ${quoted(`${name}_config`)} WHERE k <> 'version'`);
  for (const [key, value] of settings) {
    await put(
      `INSERT INTO ${quoted(name)} (${quoted(name)}, rank) VALUES ('${String(key)}', ${String(value)})`,
    );
  }
  const columns = (await columnsOf(query, name)).map((column) => quoted(column.name)).join(', ');
  const [range] = await query(`SELECT min(${rowid}), max(${rowid}) FROM ${quoted(table)}`);
  const [min, max] = range ?? [];
  if (typeof min !== 'number' || typeof max !== 'number') return;
  for (let from = min; from <= max; from += indexedPerStatement) {
    await put(
      `INSERT INTO ${quoted(name)} (rowid, ${columns}) SELECT ${rowid}, ${columns} FROM ${quoted(table)}
  WHERE ${rowid} >= ${String(from)} AND ${rowid} < ${String(from + indexedPerStatement)}`,
    );
  }
}

/** Statements that take everything out of a database: triggers, search indexes, views, tables, newest first. */
export async function dropStatements(query: Query): Promise<string[]> {
  const schema = (await readSchema(query)).filter(({ type }) => type !== 'index').toReversed();
  const order = (entry: SchemaEntry): number =>
    isVirtual(entry) ? 1 : ['trigger', '', 'view', 'table'].indexOf(entry.type);
  return schema
    .toSorted((a, b) => order(a) - order(b))
    .map(({ type, name }) => `DROP ${type.toUpperCase()} ${quoted(name)}`);
}

/** The text of one statement in a dump. */
export const statementText = (sql: string): string => `${sql};\n${separator}\n`;

/** Reads a dump statement by statement. @param chunks - its text, cut anywhere */
export async function* readStatements(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  const end = `\n${separator}\n`;
  let rest = '';
  for await (const chunk of chunks) {
    const statements = (rest + chunk).split(end);
    rest = statements.pop() ?? '';
    yield* statements;
  }
  if (rest.trim() !== '') throw new Error('The dump ends in the middle of a statement.');
}
