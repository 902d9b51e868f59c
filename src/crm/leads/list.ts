/**
 * The list of leads: which page, in which order, and how many match.
 *
 * A page is found by the sort value and id of the row before it (cursor.ts). Invariant: neither the page nor its
 * count reads more leads than a bound, however many there are. Exceptions: a count from one index, and words in an
 * order by name.
 *
 * @module
 */
import { leadFields, type FieldWith } from '../../shared/lead-fields.ts';
import type { LeadFilter, LeadPage, LeadSort } from '../../shared/schemas/leads.ts';
import { decodeCursor, encodeCursor, takePage } from '../cursor.ts';
import {
  byId,
  compileLeadFilter,
  hasSeveralValues,
  hasTypedWords,
  isRange,
  isRangeCondition,
  leadConditions,
  pageBeyond,
  splitFilter,
  type LeadCondition,
  type SqlValue,
} from './filter.ts';
import { leadColumns, toFoundLead, unmailableSql, type FoundLeadRow, type LeadRow } from './row.ts';
import { countLeads, getLead } from './lead.ts';
import { searchMatcher } from './search-matches.ts';

type SortField = 'id' | FieldWith<'sort'>;

function readSort(sort: LeadSort): { field: SortField; column: string; descending: boolean } {
  const descending = sort.startsWith('-');
  const field = (descending ? sort.slice(1) : sort) as SortField;
  return { field, column: field === 'id' ? 'id' : leadFields[field].column, descending };
}

/**
 * With fewer matches than this, a filtered list is read by the filter's index and sorted. With more, the index of
 * the sort order is read until a page is full. In both cases a page reads about this many rows at most: with more
 * matches than this among a million leads, 50 matches come within 10,000 rows on average.
 */
const maxSortedMatchCount = 5_000;

/** The SQL of one page, separate from its execution, so that tests can check its query plan. */
export function leadPageQuery(query: {
  filter: LeadFilter;
  sort: LeadSort;
  after: { value: string | null; id: number } | null;
  limit: number;
  matchCount: number;
  /** The condition that leaves the fewest leads, when it is known. */
  driver?: LeadCondition | undefined;
}): { sql: string; params: SqlValue[] } {
  const { column, descending } = readSort(query.sort);
  const isLarge = query.matchCount > maxSortedMatchCount;
  const byOrder = column !== 'id' && isLarge;
  const drive = byOrder ? 'order' : isLarge ? 'id' : 'filter';
  // A range does not yield the order of ids, so another condition must.
  const driver =
    drive === 'id' && query.driver !== undefined && isRangeCondition(query.driver) ? undefined : query.driver;
  const selection = compileLeadFilter(query.filter, { drive, driver });
  const { from, where, idOrder } = selection;
  const hasFilter = where !== '1';
  const direction = descending ? 'DESC' : 'ASC';
  const than = descending ? '<' : '>';
  // A few rows of a range are found by its index and sorted; in the order of ids the whole table would be searched
  // for them.
  const isSorted =
    column === 'id' && drive === 'filter' && isRange(query.filter) && idOrder.join() === 'l.id';

  let conditions = where;
  let { params } = selection;
  if (query.after !== null && column === 'id') {
    const page = pageBeyond(selection, query.after.id, direction);
    conditions = `${isSorted ? '+' : ''}${page.where}`;
    params = page.params;
  } else if (query.after !== null) {
    // The unary plus excludes the index of the sort order when the filter's index must find the rows.
    const key = byOrder || !hasFilter ? `l.${column}` : `+l.${column}`;
    const value = query.after.value === null ? `(SELECT c.${column} FROM leads c WHERE c.id = ?)` : '?';
    conditions = `${where} AND (${key}, l.id) ${than} (${value}, ?)`;
    params = [...params, query.after.value ?? query.after.id, query.after.id];
  }
  const order =
    column === 'id'
      ? `${isSorted ? '+' : ''}${byId(selection, direction)}`
      : `${byOrder || !hasFilter ? '' : '+'}l.${column} ${direction}, l.id ${direction}`;
  return {
    sql: `SELECT ${leadColumns}, ${unmailableSql} AS unmailable FROM ${from} WHERE ${conditions} ORDER BY ${order} LIMIT ?`,
    params: [...params, query.limit],
  };
}

