/**
 * Start times and sending windows at the changes of the clock, in every time zone.
 *
 * The hours are compared with what `Intl` says of a moment in words. 12 windows at each change of each zone take some
 * seconds. `WINDOWS_PER_CLOCK=10000 npm run test:unit -- test/unit/schedule-window.test.ts` has 10,000 at each change of
 * each clock: zones whose clocks show the same from November 2025 to March 2027 take turns, because a window sees of its
 * zone what its clock shows. That takes some minutes.
 */
import { describe, expect, it } from 'vitest';
import { newSession, workMode, type Session } from '../../src/core/session/session.ts';
import { nextWakeAt } from '../../src/core/session/wake.ts';
import {
  isWindowOpen,
  openTimeAfter,
  opensAt,
  type SendingWindow,
  type Weekday,
} from '../../src/shared/schedule/sending-window.ts';
import {
  dayMs,
  formatLocalTime,
  instantOf,
  isTimeZone,
  localTime,
  offsetMs,
  parseLocalTime,
} from '../../src/shared/schedule/zoned-time.ts';
import { seededRandom } from '../support/random.ts';
import { specOf } from '../support/batches.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;
const at = (text: string): number => Date.parse(text);
const local = (text: string): number => parseLocalTime(text) ?? Number.NaN;

const berlin: SendingWindow = {
  zone: 'Europe/Berlin',
  days: [1, 2, 3, 4, 5],
  from: '09:00',
  until: '17:00',
};

describe('a time zone', () => {
  it.each(['Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+3', 'UTC', 'Pacific/Apia'])(
    'is %s',
    (zone) => {
      expect(isTimeZone(zone)).toBe(true);
    },
  );
  it.each(['', 'Mars/Olympus', '+01:00', 'Europe/Berlin ', 'local', '../etc/passwd', 'Europe/'])(
    'is not "%s"',
    (zone) => {
      expect(isTimeZone(zone)).toBe(false);
    },
  );
});

describe('a local time', () => {
  it.each<[string, string, string, 'exact' | 'skipped' | 'twice']>([
    ['Europe/Berlin', '2026-12-01T09:00', '2026-12-01T08:00Z', 'exact'],
    ['Europe/Berlin', '2026-07-01T09:00', '2026-07-01T07:00Z', 'exact'],
    // Clocks go from 2 to 3 on 29 March: half past two is half past three.
    ['Europe/Berlin', '2026-03-29T02:30', '2026-03-29T01:30Z', 'skipped'],
    // And from 3 to 2 on 25 October: the first half past two.
    ['Europe/Berlin', '2026-10-25T02:30', '2026-10-25T00:30Z', 'twice'],
    ['America/New_York', '2026-03-08T02:30', '2026-03-08T07:30Z', 'skipped'],
    ['America/New_York', '2026-11-01T01:30', '2026-11-01T05:30Z', 'twice'],
    // By half an hour.
    ['Australia/Lord_Howe', '2026-10-04T02:15', '2026-10-03T15:45Z', 'skipped'],
    // A whole day was skipped.
    ['Pacific/Apia', '2011-12-30T12:00', '2011-12-30T22:00Z', 'skipped'],
    ['Asia/Kathmandu', '2026-06-01T00:00', '2026-05-31T18:15Z', 'exact'],
  ])('in %s at %s is %s (%s)', (zone, text, instant, kind) => {
    expect(instantOf(zone, local(text))).toEqual({ at: at(instant), kind });
  });

  it.each([
    '2026-02-30T09:00',
    '2026-13-01T09:00',
    '2026-12-01T25:00',
    '2026-12-01T24:00',
    '2026-12-01',
    'x',
  ])('is not %s', (text) => {
    expect(parseLocalTime(text)).toBeNull();
  });

  it('is written as it is read', () => {
    expect(formatLocalTime(local('2028-02-29T23:59'))).toBe('2028-02-29T23:59');
  });
});

