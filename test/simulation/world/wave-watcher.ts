/**
 * Sessions in waves: their plans, and whoever looks at their figures, goes on too early, too late, twice, or never.
 *
 * Invariant: all that is drawn is from streams of their own, so that worlds without waves stay as they are.
 *
 * @module
 */
import type { Command } from '../../../src/core/session/command.ts';
import { wavesFault } from '../../../src/core/session/wave-plan.ts';
import type { Progress } from '../../../src/shared/progress.ts';
import type { WavePlan, WaveSize } from '../../../src/shared/waves.ts';
import type { Random } from '../platform/random.ts';
import { Actor, type Simulator } from '../platform/simulator.ts';
import type { Person } from './person.ts';

const dayMs = 86_400_000;
const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns'] as const;

/** Limits that a bounce or two may break, and others that nothing breaks. */
function drawLimits(draw: Random): WavePlan['limits'] {
  return {
    bouncedPercent: draw.pick([0, 4, 4, 30, 100]),
    complainedPercent: draw.pick([0, 0.1, 30, 100]),
    failedPercent: draw.pick([0, 5, 40, 100]),
    crmErrorsPercent: 5,
    minMails: draw.pick([1, 1, 5, 50]),
  };
}

/** A plan of waves of a few leads, with watches as long as what happens in the world. */
export function drawWaves(draw: Random, isLong: boolean): WavePlan {
  const limits = drawLimits(draw);
  const watchMinutes = draw.pick(isLong ? [0, 1, 60, 600] : [0, 0.05, 0.05, 0.2, 0.5, 2]);
  if (isLong && draw.chance(0.5)) {
    const at = draw.pick(['00:00', '09:00', '02:30']);
    return { perDay: { leads: draw.int(2, 6), at, zone: draw.pick(zones) }, watchMinutes, limits };
  }
  const sizes = Array.from({ length: draw.int(1, 3) }, (): WaveSize =>
    draw.chance(0.7) ? { leads: draw.int(1, 3) } : { percent: draw.pick([10, 25, 40]) },
  );
  return { sizes, watchMinutes, limits };
}

/** The plan where an audience of so many leads can be divided by it, as at a start; otherwise none. */
export function fittingWaves(plan: WavePlan | undefined, total: number): { waves?: WavePlan } {
  return plan === undefined || wavesFault(plan, total) !== null ? {} : { waves: plan };
}

/** How long a session may have to wait at its gates. A watch may be begun once more, a window may open once a day. */
export function longestGatesMs(plan: WavePlan, leadCount: number): number {
  const isDaily = 'perDay' in plan;
  // Imports add leads.
  const waveCount = isDaily ? Math.ceil((leadCount + 20) / plan.perDay.leads) : plan.sizes.length + 1;
  return waveCount * (2 * plan.watchMinutes * 60_000 + (isDaily ? 2 * dayMs : 0));
}

/** Goes on from the wave that is held. */
export function goOnCommand({ waveHeld, waves = [] }: Progress): Command {
  const begunCount = waves.filter(({ startedAt }) => startedAt !== null).length;
  return { kind: 'nextWave', after: waveHeld?.number ?? Math.max(1, begunCount), by: 'ana' };
}

const maxLookCount = 50;

export class WaveWatcher extends Actor {
  readonly #sim: Simulator;
  readonly #person: Person;
  readonly #random: Random;
  readonly #isLong: boolean;
  #lookCount = 0;
  /** Everything is to come to its end: it does nothing more. */
  isDone = false;

  constructor(sim: Simulator, person: Person, isLong: boolean) {
    super(`watcher ${person.sessionId.slice(-1)}`);
    this.#sim = sim;
    this.#person = person;
    this.#isLong = isLong;
    this.#random = sim.stream(`watcher ${person.sessionId}`);
  }

  /** It may be told to end during any wait. */
  isWatching(): boolean {
    return !this.isDone;
  }

  /**
   * Begins to look at the waves.
   *
   * @param throttle - has the mail API take nothing for so long
   */
  begin(throttle: (forMs: number) => void): void {
    if (this.isDone || this.#lookCount++ > maxLookCount) return;
    const ms = 10 ** (2 + this.#random.next() * (this.#isLong ? 5.5 : 2.5));
    this.#sim.after(ms, this, 'watcher', () => {
      const again = (): void => this.begin(throttle);
      this.#look(throttle).then(again, again);
    });
  }

  async #look(throttle: (forMs: number) => void): Promise<void> {
    const progress = await this.#person.progress();
    // Only a retry sets one going again that has ended.
    if (progress !== null && progress.finishedAt !== null) this.#lookCount += 8;
    if (this.isDone || progress?.waves === undefined || progress.finishedAt !== null) return;
    const goOn = goOnCommand(progress);
    if (goOn.kind !== 'nextWave') return;
    const isHeld = progress.state === 'wave_held';
    const isWatched = progress.waves.some(({ state }) => state === 'watching');
    const { failed, unknown } = progress.email;
    if (isWatched && failed + unknown > 0 && this.#random.chance(0.5)) {
      // Mail that is sent again is still open when the watch ends.
      throttle(10 ** (3 + this.#random.next() * 1.5));
      await this.#person.command({ kind: 'retry', outcome: failed > 0 ? 'failed' : 'unknown' });
      return;
    }
    if (!this.#random.chance(isHeld ? 0.6 : isWatched ? 0.3 : 0.05)) return;
    const { after } = goOn;
    switch (this.#random.int(0, 7)) {
      case 0:
        // Two people, or one who presses twice.
        await Promise.all([this.#person.command(goOn), this.#person.command(goOn)]);
        return;
      case 1:
        // Said of a wave that has passed, or that is still to come.
        await this.#person.command({ ...goOn, after: Math.max(1, after + this.#random.pick([-1, -1, 1])) });
        return;
      case 2:
        await this.#person.command(isHeld ? { kind: 'retry', outcome: 'failed' } : goOn);
        return;
      case 3:
        await this.#person.command(goOn);
        // A request that was under way for long.
        await new Promise<void>((resolve) => {
          this.#sim.after(10 ** (2 + this.#random.next() * 2.5), this, 'watcher waits', resolve);
        });
        if (this.isWatching()) await this.#person.command(goOn);
        return;
      default:
        await this.#person.command(goOn);
    }
  }
}
