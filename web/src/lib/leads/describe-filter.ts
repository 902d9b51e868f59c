/**
 * Filters in words: of a view, as its chips; of an audience, as a sentence.
 *
 * @module
 */
import type { LeadFilter } from '../../../../src/shared/schemas/leads.ts';
import { formatDay } from '../messages/format.ts';
import { stateMessages } from '../messages/states.ts';
import { viewMessages as m } from '../messages/views.ts';
import { filterNames, hasFilter, type FilterName, type LeadView } from './view.ts';

export interface FilterChip {
  name: FilterName;
  label: string;
  value: string;
}

function valueOf(view: LeadView, name: FilterName): string {
  switch (name) {
    case 'status':
      return view.status === null ? '' : stateMessages.leadStatuses[view.status];
    case 'importId':
      return m.importFallback;
    case 'source':
    case 'stage':
    case 'consentSource':
    case 'tag':
    case 'externalSource':
      return m.values(view[name]);
    case 'notMailed':
      return view.notMailedWithin === null
        ? m.between(view.notMailedSince, null)
        : m.withinShort(view.notMailedWithin);
    case 'created':
    case 'activated': {
      const days = view[`${name}Within`];
      return days === null ? m.between(view[`${name}From`], view[`${name}To`]) : m.withinShort(days);
    }
    default:
      return name satisfies never;
  }
}

/** The filters that are set, in the order in which they are offered. */
export function filterChips(view: LeadView): FilterChip[] {
  return filterNames
    .filter((name) => hasFilter(view, name))
    .map((name) => ({ name, label: m.names[name], value: valueOf(view, name) }));
}

/** Search and filters in one line: `“ueller” · Status: Active`. */
export function describeView(view: LeadView): string {
  return [
    ...(view.search === '' ? [] : [`“${view.search}”`]),
    ...filterChips(view).map(({ label, value }) => m.chip(label, value)),
  ].join(' · ');
}

const asList = (value: string | readonly string[]): readonly string[] =>
  typeof value === 'string' ? [value] : value;

/** The conditions of a filter, each as a part of a sentence. */
export function describeFilter(filter: LeadFilter): string[] {
  const { search, status, source, stage, consentSource, tag, externalSource, importId } = filter;
  const { createdFrom, createdTo, activatedFrom, activatedTo, notMailedSince } = filter;
  const d = m.describe;
  return [
    ...(search === undefined ? [] : [d.search(search)]),
    ...(status === undefined ? [] : [d.status(stateMessages.leadStatuses[status])]),
    ...(source === undefined ? [] : [d.source(asList(source))]),
    ...(stage === undefined ? [] : [d.stage(asList(stage))]),
    ...(consentSource === undefined ? [] : [d.consentSource(asList(consentSource))]),
    ...(tag === undefined ? [] : [d.tag(asList(tag))]),
    ...(externalSource === undefined ? [] : [d.externalSource(asList(externalSource))]),
    ...(importId === undefined ? [] : [d.import]),
    ...(createdFrom === undefined ? [] : [d.createdFrom(formatDay(createdFrom))]),
    ...(createdTo === undefined ? [] : [d.createdTo(formatDay(createdTo))]),
    ...(activatedFrom === undefined ? [] : [d.activatedFrom(formatDay(activatedFrom))]),
    ...(activatedTo === undefined ? [] : [d.activatedTo(formatDay(activatedTo))]),
    ...(notMailedSince === undefined ? [] : [d.notMailedSince(formatDay(notMailedSince))]),
  ];
}
