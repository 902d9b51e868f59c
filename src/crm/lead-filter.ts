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
  where: string;
  params: SqlValue[];
  /** The selection is driven by the full-text index. */
  isSearch: boolean;
}

export interface LeadFilterOptions {
  /**
   * Read the filter as of this moment (epoch milliseconds): leads activated later count as new, and
   * leads edited later are left out. For an audience that is frozen at its start.
   */
  asOfMs?: number;
  /** Keep the indexes of filtered columns out of it, so that the index of the order drives. */
  byOrder?: boolean;
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
  // A unary plus keeps SQLite from using an index on the column (sqlite.org/queryplanner-ng.html).
  const indexed = options.byOrder === true ? '+' : '';
  const { asOfMs } = options;

  const search = filter.search?.trim() ?? '';
  let isSearch = false;
  if (search !== '') {
    const query = ftsQuery(search);
    isSearch = query !== null;
    if (query === null) add('0');
    else add('leads_fts MATCH ?', query);
  }
  if (filter.status !== undefined) {
    if (asOfMs === undefined) add(`${indexed}l.status = ?`, filter.status);
    else if (filter.status === 'new') add("(+l.status = 'new' OR +l.activated_at > ?)", asOfMs);
    else add(`${indexed}l.status = 'active' AND l.activated_at <= ?`, asOfMs);
  }
  if (filter.source !== undefined) add(`${indexed}l.source = ?`, filter.source);
  if (filter.importId !== undefined) add(`${indexed}l.import_id = ?`, filter.importId);
  if (filter.stage !== undefined) add('l.stage = ?', filter.stage);
  if (filter.consentSource !== undefined) add('l.consent_source = ?', filter.consentSource);
  if (filter.createdFrom !== undefined) add('l.created_at >= ?', filter.createdFrom);
  if (filter.createdTo !== undefined) add('l.created_at <= ?', filter.createdTo);
  if (filter.activatedFrom !== undefined) add('l.activated_at >= ?', filter.activatedFrom);
  if (filter.activatedTo !== undefined) add('l.activated_at <= ?', filter.activatedTo);
  if (asOfMs !== undefined) {
    if (filter.activatedFrom !== undefined || filter.activatedTo !== undefined)
      add('l.activated_at <= ?', asOfMs);
    add('l.updated_at <= ?', asOfMs);
  }
  return {
    // CROSS JOIN fixes the order of the join: the words first, then the leads that have them.
    from: isSearch ? 'leads_fts CROSS JOIN leads l ON l.id = leads_fts.rowid' : 'leads l',
    where: conditions.length === 0 ? '1' : conditions.join(' AND '),
    params,
    isSearch,
  };
}
