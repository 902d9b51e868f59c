/**
 * What meets what: outages of the mail API, deploys, and the commands that people give around them.
 *
 * By dice alone a command hardly ever comes while a deploy is under way, or while mail is in doubt. Here they come
 * together, at many distances. Each is a fault of its own number, so a shrink can leave it out.
 *
 * @module
 */
import type { Command } from '../../../src/core/session/command.ts';
import type { Invariants } from '../invariants.ts';
import type { ObjectHost } from '../platform/objects.ts';
import type { Random } from '../platform/random.ts';
import { Actor, type Simulator } from '../platform/simulator.ts';
import { holdsSession, leaveEarlierRows } from './earlier-version.ts';
import type { Faults } from './faults.ts';
import { doubtKinds, outageKinds, type MailApi, type OutageKind } from './mail-api.ts';
import type { Person } from './person.ts';
import type { Receivers } from './receiver.ts';

export interface EncounterParts {
  sim: Simulator;
  /** Decides which encounters a world has. */
  draw: Random;
  faults: Faults;
  invariants: Invariants;
  api: MailApi;
  env: Env;
  people: readonly Person[];
  leadCount: number;
  /** Hours and days of trouble. */
  isLong: boolean;
  hasMailFaults: boolean;
  hosts(): Iterable<ObjectHost>;
}

/**
 * A call that hangs keeps an object awake, so that it dies again and again, and one that is to wait for some seconds comes
 * again and again: after an hour it is the same once more.
 */
const longestBusyMs = 3_600_000;

const deployKinds = [
  ['another provider', 2],
  ['another provider, and back', 1],
  ['rows of the version before', 3],
  ['settings without a key', 3],
] as const;

export class Encounters {
  readonly #parts: EncounterParts;
  readonly #actor = new Actor('deployer');

  constructor(parts: EncounterParts) {
    this.#parts = parts;
  }

  /** In some worlds the mail API is away for a while, from seconds to days. */
  mayBeginOutage(): void {
    const { draw, hasMailFaults, isLong } = this.#parts;
    if (!draw.chance(0.3) || !hasMailFaults) return;
    const kind = draw.pick(outageKinds);
    const [afterMs, forMs] = [draw.int(0, 10_000), 10 ** (3 + draw.int(0, isLong ? 52 : 50) / 10)];
    const isBusy = kind.startsWith('hang') || kind === '429 seconds';
    this.#beginOutage(afterMs, isBusy ? Math.min(forMs, longestBusyMs) : forMs, kind);
  }

