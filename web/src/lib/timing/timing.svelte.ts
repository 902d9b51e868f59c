/**
 * The times that a person chooses for an activation: now or later, and the hours in which it sends. Says what is wrong
 * with them before they are sent; the server checks them again.
 *
 * @module
 */
import { limits } from '../../../../src/shared/limits.ts';
import type { FreezeTime, ResolvedSchedule, Schedule } from '../../../../src/shared/schedule/schedule.ts';
import {
  isWindowOpen,
  neverOpens,
  opensAt,
  type SendingWindow,
  type Weekday,
} from '../../../../src/shared/schedule/sending-window.ts';
import {
  dayMs,
  formatLocalTime,
  instantOf,
  localTime,
  parseLocalTime,
  type ResolvedTime,
} from '../../../../src/shared/schedule/zoned-time.ts';
import { timingMessages as m } from '../messages/timing.ts';
import { ownZone } from './describe.ts';

export type StartMode = 'now' | 'later';

const workdays: readonly Weekday[] = [1, 2, 3, 4, 5];

export class Timing {
  mode = $state<StartMode>('now');
  /** As a field for a date and a time has it: `2026-12-01T09:00`; empty while it is not complete. */
  at = $state('');
  zone = $state(ownZone());
  freezeAt = $state<FreezeTime>('scheduling');
  hasWindow = $state(false);
  days = $state.raw<readonly Weekday[]>(workdays);
  from = $state('09:00');
  until = $state('17:00');
  readonly #now: () => number;

  /** @param now - epoch ms; asked again each time, as the dialog may be open for long */
  constructor(now: () => number, known: { schedule?: ResolvedSchedule; window?: SendingWindow } = {}) {
    this.#now = now;
    const { schedule, window } = known;
    // Tomorrow at nine: what most people want, and never over.
    const tomorrow = Math.floor(localTime(this.zone, now()) / dayMs) + 1;
    this.at = schedule?.at ?? formatLocalTime(tomorrow * dayMs + 9 * 3_600_000);
    if (schedule !== undefined) {
      this.mode = 'later';
      this.zone = schedule.zone;
      this.freezeAt = schedule.freezeAt;
    }
    if (window === undefined) return;
    this.hasWindow = true;
    this.days = window.days;
    this.from = window.from;
    this.until = window.until;
    if (schedule === undefined) this.zone = window.zone;
  }

  toggleDay(day: Weekday): void {
    this.days = this.days.includes(day)
      ? this.days.filter((other) => other !== day)
      : [...this.days, day].sort();
  }

  /** The moment that is chosen; null while there is none. */
  get start(): ResolvedTime | null {
    const local = this.mode === 'later' ? parseLocalTime(this.at) : null;
    return local === null ? null : instantOf(this.zone, local);
  }

  get schedule(): Schedule | null {
    return this.mode === 'later' ? { at: this.at, zone: this.zone, freezeAt: this.freezeAt } : null;
  }

  get window(): SendingWindow | null {
    return this.hasWindow
      ? {
          zone: this.zone,
          days: [...this.days],
          from: this.from,
          until: this.until === '00:00' ? '24:00' : this.until,
        }
      : null;
  }

  /** What is wrong with the start time, for a person. */
  get startFault(): string | null {
    if (this.mode !== 'later') return null;
    const { start } = this;
    if (start === null) return m.choose;
    if (start.at <= this.#now()) return m.past;
    return start.at > this.#now() + limits.maxScheduleDayCount * dayMs ? m.tooFar : null;
  }

  get windowFault(): string | null {
    const { window } = this;
    if (window === null) return null;
    if (window.days.length === 0) return m.noDays;
    return this.from === '' || this.until === '' || neverOpens(window) ? m.noHours : null;
  }

  get isUsable(): boolean {
    return this.startFault === null && this.windowFault === null;
  }

  /** When the window opens after the start; null where it is open then, or there is none. */
  get opensAt(): number | null {
    const { window } = this;
    const at = this.start?.at ?? this.#now();
    if (window === null || this.windowFault !== null || isWindowOpen(window, at)) return null;
    return opensAt(window, at);
  }

  /** The parts of a start request that say all this. */
  get request(): { schedule?: Schedule; window?: SendingWindow } {
    const { schedule, window } = this;
    return { ...(schedule === null ? {} : { schedule }), ...(window === null ? {} : { window }) };
  }
}
