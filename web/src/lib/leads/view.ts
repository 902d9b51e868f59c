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

/** Filters by an exact value, and by a time in epoch milliseconds. */
export const textFilters = ['source', 'stage', 'consentSource', 'importId'] as const;
export const timeFilters = ['createdFrom', 'createdTo', 'activatedFrom', 'activatedTo'] as const;
export type TextFilter = (typeof textFilters)[number];
export type TimeFilter = (typeof timeFilters)[number];

export type LeadView = {
  search: string;
  status: LeadStatus | null;
  sort: LeadSort;
  limit: number;
  cursor: string | null;
} & Record<TextFilter, string | null> &
  Record<TimeFilter, number | null>;

/** The part of a view that the filter panel shows. */
export const noFilters = {
  source: null,
  stage: null,
  consentSource: null,
  importId: null,
  createdFrom: null,
  createdTo: null,
  activatedFrom: null,
  activatedTo: null,
} as const satisfies Partial<LeadView>;

const initial: LeadView = { search: '', status: null, sort: '-id', limit: 50, cursor: null, ...noFilters };

/** Reads a view from a query; what is not understood falls back, so that a mistyped link still opens. */
export function parseLeadView(query: Pick<URLSearchParams, 'get'>): LeadView {
  const limit = Number(query.get('limit'));
  const text = (name: TextFilter): string | null => query.get(name)?.slice(0, 1_000) || null;
  const time = (name: TimeFilter): number | null => {
    const value = query.get(name) ?? '';
    return /^\d{1,15}$/.test(value) ? Number(value) : null;
  };
  return {
    search: (query.get('search') ?? '').trim().slice(0, 100),
    status: leadStatuses.find((status) => status === query.get('status')) ?? null,
    source: text('source'),
    stage: text('stage'),
    consentSource: text('consentSource'),
    importId: text('importId')?.slice(0, 64) ?? null,
    createdFrom: time('createdFrom'),
    createdTo: time('createdTo'),
    activatedFrom: time('activatedFrom'),
    activatedTo: time('activatedTo'),
    sort: leadSorts.find((sort) => sort === query.get('sort')) ?? initial.sort,
    limit: pageSizes.find((size) => size === limit) ?? initial.limit,
    cursor: query.get('cursor') || null,
  };
}

/** The query of a view, without what is as usual. */
export function leadViewQuery(view: LeadView): string {
  const query = new URLSearchParams();
  if (view.search !== '') query.set('search', view.search);
  if (view.status !== null) query.set('status', view.status);
  for (const name of [...textFilters, ...timeFilters]) {
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

/** The filter that chooses all leads of a view, over all its pages. */
export function filterOf(view: LeadView): LeadFilter {
  const set = [...textFilters, ...timeFilters].filter((name) => view[name] !== null);
  return {
    ...(view.search === '' ? {} : { search: view.search }),
    ...(view.status === null ? {} : { status: view.status }),
    ...Object.fromEntries(set.map((name) => [name, view[name]])),
  };
}

/** True when the two views show the same leads in whatever order and page. */
export function sameFilter(a: LeadView, b: LeadView): boolean {
  return JSON.stringify(filterOf(a)) === JSON.stringify(filterOf(b));
}

export function isFiltered(view: LeadView): boolean {
  return Object.keys(filterOf(view)).length > 0;
}

/** How many filters of the panel are set. */
export function panelFilterCount(view: LeadView): number {
  return [...textFilters, ...timeFilters].filter((name) => view[name] !== null).length;
}

/** A local day as `2026-11-23`, for a date field; '' for none. */
export function dayOf(timeMs: number | null): string {
  if (timeMs === null) return '';
  const day = new Date(timeMs);
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${String(day.getFullYear()).padStart(4, '0')}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** The first or last millisecond of a local day; null for what is no day. */
export function timeOf(day: string, edge: 'start' | 'end'): number | null {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (parts === null) return null;
  const [year = 0, month = 0, date = 0] = parts.slice(1).map(Number);
  const timeMs =
    edge === 'start'
      ? new Date(year, month - 1, date).getTime()
      : new Date(year, month - 1, date + 1).getTime() - 1;
  return timeMs >= 0 ? timeMs : null;
}
