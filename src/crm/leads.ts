/**
 * The leads themselves: listing by keyset pages, reading, editing, erasing.
 *
 * Never OFFSET: a page is found by the sort value and id of the row before it, so that the thousandth
 * page costs what the first does and rows that come or go do not shift it.
 *
 * @module
 */
import type { Lead, LeadFilter, LeadPage, LeadPatch, LeadSort } from '../shared/schemas.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { HashEmail } from './email-hash.ts';
import { isUsableEmail, normalizeEmail } from './email.ts';
import { compileLeadFilter, isRange, type SqlValue } from './lead-filter.ts';
import { leadColumns, toLead, type LeadRow } from './lead-row.ts';

const sortColumns = {
  id: 'id',
  email: 'email',
  lastName: 'last_name',
  company: 'company',
} as const;
type SortColumn = (typeof sortColumns)[keyof typeof sortColumns];

function readSort(sort: LeadSort): { column: SortColumn; descending: boolean } {
  switch (sort) {
    case 'id':
    case 'email':
    case 'lastName':
    case 'company':
      return { column: sortColumns[sort], descending: false };
    case '-id':
      return { column: 'id', descending: true };
    case '-email':
      return { column: 'email', descending: true };
    case '-lastName':
      return { column: 'last_name', descending: true };
    case '-company':
      return { column: 'company', descending: true };
    default:
      return sort satisfies never;
  }
}

/**
 * Below this many matches a filtered list is sorted out of the filter's index; above it, the index of
 * the sort is walked until a page is full. Either way a page costs about this many rows at most: with
 * more matches than this among a million leads, 50 of them come within 10,000 steps on average.
 */
const maxSortedMatchCount = 5_000;

/** The SQL of one page, apart from running it, so that its query plan can be asserted. */
export function leadPageQuery(query: {
  filter: LeadFilter;
  sort: LeadSort;
  after: { value: string | null; id: number } | null;
  limit: number;
  matchCount: number;
}): { sql: string; params: SqlValue[] } {
  const { column, descending } = readSort(query.sort);
  const isLarge = query.matchCount > maxSortedMatchCount;
  const byOrder = column !== 'id' && isLarge;
  const drive = byOrder ? 'order' : isLarge ? 'id' : 'filter';
  const { from, where, params, id } = compileLeadFilter(query.filter, { drive });
  const hasFilter = where !== '1';
  const direction = descending ? 'DESC' : 'ASC';
  const than = descending ? '<' : '>';
  // A few rows of a range are found by its index and sorted; by id they would be looked for in the table.
  const isSorted = column === 'id' && drive === 'filter' && isRange(query.filter) && id === 'l.id';

  const conditions = [where];
  if (query.after !== null && column === 'id') {
    conditions.push(`${isSorted ? '+' : ''}${id} ${than} ?`);
    params.push(query.after.id);
  } else if (query.after !== null) {
    // The unary plus leaves the sort's index out where the filter's index is to find the rows.
    const key = byOrder || !hasFilter ? `l.${column}` : `+l.${column}`;
    const value = query.after.value === null ? `(SELECT c.${column} FROM leads c WHERE c.id = ?)` : '?';
    conditions.push(`(${key}, l.id) ${than} (${value}, ?)`);
    params.push(query.after.value ?? query.after.id, query.after.id);
  }
  const order =
    column === 'id'
      ? `${isSorted ? '+' : ''}${id} ${direction}`
      : `${byOrder || !hasFilter ? '' : '+'}l.${column} ${direction}, l.id ${direction}`;
  return {
    sql: `SELECT ${leadColumns} FROM ${from} WHERE ${conditions.join(' AND ')} ORDER BY ${order} LIMIT ?`,
    params: [...params, query.limit],
  };
}

/**
 * How many leads match, exactly. Of all leads, and of those of one status, the count is one row read;
 * every other filter counts its matches.
 */
export async function countLeads(db: D1Database, filter: LeadFilter): Promise<number> {
  const { status, search = '', ...others } = filter;
  if (search.trim() === '' && Object.values(others).every((value) => value === undefined)) {
    const counts = await db
      .prepare('SELECT new_count, active_count FROM lead_counts')
      .first<{ new_count: number; active_count: number }>();
    if (counts === null) throw new Error('The lead counts are missing.');
    if (status === undefined) return counts.new_count + counts.active_count;
    return status === 'new' ? counts.new_count : counts.active_count;
  }
  const { countFrom, where, params } = compileLeadFilter(filter);
  const row = await db
    .prepare(`SELECT count(*) AS n FROM ${countFrom} WHERE ${where}`)
    .bind(...params)
    .first<{ n: number }>();
  return row?.n ?? 0;
}

/**
 * One page of the leads that match, with the count of all that match.
 *
 * @returns `invalid_cursor` for a cursor that this list, in this order, did not give out
 */
export async function listLeads(
  db: D1Database,
  query: { filter: LeadFilter; sort: LeadSort; cursor: string | null; limit: number },
): Promise<{ kind: 'ok'; page: LeadPage } | { kind: 'invalid_cursor' }> {
  const { filter, sort, limit } = query;
  let after: { value: string | null; id: number } | null = null;
  if (query.cursor !== null) {
    after = await readCursor(db, query.cursor, sort);
    if (after === null) return { kind: 'invalid_cursor' };
  }
  const total = await countLeads(db, filter);
  // One more than asked for says whether there is a next page.
  const { sql, params } = leadPageQuery({ filter, sort, after, limit: limit + 1, matchCount: total });
  const { results } = await db
    .prepare(sql)
    .bind(...params)
    .all<LeadRow>();
  const leads = results.slice(0, limit).map(toLead);
  const last = leads.at(-1);
  const nextCursor = results.length > limit && last !== undefined ? writeCursor(sort, last) : null;
  return { kind: 'ok', page: { leads, nextCursor, total } };
}

