/**
 * Translates a `LeadFilter` to SQL. Lists, counts, previews and planning all use it, so that a session mails exactly
 * the leads that a person sees.
 *
 * Owns the meaning of each filter property. Does not query. Invariant: typed text is always data, and a search
 * without a usable word matches nobody.
 *
 * @module
 */
import { leadFields } from '../../shared/lead-fields.ts';
import { limits } from '../../shared/limits.ts';
import type { LeadFilter } from '../../shared/schemas/leads.ts';
import { type LabelField, labelFields, labelOf } from './labels.ts';
import { isAddress, searchLookUps, searchTermCount, typedWords } from './search-terms.ts';

/** The values of a field that a filter asks for, each once; any of them may be a lead's. */
function valuesOf(filter: LeadFilter, field: LabelField): string[] {
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
  /** The column of the driving table with the lead's id. */
  id: string;
  /** For pages by id: the columns that are sorted by, which the driving table yields in this order. */
  idOrder: readonly string[];
  /** For pages by id: the condition that a lead comes after this id, or before it when descending. */
  isBeyond(id: number, direction?: 'ASC' | 'DESC'): { sql: string; params: SqlValue[] };
}

/** The `ORDER BY` of a page by id. */
export const byId = (selection: LeadSelection, direction: 'ASC' | 'DESC' = 'ASC'): string =>
  selection.idOrder.map((column) => `${column} ${direction}`).join(', ');

/**
 * {@link LeadSelection.isBeyond} where one column has the id. D1 binds numbers as floating point, and the full-text
 * index seeks by integers only: without the cast it would read every hit before the page.
 */
export const isBeyondIn =
  (id: string): LeadSelection['isBeyond'] =>
  (of, direction = 'ASC') => ({
    sql: `${id} ${direction === 'ASC' ? '>' : '<'} CAST(? AS INTEGER)`,
    params: [of],
  });

/** The most leads of one span in `import_leads`; the table refuses longer ones (migration 0020). */
const maxSpanLength = 10_000;
/** Spans do not overlap and are read in the order of ids, so their leads are, too. Spans are `m` and leads `l`. */
export const isBeyondInSpans: LeadSelection['isBeyond'] = (id, direction = 'ASC') =>
  direction === 'ASC'
    ? { sql: 'm.lead_id > ? AND l.id > ?', params: [id - maxSpanLength, id] }
    : { sql: 'm.lead_id < ? AND l.id < ?', params: [id, id] };

/**
 * The conditions of a page by id that begins after this lead. The cursor is the first: of several bounds of an id SQLite
 * and the full-text index seek by the one that they meet first.
 */
export function pageBeyond(
  selection: LeadSelection,
  id: number,
  direction: 'ASC' | 'DESC' = 'ASC',
): Pick<LeadSelection, 'where' | 'params'> {
  const beyond = selection.isBeyond(id, direction);
  return {
    where: `${beyond.sql} AND ${selection.where}`,
    params: [...beyond.params, ...selection.params],
  };
}

/** SQL of the span with this id, or none: the last one that begins at it or before it, if it reaches so far. */
export const spanWithSql = (importNumber: string, id: string, columns: string): string =>
  `SELECT ${columns} FROM import_leads m
   WHERE m.import_number = ${importNumber} AND m.lead_id <= ${id} ORDER BY m.lead_id DESC LIMIT 1`;

/**
 * The kinds of conditions of a filter. `words` are those that the full-text index answers at once: what was typed, and
 * the values of fields. `notMailed` has no index: only if nothing else is given, the table is read for it.
 */
export type LeadCondition =
  'words' | 'address' | 'external' | 'import' | 'new' | 'active' | 'created' | 'notMailed';

/** Their index has another order than that of ids; all others yield leads in the order of ids. */
const rangeConditions: ReadonlySet<LeadCondition> = new Set(['address', 'external', 'active']);

/** True when a search has a word that the full-text index must find. */
export const hasTypedWords = (filter: LeadFilter): boolean => searchLookUps(filter.search ?? '').fts !== null;

/** True when a filter takes leads with any of several values of one field. */
export const hasSeveralValues = (filter: LeadFilter): boolean =>
  labelFields.some((field) => valuesOf(filter, field).length > 1);

const hasFieldValues = (filter: LeadFilter): boolean =>
  labelFields.some((field) => valuesOf(filter, field).length > 0);

