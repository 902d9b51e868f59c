/**
 * The approval of a simulated session: what it signs, and the people who sign, refuse or change what was signed.
 *
 * Invariant: all that an approver draws is from a stream of its own, so that worlds without approvals stay as they are.
 *
 * @module
 */
import type { ApprovalVerdict } from '../../../src/core/session/approval.ts';
import type { SessionSpec } from '../../../src/core/session/session.ts';
import type { Command } from '../../../src/core/session/command.ts';
import type { ActivationSession, CommandAnswer } from '../../../src/durable/activation-session.ts';
import { hashNow } from '../../../src/durable/session/manifest.ts';
import { sessionStub } from '../../../src/durable/stubs.ts';
import type { HashedManifest } from '../../../src/shared/manifest.ts';
import type { Progress } from '../../../src/shared/progress.ts';
import type { SendingWindow } from '../../../src/shared/schedule/sending-window.ts';
import type { Invariants } from '../invariants.ts';
import type { Random } from '../platform/random.ts';
import { Actor, type Simulator } from '../platform/simulator.ts';
import { drawSchedule } from './times.ts';

/** Windows that are always open: another one is another manifest, and keeps nothing back. */
const windows: readonly SendingWindow[] = ['UTC', 'Europe/Berlin', 'Asia/Tokyo'].map((zone) => ({
  zone,
  days: [1, 2, 3, 4, 5, 6, 7],
  from: '00:00',
  until: '24:00',
}));

/** What a simulated start would do, as its manifest. */
export function manifestOfSpec(spec: Omit<SessionSpec, 'manifest'>): HashedManifest {
  const {
    owner,
    total,
    maxLeadId,
    template,
    mail,
    provider = '',
    schedule,
    window = null,
    waves = null,
  } = spec;
  const begin = schedule && { at: schedule.at, zone: schedule.zone, freezeAt: schedule.freezeAt };
  return hashNow({
    version: 1,
    madeBy: owner,
    audience: {
      words: 'simulated leads',
      ...{ filter: null, searchHash: null, picked: null, excluded: null },
      ...{ maxLeadId, total, members: String(total), outcomes: null },
    },
    template: { id: template.id, version: template.version, name: template.name, sha256: template.html },
    mail: { provider, ...mail },
    ...{ dailyCap: null, minDaysBetween: null },
    when: { schedule: begin ?? null, window, waves },
  });
}

const maxMissCount = 40;
const hourMs = 3_600_000;

const acts = [
  ['approve', 6],
  ['approve, then change it', 3],
  ['approve, then more leads', 3],
  ['approve twice', 1],
  ['approve what one has started', 2],
  ['approve another manifest', 2],
  ['change it', 2],
  ['reject', 1],
] as const;

export interface ApproverParts {
  sim: Simulator;
  env: Env;
  /** Some wait longer than a request for an approval counts. */
  isLong: boolean;
  invariants: Pick<Invariants, 'commandAnswered'>;
  /** Somebody imports leads. */
  importLeads(): Promise<void>;
}

export class Approver extends Actor {
  readonly #parts: ApproverParts;
  readonly #sim: Simulator;
  readonly #env: Env;
  readonly #sessionId: string;
  readonly #owner: string;
  readonly #random: Random;
  #windowCount = 0;
  #missCount = 0;
  #lookCount = 0;
  /** Everything is to come to its end: it approves, and nothing else. */
  isDone = false;

  constructor(parts: ApproverParts, sessionId: string, owner: string) {
    super(`approver ${sessionId.slice(-1)}`);
    this.#parts = parts;
    this.#sim = parts.sim;
    this.#env = parts.env;
    this.#sessionId = sessionId;
    this.#owner = owner;
    this.#random = parts.sim.stream(`approver ${sessionId}`);
  }

