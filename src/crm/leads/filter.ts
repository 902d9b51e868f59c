/**
 * Translates a `LeadFilter` to SQL. Lists, counts, previews and planning all use it, so that a session mails exactly
 * the leads that a person sees.
 *
 * Owns the meaning of each filter property. Does not query. Invariant: typed text is always data, and a search
 * without a usable word matches nobody.
 *
 * @module
 */
import { fieldsWith, leadFields, type FieldWith } from '../../shared/lead-fields.ts';
import { limits } from '../../shared/limits.ts';
import type { LeadFilter } from '../../shared/schemas/leads.ts';
import { isAddress, searchLookUps, searchTermCount, typedWords } from './search-terms.ts';

type FilterField = FieldWith<'filter'>;
const filterFields = fieldsWith('filter');
const isFilterField = (condition: LeadCondition): condition is FilterField =>
  filterFields.some((field) => field === condition);

/** The values of a field that a filter asks for, each once; any of them may be a lead's. */
function valuesOf(filter: LeadFilter, field: FilterField): string[] {
  const value = filter[field];
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : [...new Set(value)];
}

/** A value bound to a `?`. */
export type SqlValue = string | number | null;

/** `SELECT … FROM ${from} WHERE ${where}` with `params`; the leads are `l`. */
export interface LeadSelection {
  from: string;
  /** The same for counting: without the table `leads` when no condition reads it. */
  countFrom: string;
  where: string;
  params: SqlValue[];
  /** The column of the driving table with the lead's id; pages by id seek and sort by it. */
  id: string;
  /** The selection is driven by the full-text index. */
  isSearch: boolean;
}

/**
 * The kinds of conditions of a filter. `words`, `import` and an equality yield leads in the order of ids; a `range`
 * has an index with another order. `notMailed` has no index: only if nothing else is given, the table is read for it.
 */
export type LeadCondition =
  'words' | 'address' | 'import' | 'new' | 'active' | 'created' | 'notMailed' | FilterField;

const rangeConditions: ReadonlySet<LeadCondition> = new Set(['address', 'active', 'created']);

export interface LeadFilterOptions {
  /**
   * Reads the filter as of this revision of the CRM, for an audience that was frozen at its start: leads activated
   * later count as new, and leads edited later are left out. It is not a time, because clocks can be set back.
   */
  asOf?: number;
  /**
   * What finds the rows. `filter`: the index of any filtered column. `id`: the rows are needed in the order of their
   * ids, so only a source in that order: an import, an index with one value, or the table. `order`: the index of
   * another order, so no index of the filter.
   */
  drive?: 'filter' | 'id' | 'order';
  /**
   * The condition that finds the rows, when it is known which one leaves the fewest. The others are then checked in
   * their own indexes, which have a tenth of the table's size, in the order of ids.
   */
  driver?: LeadCondition | undefined;
  /**
   * SQL of the ids (as `id`) of leads that were found already and are checked against the filter. Its params follow.
   */
  among?: string;
}

/** Greater than any address with the same beginning. */
const lastCharacter = '\u{10ffff}';

/**
 * The conditions of a filter, of which one can drive the query: those that have an index, and last `notMailed`.
 */
export function leadConditions(filter: LeadFilter): LeadCondition[] {
  const { fts, addresses } = searchLookUps(filter.search ?? '');
  const isActive =
    filter.status === 'active' || filter.activatedFrom !== undefined || filter.activatedTo !== undefined;
  const isThere: [LeadCondition, boolean][] = [
    ['words', fts !== null],
    ['address', addresses.length > 0],
    ['import', filter.importId !== undefined],
    ['new', filter.status === 'new'],
    ['active', isActive],
    ...filterFields.map((field): [LeadCondition, boolean] => [field, filter[field] !== undefined]),
    ['created', filter.createdFrom !== undefined || filter.createdTo !== undefined],
    ['notMailed', filter.notMailedSince !== undefined],
  ];
  return isThere.filter(([, is]) => is).map(([name]) => name);
}