describe('a sending window', () => {
  it.each<[string, Partial<SendingWindow>, string, string, string]>([
    ['on the same day', {}, '2026-12-01T07:00Z', '2026-12-01T08:00Z', '2026-12-01T16:00Z'],
    ['while it is open', {}, '2026-12-01T10:00Z', '2026-12-01T08:00Z', '2026-12-01T16:00Z'],
    ['at its end', {}, '2026-12-01T16:00Z', '2026-12-02T08:00Z', '2026-12-02T16:00Z'],
    ['over a weekend', {}, '2026-12-04T16:00Z', '2026-12-07T08:00Z', '2026-12-07T16:00Z'],
    ['over the change to summer', {}, '2026-03-27T17:00Z', '2026-03-30T07:00Z', '2026-03-30T15:00Z'],
    ['over the change to winter', {}, '2026-10-23T17:00Z', '2026-10-26T08:00Z', '2026-10-26T16:00Z'],
    [
      'over midnight, which belongs to the day before',
      { days: [5], from: '22:00', until: '06:00' },
      '2026-12-05T02:00Z',
      '2026-12-04T21:00Z',
      '2026-12-05T05:00Z',
    ],
    [
      'in an hour that is skipped: in the next week',
      { days: [7], from: '02:00', until: '03:00' },
      '2026-03-28T12:00Z',
      '2026-04-05T00:00Z',
      '2026-04-05T01:00Z',
    ],
    [
      'that begins in an hour that is skipped: when clocks have moved',
      { days: [7], from: '02:30', until: '04:00' },
      '2026-03-28T12:00Z',
      '2026-03-29T01:00Z',
      '2026-03-29T02:00Z',
    ],
    [
      'in an hour that comes twice: in both',
      { days: [7], from: '02:00', until: '03:00' },
      '2026-10-25T00:00Z',
      '2026-10-25T00:00Z',
      '2026-10-25T02:00Z',
    ],
    [
      'in minutes that come twice: again',
      { days: [7], from: '02:10', until: '02:20' },
      '2026-10-25T00:20Z',
      '2026-10-25T01:10Z',
      '2026-10-25T01:20Z',
    ],
  ])('opens %s', (_, change, now, from, until) => {
    expect(openTimeAfter({ ...berlin, ...change }, at(now))).toEqual({ from: at(from), until: at(until) });
  });

  it('never opens without days or without time', () => {
    expect(openTimeAfter({ ...berlin, days: [] }, at('2026-12-01T07:00Z'))).toBeNull();
    expect(openTimeAfter({ ...berlin, until: '09:00' }, at('2026-12-01T07:00Z'))).toBeNull();
    expect(isWindowOpen({ ...berlin, until: '09:00' }, at('2026-12-01T08:00Z'))).toBe(false);
  });

  it('that is always open has no next opening', () => {
    const always: SendingWindow = { zone: 'UTC', days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', until: '24:00' };
    expect(opensAt(always, at('2026-12-01T07:00Z'))).toBeNull();
    expect(isWindowOpen(always, at('2026-12-01T00:00Z'))).toBe(true);
  });
});

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const wordFormats = new Map<string, Intl.DateTimeFormat>();

/** Whether a moment is in a window, by the words that `Intl` has for it. */
function isInside({ zone, days, from, until }: SendingWindow, atMs: number): boolean {
  let format = wordFormats.get(zone);
  if (format === undefined) {
    const shape = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    wordFormats.set(zone, (format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...shape })));
  }
  const [, word = '', time = ''] = /^(\w+),? (\d\d:\d\d)$/.exec(format.format(atMs)) ?? [];
  const today = (weekdays.indexOf(word) + 1) as Weekday;
  const yesterday = (today === 1 ? 7 : today - 1) as Weekday;
  if (from < until) return days.includes(today) && time >= from && time < until;
  return (days.includes(today) && time >= from) || (days.includes(yesterday) && time < until);
}

const stepMs = 14 * dayMs;
const knownChanges = new Map<string, readonly number[]>();

/** Moments of 2026 at which clocks of the zone change; of a zone without any, one in spring and one in autumn. */
function changesOf(zone: string): readonly number[] {
  const known = knownChanges.get(zone);
  if (known !== undefined) return known;
  const changes: number[] = [];
  for (let begin = at('2026-01-01T00:00Z'); begin < at('2027-01-01T00:00Z'); begin += stepMs) {
    let [from, until] = [begin, begin + stepMs];
    const offset = offsetMs(zone, from);
    if (offsetMs(zone, until) === offset) continue;
    while (until - from > 1) {
      const middle = Math.floor((from + until) / 2);
      if (offsetMs(zone, middle) === offset) from = middle;
      else until = middle;
    }
    changes.push(until);
  }
  const found = changes.length > 0 ? changes : [at('2026-03-29T01:00Z'), at('2026-10-25T01:00Z')];
  knownChanges.set(zone, found);
  return found;
}

const zones = Intl.supportedValuesOf('timeZone');

/** The zones by what their clocks show, in each half hour of every moment that the windows below can reach. */
function zonesByClock(): string[][] {
  const clocks = new Map<string, string[]>();
  for (const zone of zones) {
    const shown: string[] = [];
    for (let moment = at('2025-11-01T00:00Z'); moment < at('2027-03-01T00:00Z'); moment += hourMs / 2) {
      const offset = String(offsetMs(zone, moment));
      if (!(shown.at(-1) ?? '').endsWith(` ${offset}`)) shown.push(`${String(moment)} ${offset}`);
    }
    const key = shown.join();
    clocks.set(key, [...(clocks.get(key) ?? []), zone]);
  }
  return [...clocks.values()];
}

