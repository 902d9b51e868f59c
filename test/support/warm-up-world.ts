/**
 * A world for the warm-up: a domain that sends for days, and mailbox providers whose bounces and complaints depend on
 * how much comes and whom it is for.
 *
 * An hour is one step. Reports come late: most bounces within hours, a tenth the day after; a quarter of the complaints
 * one to three days later. The world knows what became of every mail; the ramp only what was reported.
 *
 * @module
 */
import { reserveMails, warmUpToday, type DomainState } from '../../src/core/limits/reservation.ts';
import { withMode, withResults, type WarmUpPlan } from '../../src/core/limits/warm-up.ts';
import { seededRandom } from './random.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** 23 November 2026. */
const firstDay = 20_780;

/** How likely the next mail bounces, and how likely it is reported as spam where it does not. */
interface Chances {
  bounce: number;
  complaint: number;
}

export interface Behaviour {
  name: string;
  /** @param sent - mails of this day so far; @param day - from 0 */
  chances(day: number, sent: number): Chances;
  /** A day has ended; for a provider that remembers. */
  dayEnded?(sent: number): void;
}

/** What really became of the mails of a day. */
export interface TrueDay {
  sent: number;
  bounced: number;
  complained: number;
}

export interface WorldOptions {
  seed: number;
  days: number;
  behaviour: Behaviour;
  /** Mails that people would like to send on a day. */
  demand: number;
  /** Mails in an hour; a large number sends the whole day's mail at once. */
  hourly: number;
  /** Days after a stop at which a person goes on without having changed anything; null: never. */
  personAfterDays: number | null;
}

const good = { bounce: 0.008, complaint: 0.000_1 } as const;

/** A provider that takes so much a day, more after each day on which it was not exceeded, less after others. */
function tolerance(startCount: number, growth: number): Pick<Behaviour, 'chances' | 'dayEnded'> {
  let count = startCount;
  return {
    chances: (_, sent) => (sent < count ? good : { bounce: 0.35, complaint: 0.004 }),
    dayEnded: (sent) => (count = sent > count ? Math.max(200, count * 0.7) : count * growth),
  };
}

/** Fresh ones for each world, because some remember. */
export const behaviours = (): readonly Behaviour[] => [
  { name: 'wanted mail', chances: () => good },
  { name: 'mail that some do not want', chances: () => ({ bounce: 0.02, complaint: 0.000_3 }) },
  { name: 'a provider that takes 10 % more a day', ...tolerance(500, 1.1) },
  { name: 'a provider that takes 30 % more a day', ...tolerance(400, 1.3) },
  {
    name: 'a provider that never takes more than 2,500 a day',
    chances: (_, sent) => (sent < 2_500 ? good : { bounce: 0.5, complaint: 0.002 }),
  },
  {
    name: 'an old list for three days',
    chances: (day) => (day >= 12 && day < 15 ? { ...good, bounce: 0.09 } : good),
  },
  {
    name: 'a list that did not ask, for four days',
    chances: (day) => (day >= 20 && day < 24 ? { ...good, complaint: 0.005 } : good),
  },
  {
    name: 'a block list for six days',
    chances: (day, sent) => (day >= 25 && day < 31 && sent > 500 ? { bounce: 0.4, complaint: 0 } : good),
  },
  { name: 'a bad list to the end', chances: () => ({ bounce: 0.11, complaint: 0.000_2 }) },
  { name: 'unwanted mail to the end', chances: () => ({ bounce: 0.01, complaint: 0.003 }) },
];

/** Hours until a bounce is reported. */
function bounceDelay(random: () => number): number {
  return random() < 0.9 ? Math.floor(random() * 4) : 12 + Math.floor(random() * 24);
}

/** Hours until a complaint is reported. */
function complaintDelay(random: () => number): number {
  return random() < 0.75 ? Math.floor(random() * 10) : 24 + Math.floor(random() * 48);
}

/**
 * Runs the world.
 *
 * @param plan - of the ramp; a number: it follows no report and grows by so many percent every day
 */
export function runWarmUpWorld(options: WorldOptions, plan: WarmUpPlan | number): TrueDay[] {
  const { behaviour, demand, hourly, personAfterDays } = options;
  const random = seededRandom(options.seed);
  const days: TrueDay[] = [];
  const reports = new Map<number, { day: number; bounced: number; complained: number }[]>();
  let state: DomainState = { cap: null, warmUp: null };
  let stoppedFor = 0;
  const lateHour = (hour: number, day: number, figure: 'bounced' | 'complained'): void => {
    const one = { day: firstDay + day, bounced: 0, complained: 0, [figure]: 1 };
    reports.set(hour, [...(reports.get(hour) ?? []), one]);
  };
  for (let day = 0; day < options.days; day++) {
    const today: TrueDay = { sent: 0, bounced: 0, complained: 0 };
    days.push(today);
    for (let hour = 24 * day; hour < 24 * (day + 1); hour++) {
      const nowMs = firstDay * dayMs + hour * hourMs;
      if (typeof plan !== 'number') {
        const ramp = warmUpToday(state, plan, nowMs);
        const told = reports.get(hour) ?? [];
        if (ramp !== null) state = { ...state, warmUp: withResults(ramp, plan, told) };
        if (ramp?.mode === 'stopped' && hour % 24 === 0) {
          stoppedFor++;
          if (stoppedFor === personAfterDays) state = { ...state, warmUp: withMode(ramp, 'growing') };
        } else if (ramp?.mode !== 'stopped') stoppedFor = 0;
      }
      for (let count = 0; count < hourly && today.sent < demand; count += batchCount) {
        const size = Math.min(batchCount, demand - today.sent);
        if (typeof plan === 'number') {
          if (today.sent + size > 300 * (1 + plan / 100) ** day) break;
        } else {
          const limits = { dailyCap: null, warmUp: plan };
          const asked = reserveMails(state, limits, 'example.com', nowMs, size);
          state = asked.state;
          if (asked.reservation.kind !== 'granted') break;
        }
        for (let mail = 0; mail < size; mail++) {
          const chances = behaviour.chances(day, today.sent);
          today.sent++;
          if (random() < chances.bounce) {
            today.bounced++;
            lateHour(hour + 1 + bounceDelay(random), day, 'bounced');
          } else if (random() < chances.complaint) {
            today.complained++;
            lateHour(hour + 1 + complaintDelay(random), day, 'complained');
          }
        }
      }
    }
    behaviour.dayEnded?.(today.sent);
  }
  return days;
}

/** Mails that leave together. */
const batchCount = 30;

/**
 * Days of which more than 4 % bounced or more than 0.08 % were reported as spam.
 *
 * @param leastCount - with fewer events a day does not count: one complaint of 300 mails is 0.33 %
 */
export function daysOver(days: readonly TrueDay[], leastCount: number): boolean[] {
  return days.map(
    ({ sent, bounced, complained }) =>
      (bounced >= leastCount && bounced > 0.04 * sent) ||
      (complained >= leastCount && complained > 0.0008 * sent),
  );
}

/** How often two days in a row were over. */
export function pairsOver(isOver: readonly boolean[]): number {
  return isOver.filter((over, day) => over && isOver[day - 1] === true).length;
}
