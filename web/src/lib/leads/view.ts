/**
 * What the leads page shows, read from and written to the URL: Back, reload and a shared link give the same view. Pure.
 *
 * @module
 */
import type { LeadFilter, LeadSort, LeadStatus } from '../../../../src/shared/schemas/leads.ts';

export const leadStatuses = ['new', 'active'] as const satisfies readonly LeadStatus[];
export const leadSorts = [
  '-id',
  'id',
  'lastName',
  '-lastName',
  'company',
  '-company',
  'email',
  '-email',
] as const satisfies readonly LeadSort[];
export const pageSizes = [25, 50, 100, 250] as const;

/** Filters by exact values, any of which may hold. */
export const valueFilters = ['source', 'stage', 'consentSource', 'tag', 'externalSource'] as const;
/** Filters by a time: the last days, or from one day to another. */
export const timeFilters = ['created', 'activated'] as const;
export type ValueFilter = (typeof valueFilters)[number];
export type TimeFilter = (typeof timeFilters)[number];
/** What a person can filter by, beside the search. */
export const filterNames = ['status', ...valueFilters, ...timeFilters, 'notMailed', 'importId'] as const;
export type FilterName = (typeof filterNames)[number];

/** Days that a relative filter can go back; 1 is today. */
export const relativeDays = [1, 7, 30, 90] as const;
/** Values of one filter; the server takes no more. */
export const maxFilterValueCount = 20;

type TimeBounds = Record<`${TimeFilter}From` | `${TimeFilter}To`, number | null>;

export type LeadView = {
  search: string;
  status: LeadStatus | null;
  importId: string | null;
  sort: LeadSort;
  limit: number;
  cursor: string | null;
  /** In days: who was emailed within them is left out; wins over the time. */
  notMailedWithin: number | null;
  /** In epoch milliseconds. */
  notMailedSince: number | null;
} & Record<ValueFilter, readonly string[]> &
  /** In days; wins over the bounds. */
  Record<`${TimeFilter}Within`, number | null> &
  /** In epoch milliseconds. */
  TimeBounds;

/** A view without any filter but the search. */
export const noFilters = {
  status: null,
  source: [],
  stage: [],
  consentSource: [],
  tag: [],
  externalSource: [],
  importId: null,
  createdWithin: null,
  createdFrom: null,
  createdTo: null,
  activatedWithin: null,
  activatedFrom: null,
  activatedTo: null,
  notMailedWithin: null,
  notMailedSince: null,
} as const satisfies Partial<LeadView>;

const initial: LeadView = { search: '', sort: '-id', limit: 50, cursor: null, ...noFilters };

/** What takes one filter out of a view. */
export function withoutFilter(name: FilterName): Partial<LeadView> {
  switch (name) {
    case 'status':
    case 'importId':
      return { [name]: null };
    case 'notMailed':
      return { notMailedWithin: null, notMailedSince: null };
    case 'source':
    case 'stage':
    case 'consentSource':
    case 'tag':
    case 'externalSource':
      return { [name]: [] };
    case 'created':
    case 'activated':
      return { [`${name}Within`]: null, [`${name}From`]: null, [`${name}To`]: null };
    default:
      return name satisfies never;
  }
}

export function hasFilter(view: LeadView, name: FilterName): boolean {
  return Object.entries(withoutFilter(name)).some(([key, none]) => {
    const value = view[key as keyof LeadView];
    return Array.isArray(value) ? value.length > 0 : value !== none;
  });
}

/** Reads a view from a query; what is not understood falls back, so that a mistyped link still opens. */
export function parseLeadView(query: Pick<URLSearchParams, 'get' | 'getAll'>): LeadView {
  const limit = Number(query.get('limit'));
  const values = (name: ValueFilter): readonly string[] =>
    [...new Set(query.getAll(name).map((value) => value.slice(0, 1_000)))]
      .filter((value) => value !== '')
      .slice(0, maxFilterValueCount);
  const number = (name: string): number | null => {
    const value = query.get(name) ?? '';
    return /^\d{1,15}$/.test(value) ? Number(value) : null;
  };
  const days = (name: string): number | null => relativeDays.find((it) => it === number(name)) ?? null;
  return {
    search: (query.get('search') ?? '').trim().slice(0, 100),
    status: leadStatuses.find((status) => status === query.get('status')) ?? null,
    source: values('source'),
    stage: values('stage'),
    consentSource: values('consentSource'),
    tag: values('tag'),
    externalSource: values('externalSource'),
    importId: query.get('importId')?.slice(0, 64) || null,
    createdWithin: days('createdWithin'),
    createdFrom: number('createdFrom'),
    createdTo: number('createdTo'),
    activatedWithin: days('activatedWithin'),
    activatedFrom: number('activatedFrom'),
    activatedTo: number('activatedTo'),
    notMailedWithin: days('notMailedWithin'),
    notMailedSince: number('notMailedSince'),
    sort: leadSorts.find((sort) => sort === query.get('sort')) ?? initial.sort,
    limit: pageSizes.find((size) => size === limit) ?? initial.limit,
    cursor: query.get('cursor') || null,
  };
}