describe('around every change of the clock', () => {
  const windowsPerClock = Number(process.env['WINDOWS_PER_CLOCK'] ?? 0);
  const random = seededRandom(16);
  const pick = (count: number): number => Math.floor(random() * count);
  const hour = (minutes: number): string =>
    `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
  function drawWindow(zone: string): SendingWindow {
    const from = pick(288) * 5;
    const until = (from + 5 * (1 + pick(287))) % 1_440;
    const days = ([1, 2, 3, 4, 5, 6, 7] as const).filter(() => random() < 0.5);
    return { zone, days: days.length === 0 ? [7] : days, from: hour(from), until: hour(until) };
  }

  it('each window opens and closes exactly where its hours begin and end', { timeout: 3_600_000 }, () => {
    let count = 0;
    const faults: string[] = [];
    const clocks = windowsPerClock === 0 ? zones.map((zone) => [zone]) : zonesByClock();
    for (const alike of clocks) {
      for (const change of changesOf(alike[0] ?? 'UTC')) {
        for (let turn = 0; turn < Math.max(windowsPerClock, 12 * alike.length); turn++) {
          const window = drawWindow(alike[turn % alike.length] ?? 'UTC');
          const now = change - dayMs + pick(2 * dayMs);
          const open = openTimeAfter(window, now);
          count++;
          const note = (moment: number, isOpen: boolean): void => {
            if (isInside(window, moment) === isOpen && isWindowOpen(window, moment) === isOpen) return;
            faults.push(
              `${JSON.stringify(window)} at ${new Date(moment).toISOString()} from ${new Date(now).toISOString()}`,
            );
          };
          if (open === null) {
            faults.push(`${JSON.stringify(window)} never opens`);
            continue;
          }
          note(now, open.from <= now);
          note(Math.max(now, open.from), true);
          note(open.until - 1, true);
          if (open.until - now < 8 * dayMs) note(open.until, false);
          if (open.from > now) note(open.from - 1, false);
          // Between them, and up to the opening.
          for (let part = 0; part < 3; part++) {
            note(
              Math.max(now, open.from) + Math.floor(random() * (open.until - Math.max(now, open.from))),
              true,
            );
            if (open.from > now) note(now + Math.floor(random() * (open.from - now)), false);
          }
        }
      }
    }
    expect(faults.slice(0, 5)).toEqual([]);
    expect(count).toBeGreaterThanOrEqual(10_000);
    if (windowsPerClock > 0)
      console.log(`${String(count)} windows, ${String(zones.length)} zones, ${String(clocks.length)} clocks`);
  });

  it(
    'no mail of a session leaves outside of its window, and it wakes once for each opening',
    { timeout: 120_000 },
    () => {
      let mailCount = 0;
      let outsideCount = 0;
      for (let turn = 0; turn < 400; turn++) {
        const zone = zones[pick(zones.length)] ?? 'UTC';
        const changes = changesOf(zone);
        const window = drawWindow(zone);
        let now = (changes[pick(changes.length)] ?? 0) - 2 * dayMs + pick(dayMs);
        const until = now + 5 * dayMs;
        let session: Session = {
          ...newSession({ ...specOf(1_000), window }),
          state: 'running',
          updatedAt: now,
        };
        session = { ...session, progressedAt: now };
        let closedWakeCount = 0;
        while (now < until) {
          if (workMode(session, now) === 'run') {
            mailCount++;
            if (!isInside(window, now)) outsideCount++;
            now += 7 * minuteMs + pick(hourMs);
            continue;
          }
          const wakeAt = nextWakeAt(
            {
              session,
              isWorkDue: true,
              nextAttemptAt: null,
              keyDiesAt: null,
              isRecorded: true,
              retentionAt: null,
            },
            now,
          );
          expect(wakeAt).not.toBeNull();
          expect(wakeAt ?? 0).toBeGreaterThan(now);
          now = wakeAt ?? until;
          if (now < until && workMode(session, now) !== 'run') closedWakeCount++;
        }
        expect(closedWakeCount, JSON.stringify(window)).toBe(0);
      }
      expect(outsideCount).toBe(0);
      expect(mailCount).toBeGreaterThan(4_000);
    },
  );

  it('a local time of a day is read as its own instant', () => {
    for (const zone of zones) {
      for (const change of changesOf(zone)) {
        const wall = localTime(zone, change + pick(dayMs) - dayMs / 2);
        const read = instantOf(zone, wall);
        if (read.kind !== 'skipped') expect(localTime(zone, read.at), zone).toBe(wall);
      }
    }
  });
});