  /** Begins to look at the request, and does so until it is decided. */
  begin(): void {
    // From some ms, while the start is under way, to some minutes; soon where everything is to come to its end.
    const isSlow = this.#parts.isLong && !this.isDone && this.#random.chance(0.5);
    // Within two days, or after the request has expired.
    const soonMs = 10 ** (1 + this.#random.next() * (this.isDone ? 2.5 : 4));
    // Its start may be hours ahead.
    const ms = isSlow ? hourMs * 60 ** this.#random.next() : soonMs * 1.3 ** Math.min(30, this.#lookCount++);
    this.#sim.after(ms, this, 'approver', () => {
      const again = (): void => this.begin();
      this.#act().then((isOver) => (isOver ? undefined : again()), again);
    });
  }

  async #act(): Promise<boolean> {
    const act = this.isDone ? 'approve' : this.#pick();
    const progress = await this.#stub.progress();
    // The start is under way, or somebody has erased it.
    if (progress === null) return ++this.#missCount > maxMissCount;
    const mayChange = progress.state === 'awaiting_approval' || progress.startedAt === null;
    if (progress.finishedAt !== null || !mayChange) return true;
    // Where more is asked for later, whoever looks at the end approves it.
    if (this.isDone && progress.state !== 'awaiting_approval') return true;
    switch (act) {
      case 'approve':
        await this.approve();
        return false;
      case 'approve, then change it':
        await this.approve();
        await this.#change(progress);
        return false;
      case 'approve twice':
        await Promise.all([this.approve(), this.approve()]);
        return false;
      case 'approve what one has started':
        await this.#decide({ kind: 'approve', by: this.#owner.toUpperCase() });
        return false;
      case 'approve another manifest':
        await this.#decide({ kind: 'approve', manifestHash: '0'.repeat(64) });
        return false;
      case 'change it':
        await this.#change(progress);
        return false;
      case 'approve, then more leads':
        await this.approve();
        await this.#parts.importLeads();
        return false;
      case 'reject':
        await this.#decide({ kind: 'reject' });
        return false;
      default:
        return act satisfies never;
    }
  }

  #pick(): (typeof acts)[number][0] {
    const sum = acts.reduce((all, [, weight]) => all + weight, 0);
    let at = this.#random.next() * sum;
    return acts.find(([, weight]) => (at -= weight) < 0)?.[0] ?? 'approve';
  }

  get #stub(): ReturnType<typeof sessionStub> {
    return sessionStub(this.#env, this.#sessionId);
  }

  /** Approves what the session has now. */
  async approve(): Promise<void> {
    await this.#decide({ kind: 'approve' });
  }

  async #decide(verdict: { kind: 'approve' | 'reject'; manifestHash?: string; by?: string }): Promise<void> {
    const session = this.#stub as unknown as ActivationSession;
    const original = await session.original();
    const manifest = JSON.parse(original?.manifest ?? 'null') as HashedManifest | null;
    if (manifest === null) return;
    const { manifestHash = manifest.hash, by = 'bob@sim.test' } = verdict;
    const full: ApprovalVerdict =
      verdict.kind === 'approve'
        ? {
            kind: 'approve',
            manifestHash,
            by,
            startsAt: this.#sim.wallMs() + (this.#random.chance(0.5) ? 5_000 : 0),
          }
        : { kind: 'reject', manifestHash, by, reason: 'no' };
    await session.decideApproval(full);
  }

  /** Another window, or another start time: it has to be approved anew. */
  async #change({ schedule }: Progress): Promise<void> {
    const { invariants } = this.#parts;
    const { at, zone, startAt } = drawSchedule(this.#random, this.#sim.wallMs(), this.#parts.isLong);
    const command: Command =
      schedule !== undefined && this.#random.chance(0.6)
        ? { kind: 'reschedule', time: { at, zone, startAt } }
        : { kind: 'reschedule', window: windows[this.#windowCount++ % windows.length] ?? null };
    const sentAtMs = this.#sim.nowMs;
    const answer = (await this.#stub.command(command, 'ana')) as CommandAnswer;
    if (answer.kind !== 'ok') return;
    // A time of the same minute changes nothing.
    const time = answer.progress.schedule;
    const answered = { kind: 'reschedule', ...(time === undefined ? {} : { time }) } as const;
    invariants.commandAnswered(this.#sessionId, answered, sentAtMs);
  }
}
