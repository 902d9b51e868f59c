/**
 * Which leads are selected: some by id, or all that match a filter except a few. The second is kept as the
 * filter, so that selecting a million leads costs no more than selecting one. Pure and immutable.
 *
 * @module
 */
import type { Audience } from '../../../../src/shared/schemas/activation.ts';
import type { LeadFilter } from '../../../../src/shared/schemas/leads.ts';

export interface AllSelected {
  kind: 'all';
  filter: LeadFilter;
  /** At least so many where it is not exact; the preview and the start count all of them. */
  total: number;
  isTotalExact: boolean;
  excluded: ReadonlySet<number>;
}
export type Selection = { kind: 'some'; ids: ReadonlySet<number> } | AllSelected;

export const nothing: Selection = { kind: 'some', ids: new Set() };

export function isSelected(selection: Selection, id: number): boolean {
  return selection.kind === 'some' ? selection.ids.has(id) : !selection.excluded.has(id);
}

/** How many are selected; at least so many of an inexact total, which taking some out does not bring to none. */
export function selectedCount(selection: Selection): number {
  if (selection.kind === 'some') return selection.ids.size;
  const least = selection.isTotalExact ? 0 : 1;
  return Math.max(least, selection.total - selection.excluded.size);
}

/** Whether {@link selectedCount} is all that can be said of how many are selected. */
export function isCountExact(selection: Selection): boolean {
  return selection.kind === 'some' || selection.isTotalExact;
}

/** Sets some leads to selected or not; works on a page as on one row. */
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

/** The ids from one to another as they are listed, both among them; only `to` where `from` is not listed. */
export function rangeOf(listed: readonly number[], from: number | null, to: number): number[] {
  const start = from === null ? -1 : listed.indexOf(from);
  const end = listed.indexOf(to);
  if (start === -1 || end === -1) return [to];
  return listed.slice(Math.min(start, end), Math.max(start, end) + 1);
}

/** How many of the leads that were picked one by one are not among those on the screen. */
export function notShownCount(selection: Selection, shown: readonly number[]): number {
  if (selection.kind === 'all') return 0;
  const { ids } = selection;
  return ids.size - shown.filter((id) => ids.has(id)).length;
}

/** How the box in the table's head stands. */
export function pageState(selection: Selection, ids: readonly number[]): 'none' | 'some' | 'all' {
  const count = ids.filter((id) => isSelected(selection, id)).length;
  return count === 0 ? 'none' : count === ids.length ? 'all' : 'some';
}

/** The audience of a start request; null when nobody is selected. */
export function audienceOf(selection: Selection): Audience | null {
  if (selectedCount(selection) === 0) return null;
  if (selection.kind === 'some') return { leadIds: [...selection.ids].sort((a, b) => a - b) };
  const excludedIds = [...selection.excluded].sort((a, b) => a - b);
  return { filter: selection.filter, ...(excludedIds.length === 0 ? {} : { excludedIds }) };
}

/** A selection as text, for the storage of a tab. */
export function writeSelection(selection: Selection): string {
  return JSON.stringify(
    selection.kind === 'some'
      ? { kind: 'some', ids: [...selection.ids] }
      : { ...selection, excluded: [...selection.excluded] },
  );
}

const isIds = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((id) => Number.isSafeInteger(id));

/** Reads what {@link writeSelection} wrote; nobody is selected where it is something else. */
export function readSelection(text: string | null): Selection {
  try {
    const value = JSON.parse(text ?? '') as Partial<Record<string, unknown>> | null;
    if (value?.kind === 'some' && isIds(value.ids)) return { kind: 'some', ids: new Set(value.ids) };
    if (
      value?.kind === 'all' &&
      typeof value.filter === 'object' &&
      value.filter !== null &&
      typeof value.total === 'number' &&
      isIds(value.excluded)
    ) {
      return {
        kind: 'all',
        filter: value.filter,
        total: value.total,
        isTotalExact: value.isTotalExact === true,
        excluded: new Set(value.excluded),
      };
    }
  } catch {
    // Others may have written there.
  }
  return nothing;
}
