/**
 * Words of the page of one activation.
 *
 * @module
 */
import type { TimelineKind } from '../../../../src/shared/timeline.ts';
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;
const emails = (count: number): string => `${formatCount(count)} ${plural(count, 'email', 'emails')}`;
const byWhom = (by: string | null): string => (by === null ? '' : ` by ${by}`);

export const activationMessages = {
  title: 'Activation',
  back: 'Activations',
  notFound: {
    title: 'There is no such activation',
    text: 'It may have been erased.',
    action: 'Go to activations',
  },
  failed: 'The activation could not be loaded',
  startedBy: (owner: string, when: string) => `Started by ${owner} ${when}`,
  took: 'Took',
  elapsed: 'Elapsed',
  speed: 'Speed',
  averageSpeed: 'Average speed',
  eta: 'Time left',
  started: 'Started',
  finished: 'Finished',
  perSecond: (rate: string) => `${rate} per second`,
  pause: 'Pause',
  resume: 'Resume',
  cancel: 'Cancel',
  retryFailed: (count: number) => `Retry ${formatCount(count)} failed`,
  retryUnknown: (count: number) => `Retry ${formatCount(count)} unconfirmed`,
  check: 'Check with the provider',
  assumeSent: 'Mark as sent',
  menu: 'More actions',
  duplicate: 'Duplicate this activation',
  duplicateFailed: 'The activation could not be duplicated',
  dialogNotLoaded: 'The dialog did not load. Check your connection, reload the page and try again.',
  notExact: {
    title: 'Select the leads again',
    text: 'Who this activation was for is not kept exactly: search words are deleted when it ends, the rest after a while. A copy could reach other people.',
    action: 'Go to leads',
  },
  erase: 'Erase activation',
  wasErased: (name: string) => `${name} was erased`,
  eraseConfirm: {
    title: 'Erase this activation?',
    text: (decided: number, open: number) =>
      [
        `Its numbers, its timeline and the results of ${leads(decided)} are removed for good, for everyone.`,
        ...(open > 0 ? [`${leads(open)} that still wait get no email from it.`] : []),
        'The leads stay as they are, and what was sent stays sent.',
      ].join(' '),
    action: 'Erase',
  },
  cause: { saidByProvider: (words: string) => `The provider’s answer: ${words}` },
  legend: {
    delivered: 'Delivered',
    sent: 'Sent',
    unconfirmed: 'Unconfirmed',
    failed: 'Failed',
    activated: 'Waiting for their email',
    skipped: 'Skipped',
    rest: 'Not started',
  },
  funnel: 'From selected to delivered',
  steps: { selected: 'Selected', activated: 'Activated', sent: 'Sent', delivered: 'Delivered' },
  drops: {
    skipped: (count: number) => `${formatCount(count)} skipped`,
    notActivated: (count: number) => `${formatCount(count)} not activated`,
    failed: (count: number) => `${formatCount(count)} failed`,
    unknown: (count: number) => `${formatCount(count)} unconfirmed`,
    bounced: (count: number) => `${formatCount(count)} bounced`,
    complained: (count: number) => `${formatCount(count)} marked as spam`,
  },
  noReports: 'The provider does not report deliveries here',
  progress: 'Progress over time',
  plotFailed: 'The timeline could not be loaded',
  plotPending: 'The plot appears here once the first emails are sent.',
  plotNone: 'It was over too soon for a plot.',
  plotNothing: 'No email was sent.',
  plotMissing: 'The plot could not be loaded. Reload the page to try again.',
  plotLabel: (sent: number, failed: number, rate: string | null) =>
    [
      `${emails(sent)} sent`,
      ...(failed > 0 ? [`${formatCount(failed)} failed or unconfirmed`] : []),
      ...(rate === null ? [] : [rate]),
    ].join(', '),
  averageRate: (rate: string) => `${rate} per second on average`,
  peakRate: (rate: string) => `peak ${rate}`,
  plotSent: 'Sent',
  plotFailedSeries: 'Failed or unconfirmed',
  plotPause: 'Paused',
  plotWait: 'Waiting',
  plotAt: (range: string, sent: string, rate: string | null) =>
    [range, `${sent} sent`, ...(rate === null ? [] : [`${rate} per second`])].join(' · '),
  log: 'Timeline',
  logEmpty: 'Nothing has happened yet.',
  logMore: (count: number) => `Show ${formatCount(count)} earlier`,
  less: 'Show fewer',
  zone: (zone: string) => `Times in ${zone}`,
  events: {
    started: (count, by) => `Started${byWhom(by)}${count === null ? '' : ` for ${leads(count)}`}`,
    paused: (_, by) => `Paused${by === null ? ' automatically' : byWhom(by)}`,
    resumed: (_, by) => (by === null ? 'Resumed automatically' : `Resumed${byWhom(by)}`),
    cancelled: (_, by) => `Cancelled${byWhom(by)}`,
    retried: (count, by) => `${emails(count ?? 0)} retried${byWhom(by)}`,
    checked: (count, by) =>
      `Provider asked about ${count === null || count === 0 ? 'unconfirmed emails' : emails(count)}${byWhom(by)}`,
    assumed_sent: (count, by) => `${emails(count ?? 0)} marked as sent${byWhom(by)}`,
    waiting: () => 'Waited before continuing',
    fault: () => 'A call failed and was retried',
    recovered: (count) =>
      `Interrupted and continued${count === null ? '' : `, with ${formatCount(count)} ${plural(count, 'call', 'calls')} in progress`}`,
    finished: () => 'Finished',
  } satisfies Record<TimelineKind, (count: number | null, by: string | null) => string>,
  issues: 'Issues',
  skipped: 'Skipped',
  issuesFailed: 'The issues could not be loaded',
  issueTitles: {
    'email failed': 'Email failed',
    'email unknown': 'Unconfirmed',
    'email skipped': 'Skipped',
    'activation failed': 'Not activated',
    'activation unknown': 'Unconfirmed',
    'activation skipped': 'Skipped',
  },
  addressRefused: 'Address rejected by the provider',
  issueWithoutWords: {
    failed: 'No reason was given',
    unknown: 'The provider did not confirm these emails',
    skipped: 'Skipped',
  },
  retryThese: 'Retry these',
  retryTheseOf: (text: string) => `Retry these: ${text}`,
  proof: {
    summary: (lost: number, accounted: number, retried: number) =>
      [
        retried === 0 ? '0 duplicates' : `${formatCount(retried)} retried by hand`,
        `${formatCount(lost)} lost`,
        `${formatCount(accounted)} accounted for`,
      ].join(' · '),
    how: 'How is this known?',
    sum: 'Every selected lead has exactly one result. The results add up:',
    total: 'selected',
    parts: {
      sent: 'sent',
      failed: 'email failed',
      unknown: 'unconfirmed',
      notActivated: 'not activated',
      skipped: 'skipped',
      waiting: 'waiting for their email',
      remaining: 'not started yet',
    },
    once: 'A lead is in an activation once, and its email is sent in one call under one key. An attempt whose outcome is unclear is repeated under the same key, or counted as unconfirmed. It is never resent without asking.',
    retried: (count: number) =>
      `${emails(count)} ${plural(count, 'was', 'were')} retried by hand. A failed email had not been sent; an unconfirmed one may have been, so its recipient may have received it twice.`,
    lost: (count: number) =>
      `${leads(count)} are missing from the results. This should never happen: please report it.`,
  },
  leads: 'Leads',
  leadsTable: 'Results by lead',
  onlyIssue: (text: string) => `Only: ${text}`,
  clearFilter: 'Show all leads',
  download: 'Download CSV',
  activationFilter: 'Activation',
  emailFilter: 'Email',
  any: 'Any',
  columns: { lead: 'Lead', activation: 'Activation', email: 'Email', note: 'Note', actions: 'Actions' },
  fixAddress: 'Fix address',
  fixAddressOf: (name: string) => `Fix address of ${name}`,
  suppress: 'Suppress',
  suppressOf: (name: string) => `Suppress ${name}`,
  suppressed: (address: string) => `${address} is suppressed`,
  suppressNote: (name: string) => `Failed in the activation “${name}”`,
  suppressFailed: 'The address could not be suppressed',
  erased: 'Erased lead',
  leadsEmpty: 'No lead has this result.',
  leadsPending: 'Leads appear here as they are processed.',
  leadsFailed: 'The results could not be loaded',
  refresh: 'Refresh',
  paging: 'Pages of results',
  cancelDialog: {
    title: 'Cancel this activation?',
    text: 'No email leaves after you cancel. Emails already handed to the provider finish and are counted.',
    action: 'Cancel activation',
    doneTitle: 'Activation cancelled',
    settlingTitle: 'Cancelling…',
    doneText: 'No email leaves any more.',
    settlingText: 'No other email leaves. Emails already in progress are being counted.',
    sent: 'Already sent',
    unconfirmed: 'Unconfirmed',
    failed: 'Failed',
    untouched: 'Leads not touched',
    unconfirmedText: (count: number) =>
      `The provider did not confirm ${emails(count)}. Ask it what happened, or mark ${plural(count, 'it', 'them')} as sent.`,
  },
  confirm: {
    retryFailed: {
      title: 'Retry failed emails?',
      text: (count: number) =>
        `${emails(count)} that certainly were not sent will be tried once more. Nobody is emailed twice.`,
      action: 'Retry',
    },
    retryUnknown: {
      title: 'Retry unconfirmed emails?',
      text: (count: number) =>
        `The provider did not confirm ${emails(count)}. Retrying may email these people a second time. Check with the provider first while that is offered.`,
      action: 'Retry, may duplicate',
    },
    check: {
      title: 'Check with the provider?',
      text: (count: number) =>
        `The provider is asked again under the same keys. Nobody is emailed twice; up to ${emails(count)} that had not left will be sent now.`,
      action: 'Check',
    },
    assumeSent: {
      title: 'Mark as sent?',
      text: (count: number) => `${emails(count)} will be counted as sent and not tried again.`,
      action: 'Mark as sent',
    },
  },
} as const;
