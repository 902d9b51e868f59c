/**
 * Words of approvals: what waits for one, what an approver looks at, and what was decided.
 *
 * @module
 */
import { formatAgo, formatCount, formatDateTime, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

export const approvalMessages = {
  title: 'Approvals',
  subtitle: 'Activations that wait for a second person, newest first.',
  loadFailed: 'The approvals could not be loaded',
  empty: {
    title: 'Nothing waits for approval',
    text: 'Activations with many leads appear here before anything is sent.',
  },
  list: 'Activations that wait for approval',
  leads,
  line: (owner: string, asked: string, left: string) => `by ${owner} ${asked}, can be approved until ${left}`,
  own: 'Started by you',
  review: 'Review',
  more: 'Load more',

  /** In the dialog, before the start. */
  willWait: (above: number) =>
    above === 0
      ? 'A colleague has to approve this before anything is sent.'
      : `More than ${leads(above)}: a colleague has to approve this before anything is sent.`,
  ask: (count: number) => `Ask to activate ${leads(count)}`,
  askUncounted: 'Ask for approval',
  asking: 'Asking…',
  asked: (name: string) => `${name} waits for approval`,
  askedUntil: (until: number) => `A colleague can approve it until ${formatDateTime(until)}.`,
  show: 'Show',

  card: {
    waiting: 'Waiting for approval',
    until: (until: number, now: number) =>
      `A colleague with the role Approver or Admin can approve it until ${formatDateTime(until)} (${formatAgo(until, now)}). Nothing is sent before.`,
    ownText: 'You started it, so someone else has to decide. You can withdraw it.',
    missesStart:
      'It is to start before that. If it is approved more than an hour after its start time, a person is asked before anything is sent.',
    approved: (by: string, at: number) => `Approved by ${by}, ${formatDateTime(at)}`,
    rejected: (by: string, at: number) => `Rejected by ${by}, ${formatDateTime(at)}`,
    expired: (at: number) => `Nobody approved it until ${formatDateTime(at)}`,
    nothingSent: 'Nothing was sent and no lead was changed.',
    reason: 'Reason',
    plan: 'What will be done',
    mails: 'Emails to five of its leads',
    mailOf: (index: number, count: number) => `${formatCount(index)} of ${formatCount(count)}`,
    mailTo: (to: string) => `To ${to}`,
    previous: 'Previous email',
    next: 'Next email',
    frame: 'Rendered email',
    noMail: 'None of its leads gets an email now.',
    last: 'Compared with the last one like it',
    lastName: (name: string, startedAt: number) => `${name}, ${formatDateTime(startedAt)}`,
    noLast: 'There is no earlier activation with this template or name.',
    noDifference: 'Nothing differs.',
    changedTitle: 'Something has changed since it was asked for',
    changedText: 'It can’t be approved any more. Reject it, so that it is started again with what holds now.',
    approve: (count: number) => `Approve ${leads(count)}`,
    approving: 'Approving…',
    reject: 'Reject',
    withdraw: 'Withdraw',
    failed: 'The request could not be loaded',
    wasApproved: (name: string) => `${name} was approved`,
    wasRejected: (name: string) => `${name} was rejected`,
  },

  rejectDialog: {
    title: 'Reject this activation?',
    text: 'It is cancelled, and nothing is sent. Whoever started it sees your reason.',
    reason: 'Reason',
    hint: 'Say what has to change.',
    action: 'Reject',
  },
} as const;