/**
 * The most leads that are counted for a page, because a page must not wait for a number. A local database counts
 * each of these in about 15 ms. A start and its preview count exactly, however long it takes (audience.ts).
 */
const maxCounted = {
  /** Hits of typed words or of several values. Each hit is read from one list per word. */
  byWords: 100_000,
  /** Hits of one value of each field: no lists are merged. */
  byValues: 250_000,
  /** Leads that are read in the order of ids, for a time of creation. */
  byCreation: 50_000,
  /** Leads of one condition that are checked against the others. */
  byLookUp: 25_000,
} as const;

/** What is known about the matches of a filter before any lead is read. */
interface LeadSurvey {
  /** The number of matches; a lower bound when it is not exact. */
  total: number;
  isExact: boolean;
  driver: LeadCondition | undefined;
}

/** Counts the matching leads as far as that is quick, and finds the condition that leaves the fewest. */
async function surveyLeads(db: D1Database, filter: LeadFilter): Promise<LeadSurvey> {
  const conditions = leadConditions(filter);
  const [first, ...others] = conditions;
  if (first === undefined) {
    // Without a condition all leads match, or none when a search has no word.
    const total = (filter.search ?? '').trim() === '' ? await countLeads(db) : 0;
    return { total, isExact: true, driver: undefined };
  }
  if (others.length === 0) {
    const kept = keptCount(db, filter, first);
    if (kept !== null) return { total: (await kept.first<number>('n')) ?? 0, isExact: true, driver: first };
    // It has no index: so many leads are looked at, and not so many matches counted.
    if (first === 'notMailed') return { ...(await countByLookUp(db, filter, null)), driver: first };
    const max = maxCountedBy(filter, first);
    const total = (await countUpTo(db, filter, first, max).first<number>('n')) ?? 0;
    return { total: Math.min(total, max), isExact: total <= max, driver: first };
  }
  const indexed = conditions.filter((condition) => condition !== 'notMailed');
  const driver = hasTypedWords(filter) ? 'words' : ((await rarest(db, filter, indexed)) ?? first);
  return { ...(await countByLookUp(db, filter, driver)), driver };
}

/** The most leads that are counted where this is the only condition. */
function maxCountedBy(filter: LeadFilter, condition: LeadCondition): number {
  if (condition === 'created') return maxCounted.byCreation;
  if (condition === 'words') {
    return hasTypedWords(filter) || hasSeveralValues(filter) ? maxCounted.byWords : maxCounted.byValues;
  }
  // Adjacent entries of one index are the fastest to count.
  return Number.MAX_SAFE_INTEGER - 1;
}

/** The condition that leaves the fewest leads. Typed words drive without a count (filter.ts). */
async function rarest(
  db: D1Database,
  filter: LeadFilter,
  conditions: readonly LeadCondition[],
): Promise<LeadCondition | undefined> {
  const sizes = await db.batch<{ n: number }>(
    conditions.map(
      (condition) =>
        keptCount(db, filter, condition) ??
        countUpTo(db, splitFilter(filter, condition)[0], condition, maxCounted.byLookUp),
    ),
  );
  const counts = sizes.map((size) => size.results[0]?.n ?? 0);
  return conditions[counts.indexOf(Math.min(...counts))];
}

/**
 * How many of the driver's first leads match all conditions, and whether these were all of its leads.
 *
 * @param driver - null: of the newest leads of all
 */
