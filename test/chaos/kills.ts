/**
 * Kills of the whole process group, at random and aimed, and how soon work goes on afterwards.
 *
 * Owns when the product is up. After each kill, but those during a start, no command is given until a new call has
 * reached the mail API or its time is over.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { remainingCount } from '../../src/shared/progress.ts';
import type { BareProduct } from '../support/product.ts';
import type { Client, Journal } from './client.ts';
import type { MailApi } from './mail-api.ts';
import type { Person, Track } from './person.ts';

/** From "ready" to a new call (docs/RELIABILITY.md, "It goes on by itself"). */
export const maxResumeMs = 5_000;

export interface Recovery {
  what: string;
  ms: number;
  maxMs: number;
}

export interface KillerOptions {
  product: BareProduct;
  client: Client;
  mailApi: MailApi;
  person: Person;
  journal: Journal;
  random: () => number;
}

export class Killer {
  /** Epoch milliseconds of every kill. */
  readonly kills: number[] = [];
  /** Kills that found calls on the wire. */
  inFlightKillCount = 0;
  readonly recoveries: Recovery[] = [];
  readonly #options: KillerOptions;

  constructor(options: KillerOptions) {
    this.#options = options;
  }

  /** SIGKILL to the whole process group, now. */
  async kill(why: string): Promise<void> {
    const { product, client, mailApi, journal } = this.#options;
    client.isUp = false;
    const openCount = mailApi.calls.filter((call) => call.endedAt === null).length;
    this.kills.push(Date.now());
    if (openCount > 0) this.inFlightKillCount++;
    journal.note(`kill (${why}), ${String(openCount)} calls on the wire`);
    await product.stack.killHard();
    // The mail API still reads what was sent before the kill.
    await sleep(100);
  }

  /** Starts the product again; killed in its boot first, when asked to. */
  async boot(env: Record<string, string>, killsInBoot = 0): Promise<void> {
    const { product, client, journal, random } = this.#options;
    for (let count = 0; count < killsInBoot; count++) {
      const ms = 500 + random() * 4_000;
      await product
        .restart(env, (worker) => {
          void sleep(ms).then(() => {
            this.kills.push(Date.now());
            journal.note(`kill in boot, after ${Math.round(ms)} ms`);
            return worker.killHard();
          });
        })
        .then(
          // It was faster than the kill: that comes now, among the first alarms.
          () => sleep(ms),
          () => undefined,
        );
      await product.stack.killHard();
    }
    await product.restart(env);
    client.isUp = true;
    journal.note('ready');
  }

  /**
   * Waits for the first new call after a restart.
   *
   * @param tracks - as they were last seen before the kill
   */
  async awaitWork(tracks: readonly Track[], callsBefore: number): Promise<void> {
    const { mailApi, person, journal } = this.#options;
    const readyAt = Date.now();
    const moving = tracks.filter(isMoving);
    if (moving.length === 0) return;
    while (mailApi.calls.length === callsBefore && Date.now() - readyAt < maxResumeMs) await sleep(10);
    const first = mailApi.calls[callsBefore];
    if (first !== undefined) {
      this.recoveries.push({ what: 'kill', ms: Math.max(0, first.at - readyAt), maxMs: maxResumeMs });
      return;
    }
    for (const track of moving) {
      const progress = await person.progress(track);
      // It may have stopped between its last view and the kill.
      if (progress?.state !== 'running' || remainingCount(progress) === 0) continue;
      journal.violations.push({
        rule: 'it goes on by itself within 5 s after a kill',
        words: `no call ${String(maxResumeMs)} ms after ready: ${JSON.stringify(progress)}`,
        sessionId: track.sessionId,
      });
    }
  }
}

/** Whether a session must call the mail API soon, by its last view. */
export function isMoving(track: Track): boolean {
  const view = track.watch?.view ?? null;
  if (view === null || track.isErased || track.stops.some((stop) => stop.toIndex === null)) return false;
  return view.state === 'running' && remainingCount(view) > 0 && view.waitingUntil === null;
}
