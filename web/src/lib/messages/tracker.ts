/**
 * Words of the tracker at the foot of every page, and of the bars that other screens show as the tracker does.
 *
 * @module
 */
import { formatCount } from './format.ts';

export const trackerMessages = {
  title: 'Activations in progress',
  collapse: 'Show less',
  expand: 'Show details',
  more: (count: number) => `+${formatCount(count)}`,
  expandMore: (count: number) => `+${formatCount(count)} more, show details`,
  bar: (name: string) => `Progress of ${name}`,
  barText: (done: string, max: string) => `${done} of ${max}`,
  counts: (done: number, total: number) => `${formatCount(done)}/${formatCount(total)}`,
  left: (duration: string) => `${duration} left`,
  layers: {
    delivered: 'delivered',
    sent: 'sent',
    unconfirmed: 'unconfirmed',
    failed: 'failed',
    activated: 'waiting for their email',
    skipped: 'skipped',
  },
  activated: 'activated',
  sent: 'sent',
  failed: 'failed',
  processed: 'done',
  of: 'of',
  rate: (rate: string) => `${rate} per second`,
  untitled: 'Starting…',
  away: (label: string) => `While you were away: ${label.charAt(0).toLowerCase()}${label.slice(1)}`,
  undo: 'Undo',
  undoFailed: 'It could not be undone',
  commandFailed: (name: string) => `“${name}” could not be changed`,
  pause: (name: string) => `Pause ${name}`,
  resume: (name: string) => `Resume ${name}`,
  pauseShort: 'Pause',
  resumeShort: 'Resume',
  open: (name: string) => `Open ${name}`,
  dismiss: (name: string) => `Dismiss ${name}`,
  notify: 'Notify me when done',
  notifyHint: 'Shows a desktop notification when an activation ends while you look elsewhere',
} as const;
