/**
 * Words for when an activation begins and in which hours it sends.
 *
 * @module
 */
import type { FreezeTime } from '../../../../src/shared/schedule/schedule.ts';
import type { Weekday } from '../../../../src/shared/schedule/sending-window.ts';
import { formatCount, formatList, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

export const timingMessages = {
  when: 'When',
  modes: { now: 'Now', later: 'Later' },
  date: 'Date and time',
  zone: 'Time zone',
  yourZone: (zone: string) => `${zone} (yours)`,
  zoneName: (place: string) => `${place} time`,
  starts: (time: string, when: string) => `Starts ${time}, ${when}.`,
  yourTime: (time: string) => `That is ${time} your time.`,
  skipped: 'Clocks skip this time on that day, so it starts as much later.',
  twice: 'Clocks show this time twice on that day. The first one counts.',
  choose: 'Choose a date and a time.',
  past: 'This time is over. Choose a later one.',
  tooFar: 'This is more than a year ahead.',
  freeze: 'Who gets the email',
  freezes: {
    scheduling: (count: number) => `The ${leads(count)} that match now`,
    start: () => 'Everyone who matches when it starts',
  } satisfies Record<FreezeTime, (count: number) => string>,
  freezeHints: {
    scheduling: 'Leads that are added later do not join.',
    start: 'The number may change until then.',
  } satisfies Record<FreezeTime, string>,
  frozenIds: 'The selected leads get the email, whatever changes until then.',
  templateHint: 'Later edits of the template do not change this activation.',
  window: 'Send only in certain hours',
  windowHint: 'Outside of these hours nothing leaves. It continues by itself.',
  days: 'Days',
  from: 'From',
  until: 'Until',
  nextDay: 'on the next day',
  noDays: 'Choose at least one day.',
  noHours: 'Choose an end that differs from the begin.',
  opens: (time: string) => `Next window opens ${time}.`,
  isOpen: 'The window is open now.',
  isOpenThen: 'The window is open then.',
  weekdays: { 1: 'Mon', 2: 'Tue', 3: 'Wed', 4: 'Thu', 5: 'Fri', 6: 'Sat', 7: 'Sun' } satisfies Record<
    Weekday,
    string
  >,
  weekdayNames: {
    1: 'Monday',
    2: 'Tuesday',
    3: 'Wednesday',
    4: 'Thursday',
    5: 'Friday',
    6: 'Saturday',
    7: 'Sunday',
  } satisfies Record<Weekday, string>,
  everyDay: 'Every day',
  dayList: (days: readonly string[]) => formatList(days),
  dayRange: (from: string, to: string) => `${from}–${to}`,
  allDay: 'all day',
  hours: (from: string, until: string) => `${from}–${until}`,
  describe: (days: string, hours: string, zone: string) => `${days}, ${hours} ${zone}`,
  schedule: (count: number) => `Schedule ${leads(count)}`,
  scheduleUncounted: 'Schedule',
  scheduling: 'Scheduling…',
  scheduled: (name: string) => `${name} is scheduled`,
  scheduledFor: (time: string) => `It starts ${time}.`,
  show: 'Show',

  card: {
    title: 'Schedule',
    start: 'Starts',
    started: 'Scheduled for',
    window: 'Sends',
    who: 'Recipients',
    frozen: (count: number) => `${leads(count)}, as they matched when it was scheduled`,
    atStart: (count: number) =>
      `Everyone who matches at the start (${formatCount(count)} matched when it was scheduled)`,
    change: 'Change times',
    startNow: 'Start now',
  },
  dialog: {
    title: 'Change times',
    description: 'Nothing is sent before the start, and nothing outside of the hours.',
    asksAgain: 'Other times have to be approved anew.',
    save: 'Save times',
  },
  agenda: {
    label: 'Coming up',
    today: 'Today',
    tomorrow: 'Tomorrow',
    starts: 'Starts',
    continues: 'Continues',
    nextWave: 'Next wave',
    leads: (count: number) => leads(count),
    about: (count: number) => `about ${leads(count)}`,
    by: (owner: string) => `by ${owner}`,
    overdue: 'Due now',
  },
} as const;