/** A cursor is in URLs, where addresses must not be: in the order of e-mail it is the id alone. */
function writeCursor(sort: LeadSort, lead: Lead): string {
  switch (readSort(sort).column) {
    case 'id':
    case 'email':
      return encodeCursor([sort, lead.id]);
    case 'last_name':
      return encodeCursor([sort, lead.id, lead.lastName]);
    case 'company':
      return encodeCursor([sort, lead.id, lead.company]);
  }
}

async function readCursor(
  db: D1Database,
  cursor: string,
  sort: LeadSort,
): Promise<{ value: string | null; id: number } | null> {
  const parts = decodeCursor(cursor);
  if (parts === null) return null;
  const [cursorSort, id, value, ...rest] = parts;
  if (cursorSort !== sort || typeof id !== 'number' || !Number.isSafeInteger(id) || rest.length > 0)
    return null;
  const { column } = readSort(sort);
  if (column === 'last_name' || column === 'company') return typeof value === 'string' ? { value, id } : null;
  if (value !== undefined) return null;
  // Where the order is by e-mail, the place is lost with its lead.
  if (column === 'email' && (await getLead(db, id)) === null) return null;
  return { value: null, id };
}

/** The lead with this id, or null. */
export async function getLead(db: D1Database, leadId: number): Promise<Lead | null> {
  const row = await db
    .prepare(`SELECT ${leadColumns} FROM leads l WHERE l.id = ?`)
    .bind(leadId)
    .first<LeadRow>();
  return row === null ? null : toLead(row);
}

const patchColumns = {
  email: 'email',
  firstName: 'first_name',
  lastName: 'last_name',
  company: 'company',
  phone: 'phone',
  source: 'source',
  stage: 'stage',
  notes: 'notes',
  consentSource: 'consent_source',
} as const satisfies Record<keyof LeadPatch, string>;

/**
 * Changes the given fields of a lead. A patch that changes nothing leaves `updatedAt` alone, so that
 * running sessions keep the lead.
 *
 * @returns `email_taken` when another lead has the address, whatever its case
 */
export async function updateLead(
  db: D1Database,
  update: { leadId: number; patch: LeadPatch; nowMs: number; hashEmail: HashEmail },
): Promise<{ kind: 'ok'; lead: Lead } | { kind: 'not_found' } | { kind: 'email_taken' }> {
  const { leadId, patch } = update;
  const values: [column: string, value: SqlValue][] = [];
  for (const field of Object.keys(patchColumns) as (keyof LeadPatch)[]) {
    const value = patch[field];
    if (value !== undefined)
      values.push([patchColumns[field], field === 'email' ? normalizeEmail(value) : value.trim()]);
  }
  const email = patch.email === undefined ? null : normalizeEmail(patch.email);
  const isTaken = '(SELECT count(*) FROM leads o WHERE o.email = ? AND o.id <> ?)';
  const statements: D1PreparedStatement[] = [];
  if (values.length > 0) {
    const assignments = values.map(([column]) => `${column} = ?`);
    const params = values.map(([, value]) => value);
    if (email !== null) {
      assignments.push('email_hash = ?', 'email_valid = ?');
      params.push(update.hashEmail(email), isUsableEmail(email) ? 1 : 0);
    }
    const changed = values.map(([column]) => `${column} COLLATE BINARY IS NOT ?`).join(' OR ');
    statements.push(
      db
        .prepare(
          `UPDATE leads SET ${assignments.join(', ')}, updated_at = ?
           WHERE id = ? AND ${isTaken} = 0 AND (${changed})`,
        )
        .bind(...params, update.nowMs, leadId, email, leadId, ...values.map(([, value]) => value)),
    );
  }
  statements.push(
    db
      .prepare(`SELECT ${leadColumns}, ${isTaken} AS taken_count FROM leads l WHERE l.id = ?`)
      .bind(email, leadId, leadId),
  );
  const results = await db.batch<LeadRow & { taken_count: number }>(statements);
  const row = results.at(-1)?.results[0];
  if (row === undefined) return { kind: 'not_found' };
  return row.taken_count > 0 ? { kind: 'email_taken' } : { kind: 'ok', lead: toLead(row) };
}

/**
 * Erases a lead and its words from the search index. Its suppression stays: it has no address in it,
 * and keeps the person from being mailed when a later import brings them back.
 *
 * @param ownedBy - only while this session has activated it, or null: none has
 * @returns false when there was no such lead
 */
export async function eraseLead(db: D1Database, leadId: number, ownedBy?: string | null): Promise<boolean> {
  const isIt = ownedBy === undefined ? 'id = ?1' : 'id = ?1 AND +activated_by IS ?2';
  const params = ownedBy === undefined ? [leadId] : [leadId, ownedBy];
  const results = await db.batch([
    db
      .prepare(
        `UPDATE lead_counts SET
           new_count = new_count - (SELECT count(*) FROM leads WHERE id = ?1 AND +status = 'new'),
           active_count = active_count - (SELECT count(*) FROM leads WHERE id = ?1 AND +status = 'active')
         WHERE EXISTS (SELECT 1 FROM leads WHERE ${isIt})`,
      )
      .bind(...params),
    db.prepare(`DELETE FROM leads WHERE ${isIt}`).bind(...params),
  ]);
  return (results[1]?.meta.changes ?? 0) > 0;
}