export interface LeadFilterOptions {
  /**
   * Reads the filter as of this revision of the CRM, for an audience that was frozen at its start: leads activated
   * later count as new, and leads edited later are left out. It is not a time, because clocks can be set back.
   */
  asOf?: number;
  /**
   * What finds the rows. `filter`: the index of any filtered column. `id`: the rows are needed in the order of their
   * ids, so only a source in that order: an import, words, new leads, or the table. `order`: the index of another
   * order, so no index of the filter.
   */
  drive?: 'filter' | 'id' | 'order';
  /**
   * The condition that finds the rows, when it is known which one leaves the fewest. The others are then checked for
   * each of its leads, in the order of ids. Typed words find the rows in any case: looking a lead up in the full-text
   * index costs as much as reading some hundred hits.
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
  const { addresses } = searchLookUps(filter.search ?? '');
  const isActive =
    filter.status === 'active' || filter.activatedFrom !== undefined || filter.activatedTo !== undefined;
  const isThere: [LeadCondition, boolean][] = [
    ['words', hasTypedWords(filter) || hasFieldValues(filter)],
    ['address', addresses.length > 0],
    ['external', filter.externalId !== undefined],
    ['import', filter.importId !== undefined],
    ['new', filter.status === 'new'],
    ['active', isActive],
    ['created', filter.createdFrom !== undefined || filter.createdTo !== undefined],
    ['notMailed', filter.notMailedSince !== undefined],
  ];
  return isThere.filter(([, is]) => is).map(([name]) => name);
}

/** Splits a filter into one of its conditions and the rest: a lead matches when it matches both. */
export function splitFilter(filter: LeadFilter, condition: LeadCondition): [LeadFilter, LeadFilter] {
  switch (condition) {
    case 'words':
    case 'address': {
      const isIt = (word: string): boolean => isAddress(word) === (condition === 'address');
      const words = typedWords(filter.search ?? '');
      const only: LeadFilter = { search: words.filter(isIt).join(' ') };
      const rest: LeadFilter = { ...filter, search: words.filter((word) => !isIt(word)).join(' ') };
      for (const field of condition === 'words' ? labelFields : []) {
        if (filter[field] !== undefined) only[field] = filter[field];
        rest[field] = undefined;
      }
      return [only, rest];
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
    case 'external':
      return [{ externalId: filter.externalId }, { ...filter, externalId: undefined }];
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
  const canDrive = drive !== 'order' && among === undefined;
  const isByTyped = fts !== null && canDrive;
  const isByImport = filter.importId !== undefined && !isByTyped && canDrive && isOpenTo('import');
  const isByWords =
    isByTyped || (hasFieldValues(filter) && canDrive && !isByImport && isOpenTo('words') && fts === null);
  // CROSS JOIN fixes the order of the join: the words or the spans first, then their leads.
  const table =
    among !== undefined
      ? { name: `(${among}) c`, join: ' CROSS JOIN leads l ON l.id = c.id', id: 'c.id' }
      : isByWords
        ? { name: 'leads_fts', join: ' CROSS JOIN leads l ON l.id = leads_fts.rowid', id: 'leads_fts.rowid' }
        : isByImport
          ? {
              name: 'import_leads m',
              join: ' CROSS JOIN leads l ON l.id BETWEEN m.lead_id AND m.lead_id + m.more_count',
              id: 'l.id',
            }
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
    isByWords ||
    isByImport ||
    (drive === 'id' && isRangeCondition(condition))
      ? '+'
      : '';

  if (searchTermCount(search) > limits.maxSearchTermCount) add('0');
  else if (isByWords) {
    const labels = labelFields.flatMap((field) => {
      const values = valuesOf(filter, field);
      return values.length === 0
        ? []
        : [`(${values.map((value) => `"${labelOf(field, value)}"`).join(' OR ')})`];
    });
    add('leads_fts MATCH ?', [...(fts === null ? [] : [fts]), ...labels].join(' AND '));
  } else if (fts !== null) {
    // Without the plus SQLite would use this index and then sort all hits.
    add('+l.id IN (SELECT rowid FROM leads_fts WHERE leads_fts MATCH ?)', fts);
  }
  if (fts === null && addresses.length === 0 && search.trim() !== '') add('0');
  for (const address of addresses) {
    const email = `${plus('address')}l.email`;
    addOfLead(`${email} >= ? AND ${email} < ?`, address, `${address}${lastCharacter}`);
  }
  if (filter.externalId !== undefined) {
    addOfLead(`${plus('external')}l.external_id = ?`, filter.externalId);
  }
  if (filter.importId !== undefined) {
    const number = '(SELECT number FROM imports WHERE import_id = ?)';
    const joined = asOf === undefined ? '' : ' AND m.added_revision <= ?';
    const joinedAt = asOf === undefined ? [] : [asOf];
    if (isByImport) addOfLead(`m.import_number = ${number}${joined}`, filter.importId, ...joinedAt);
    else {
      const reaches = `${table.id} <= m.lead_id + m.more_count${joined}`;
      add(`(${spanWithSql(number, table.id, reaches)})`, ...joinedAt, filter.importId);
    }
  }
  if (filter.status === 'new') {
    // New leads have no activated_at. The condition says so, so that the index leads_status yields them in the order
    // of ids.
    const isNew = (lead: string, of: string): string =>
      `${of}${lead}.activated_at IS NULL AND ${of}${lead}.status = 'new'`;
    if (asOf !== undefined) addOfLead("(+l.status = 'new' OR l.activated_revision > ?)", asOf);
    else if (plus('new') === '' || drive === 'order') addOfLead(isNew('l', plus('new')));
    else {
      // In the index, which has a tenth of the table's size. As of a revision every lead is read anyway.
      add(
        `EXISTS (SELECT 1 FROM leads p INDEXED BY leads_status WHERE ${isNew('p', '')} AND p.id = ${table.id})`,
      );
    }
  }
  const wantsActivated = filter.activatedFrom !== undefined || filter.activatedTo !== undefined;
  if (filter.status === 'active' || wantsActivated) {
    const of = plus('active');
    addOfLead(`${of}l.status = 'active'`);
    if (filter.activatedFrom !== undefined) addOfLead(`${of}l.activated_at >= ?`, filter.activatedFrom);
    if (filter.activatedTo !== undefined) addOfLead(`${of}l.activated_at <= ?`, filter.activatedTo);
    if (asOf !== undefined) addOfLead('l.activated_revision <= ?', asOf);
  }
  for (const field of isByWords ? [] : labelFields) {
    const values = valuesOf(filter, field);
    if (values.length === 0) continue;
    const marks = values.map(() => '?').join(', ');
    if (field === 'tag') {
      const isTag = "instr(' ' || l.tags || ' ', ' ' || ? || ' ') > 0";
      addOfLead(`(${values.map(() => isTag).join(' OR ')})`, ...values.map((value) => labelOf('tag', value)));
      continue;
    }
    const column = field === 'externalSource' ? 'external_source' : leadFields[field].column;
    addOfLead(`+l.${column} IN (${marks})`, ...values);
  }
  const { createdFrom, createdTo } = filter;
  if (createdFrom !== undefined || createdTo !== undefined) {
    const from = createdFrom ?? Number.MIN_SAFE_INTEGER;
    const to = createdTo ?? Number.MAX_SAFE_INTEGER;
    // Only these ids can have been created then, because ids rise with time as far as clocks do.
    const blocks = 'FROM lead_blocks WHERE last_created_at >= ? AND first_created_at <= ?';
    const isOfOther = options.driver !== undefined && isRangeCondition(options.driver);
    const id = `${drive === 'order' || isOfOther ? '+' : ''}${table.id}`;
    add(`${id} >= (SELECT min(block) << 12 ${blocks})`, from, to);
    add(`${id} < (SELECT max(block) + 1 << 12 ${blocks})`, from, to);
    if (table.id === 'l.id') addOfLead('+l.created_at BETWEEN ? AND ?', from, to);
    else {
      // The lead's row is read only where its block has other times too.
      add(
        `((SELECT b.first_created_at >= ? AND b.last_created_at <= ? FROM lead_blocks b WHERE b.block = ${table.id} >> 12)
          OR (SELECT p.created_at FROM leads p WHERE p.id = ${table.id}) BETWEEN ? AND ?)`,
        ...[from, to, from, to],
      );
    }
  }
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
    // The full-text index can seek only by its own number, which equals l.id.
    id: table.id,
    ...(isByImport
      ? { idOrder: ['m.lead_id', 'l.id'], isBeyond: isBeyondInSpans }
      : { idOrder: [table.id], isBeyond: isBeyondIn(table.id) }),
  };
}

/** True when an index finds the leads of this filter, but not in the order of their ids. */
export function isRange(filter: LeadFilter): boolean {
  return leadConditions(filter).some(isRangeCondition);
}

export function isRangeCondition(condition: LeadCondition): boolean {
  return rangeConditions.has(condition);
}
