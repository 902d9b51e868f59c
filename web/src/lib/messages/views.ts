/**
 * Words of the filters and saved views of the leads page.
 *
 * @module
 */
import { formatCount, formatDay, formatEither, plural } from './format.ts';

const day = (count: number): string => `last ${formatCount(count)} ${plural(count, 'day', 'days')}`;

export const viewMessages = {
  add: '+ Filter',
  addLabel: 'Add a filter',
  names: {
    status: 'Status',
    source: 'Source',
    stage: 'Stage',
    consentSource: 'Consent',
    tag: 'Tag',
    externalSource: 'System',
    created: 'Added',
    activated: 'Activated',
    notMailed: 'Not emailed',
    importId: 'Import',
  },
  back: 'All filters',
  chip: (name: string, value: string) => `${name}: ${value}`,
  editChip: (name: string, value: string) => `Edit filter ${name}: ${value}`,
  removeChip: (name: string) => `Remove filter ${name}`,
  /** `Fair, Webinar`, and from three on `Fair, +2`. */
  values: (values: readonly string[]) =>
    values.length <= 2 ? values.join(', ') : `${values[0]}, +${formatCount(values.length - 1)}`,
  findValue: (name: string) => `Find a ${name.toLocaleLowerCase()}`,
  noValues: 'No lead has a value here.',
  noValueFound: 'Nothing found.',
  tooMany: (count: number) => `At most ${formatCount(count)} values at once.`,
  within: (days: number) => (days === 1 ? 'Today' : `Last ${formatCount(days)} days`),
  withinShort: (days: number) => (days === 1 ? 'today' : day(days)),
  between: (fromMs: number | null, toMs: number | null) =>
    fromMs === null
      ? toMs === null
        ? ''
        : `until ${formatDay(toMs)}`
      : toMs === null
        ? `since ${formatDay(fromMs)}`
        : `${formatDay(fromMs)} – ${formatDay(toMs)}`,
  from: 'From',
  to: 'To',
  importFallback: 'one import',
  removeFilter: 'Remove this filter',
  tabs: 'Saved views',
  allLeads: 'All leads',
  save: '+ Save view',
  saveAction: 'Save',
  name: 'View name',
  remove: (name: string) => `Delete view ${name}`,
  removed: (name: string) => `“${name}” deleted.`,
  undo: 'Undo',
  failed: 'The view was not changed',
  describe: {
    search: (search: string) => `matching "${search}"`,
    status: (status: string) => `with status ${status}`,
    source: (values: readonly string[]) => `source ${formatEither(values.map((value) => `"${value}"`))}`,
    stage: (values: readonly string[]) => `stage ${formatEither(values.map((value) => `"${value}"`))}`,
    consentSource: (values: readonly string[]) =>
      `consent ${formatEither(values.map((value) => `"${value}"`))}`,
    tag: (values: readonly string[]) => `tagged ${formatEither(values.map((value) => `"${value}"`))}`,
    externalSource: (values: readonly string[]) =>
      `known to ${formatEither(values.map((value) => `"${value}"`))}`,
    import: 'of one import',
    createdFrom: (from: string) => `added since ${from}`,
    createdTo: (to: string) => `added until ${to}`,
    activatedFrom: (from: string) => `activated since ${from}`,
    activatedTo: (to: string) => `activated until ${to}`,
    notMailedSince: (from: string) => `not emailed since ${from}`,
  },
} as const;
