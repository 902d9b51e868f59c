/**
 * Which leads are chosen: some by id, or all that match a filter except a few. The second is kept as the
 * filter, so that choosing a million leads costs no more than choosing one. Pure and immutable.
 *
 * @module
 */
import type { Audience } from '../../../../src/shared/schemas/activation.ts';
import type { LeadFilter } from '../../../../src/shared/schemas/leads.ts';

export type Selection =
  | { kind: 'some'; ids: ReadonlySet<number> }
  | {
      kind: 'all';
      filter: LeadFilter;
      /** At least so many where it is not exact; the preview and the start count all of them. */
      total: number;
      isTotalExact: boolean;
      excluded: ReadonlySet<number>;
    };

export const nothing: Selection = { kind: 'some', ids: new Set() };

export function isSelected(selection: Selection, id: number): boolean {
  return selection.kind === 'some' ? selection.ids.has(id) : !selection.excluded.has(id);
}

/** How many are chosen; at least so many of an inexact total, which taking some out does not bring to none. */
export function selectedCount(selection: Selection): number {
  if (selection.kind === 'some') return selection.ids.size;
  const least = selection.isTotalExact ? 0 : 1;
  return Math.max(least, selection.total - selection.excluded.size);
}

/** Whether {@link selectedCount} is all that can be said of how many are chosen. */
export function isCountExact(selection: Selection): boolean {
  return selection.kind === 'some' || selection.isTotalExact;
}

/** Sets some leads to chosen or not; works on a page as on one row. */
export function setSelected(selection: Selection, ids: readonly number[], selected: boolean): Selection {
  const adds = (selection.kind === 'some') === selected;
  const changed = new Set(selection.kind === 'some' ? selection.ids : selection.excluded);
  for (const id of ids) {
    if (adds) changed.add(id);
    else changed.delete(id);
  }
  return selection.kind === 'some' ? { kind: 'some', ids: changed } : { ...selection, excluded: changed };
}

/** Everyone who matches, over all pages. */
export function selectAll(filter: LeadFilter, total: number, isTotalExact = true): Selection {
  return { kind: 'all', filter, total, isTotalExact, excluded: new Set() };
}

/** How the box in the table's head stands. */
export function pageState(selection: Selection, ids: readonly number[]): 'none' | 'some' | 'all' {
  const count = ids.filter((id) => isSelected(selection, id)).length;
  return count === 0 ? 'none' : count === ids.length ? 'all' : 'some';
}

/** The audience of a start request; null when nobody is chosen. */
export function audienceOf(selection: Selection): Audience | null {
  if (selectedCount(selection) === 0) return null;
  if (selection.kind === 'some') return { leadIds: [...selection.ids].sort((a, b) => a - b) };
  const excludedIds = [...selection.excluded].sort((a, b) => a - b);
  return { filter: selection.filter, ...(excludedIds.length === 0 ? {} : { excludedIds }) };
}
