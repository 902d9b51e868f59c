/**
 * The people of a world: who starts sessions and commands them, who edits the CRM, and who looks.
 *
 * Everything goes through the product's own functions and the objects' public methods, as the Worker calls them.
 *
 * @module
 */
import type { ActivationSession, CommandAnswer } from '../../../src/durable/activation-session.ts';
import type { Command } from '../../../src/core/session/command.ts';
import { emailHash } from '../../../src/crm/email.ts';
import { updateLead } from '../../../src/crm/leads/lead.ts';
import { suppressHash } from '../../../src/crm/suppressions.ts';
import { sessionStub } from '../../../src/durable/stubs.ts';
import { eraseEverywhere } from '../../../src/worker/operations/erasure.ts';
import type { ResultCursor, ResultPage, ResultQuery } from '../../../src/durable/session/results.ts';
import type { Progress } from '../../../src/shared/progress.ts';
import type { LeadResult } from '../../../src/shared/schemas/activation.ts';
import type { Invariants } from '../invariants.ts';
import type { Random } from '../platform/random.ts';
import { Actor, type Simulator } from '../platform/simulator.ts';
import type { ObjectHost } from '../platform/objects.ts';
import type { Faults } from './faults.ts';
import { importLeads } from './import-leads.ts';

export interface PersonParts {
  sim: Simulator;
  env: Env;
  faults: Faults;
  invariants: Invariants;
  hostOf(sessionId: string): ObjectHost;
  leadCount: number;
  /** What people do with the address of each lead: an import of an address that an edit or an erasure frees would make another lead of it. */
  addressUse: Map<number, 'changed' | 'imported'>;
  /** People let a session lie for a day and more. */
  isLong: boolean;
}

export const commandKinds = [
  ['pause', 5],
  ['resume', 7],
  ['cancel', 2],
  ['undo', 1],
  ['start now', 1],
  ['retry failed', 4],
  ['retry unknown', 3],
  ['check', 3],
  ['assume sent', 1],
  ['erase session', 1],
  ['suppress', 3],
  ['edit', 2],
  ['erase lead', 1],
  ['import', 2],
] as const;
type CommandKind = (typeof commandKinds)[number][0];

const commands = {
  pause: { kind: 'pause' },
  resume: { kind: 'resume' },
  cancel: { kind: 'cancel' },
  undo: { kind: 'cancel', isUndo: true },
  'retry failed': { kind: 'retry', outcome: 'failed' },
  'retry unknown': { kind: 'retry', outcome: 'unknown' },
  check: { kind: 'check' },
  'assume sent': { kind: 'assumeSent' },
} as const satisfies Partial<Record<CommandKind, Command>>;

const dayMs = 86_400_000;
/** Small, so that a page ends within a batch. */
const pageLeadCount = 3;

/** Carries out commands for one session, with pauses of every length. */
export class Person extends Actor {
  readonly #parts: PersonParts;
  readonly sessionId: string;
  readonly #random: Random;
  #leftCount: number;
  /** Gives no more commands; set when everything is to come to its end. */
  isDone = false;
  /** An erasure of the session that was asked for was not answered: whoever asked looks again. */
  isErasureOpen = false;
  editCount = 0;

  constructor(parts: PersonParts, sessionId: string, commandCount: number) {
    super(`person ${sessionId.slice(-1)}`);
    this.#parts = parts;
    this.sessionId = sessionId;
    this.#random = parts.sim.stream(`person ${sessionId}`);
    this.#leftCount = commandCount;
  }

  get #stub(): ReturnType<typeof sessionStub> {
    return sessionStub(this.#parts.env, this.sessionId);
  }