/** Splits a filter into one of its conditions and the rest: a lead matches when it matches both. */
export function splitFilter(filter: LeadFilter, condition: LeadCondition): [LeadFilter, LeadFilter] {
  if (isFilterField(condition)) {
    return [{ [condition]: filter[condition] }, { ...filter, [condition]: undefined }];
  }
  switch (condition) {
    case 'words':
    case 'address': {
      const isIt = (word: string): boolean => isAddress(word) === (condition === 'address');
      const words = typedWords(filter.search ?? '');
      return [
        { search: words.filter(isIt).join(' ') },
        { ...filter, search: words.filter((word) => !isIt(word)).join(' ') },
      ];
    }
    case 'active': {
      const { activatedFrom, activatedTo, ...rest } = filter;
      const only: LeadFilter = { status: 'active', activatedFrom, activatedTo };
      // A lead cannot have both values; the rest keeps the contradiction.
      return [only, { ...rest, status: rest.status === 'new' ? 'new' : undefined }];
    }
    case 'created': {
      const { createdFrom, createdTo, ...rest } = filter;
      return [{ createdFrom, createdTo }, rest];
    }
    case 'notMailed':
      return [{ notMailedSince: filter.notMailedSince }, { ...filter, notMailedSince: undefined }];
    case 'new':
      return [{ status: 'new' }, { ...filter, status: undefined }];
    case 'import':
      return [{ importId: filter.importId }, { ...filter, importId: undefined }];
    default:
      return condition satisfies never;
  }
}

/**
 * Compiles a filter. With no properties it selects every lead.
 *
 * Works for any strings, even those that the schema refuses.
 */
