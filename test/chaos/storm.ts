/**
 * Random commands to two sessions at once, drawn from a seed, until it is told to stop.
 *
 * Owns which command comes next. Judging is judge-*.ts, killing is round.ts. Sometimes it gives a command that makes no
 * sense: that one must be refused, and change nothing.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isTerminal } from '../../src/shared/progress.ts';
import type { Client } from './client.ts';
import type { Crm } from './crm.ts';
import type { MailApi } from './mail-api.ts';
import type { Person, Track } from './person.ts';

export interface StormOptions {
  random: () => number;
  client: Client;
  mailApi: MailApi;
  person: Person;
  crm: Crm;
  tracks: readonly Track[];
  leadIds: readonly number[];
  /** Sessions that may be cancelled, and those that may be erased. */
  mayCancel: ReadonlySet<Track>;
  mayErase: ReadonlySet<Track>;
}

/** A weighted choice. */
function draw<T extends string>(random: () => number, weights: Partial<Record<T, number>>): T {
  const entries = Object.entries(weights) as [T, number][];
  let rest = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [word, weight] of entries) {
    rest -= weight;
    if (rest < 0) return word;
  }
  throw new Error('nothing to draw from');
}

export class Storm {
  readonly #options: StormOptions;
  #isOver = false;
  /** True while no commands are given, because an outage or a restart is being measured. */
  isSuspended = false;
  #isBusy = false;

  constructor(options: StormOptions) {
    this.#options = options;
  }

  /** Gives commands until {@link Storm.end}. */
  async run(): Promise<void> {
    const { random, client } = this.#options;
    while (!this.#isOver) {
      await sleep(80 + random() * 500);
      if (this.isSuspended || !client.isUp) continue;
      this.#isBusy = true;
      await this.next();
      this.#isBusy = false;
    }
  }

  end(): void {
    this.#isOver = true;
  }

  /** Stops giving commands once the present one is answered. */
  async suspend(): Promise<void> {
    this.isSuspended = true;
    while (this.#isBusy) await sleep(10);
  }

  /** Gives one command, or changes a lead. */
  async next(): Promise<void> {
    const { random, tracks } = this.#options;
    const track = tracks[Math.floor(random() * tracks.length)];
    if (track === undefined || random() < 0.2) await this.#touchLeads();
    else if (!track.isErased) await this.#command(track);
  }

  async #command(track: Track): Promise<void> {
    const { random, person, mayCancel, mayErase } = this.#options;
    const progress = await person.progress(track);
    if (progress === null) return;
    const cancel = mayCancel.has(track) ? 1 : 0;
    const { unknown, failed } = progress.email;
    const hasEnded = isTerminal(progress);
    if (hasEnded || progress.state === 'cancelled') {
      const word = draw(random, {
        nothing: 4,
        retryFailed: failed > 0 ? 3 : 0.1,
        retryUnknown: unknown > 0 && hasEnded ? 3 : 0.1,
        check: unknown > 0 ? 1 : 0.1,
        assumeSent: unknown > 0 ? 0.3 : 0.1,
        cancel: 0.1,
        resume: 0.1,
      });
      if (word === 'retryUnknown' && (await person.retryUnknown(track)) && random() < 0.6) {
        // Before it has left, if that can be: the doubt must be there again afterwards.
        await person.cancel(track);
        await this.#untilEnded(track);
        await person.lookAtFailed(track);
        if (random() < 0.7) await person.retryFailed(track);
      } else if (word !== 'nothing' && word !== 'retryUnknown') await person[word](track);
      return;
    }
    if (progress.state === 'paused') {
      const isByUser = progress.reason === 'user';
      const word = draw(random, {
        resume: isByUser ? 5 : 4,
        pause: 1,
        cancel: cancel * 1.5,
        erase: mayErase.has(track) ? 2 : 0,
        retryFailed: failed > 0 ? 1 : 0,
        retryUnknown: unknown > 0 ? 1 : 0,
        check: 0.3,
      });
      await person[word](track);
      return;
    }
    const word = draw(random, {
      nothing: 3,
      pause: 4,
      cancel: cancel * 0.7,
      retryFailed: failed > 0 ? 1 : 0,
      resume: 0.2,
    });
    if (word === 'nothing') return;
    await person[word](track);
    if (word !== 'pause') return;
    // At once, while leads are between their flip and their intent; or after a while.
    const next = draw(random, { erase: mayErase.has(track) ? 3 : 0, cancel, nothing: 2, resume: 1 });
    if (random() < 0.5) await sleep(random() * 1_500);
    if (next !== 'nothing') await person[next](track);
  }

  /** Somebody works on the leads themselves, or a provider learns that an address is dead. */
  async #touchLeads(): Promise<void> {
    const { random, crm, leadIds, mailApi } = this.#options;
    const at = Math.floor(random() * leadIds.length);
    const number = at + 1;
    const word = draw(random, { suppress: 2, name: 2, address: 1, importOver: 1, inactive: 2 });
    if (word === 'suppress') await crm.suppress(number);
    else if (word === 'inactive') mailApi.inactive.add(crm.address(number));
    else if (word === 'importOver')
      await crm
        .importOver(Array.from({ length: 20 }, (_, i) => ((at + i) % leadIds.length) + 1))
        .catch(noAnswer);
    else await crm.edit(leadIds[at] ?? 0, word);
  }

  async #untilEnded(track: Track): Promise<void> {
    const { person, client } = this.#options;
    for (let attempt = 0; attempt < 50 && client.isUp; attempt++) {
      const progress = await person.progress(track);
      if (progress !== null && isTerminal(progress)) return;
      await sleep(100);
    }
  }
}

/** The product was killed under the import; the next one is another import. */
function noAnswer(): void {}
