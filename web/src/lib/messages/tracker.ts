/**
 * Words of the tracker above every page, and of the bars and notes that other screens show as the tracker does.
 *
 * @module
 */
import type { WaitingFor } from '../../../../src/shared/progress.ts';
import { formatCount } from './format.ts';

const waits: Record<WaitingFor['kind'], string> = {
  provider_answer: 'Waiting for the mail provider',
  rate_limit: 'Waiting (provider rate limit)',
  mail_slot: 'Waiting (your sending rate)',
  daily_cap: 'Waiting (daily sending limit)',
  crm: 'Waiting for the CRM database',
  platform: 'Waiting for storage',
};

export const trackerMessages = {
  title: 'Activations',
  collapse: 'Hide details',
  expand: 'Show details',
  activation: 'Activation',
  email: 'E-mail',
  activationBar: (name: string) => `Activation progress of ${name}`,
  emailBar: (name: string) => `E-mail progress of ${name}`,
  barText: (done: string, max: string) => `${done} of ${max}`,
  noMails: 'No e-mails to send',
  activated: 'activated',
  sent: 'sent',
  failed: 'failed',
  unknown: 'unknown',
  skipped: 'skipped',
  of: 'of',
  processed: 'processed',
  rate: (rate: string) => `${rate} per second`,
  eta: (duration: string) => `about ${duration} left`,
  etaUnknown: 'estimating time left',
  took: (duration: string) => `took ${duration}`,
  waitingUntil: (time: string) => `Waiting until ${time}.`,
  /** `since` is how long it has waited, `until` when it goes on, where that is known. */
  waitingFor: (kind: WaitingFor['kind'], since: string, until: string | null) =>
    `${waits[kind]}${until === null ? `, ${since}` : ` until ${until}`}`,
  stalledSince: (ago: string) => `No progress since ${ago}.`,
  untitled: 'Starting…',
  startsIn: (seconds: number) => `Starts in ${formatCount(seconds)} s. Nothing has been sent.`,
  undo: 'Undo',
  undoFailed: 'It could not be undone',
  open: (name: string) => `Open ${name}`,
  dismiss: (name: string) => `Dismiss ${name}`,
  more: (count: number) => `${formatCount(count)} more`,
  less: 'Show fewer',
  notify: 'Notify me at the end',
  notifyHint: 'Shows a desktop notification when a run ends while you look elsewhere',
} as const;
