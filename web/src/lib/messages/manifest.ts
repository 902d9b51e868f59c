/**
 * Words of the manifest: what exactly an activation does, in the dialog and on its page.
 *
 * @module
 */
import type { WavePlan } from '../../../../src/shared/waves.ts';
import { formatCount, formatDuration, formatPercent, plural } from './format.ts';

export const manifestMessages = {
  willDo: 'Exactly what will be done',
  wasStarted: 'Exactly what was started',
  show: 'Show',
  failed: 'It could not be loaded',
  /** Activations of version 0.1 have none. */
  unknown: 'An earlier version of this app started this activation and did not keep it.',
  facts: {
    leads: 'Leads',
    outcomes: 'Of these',
    template: 'Template',
    from: 'From',
    replyTo: 'Replies to',
    postalAddress: 'Postal address',
    button: 'Button leads to',
    links: 'Links begin with',
    provider: 'Provider',
    dailyCap: 'Daily limit',
    minDaysBetween: 'Not again within',
    start: 'Starts',
    window: 'Sends',
    waves: 'Waves',
    madeBy: 'By',
    hash: 'SHA-256',
    startedHash: 'Before its times were changed',
  },
  counts: {
    willActivate: (count: number) => `${formatCount(count)} get the email`,
    alreadyActive: (count: number) => `${formatCount(count)} already active`,
    suppressed: (count: number) => `${formatCount(count)} suppressed`,
    invalidAddress: (count: number) => `${formatCount(count)} without a valid address`,
    recentlyMailed: (count: number) => `${formatCount(count)} emailed recently`,
  },
  /** Where nobody asked what would happen to them. */
  selected: (count: number) => `${formatCount(count)} selected, not counted any further`,
  /** Where the leads are found again at the start. */
  untilStart: (counts: string) => `${counts}, as of the count. At the start it is whoever matches then`,
  atOnce: 'At once',
  /** @param zone - as words; of a daily plan */
  waves: (plan: WavePlan, zone: string) => {
    const { watchMinutes, limits } = plan;
    const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;
    return [
      'perDay' in plan
        ? `${leads(plan.perDay.leads)} a day, at ${plan.perDay.at} ${zone}`
        : [
            ...plan.sizes.map((size) => ('leads' in size ? leads(size.leads) : formatPercent(size.percent))),
            'the rest',
          ].join(', then '),
      watchMinutes === 0 ? 'no watch' : `${formatDuration(watchMinutes * 60_000)} watch`,
      `held over ${formatPercent(limits.bouncedPercent)} bounced, ${formatPercent(limits.complainedPercent)} marked as spam, ${formatPercent(limits.failedPercent)} failed or ${formatPercent(limits.crmErrorsPercent)} not activated, of at least ${formatCount(limits.minMails)} emails`,
    ].join('; ');
  },
  needsTimes: 'Correct what is marked above first.',
  templateOf: (name: string, version: number) => `${name}, version ${formatCount(version)}`,
  days: (count: number) => `${formatCount(count)} ${plural(count, 'day', 'days')}`,
  emailsADay: (count: number) => `${formatCount(count)} emails a day`,
  changed: {
    title: 'Something has changed since you looked',
    text: 'Nothing was started. Check it and start again.',
  },
} as const;