  #beginOutage(afterMs: number, forMs: number, kind: OutageKind): void {
    const { faults, api, people, leadCount } = this.#parts;
    this.#after(afterMs, 'outage', () => {
      if (!faults.happens('mail api', `outage: ${kind}`, 1)) return;
      api.outage = kind;
      // Mail that waits for long, to somebody who meanwhile does not want it.
      if (forMs > 120_000 && faults.happens('mail api', 'a suppression in an outage', 0.5))
        this.#after(faults.int(500, 5_000), 'suppression', () => {
          people[0]?.suppress(faults.int(1, leadCount)).catch(() => {});
        });
      // Mail in doubt, to somebody who is erased before it is asked about: under its key it has other bytes then.
      if (doubtKinds.includes(kind) && faults.happens('mail api', 'an erasure in an outage', 0.7)) {
        // The provider may remember under the key that it has refused them all.
        if (faults.happens('mail api', 'a refusal in an outage', 0.8))
          api.refusedLeadIds.add(faults.int(1, leadCount));
        this.#after(faults.int(200, 5_000), 'erasure', () => {
          const isRefused = (leadId: number): boolean => api.refusedLeadIds.has(leadId);
          const refused = api.calls.findLast(({ leadIds }) => leadIds.length > 1 && leadIds.some(isRefused));
          const leadIds = (refused ?? api.calls.at(-1))?.leadIds.filter((leadId) => !isRefused(leadId)) ?? [];
          people[0]?.meddle('erase lead', leadIds[faults.int(0, leadIds.length - 1)]).catch(() => {});
        });
      }
      this.#after(forMs, 'outage over', () => (api.outage = null));
    });
  }

  /** For so long the mail API asks everybody to wait. */
  throttle(forMs: number): void {
    this.#beginOutage(0, forMs, '429 seconds');
  }

  /**
   * Mail fails or is in doubt while no receiver answers, and people have it sent again. So the receivers are told of
   * both at once, in the order in which it happened.
   */
  mayRetryUnheard(receivers: Receivers): void {
    const draw = this.#parts.sim.stream('unheard');
    const { faults, hasMailFaults } = this.#parts;
    if (!draw.chance(0.7) || !hasMailFaults) return;
    const kind = draw.chance(0.6) ? 'refused for content' : draw.pick(doubtKinds);
    const [atMs, forMs] = [draw.int(0, 3_000), draw.int(300, 4_000)];
    this.#after(atMs, 'unheard', () => {
      if (!faults.happens('receiver', 'away while mail is sent again', 1)) return;
      receivers.leave(forMs + draw.int(5_000, 40_000));
      this.#beginOutage(0, forMs, kind);
      const isRefused = kind === 'refused for content';
      // Otherwise mail in doubt is repeated by itself.
      if (!isRefused && draw.chance(0.7))
        this.#after(forMs, 'cancel', () => this.#tellAll({ kind: 'cancel' }));
      const retry: Command = isRefused
        ? { kind: 'retry', outcome: 'failed' }
        : draw.pick<Command>([{ kind: 'check' }, { kind: 'retry', outcome: 'unknown' }]);
      // While the rest is still sent, too: the end of an activation is an event of its own.
      for (let left = draw.int(1, 3); left > 0; left--)
        this.#after(draw.int(isRefused ? 200 : forMs, forMs + 4_000), 'retry', () => this.#tellAll(retry));
    });
  }

  /** A deploy restarts every object: with other settings, or on the rows of the version before. */
  mayBeginDeploy(): void {
    const { sim, draw, api, isLong } = this.#parts;
    if (!draw.chance(0.3)) return;
    const atMs = draw.int(0, isLong && draw.chance(0.5) ? 20 * 3_600_000 : 20_000);
    if (!draw.chance(0.5)) {
      this.#after(atMs, 'deploy', () => this.#deploy());
      return;
    }
    // While mail is in doubt: soon after a call that was made while the API is away.
    const kind = draw.pick<OutageKind>([...doubtKinds, 'hang after']);
    const times = sim.stream('deploy in an outage');
    const fromMs = times.int(0, 5_000);
    // What the version before took for *not taken* is as frequent as everything else.
    this.#beginOutage(fromMs, times.int(2_000, 10_000), times.chance(0.5) ? '503 proxy after' : kind);
    const afterCallMs = times.int(50, 3_000);
    this.#after(fromMs, 'deploy', () => {
      api.onNextCall = () => this.#after(afterCallMs, 'deploy', () => this.#deploy());
    });
  }

  #deploy(): void {
    const { faults } = this.#parts;
    const kind = faults.pick('deploy', 1, deployKinds);
    switch (kind) {
      case null:
        return;
      case 'rows of the version before':
        this.#leaveEarlierRows();
        return;
      case 'settings without a key':
        this.#breakSettings();
        return;
      case 'another provider':
      case 'another provider, and back':
        this.#changeProvider(kind === 'another provider, and back');
        return;
      default:
        kind satisfies never;
    }
  }

  #leaveEarlierRows(): void {
    this.#restartAll((host) => {
      if (holdsSession(host) && leaveEarlierRows(host)) this.#parts.invariants.earlierRows(host);
    });
    if (this.#parts.faults.happens('deploy', 'a cancel after it', 0.7)) this.#tellAll({ kind: 'cancel' });
  }

  #changeProvider(isForAWhile: boolean): void {
    const { env, faults } = this.#parts;
    const before = env.MAIL_PROVIDER;
    const change = (MAIL_PROVIDER: string): void =>
      this.#restartAll(() => Object.assign(env, { MAIL_PROVIDER }));
    const other = before === 'resend' ? 'postmark' : 'resend';
    if (faults.happens('deploy', 'a check before it', 0.25)) this.#checkInDoubt(() => change(other));
    else change(other);
    if (isForAWhile) this.#after(faults.int(1_000, 60_000), 'deploy', () => change(before));
  }

  /** The settings cannot be used for a while. */
  #breakSettings(): void {
    const { env, faults } = this.#parts;
    const set = (MAIL_API_KEY: string): void => this.#restartAll(() => Object.assign(env, { MAIL_API_KEY }));
    const breakThem = (): void => {
      set('');
      this.#after(faults.int(1_000, 60_000), 'deploy', () => set('key'));
    };
    if (faults.happens('deploy', 'a check before it', 0.5)) {
      this.#checkInDoubt(breakThem);
      return;
    }
    if (faults.happens('deploy', 'a cancel before it', 0.5)) this.#tellAll({ kind: 'cancel' });
    this.#after(faults.int(1, 500), 'deploy', breakThem);
  }

  /**
   * The API takes mails and does not say so; everybody cancels, and has the provider asked about the mail in doubt.
   * Something else happens while it is asked: it is the only work that a cancelled session still has.
   */
  #checkInDoubt(meanwhile: () => void): void {
    const { draw, faults } = this.#parts;
    const doubtMs = faults.int(500, 5_000);
    this.#beginOutage(0, doubtMs, draw.pick(doubtKinds));
    this.#after(doubtMs, 'cancel', () => this.#tellAll({ kind: 'cancel' }));
    // Until the cancelled sessions have given their leads back and ended.
    const checkMs = doubtMs + faults.int(500, 15_000);
    this.#after(checkMs, 'check', () => this.#tellAll({ kind: 'check' }));
    this.#after(checkMs + faults.int(1, 400), 'deploy', meanwhile);
  }

  #tellAll(command: Command): void {
    for (const person of this.#parts.people) person.command(command).catch(() => {});
  }

  #restartAll(each: (host: ObjectHost) => void): void {
    for (const host of this.#parts.hosts()) {
      host.crash('deploy');
      each(host);
    }
  }

  #after(ms: number, kind: string, work: () => void): void {
    this.#parts.sim.after(ms, this.#actor, kind, work);
  }
}
