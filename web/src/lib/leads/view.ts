/**
 * What the leads page shows, as the URL says it: Back, reload and a shared link give the same view. Pure.
 *
 * @module
 */
import type { LeadFilter, LeadSort, LeadStatus } from '../../../../src/shared/schemas.ts';

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

export interface LeadView {
  search: string;
  status: LeadStatus | null;
  sort: LeadSort;
  limit: number;
  cursor: string | null;
}

const initial: LeadView = { search: '', status: null, sort: '-id', limit: 50, cursor: null };

/** Reads a view from a query; what is not understood falls back, so that a mistyped link still opens. */
export function parseLeadView(query: Pick<URLSearchParams, 'get'>): LeadView {
  const limit = Number(query.get('limit'));
  return {
    search: (query.get('search') ?? '').trim().slice(0, 100),
    status: leadStatuses.find((status) => status === query.get('status')) ?? null,
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
  return {
    ...(view.search === '' ? {} : { search: view.search }),
    ...(view.status === null ? {} : { status: view.status }),
  };
}

/** True when the two views show the same leads in whatever order and page. */
export function sameFilter(a: LeadView, b: LeadView): boolean {
  return a.search === b.search && a.status === b.status;
}

export function isFiltered(view: LeadView): boolean {
  return view.search !== '' || view.status !== null;
}
