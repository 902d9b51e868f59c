/**
 * The one place where a `LeadFilter` becomes SQL; listing, counting, preview and planning all use it,
 * so that what a person sees is what a session does.
 *
 * Owns: the meaning of each filter property and the quoting of search text. Never runs a query.
 * Keeps true: any text a person types is data, and a search that has no meaning matches nobody
 * rather than everybody.
 *
 * @module
 */
import { limits } from '../shared/limits.ts';
import type { LeadFilter } from '../shared/schemas.ts';

/** A value bound to a `?`. */
export type SqlValue = string | number | null;

/** `SELECT … FROM ${from} WHERE ${where}` with `params`; the leads are `l`. */
export interface LeadSelection {
  from: string;
  /** The same for counting: without the leads where no condition looks at them. */
  countFrom: string;
  where: string;
  params: SqlValue[];
  /** The lead's id as the driving table has it: what pages by id seek by and are ordered by. */
  id: string;
  /** The selection is driven by the full-text index. */
  isSearch: boolean;
}

export interface LeadFilterOptions {
  /**
   * Read the filter as of this moment (epoch milliseconds): leads activated later count as new, and
   * leads edited later are left out. For an audience that is frozen at its start.
   */
  asOfMs?: number;
  /**
   * What finds the rows. `filter`: the index of any filtered column. `id`: rows are wanted in the order
   * of their ids, so only what has them in that order: an import, an index that is asked for one value,
   * the table. `order`: the index of another order, so none of the filter's.
   */
  drive?: 'filter' | 'id' | 'order';
}

/** Characters that the `unicode61` tokenizer makes words of. */
const tokenCharacter = /[\p{L}\p{N}\p{Co}]/u;

/**
 * Compiles the text of a search to an FTS5 query: every word must begin a word of the lead.
 *
 * @returns null where no lead can match: no word has a letter or digit, or there are too many words
 *   (leaving some out would widen the choice)
 */
function ftsQuery(search: string): string | null {
  // Control characters, NUL too, end a word: SQLite would end the query there.
  const words = search.split(/[\s\p{Cc}]+/u).filter((word) => tokenCharacter.test(word));
  if (words.length === 0 || words.length > limits.maxSearchTermCount) return null;
  // A quoted string has no operators in it; `*` after it asks for a prefix.
  return words.map((word) => `"${word.replaceAll('"', '""')}"*`).join(' AND ');
}

/**
 * Compiles a filter. With no properties it selects every lead.
 *
 * Works for any strings, also ones that the schema would refuse.
 */
export function compileLeadFilter(filter: LeadFilter, options: LeadFilterOptions = {}): LeadSelection {
  const conditions: string[] = [];
  const params: SqlValue[] = [];
  const add = (condition: string, ...values: SqlValue[]): void => {
    conditions.push(condition);
    params.push(...values);
  };
  const { asOfMs, drive = 'filter' } = options;
  // A unary plus keeps SQLite from using an index on the column (sqlite.org/queryplanner-ng.html).
  const single = drive === 'order' ? '+' : '';
  const range = drive === 'filter' ? '' : '+';

  const search = filter.search?.trim() ?? '';
  let isSearch = false;
  if (search !== '') {
    const query = ftsQuery(search);
    isSearch = query !== null;
    if (query === null) add('0');
    else add('leads_fts MATCH ?', query);
  }
  const isByImport = filter.importId !== undefined && !isSearch && drive !== 'order';
  if (filter.importId !== undefined) {
    const asOf = asOfMs === undefined ? '' : ' AND m.added_at <= ?';
    const member = `m.import_number = (SELECT number FROM imports WHERE import_id = ?)${asOf}`;
    const values = asOfMs === undefined ? [filter.importId] : [filter.importId, asOfMs];
    if (isByImport) add(member, ...values);
    else add(`EXISTS (SELECT 1 FROM import_leads m WHERE ${member} AND m.lead_id = l.id)`, ...values);
  }
  // New leads have no activated_at: said in full, so that leads_status has them in the order of ids.
  const isNew = `${single}l.status = 'new' AND ${single}l.activated_at IS NULL`;
  if (filter.status === 'new') {
    if (asOfMs === undefined) add(isNew);
    else add("(+l.status = 'new' OR +l.activated_at > ?)", asOfMs);
  }
  const wantsActivated = filter.activatedFrom !== undefined || filter.activatedTo !== undefined;
  if (filter.status === 'active' || wantsActivated) {
    add(`${range}l.status = 'active'`);
    if (filter.activatedFrom !== undefined) add(`${range}l.activated_at >= ?`, filter.activatedFrom);
    if (filter.activatedTo !== undefined) add(`${range}l.activated_at <= ?`, filter.activatedTo);
    if (asOfMs !== undefined) add(`${range}l.activated_at <= ?`, asOfMs);
  }
  if (filter.source !== undefined) add(`${single}l.source = ?`, filter.source);
  if (filter.stage !== undefined) add(`${single}l.stage = ?`, filter.stage);
  if (filter.consentSource !== undefined) add(`${single}l.consent_source = ?`, filter.consentSource);
  if (filter.createdFrom !== undefined) add(`${range}l.created_at >= ?`, filter.createdFrom);
  if (filter.createdTo !== undefined) add(`${range}l.created_at <= ?`, filter.createdTo);
  if (asOfMs !== undefined) add('l.updated_at <= ?', asOfMs);
  // CROSS JOIN fixes the order of the join: the words or the members first, then their leads.
  const driver = isSearch
    ? { table: 'leads_fts', join: ' CROSS JOIN leads l ON l.id = leads_fts.rowid', id: 'leads_fts.rowid' }
    : isByImport
      ? { table: 'import_leads m', join: ' CROSS JOIN leads l ON l.id = m.lead_id', id: 'm.lead_id' }
      : { table: 'leads l', join: '', id: 'l.id' };
  const from = `${driver.table}${driver.join}`;
  return {
    from,
    countFrom: conditions.length === 1 ? driver.table : from,
    where: conditions.length === 0 ? '1' : conditions.join(' AND '),
    params,
    // The full-text index and an import's members seek by their own number only; it is l.id's.
    id: driver.id,
    isSearch,
  };
}

/** True when an index finds the leads of this filter, but not in the order of their ids. */
export function isRange(filter: LeadFilter): boolean {
  return (
    filter.status === 'active' ||
    filter.activatedFrom !== undefined ||
    filter.activatedTo !== undefined ||
    filter.createdFrom !== undefined ||
    filter.createdTo !== undefined
  );
}
