/**
 * Words of what is done with selected leads at once. Loaded with its dialog.
 *
 * @module
 */
import { formatCount, plural } from './format.ts';

const leads = (count: number, isExact = true): string =>
  isExact ? `${formatCount(count)} ${plural(count, 'lead', 'leads')}` : `${formatCount(count)} or more leads`;

export const bulkMessages = {
  edit: {
    title: (count: number, isExact: boolean) => `Edit ${leads(count, isExact)}`,
    text: 'The same stage or source for all selected leads.',
    field: 'Field',
    fields: { stage: 'Stage', source: 'Source' },
    value: 'New value',
    empty: 'Left empty, the field is cleared.',
    action: (count: number, isExact: boolean) => `Change ${leads(count, isExact)}`,
    working: 'Changing…',
    done: (count: number) => `${leads(count)} changed`,
  },
  tag: {
    title: (count: number, isExact: boolean) => `Tags of ${leads(count, isExact)}`,
    text: 'A tag is a list: filter by it, or activate everyone who has it. A lead can have up to 20 tags.',
    change: 'Change',
    changes: { add: 'Add', remove: 'Remove' },
    value: 'Tags, with commas between',
    action: (count: number, isExact: boolean) => `Change ${leads(count, isExact)}`,
    working: 'Changing…',
    done: (count: number) => `${leads(count)} changed`,
  },
  suppress: {
    title: (count: number, isExact: boolean) => `Suppress ${leads(count, isExact)}`,
    text: 'No activation emails these addresses any more, also when they are imported again. The leads stay.',
    note: 'Reason or source (optional)',
    action: (count: number, isExact: boolean) => `Suppress ${leads(count, isExact)}`,
    working: 'Suppressing…',
    done: (count: number) => `${leads(count)} suppressed`,
  },
  export: {
    title: (count: number, isExact: boolean) => `Export ${leads(count, isExact)}`,
    text: 'A CSV file with all fields of these leads. It holds personal data; the audit records who exported how many.',
    action: () => 'Download CSV',
    working: 'Preparing…',
    done: () => 'CSV file saved',
  },
  remove: {
    title: (count: number, isExact: boolean) => `Delete ${leads(count, isExact)}?`,
    text: 'They are erased for good, with their history in activations and imports. Suppressed addresses stay suppressed.',
    tooMany: (max: number) =>
      `At most ${leads(max)} are deleted at once. Narrow the selection, or undo the import that brought them.`,
    confirm: (count: number) => `Type ${formatCount(count)} to confirm`,
    action: (count: number, isExact: boolean) => `Delete ${leads(count, isExact)}`,
    working: 'Deleting…',
    done: (count: number) => `${leads(count)} deleted`,
  },
  progress: (seen: number, count: number, isExact: boolean) =>
    seen === 0 ? 'Starting…' : `${formatCount(seen)} of ${leads(Math.max(seen, count), isExact)}`,
  stop: 'Stop',
  stopped: (changed: number) => `Stopped after ${leads(changed)}. What is done stays done.`,
  broken: (changed: number) => `${leads(changed)} done before this. Trying again is safe.`,
} as const;
