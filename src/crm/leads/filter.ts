/**
 * The one place where a `LeadFilter` becomes SQL. Lists, counts, previews and planning all use it, so that what a
 * person sees is what a session does.
 *
 * Owns the meaning of each filter property. Does not query. Invariant: any text that a person types is data, and a
 * search without a meaning matches nobody rather than everybody.
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

/**
 * What a filter is made of. `words`, `import` and an equality give their leads in the order of ids;
 * `range`s have an index too, in an order of their own.
 */
export type LeadCondition = 'words' | 'address' | 'import' | 'new' | 'active' | 'created' | FilterField;

const rangeConditions: ReadonlySet<LeadCondition> = new Set(['address', 'active', 'created']);

export interface LeadFilterOptions {
  /**
   * Read the filter as of this revision of the CRM: leads activated later count as new, and leads edited
   * later are left out. For an audience that is frozen at its start. Not a time: clocks step.
   */
  asOf?: number;
  /**
   * What finds the rows. `filter`: the index of any filtered column. `id`: rows are wanted in the order
   * of their ids, so only what has them in that order: an import, an index that is asked for one value,
   * the table. `order`: the index of another order, so none of the filter's.
   */
  drive?: 'filter' | 'id' | 'order';
  /**
   * The condition that finds the rows, where it is known which one leaves fewest. The others are then
   * asked of their own indexes, which are a tenth of the table, and in the order of ids as they come.
   */
  driver?: LeadCondition | undefined;
  /** SQL of ids, as `id`, that the filter is asked about: leads that are found already. Its params follow. */
  among?: string;
}

/** Greater than any address that begins in the same way. */
const lastCharacter = '\u{10ffff}';

/**
 * The conditions of a filter that an index answers, and so can be a driver.
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
  ];
  return isThere.filter(([, is]) => is).map(([name]) => name);
}

/** A filter as one of its conditions and the rest: a lead matches when it matches both. */
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
      // Nobody is both; the rest says so.
      return [only, { ...rest, status: rest.status === 'new' ? 'new' : undefined }];
    }
    case 'created': {
      const { createdFrom, createdTo, ...rest } = filter;
      return [{ createdFrom, createdTo }, rest];
    }
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
 * Works for any strings, also ones that the schema would refuse.
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

  /** The condition may find the rows: no other one is to, or it is the one. */
  function isOpenTo(condition: LeadCondition): boolean {
    return among === undefined && (options.driver === undefined || options.driver === condition);
  }
  /**
   * A unary plus keeps SQLite from using an index on the column (sqlite.org/queryplanner-ng.html): where
   * another one is to find the rows, or their order is wanted that this index does not have.
   */
  const plus = (condition: LeadCondition): string =>
    drive === 'order' ||
    !isOpenTo(condition) ||
    isSearch ||
    isByImport ||
    (drive === 'id' && rangeConditions.has(condition))
      ? '+'
      : '';
  /** One value of one column. */
  const addEqual = (condition: LeadCondition, index: string, columns: string[], value: string): void => {
    const isDriven = plus(condition) !== '';
    // As of a revision every lead is looked at for its last edit anyway.
    if (isDriven && drive !== 'order' && asOf === undefined) {
      const match = columns.map((column) => `p.${column}`).join(' AND ');
      add(`EXISTS (SELECT 1 FROM leads p INDEXED BY ${index} WHERE ${match} AND p.id = ${table.id})`, value);
    } else addOfLead(columns.map((column) => `${isDriven ? '+' : ''}l.${column}`).join(' AND '), value);
  };

  if (searchTermCount(search) > limits.maxSearchTermCount) add('0');
  else if (fts !== null) {
    if (isSearch) add('leads_fts MATCH ?', fts);
    else {
      // The plus: SQLite would go from one hit to the next, and sort all of them.
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
    // New leads have no activated_at: said in full, so that leads_status has them in the order of ids.
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
    const value = filter[field];
    const { column } = leadFields[field];
    if (value !== undefined) addEqual(field, `leads_${column}`, [`${column} = ?`], value);
  }
  const created = `${plus('created')}l.created_at`;
  if (filter.createdFrom !== undefined) addOfLead(`${created} >= ?`, filter.createdFrom);
  if (filter.createdTo !== undefined) addOfLead(`${created} <= ?`, filter.createdTo);
  if (asOf !== undefined) addOfLead('l.revision <= ?', asOf);
  const from = `${table.name}${table.join}`;
  return {
    from,
    countFrom: looks.atLeads ? from : table.name,
    where: conditions.length === 0 ? '1' : conditions.join(' AND '),
    params,
    // The full-text index and an import's members seek by their own number only; it is l.id's.
    id: table.id,
    isSearch,
  };
}

/** True when an index finds the leads of this filter, but not in the order of their ids. */
export function isRange(filter: LeadFilter): boolean {
  return leadConditions(filter).some(isRangeCondition);
}

export function isRangeCondition(condition: LeadCondition): boolean {
  return rangeConditions.has(condition);
}