  /** Begins to give commands. */
  begin(): void {
    if (this.#leftCount-- <= 0) return;
    // From a few ms to some hours: most in the first seconds, where most happens.
    const isDays = this.#parts.isLong && this.#random.chance(0.3);
    const ms = isDays
      ? this.#random.int(dayMs * 0.8, dayMs * 1.6)
      : 10 ** (1.3 + this.#random.next() * (this.#random.chance(0.1) ? 6.6 : 3.2));
    this.#parts.sim.after(ms, this, 'person', () => {
      if (this.isDone) return;
      const kind = this.#parts.faults.pick('person', 1, commandKinds);
      const done = (): void => this.begin();
      (kind === null ? Promise.resolve() : this.#do(kind)).then(done, done);
    });
  }

  /** Changes a lead, or some lead, whatever the session does. */
  async meddle(kind: 'suppress' | 'edit' | 'erase lead' | 'import', leadId?: number): Promise<void> {
    if (this.#parts.faults.happens('person', kind, 1)) await this.#do(kind, leadId);
  }

  async #do(kind: CommandKind, of?: number): Promise<void> {
    const { env, sim, invariants, faults, leadCount } = this.#parts;
    const leadId = of ?? faults.int(1, leadCount);
    // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- the rest are the session's commands
    switch (kind) {
      case 'erase session': {
        this.isErasureOpen = true;
        const answer = await (this.#stub as unknown as ActivationSession).erase('ana');
        this.isErasureOpen = false;
        if (answer.kind === 'erased') invariants.sessionErased(this.sessionId);
        return;
      }
      case 'suppress':
        await this.suppress(leadId);
        return;
      case 'edit':
        if (!this.#mayUse(leadId, 'changed')) return;
        await updateLead(env.DB, {
          leadId,
          patch: { email: `l${leadId}e${this.sessionId.slice(-1)}${this.editCount++}@sim.test` },
          nowMs: sim.wallMs(),
          hashEmail: (email) => emailHash(env.ADDRESS_HASH_KEY, email),
        });
        return;
      case 'import': {
        const importId = `import-${this.sessionId.slice(-1)}-${this.editCount++}`;
        const known = [...new Set([leadId, (leadId % leadCount) + 1])]
          .filter((id) => this.#mayUse(id, 'imported'))
          .map((id) => [`l${id}@sim.test`, importId] as const);
        const rows = [...known, [`${importId}@sim.test`, 'New'] as const];
        await importLeads(env, { importId, rows, nowMs: sim.wallMs() });
        return;
      }
      case 'erase lead':
        if (!this.#mayUse(leadId, 'changed')) return;
        invariants.leadForgotten(leadId);
        if (await eraseEverywhere(env, leadId)) invariants.leadErased(leadId, [`l${leadId}@sim.test`]);
        return;
      default:
        await this.command(
          kind === 'start now' ? { kind: 'startNow', startsAt: sim.wallMs() } : commands[kind],
        );
    }
  }

  /** Suppresses the first address of a lead. */
  async suppress(leadId: number): Promise<void> {
    const { env, sim, invariants } = this.#parts;
    const email = `l${leadId}@sim.test`;
    invariants.leadForgotten(leadId);
    await suppressHash(env.DB, {
      emailHash: emailHash(env.ADDRESS_HASH_KEY, email),
      leadId,
      address: email,
      reason: 'manual',
      nowMs: sim.wallMs(),
      sessionId: null,
    });
    invariants.suppressed(email);
  }

  #mayUse(leadId: number, use: 'changed' | 'imported'): boolean {
    const { addressUse } = this.#parts;
    const known = addressUse.get(leadId) ?? use;
    addressUse.set(leadId, known);
    return known === use;
  }

  /** Gives one command. */
  async command(command: Command): Promise<CommandAnswer> {
    const { sim, invariants } = this.#parts;
    const sentAtMs = sim.nowMs;
    const answer = (await this.#stub.command(command, 'ana')) as CommandAnswer;
    if (answer.kind === 'ok') invariants.commandAnswered(this.sessionId, command, sentAtMs);
    return answer;
  }

  progress(): Promise<Progress | null> {
    return this.#stub.progress();
  }

  /** Reads all pages of the session's results. */
  async results(): Promise<LeadResult[]> {
    const results: LeadResult[] = [];
    let cursor: ResultCursor | null = null;
    do {
      const query: ResultQuery = { activation: null, email: null, code: null, cursor, limit: pageLeadCount };
      const page = (await this.#stub.results(query)) as ResultPage | null;
      results.push(...(page?.leads ?? []));
      cursor = page?.next ?? null;
    } while (cursor !== null);
    return results;
  }
}

/** Polls a session every two seconds, as a page does, and checks what it sees. */
export class Poller extends Actor {
  readonly #parts: PersonParts;
  readonly #sessionId: string;
  isDone = false;

  constructor(parts: PersonParts, sessionId: string) {
    super(`poller ${sessionId.slice(-1)}`);
    this.#parts = parts;
    this.#sessionId = sessionId;
  }

  /** @param forMs - how long it looks */
  begin(forMs: number): void {
    const { sim } = this.#parts;
    const untilMs = sim.nowMs + forMs;
    const look = (): void => {
      if (this.isDone || sim.nowMs > untilMs) return;
      const next = (): void => void sim.after(2_000, this, 'poll', look);
      sessionStub(this.#parts.env, this.#sessionId)
        .progress()
        .then((progress) => {
          if (progress !== null) this.#parts.invariants.seen(this.name, progress);
        })
        .then(next, next);
    };
    sim.after(500, this, 'poll', look);
  }
}

/** Reads a session's event stream, and connects again when it ends. */
export class StreamReader extends Actor {
  readonly #parts: PersonParts;
  readonly #sessionId: string;
  #lastRev: number | null = null;
  isDone = false;

  constructor(parts: PersonParts, sessionId: string) {
    super(`reader ${sessionId.slice(-1)}`);
    this.#parts = parts;
    this.#sessionId = sessionId;
  }

  begin(forMs: number): void {
    const { sim, hostOf } = this.#parts;
    const untilMs = sim.nowMs + forMs;
    const connect = (): void => {
      if (this.isDone || sim.nowMs > untilMs) return;
      let isOver = false;
      hostOf(this.#sessionId).openStream(this, this.#lastRev, {
        chunk: (text) => {
          if (!isOver) this.#read(text);
        },
        end: () => {
          isOver = true;
          sim.after(2_000, this, 'reconnect', connect);
        },
      });
    };
    sim.after(300, this, 'connect', connect);
  }

  #read(text: string): void {
    const data = /^event: (?:progress|end)\ndata: (.*)$/m.exec(text)?.[1];
    if (data === undefined) return;
    const progress = JSON.parse(data) as Progress;
    // A client's reducer: an older view that was overtaken on its way changes nothing.
    if (this.#lastRev !== null && progress.rev < this.#lastRev) return;
    this.#lastRev = progress.rev;
    this.#parts.invariants.seen(this.name, progress);
  }
}