async function countByLookUp(
  db: D1Database,
  filter: LeadFilter,
  driver: LeadCondition | null,
): Promise<{ total: number; isExact: boolean }> {
  const max = maxCounted.byLookUp;
  const [only, rest] = driver === null ? [{}, filter] : splitFilter(filter, driver);
  const found = compileLeadFilter(only, driver === null ? {} : { driver });
  const order = driver === null ? `ORDER BY ${byId(found, 'DESC')}` : '';
  const sql = `SELECT ${found.id} AS id FROM ${found.countFrom} WHERE ${found.where} ${order} LIMIT ${max}`;
  const { countFrom, where, params } = compileLeadFilter(rest, { among: sql });
  // The condition is a column and not in WHERE, so that the leads that were read are counted too.
  const row = await db
    .prepare(
      `SELECT count(*) AS looked, sum(matches) AS n FROM (SELECT ${where} AS matches FROM ${countFrom})`,
    )
    .bind(...params, ...found.params)
    .first<{ looked: number; n: number | null }>();
  return { total: row?.n ?? 0, isExact: (row?.looked ?? 0) < max };
}

/** Reads the stored count of all leads of one condition; null where there is none. */
function keptCount(db: D1Database, filter: LeadFilter, condition: LeadCondition): D1PreparedStatement | null {
  const { activatedFrom, activatedTo, importId = '' } = filter;
  if (condition === 'new') return db.prepare('SELECT new_count AS n FROM lead_counts');
  if (condition === 'active' && activatedFrom === undefined && activatedTo === undefined) {
    return db.prepare('SELECT active_count AS n FROM lead_counts');
  }
  if (condition !== 'import') return null;
  return db.prepare('SELECT member_count AS n FROM imports WHERE import_id = ?').bind(importId);
}

/** The leads of a filter of one condition, counted to one more than `max`. */
function countUpTo(
  db: D1Database,
  filter: LeadFilter,
  driver: LeadCondition,
  max: number,
): D1PreparedStatement {
  const { countFrom, where, params } = compileLeadFilter(filter, { driver });
  return db
    .prepare(`SELECT count(*) AS n FROM (SELECT 1 FROM ${countFrom} WHERE ${where} LIMIT ?)`)
    .bind(...params, max + 1);
}

/**
 * One page of the leads that match, with the count of all that match.
 *
 * @returns `invalid_cursor` for a cursor that this list did not give out in this order
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
  const { total, isExact, driver } = await surveyLeads(db, filter);
  const matchCount = isExact ? total : Number.POSITIVE_INFINITY;
  // One row more than the limit shows whether there is a next page.
  const { sql, params } = leadPageQuery({ filter, sort, after, limit: limit + 1, matchCount, driver });
  const { results } = await db
    .prepare(sql)
    .bind(...params)
    .all<FoundLeadRow>();
  const { rows, nextCursor } = takePage(results, limit, (row) => writeCursor(sort, row));
  const found = rows.map(toFoundLead);
  const matchesOf = filter.search === undefined || filter.search === '' ? null : searchMatcher(filter.search);
  const leads = matchesOf === null ? found : found.map((lead) => ({ ...lead, matched: matchesOf(lead) }));
  // A first page that is also the last one has all matches.
  const isAll = after === null && nextCursor === null;
  const page = isAll
    ? { leads, nextCursor, total: leads.length, isTotalExact: true }
    : { leads, nextCursor, total: Math.max(total, results.length), isTotalExact: isExact };
  return { kind: 'ok', page };
}

/** A cursor is in URLs, which must not contain addresses. So in the order of e-mail it has the id only. */
function writeCursor(sort: LeadSort, lead: LeadRow): string {
  const { field } = readSort(sort);
  return encodeCursor(field === 'id' || field === 'email' ? [sort, lead.id] : [sort, lead.id, lead[field]]);
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
  const { field } = readSort(sort);
  if (field !== 'id' && field !== 'email') return typeof value === 'string' ? { value, id } : null;
  if (value !== undefined) return null;
  // In the order of e-mail, the position is lost when its lead is erased.
  if (field === 'email' && (await getLead(db, id)) === null) return null;
  return { value: null, id };
}