const singleNames = [
  'status',
  'importId',
  'createdWithin',
  'createdFrom',
  'createdTo',
  'activatedWithin',
  'activatedFrom',
  'activatedTo',
  'notMailedWithin',
  'notMailedSince',
] as const satisfies readonly (keyof LeadView)[];

/** The query of a view, without what is as usual. */
export function leadViewQuery(view: LeadView): string {
  const query = new URLSearchParams();
  if (view.search !== '') query.set('search', view.search);
  for (const name of valueFilters) for (const value of view[name]) query.append(name, value);
  for (const name of singleNames) {
    const value = view[name];
    if (value !== null) query.set(name, String(value));
  }
  if (view.sort !== initial.sort) query.set('sort', view.sort);
  if (view.limit !== initial.limit) query.set('limit', String(view.limit));
  if (view.cursor !== null) query.set('cursor', view.cursor);
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** A change of the view; anything but turning the page begins at the first page again. */
export function changeLeadView(view: LeadView, change: Partial<LeadView>): LeadView {
  return { ...view, cursor: null, ...change };
}

/** Midnight that begins the last so many days, today among them. */
function startOfLast(days: number, nowMs: number): number {
  const now = new Date(nowMs);
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - (days - 1)).getTime();
}

/**
 * The filter that selects all leads of a view, over all its pages. A relative time is read as of now, and
 * begins at a midnight: the same filter for the whole day.
 */
export function filterOf(view: LeadView, nowMs: number = Date.now()): LeadFilter {
  const filter: LeadFilter = {};
  if (view.search !== '') filter.search = view.search;
  if (view.status !== null) filter.status = view.status;
  for (const name of valueFilters) {
    const [first, ...others] = view[name];
    if (first !== undefined) filter[name] = others.length === 0 ? first : [first, ...others];
  }
  if (view.importId !== null) filter.importId = view.importId;
  for (const name of timeFilters) {
    const days = view[`${name}Within`];
    const from = days === null ? view[`${name}From`] : startOfLast(days, nowMs);
    const to = days === null ? view[`${name}To`] : null;
    if (from !== null) filter[`${name}From`] = from;
    if (to !== null) filter[`${name}To`] = to;
  }
  const { notMailedWithin: days } = view;
  const since = days === null ? view.notMailedSince : startOfLast(days, nowMs);
  if (since !== null) filter.notMailedSince = since;
  return filter;
}

export const sameLeadFilter = (a: LeadFilter, b: LeadFilter): boolean =>
  JSON.stringify(a) === JSON.stringify(b);

export function isFiltered(view: LeadView): boolean {
  return view.search !== '' || filterNames.some((name) => hasFilter(view, name));
}

/** The saved view that is shown: the same filters and order, on whatever page and of whatever size. */
export function appliedView<View extends { query: string }>(
  views: readonly View[],
  view: LeadView,
): View | null {
  const shape = (it: LeadView): string => leadViewQuery({ ...it, cursor: null, limit: initial.limit });
  const shown = shape(view);
  return views.find(({ query }) => shape(parseLeadView(new URLSearchParams(query))) === shown) ?? null;
}

/** What a click on the head of a column sorts by: the other way round if it is the order already. */
export function nextSort(sort: LeadSort, key: 'id' | 'email' | 'lastName' | 'company'): LeadSort {
  if (sort === key) return `-${key}`;
  if (sort === `-${key}`) return key;
  // The newest first is what people look for; names begin at A.
  return key === 'id' ? '-id' : key;
}