export function compileLeadFilter(filter: LeadFilter, options: LeadFilterOptions = {}): LeadSelection {
  const conditions: string[] = [];
  const params: SqlValue[] = [];
  const looks = { atLeads: false };
  const add = (condition: string, ...values: SqlValue[]): void => {
    conditions.push(condition);
    params.push(...values);
  };
  const addOfLead = (condition: string, ...values: SqlValue[]): void => {
    looks.atLeads = true;
    add(condition, ...values);
  };
  const { asOf, drive = 'filter', among } = options;
  const search = filter.search ?? '';
  const { fts, addresses } = searchLookUps(search);
  const isSearch = fts !== null && drive !== 'order' && among === undefined;
  const isByImport = filter.importId !== undefined && !isSearch && drive !== 'order' && isOpenTo('import');
  // CROSS JOIN fixes the order of the join: the words or the members first, then their leads.
  const table =
    among !== undefined
      ? { name: `(${among}) c`, join: ' CROSS JOIN leads l ON l.id = c.id', id: 'c.id' }
      : isSearch
        ? { name: 'leads_fts', join: ' CROSS JOIN leads l ON l.id = leads_fts.rowid', id: 'leads_fts.rowid' }
        : isByImport
          ? { name: 'import_leads m', join: ' CROSS JOIN leads l ON l.id = m.lead_id', id: 'm.lead_id' }
          : { name: 'leads l', join: '', id: 'l.id' };

  /** True when the condition may find the rows, because it is the driver or there is none. */
  function isOpenTo(condition: LeadCondition): boolean {
    return among === undefined && (options.driver === undefined || options.driver === condition);
  }
  /**
   * A unary plus keeps SQLite from using an index on the column (sqlite.org/queryplanner-ng.html), when another
   * index must find the rows or the rows are needed in another order.
   */
  const plus = (condition: LeadCondition): string =>
    drive === 'order' ||
    !isOpenTo(condition) ||
    isSearch ||
    isByImport ||
    (drive === 'id' && isRangeCondition(condition, filter))
      ? '+'
      : '';
  /** One value of one column. */
  const addEqual = (condition: LeadCondition, index: string, columns: string[], ...of: string[]): void => {
    const isDriven = plus(condition) !== '';
    // As of a revision, every lead is read for its last edit anyway.
    if (isDriven && drive !== 'order' && asOf === undefined) {
      const match = columns.map((column) => `p.${column}`).join(' AND ');
      add(`EXISTS (SELECT 1 FROM leads p INDEXED BY ${index} WHERE ${match} AND p.id = ${table.id})`, ...of);
    } else addOfLead(columns.map((column) => `${isDriven ? '+' : ''}l.${column}`).join(' AND '), ...of);
  };

  if (searchTermCount(search) > limits.maxSearchTermCount) add('0');
  else if (fts !== null) {
    if (isSearch) add('leads_fts MATCH ?', fts);
    else {
      // Without the plus SQLite would use this index and then sort all hits.
      add('+l.id IN (SELECT rowid FROM leads_fts WHERE leads_fts MATCH ?)', fts);
    }
  } else if (addresses.length === 0 && search.trim() !== '') add('0');
  for (const address of addresses) {
    const email = `${plus('address')}l.email`;
    addOfLead(`${email} >= ? AND ${email} < ?`, address, `${address}${lastCharacter}`);
  }
  if (filter.importId !== undefined) {
    const joined = asOf === undefined ? '' : ' AND m.added_revision <= ?';
    const member = `m.import_number = (SELECT number FROM imports WHERE import_id = ?)${joined}`;
    const values = asOf === undefined ? [filter.importId] : [filter.importId, asOf];
    if (isByImport) add(member, ...values);
    else {
      const isMember = `EXISTS (SELECT 1 FROM import_leads m WHERE ${member} AND m.lead_id = ${table.id})`;
      add(isMember, ...values);
    }
  }
  if (filter.status === 'new') {
    // New leads have no activated_at. The condition says so, so that the index leads_status yields them in the order
    // of ids.
    if (asOf === undefined) addEqual('new', 'leads_status', ['activated_at IS NULL', 'status = ?'], 'new');
    else addOfLead("(+l.status = 'new' OR l.activated_revision > ?)", asOf);
  }
  const wantsActivated = filter.activatedFrom !== undefined || filter.activatedTo !== undefined;
  if (filter.status === 'active' || wantsActivated) {
    const of = plus('active');
    addOfLead(`${of}l.status = 'active'`);
    if (filter.activatedFrom !== undefined) addOfLead(`${of}l.activated_at >= ?`, filter.activatedFrom);
    if (filter.activatedTo !== undefined) addOfLead(`${of}l.activated_at <= ?`, filter.activatedTo);
    if (asOf !== undefined) addOfLead('l.activated_revision <= ?', asOf);
  }
  for (const field of filterFields) {
    const values = valuesOf(filter, field);
    const { column } = leadFields[field];
    if (values.length === 0) continue;
    const matches = values.length === 1 ? '= ?' : `IN (${values.map(() => '?').join(', ')})`;
    addEqual(field, `leads_${column}`, [`${column} ${matches}`], ...values);
  }
  const created = `${plus('created')}l.created_at`;
  if (filter.createdFrom !== undefined) addOfLead(`${created} >= ?`, filter.createdFrom);
  if (filter.createdTo !== undefined) addOfLead(`${created} <= ?`, filter.createdTo);
  if (filter.notMailedSince !== undefined) {
    // As of a revision, a lead that was activated later was last mailed before that.
    const mailedAt =
      asOf === undefined
        ? 'coalesce(l.mailed_at, l.activated_at, 0)'
        : `coalesce(iif(+l.status = 'active' AND l.activated_revision > ?, l.mailed_before,
            coalesce(l.mailed_at, l.activated_at)), 0)`;
    addOfLead(`${mailedAt} < ?`, ...(asOf === undefined ? [] : [asOf]), filter.notMailedSince);
  }
  if (asOf !== undefined) addOfLead('l.revision <= ?', asOf);
  const from = `${table.name}${table.join}`;
  return {
    from,
    countFrom: looks.atLeads ? from : table.name,
    where: conditions.length === 0 ? '1' : conditions.join(' AND '),
    params,
    // The full-text index and an import's members can seek only by their own number, which equals l.id.
    id: table.id,
    isSearch,
  };
}

/** True when an index finds the leads of this filter, but not in the order of their ids. */
export function isRange(filter: LeadFilter): boolean {
  return leadConditions(filter).some((condition) => isRangeCondition(condition, filter));
}

/** Several values of one column are in its index one after the other, each with its own leads. */
export function isRangeCondition(condition: LeadCondition, filter: LeadFilter): boolean {
  return (
    rangeConditions.has(condition) || (isFilterField(condition) && valuesOf(filter, condition).length > 1)
  );
}
