/**
 * Pages of a list, found by the key of the row before them (keyset paging) and never by an offset, so that the
 * thousandth page costs what the first does and rows that come or go do not shift it.
 *
 * Owns the cursor and the page's SQL. A cursor is opaque: a short JSON array as base64url. It comes back from
 * outside, so each part is checked. Cursors are in URLs, so no list may put an address into one.
 *
 * @module
 */

type CursorPart = string | number;

/** Characters; longest is a sort value of 1,000 characters, escaped, in base64. */
const maxCursorLength = 12_000;

export function encodeCursor(parts: readonly CursorPart[]): string {
  const bytes = new TextEncoder().encode(JSON.stringify(parts));
  return btoa(String.fromCodePoint(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** The parts of a cursor, or null when it is not one. */
export function decodeCursor(cursor: string): CursorPart[] | null {
  if (cursor.length > maxCursorLength || !/^[\w-]+$/.test(cursor)) return null;
  let parts: unknown;
  try {
    const bytes = atob(cursor.replaceAll('-', '+').replaceAll('_', '/'));
    parts = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))));
  } catch {
    return null;
  }
  return Array.isArray(parts) && parts.every((part) => typeof part === 'string' || typeof part === 'number')
    ? parts
    : null;
}

/** A list in descending order. */
export interface PagedList<Row> {
  /** `SELECT … FROM …` */
  select: string;
  /** What the rows are ordered by, in this order; together it is unique. */
  key: readonly { column: string; type: 'integer' | 'text'; of: (row: Row) => CursorPart }[];
}

/** A condition of SQL and what is bound to its `?`. */
export type Condition = readonly [sql: string, ...params: CursorPart[]];

export interface PageRequest {
  /** All of them must hold. */
  where?: readonly Condition[];
  /** Of the page before; null: the first page. */
  cursor: string | null;
  limit: number;
}

/** The conditions as the text behind `WHERE`, and their parameters. */
export function allOf(conditions: readonly Condition[]): { sql: string; params: CursorPart[] } {
  return {
    sql: ['1', ...conditions.map(([sql]) => sql)].join(' AND '),
    params: conditions.flatMap(([, ...params]) => params),
  };
}

/** The statement that reads a page and one row more; null when the list did not give out the cursor. */
export function pageStatement<Row>(
  db: D1Database,
  list: PagedList<Row>,
  { where = [], cursor, limit }: PageRequest,
): D1PreparedStatement | null {
  const after = cursor === null ? [] : readKey(list, cursor);
  if (after === null) return null;
  const columns = list.key.map(({ column }) => column);
  const row = (parts: readonly string[]): string =>
    parts.length === 1 ? parts.join() : `(${parts.join(', ')})`;
  const { sql, params } = allOf(
    after.length === 0 ? where : [...where, [`${row(columns)} < ${row(columns.map(() => '?'))}`, ...after]],
  );
  const order = columns.map((column) => `${column} DESC`).join(', ');
  return db.prepare(`${list.select} WHERE ${sql} ORDER BY ${order} LIMIT ?`).bind(...params, limit + 1);
}

function readKey<Row>({ key }: PagedList<Row>, cursor: string): CursorPart[] | null {
  const parts = decodeCursor(cursor);
  if (parts?.length !== key.length) return null;
  const isKey = key.every(({ type }, at) =>
    type === 'text' ? typeof parts[at] === 'string' : Number.isSafeInteger(parts[at]),
  );
  return isKey ? parts : null;
}

/**
 * The page of what was read with a limit of one row more, which says whether there is another page.
 *
 * @param cursorOf - the cursor behind a row
 */
export function takePage<Row>(
  found: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
): { rows: Row[]; nextCursor: string | null } {
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  return { rows, nextCursor: found.length > limit && last !== undefined ? cursorOf(last) : null };
}

/** The cursor behind a row of a list. */
export function cursorBehind<Row>(list: PagedList<Row>): (row: Row) => string {
  return (row) => encodeCursor(list.key.map(({ of }) => of(row)));
}

/**
 * Reads one page.
 *
 * @returns `invalid_cursor` for a cursor that the list did not give out
 */
export async function readPage<Row>(
  db: D1Database,
  list: PagedList<Row>,
  request: PageRequest,
): Promise<{ kind: 'ok'; rows: Row[]; nextCursor: string | null } | { kind: 'invalid_cursor' }> {
  const statement = pageStatement(db, list, request);
  if (statement === null) return { kind: 'invalid_cursor' };
  const { results } = await statement.all<Row>();
  return { kind: 'ok', ...takePage(results, request.limit, cursorBehind(list)) };
}
