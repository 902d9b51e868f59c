/**
 * Words of the page of one activation.
 *
 * @module
 */
import type { TimelineKind } from '../../../../src/shared/timeline.ts';
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;
const mails = (count: number): string => `${formatCount(count)} ${plural(count, 'e-mail', 'e-mails')}`;
const byWhom = (by: string | null): string => (by === null ? '' : ` by ${by}`);

export const activationMessages = {
  title: 'Activation',
  back: 'Activity',
  notFound: { title: 'There is no such run', text: 'It may have been erased.', action: 'Go to activity' },
  failed: 'The run could not be loaded',
  started: 'Started',
  finished: 'Finished',
  took: 'Took',
  rate: 'Rate',
  eta: 'Time left',
  owner: 'Started by',
  perSecond: (rate: string) => `${rate}/s`,
  pause: 'Pause',
  resume: 'Resume',
  cancel: 'Cancel run',
  retryFailed: (count: number) => `Retry ${formatCount(count)} failed`,
  retryUnknown: (count: number) => `Retry ${formatCount(count)} unknown`,
  check: 'Check with the provider',
  assumeSent: 'Assume sent',
  erase: 'Erase run',
  wasErased: (name: string) => `${name} is erased`,
  eraseConfirm: {
    title: 'Erase this run?',
    text: (decided: number, open: number) =>
      [
        `Its numbers, its log and the results of ${leads(decided)} are removed for good, for everyone.`,
        ...(open > 0 ? [`${leads(open)} that still wait get no e-mail from it.`] : []),
        'The leads stay as they are, and what was sent stays sent.',
      ].join(' '),
    action: 'Erase',
  },
  outcomes: 'Results',
  outcomeActivated: 'Activated',
  outcomeSkipped: 'Skipped',
  outcomeNotActivated: 'Not activated',
  outcomeSent: 'Sent',
  outcomeFailed: 'Failed',
  outcomeUnknown: 'Unknown',
  outcomeDelivered: 'Delivered',
  outcomeBounced: 'Bounced',
  outcomeComplained: 'Complained',
  about: (duration: string) => `about ${duration}`,
  throughput: 'Throughput',
  throughputFailed: 'The throughput could not be loaded',
  throughputPending: 'A plot appears here as soon as there is something to draw.',
  throughputNone: 'This run was over too soon for a plot.',
  plotMissing: 'The plot could not be loaded. Reload the page to try again.',
  plotSummary: (average: string, peak: string) => `on average ${average} e-mails per second, at most ${peak}`,
  plotTime: 'Time',
  plotSent: 'Sent',
  plotFailed: 'Failed or unknown',
  log: 'What happened',
  logFailed: 'The log could not be loaded',
  logEmpty: 'Nothing was written down for this run.',
  logMore: (count: number) => `Show ${formatCount(count)} earlier`,
  events: {
    started: (count, by) => `Started${byWhom(by)}${count === null ? '' : ` for ${leads(count)}`}`,
    paused: (_, by) => `Paused${by === null ? ' by itself' : byWhom(by)}`,
    resumed: (_, by) => (by === null ? 'Went on by itself' : `Resumed${byWhom(by)}`),
    cancelled: (_, by) => `Cancelled${byWhom(by)}`,
    retried: (count, by) => `${mails(count ?? 0)} put back to be sent${byWhom(by)}`,
    checked: (count, by) =>
      `Mail provider asked about ${count === null || count === 0 ? 'unconfirmed emails' : mails(count)}${byWhom(by)}`,
    assumed_sent: (count, by) => `${mails(count ?? 0)} taken for sent${byWhom(by)}`,
    waiting: () => 'Waited before going on',
    fault: () => 'A call failed and was tried again',
    recovered: (count) =>
      `Interrupted and taken up again${count === null ? '' : `, with ${formatCount(count)} ${plural(count, 'call', 'calls')} on the way`}`,
    finished: () => 'Finished',
  } satisfies Record<TimelineKind, (count: number | null, by: string | null) => string>,
  issues: 'Issues',
  issuesEmpty: 'Nothing went wrong.',
  issuesFailed: 'The issues could not be loaded',
  issueTracks: { activation: 'Activation', email: 'E-mail' },
  issueStates: { failed: 'failed', unknown: 'unknown', skipped: 'skipped' },
  issueWithoutWords: {
    failed: 'No reason was given',
    unknown: 'Nobody knows whether these went out',
    skipped: 'Left out',
  },
  retryThese: 'Retry these',
  retryTheseOf: (text: string) => `Retry these: ${text}`,
  leads: 'Leads',
  leadsTable: 'Results by lead',
  download: 'Download CSV',
  activationFilter: 'Activation',
  emailFilter: 'E-mail',
  any: 'Any',
  columns: { lead: 'Lead', activation: 'Activation', email: 'E-mail', note: 'Note' },
  erased: 'Erased lead',
  leadsEmpty: 'No lead has this result.',
  leadsPending: 'Leads show up here as they are decided.',
  leadsFailed: 'The results could not be loaded',
  refresh: 'Refresh',
  paging: 'Pages of results',
  confirm: {
    pause: {
      title: 'Pause this run?',
      text: (count: number) =>
        `${leads(count)} still wait. Mails on their way are finished first; you can resume at any time.`,
      action: 'Pause',
    },
    resume: {
      title: 'Resume this run?',
      text: (count: number) => `The remaining ${leads(count)} will be activated and mailed.`,
      action: 'Resume',
    },
    cancel: {
      title: 'Cancel this run?',
      text: (count: number) =>
        `${leads(count)} not mailed yet stay as they were. What was sent stays sent; what was on its way and is not confirmed is listed as unknown.`,
      action: 'Cancel run',
    },
    retryFailed: {
      title: 'Retry what failed?',
      text: (count: number) =>
        `${mails(count)} that certainly were not sent will be tried once more. Nobody is mailed twice.`,
      action: 'Retry',
    },
    retryUnknown: {
      title: 'Retry what is unknown?',
      text: (count: number) =>
        `We could not learn whether ${mails(count)} went out. Retrying may mail these people a second time. Check with the provider first while that is offered.`,
      action: 'Retry, may duplicate',
    },
    check: {
      title: 'Check with the mail provider?',
      text: (count: number) =>
        `The provider is asked again under the same keys. Nobody is mailed twice; up to ${mails(count)} that had not left will be sent now.`,
      action: 'Check',
    },
    assumeSent: {
      title: 'Assume these were sent?',
      text: (count: number) =>
        `${mails(count)} whose fate is unknown will be counted as sent and not tried again.`,
      action: 'Assume sent',
    },
  },
} as const;
