/**
 * Whoever takes an ended activation back: looks at what it would do, agrees to it, and sometimes asks twice, too late,
 * or while somebody changes the leads.
 *
 * Invariant: all that is drawn is from a stream of its own, so that worlds without taking back stay as they are.
 *
 * @module
 */
import type { Command } from '../../../src/core/session/command.ts';
import type { ActivationSession, TakeBackAnswer } from '../../../src/durable/activation-session.ts';
import { sessionStub } from '../../../src/durable/stubs.ts';
import type { TakeBackChoice } from '../../../src/shared/take-back.ts';
import type { Invariants } from '../invariants.ts';
import type { Random } from '../platform/random.ts';
import { Actor, type Simulator } from '../platform/simulator.ts';
import type { Person } from './person.ts';

const maxLookCount = 40;
const maxTryCount = 8;

const meddling = ['edit', 'edit', 'import', 'import', 'erase lead', 'suppress'] as const;
/** None of these may have any mail sent again. */
const lateCommands = [
  { kind: 'retry', outcome: 'failed' },
  { kind: 'retry', outcome: 'unknown' },
  { kind: 'check' },
  { kind: 'resume' },
] as const satisfies readonly Command[];

export interface TakerParts {
  sim: Simulator;
  env: Env;
  invariants: Invariants;
}

export class Taker extends Actor {
  readonly #parts: TakerParts;
  readonly #person: Person;
  readonly #random: Random;
  #lookCount = 0;
  /** One that has taken back the unmailed leads may take back the others too. */
  #leftCount: number;
  /** Everything is to come to its end: it begins nothing more. */
  isDone = false;

  constructor(parts: TakerParts, person: Person) {
    super(`taker ${person.sessionId.slice(-1)}`);
    this.#parts = parts;
    this.#person = person;
    this.#random = parts.sim.stream(`taker ${person.sessionId}`);
    this.#leftCount = this.#random.chance(0.3) ? 2 : 1;
  }

  get #stub(): ActivationSession {
    return sessionStub(this.#parts.env, this.#person.sessionId) as unknown as ActivationSession;
  }

  /** Begins to look whether the session has ended. */
  begin(): void {
    if (this.#leftCount === 0 || this.#lookCount++ > maxLookCount) return;
    const ms = 10 ** (2 + this.#random.next() * 2);
    this.#parts.sim.after(ms, this, 'taker', () => {
      if (this.isDone) return;
      const again = (): void => this.begin();
      this.#look().then(again, again);
    });
  }

  async #look(): Promise<void> {
    const progress = await this.#stub.progress();
    if (progress === null || progress.finishedAt === null || progress.takeBack?.endedAt === null) return;
    const { failed, sent, unknown } = progress.email;
    // Somebody may ask although nothing can come of it; most look at the numbers first.
    if (failed + sent + unknown === 0 && this.#random.chance(0.95)) return;
    this.#leftCount--;
    await this.#takeBack(this.#random.chance(failed > 0 ? 0.5 : 0.1) ? 'unmailed' : 'all');
  }

  async #takeBack(choice: TakeBackChoice): Promise<void> {
    const { sim } = this.#parts;
    for (let tryCount = 0; tryCount < maxTryCount && !this.isDone; tryCount++) {
      try {
        const shown = await this.#stub.takeBackForecast(choice);
        if (shown.kind !== 'ok') return;
        this.#parts.invariants.takenBack.shown(shown.manifest, shown.manifestHash);
        this.#mayMeddle(0.3);
        await this.#wait(this.#random.chance(0.5) ? 0 : this.#random.int(0, 3_000));
        const answer = await this.#ask(choice, shown.manifestHash);
        sim.note(`taken back ${this.#person.sessionId} ${choice} ${answer.kind}`);
        if (answer.kind === 'changed') continue;
        if (answer.kind !== 'ok') return;
        this.#mayMeddle(0.3);
        if (this.#random.chance(0.3)) this.#ask(choice, shown.manifestHash).catch(() => {});
        await this.#wait(this.#random.int(0, 2_000));
        if (this.#random.chance(0.5)) await this.#person.command(this.#random.pick<Command>(lateCommands));
        return;
      } catch {
        // The answer was lost. Whoever asks again is shown what there is now.
        await this.#wait(500);
      }
    }
  }

  async #ask(choice: TakeBackChoice, manifestHash: string): Promise<TakeBackAnswer> {
    return this.#stub.takeBack({ choice, manifestHash, by: 'ana@sim.test' });
  }

  #mayMeddle(probability: number): void {
    if (this.#random.chance(probability)) this.#person.meddle(this.#random.pick(meddling)).catch(() => {});
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.sim.after(ms, this, 'taker waits', resolve));
  }
}
