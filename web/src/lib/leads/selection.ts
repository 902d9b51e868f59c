/**
 * Which leads are chosen: some by id, or everyone who matches a filter but a few. The second is kept as the
 * filter itself, so that choosing a million costs what choosing one does. Pure and immutable.
 *
 * @module
 */
import type { Audience, LeadFilter } from '../../../../src/shared/schemas.ts';

export type Selection =
  | { kind: 'some'; ids: ReadonlySet<number> }
  | { kind: 'all'; filter: LeadFilter; total: number; excluded: ReadonlySet<number> };

export const nothing: Selection = { kind: 'some', ids: new Set() };

export function isSelected(selection: Selection, id: number): boolean {
  return selection.kind === 'some' ? selection.ids.has(id) : !selection.excluded.has(id);
}

export function selectedCount(selection: Selection): number {
  return selection.kind === 'some'
    ? selection.ids.size
    : Math.max(0, selection.total - selection.excluded.size);
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
export function selectAll(filter: LeadFilter, total: number): Selection {
  return { kind: 'all', filter, total, excluded: new Set() };
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
