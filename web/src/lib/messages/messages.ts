/**
 * Every English sentence of the app, in one object of the shape that a translation would have. Numbers,
 * dates and durations arrive here already formatted; counts that choose a word form arrive as numbers.
 *
 * @module
 */
import type {
  ActivationState,
  EmailState,
  SessionReason,
  SessionState,
  SkipReason,
  WaitingFor,
} from '../../../../src/shared/progress.ts';
import type { TimelineKind } from '../../../../src/shared/timeline.ts';
import type { FooterField } from '../../../../src/shared/footer-fields.ts';
import type { LeadSort, LeadStatus } from '../../../../src/shared/schemas/leads.ts';
import type { Link } from '../sync/wire.ts';
import { formatCount, formatList, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;
const mails = (count: number): string => `${formatCount(count)} ${plural(count, 'e-mail', 'e-mails')}`;
const byWhom = (by: string | null): string => (by === null ? '' : ` by ${by}`);

const footerParts: Record<FooterField, string> = {
  unsubscribeUrl: 'link to unsubscribe ({{ unsubscribeUrl }})',
  postalAddress: 'postal address ({{ postalAddress }})',
};
/** That a mail lacks what its readers are owed; '' where it has everything. */
export const footerMissing = (fields: readonly FooterField[]): string =>
  fields.length === 0
    ? ''
    : `This template shows no ${fields.map((field) => footerParts[field]).join(' and no ')}. Many countries require both in such a mail.`;

const waits: Record<WaitingFor['kind'], string> = {
  provider_answer: 'Waiting for the mail provider',
  rate_limit: 'Waiting (provider rate limit)',
  mail_slot: 'Waiting (your sending rate)',
  daily_cap: 'Waiting (daily sending limit)',
  crm: 'Waiting for the CRM database',
  platform: 'Waiting for storage',
};

export const messages = {
  app: {
    name: 'Lead Activation',
    skipToContent: 'Skip to content',
    mainNavigation: 'Main',
    moreNavigation: 'More',
    announcements: 'Announcements',
    inbox: 'Test inbox',
    inboxHint: 'Mails of this installation go to a stand-in inbox',
    signedInAs: (name: string) => `Signed in as ${name}`,
    sendsAs: (from: string) => `Sends as ${from}`,
    theme: { toLight: 'Switch to light theme', toDark: 'Switch to dark theme' },
    notFound: {
      title: 'There is no such page',
      text: 'The link may be old, or mistyped.',
      action: 'Go to the start',
    },
    notForYou: {
      title: 'This page is not open to you',
      text: 'Your role does not reach it. An admin of this installation can change that.',
    },
    noRole: {
      title: 'You have no role here yet',
      text: 'You are signed in, but nobody has said what you may do. Ask an admin of this installation.',
      action: 'Try again',
    },
    broken: { title: 'This page could not be shown', text: 'Reload to try again.', action: 'Reload' },
    loading: 'Loading',
    retry: 'Try again',
    close: 'Close',
    cancel: 'Cancel',
    dismiss: 'Dismiss',
    previous: 'Previous',
    next: 'Next',
    firstPage: 'First page',
    unreachable: {
      title: 'The server did not answer',
      text: 'Check the connection. Nothing that runs was stopped.',
    },
    signedOut: {
      title: 'You are signed out',
      text: 'Sign in again to go on. Nothing that runs was stopped.',
      action: 'Sign in again',
    },
    requestId: (id: string) => `Reference: ${id}`,
  },

  nav: { leads: 'Leads', imports: 'Imports', activity: 'Activity' },

  leads: {
    title: 'Leads',
    subtitle: (total: number, isExact: boolean) => `${isExact ? '' : 'At least '}${leads(total)} match`,
    all: (total: number) => leads(total),
    search: 'Search leads',
    searchPlaceholder: 'Name, company or e-mail',
    clearSearch: 'Clear search',
    status: 'Status',
    anyStatus: 'Any status',
    sort: 'Sort by',
    perPage: 'Leads per page',
    statuses: { new: 'New', active: 'Active' } satisfies Record<LeadStatus, string>,
    sorts: {
      '-id': 'Newest first',
      id: 'Oldest first',
      lastName: 'Last name, A to Z',
      '-lastName': 'Last name, Z to A',
      company: 'Company, A to Z',
      '-company': 'Company, Z to A',
      email: 'E-mail, A to Z',
      '-email': 'E-mail, Z to A',
    } satisfies Record<LeadSort, string>,
    columns: {
      name: 'Name',
      company: 'Company',
      email: 'E-mail',
      source: 'Source',
      stage: 'Stage',
      status: 'Status',
      added: 'Added',
    },
    noName: 'No name',
    table: 'Leads',
    selectPage: 'Choose all leads on this page',
    selectLead: (name: string) => `Choose ${name}`,
    selectAll: (total: number, isExact: boolean) =>
      isExact ? `Choose all ${formatCount(total)} that match` : 'Choose all that match',
    pageSelected: (count: number) => `All ${formatCount(count)} on this page are chosen.`,
    allSelected: (count: number, isExact: boolean) =>
      isExact ? `All ${leads(count)} that match are chosen.` : 'All leads that match are chosen.',
    allSelectedBut: (count: number, excluded: number, isExact: boolean) =>
      `${isExact ? leads(count) : 'Leads'} chosen: all that match but ${formatCount(excluded)}.`,
    selected: (count: number) => `${leads(count)} chosen`,
    clearSelection: 'Clear',
    activate: 'Activate',
    activateCount: (count: number, isExact: boolean) =>
      isExact ? `Activate ${formatCount(count)}` : 'Activate all that match',
    chooseFirst: 'Choose leads to activate them',
    ofTotal: (total: number, isExact: boolean) => `of ${isExact ? '' : 'at least '}${formatCount(total)}`,
    paging: 'Pages of leads',
    pageNumber: (page: string) => `Page ${page}`,
    empty: {
      title: 'No leads yet',
      text: 'Leads appear here once they are imported.',
    },
    noMatch: {
      title: 'No lead matches',
      text: 'Try fewer or shorter words, or another status.',
      dotted:
        'A word with a dot is a whole domain, such as example.com, or the beginning of an email address. Type it to its end, or try a part of it without the dot.',
      action: 'Show all leads',
    },
    failed: 'The leads could not be loaded',
    activatedAt: (time: string) => `Activated ${time}`,
  },

  states: {
    queued: 'Queued',
    running: 'Running',
    paused: 'Paused',
    completed: 'Completed',
    cancelled: 'Cancelled',
    failed: 'Failed',
  } satisfies Record<SessionState, string>,
  cancelling: 'Cancelling',
  waiting: 'Waiting',
  stalled: 'Stalled',

  reasons: {
    user: 'Paused by a person.',
    mail_quota: 'The mail provider’s quota is used up. Resume when there is quota again.',
    mail_auth:
      'The mail provider refuses our settings, or they were changed. Look at them before you resume.',
    mail_unreachable: 'The mail provider cannot be reached. It is tried again by itself.',
    mail_refused:
      'The mail provider refused the first emails and has accepted none. See why below, mend it, then resume.',
    bounce_rate: 'Too many mails bounce. Look at the addresses before you resume.',
    complaint_rate: 'Too many people complain. Look at the audience before you resume.',
    internal: 'Something broke on our side.',
  } satisfies Record<SessionReason, string>,

  skipReasons: {
    already_active: 'already active',
    suppressed: 'on the suppression list',
    invalid_address: 'invalid address',
    erased: 'erased',
    changed: 'changed before its turn',
    cancelled: 'run was cancelled',
  } satisfies Record<SkipReason, string>,

  activationStates: {
    pending: 'Pending',
    activated: 'Activated',
    skipped: 'Skipped',
    failed: 'Failed',
  } satisfies Record<ActivationState, string>,

  emailStates: {
    pending: 'Pending',
    sent: 'Sent',
    failed: 'Failed',
    unknown: 'Unknown',
    delivered: 'Delivered',
    bounced: 'Bounced',
    complained: 'Complained',
  } satisfies Record<EmailState, string>,

  links: {
    connecting: 'Connecting…',
    streaming: 'Live',
    polling: 'Updates every 2 seconds',
    retrying: 'The server does not answer; trying again',
    offline: 'You are offline. The run goes on; the numbers will catch up.',
    'signed-out': 'You are signed out. Nothing that runs was stopped.',
    refused: 'The server does not show you this run.',
  } satisfies Record<Link, string>,

  tracker: {
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
  },

  announce: {
    /** `percents` rise; `state` is null where it stayed. */
    change: (name: string, percents: readonly string[], state: string | null) =>
      `${name}: ${[
        ...(percents.length > 0 ? [`${formatList(percents)} done`] : []),
        ...(state === null ? [] : [state]),
      ].join(', ')}`,
  },

  toasts: {
    region: 'Notifications',
    completed: (name: string) => `${name} is complete`,
    cancelled: (name: string) => `${name} was cancelled`,
    failed: (name: string) => `${name} failed`,
    summary: (sent: number, failed: number, unknown: number) =>
      [
        `${mails(sent)} sent`,
        ...(failed > 0 ? [`${formatCount(failed)} failed`] : []),
        ...(unknown > 0 ? [`${formatCount(unknown)} unknown`] : []),
      ].join(', '),
    show: 'Show the run',
    commandFailed: 'That was not possible',
  },

  activity: {
    title: 'Activity',
    subtitle: 'Every activation, newest first.',
    search: 'Search runs',
    searchPlaceholder: 'Name, person or state',
    table: 'Activations',
    columns: {
      run: 'Run',
      state: 'State',
      progress: 'Progress',
      results: 'Results',
      started: 'Started',
      took: 'Took',
    },
    startedBy: (owner: string) => `by ${owner}`,
    tookSoFar: (duration: string) => `${duration} so far`,
    failedCount: (count: number) => `${formatCount(count)} failed`,
    unknownCount: (count: number) => `${formatCount(count)} unknown`,
    sentCount: (count: number) => `${formatCount(count)} sent`,
    more: 'Load more',
    empty: {
      title: 'Nothing has been activated yet',
      text: 'Choose leads and press Activate. The run shows up here.',
      action: 'Go to leads',
    },
    noMatch: {
      title: 'No run matches',
      text: 'Try another name or person.',
      action: 'Clear search',
    },
    failed: 'The activity could not be loaded',
  },

  run: {
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
    none: '–',
    perSecond: (rate: string) => `${rate}/s`,
    pause: 'Pause',
    resume: 'Resume',
    cancel: 'Cancel run',
    retryFailed: (count: number) => `Retry ${formatCount(count)} failed`,
    retryUnknown: (count: number) => `Retry ${formatCount(count)} unknown`,
    check: 'Check with the provider',
    assumeSent: 'Assume sent',
    more: 'More actions',
    erase: 'Erase run',
    runErased: (name: string) => `${name} is erased`,
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
    plotSummary: (average: string, peak: string) =>
      `on average ${average} e-mails per second, at most ${peak}`,
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
      keep: 'Not now',
    },
  },
} as const;
