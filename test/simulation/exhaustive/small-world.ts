/**
 * The small world of the exploration: one session over a few leads, a mail API, a person, and the platform.
 *
 * The classes are the product's own, on the simulator's platform. What is random in a simulated world is a choice here:
 * what becomes of each call, in which order answers come, where the object dies, when which command comes.
 * A path begins and ends at rest: no instance, nothing under way, all that matters on disk.
 *
 * @module
 */
import { maxAttempts } from '../../../src/core/batch/settle.ts';
import { decideCommand, type Command, type CommandDecision } from '../../../src/core/session/command.ts';
import { toProgress } from '../../../src/core/session/progress-view.ts';
import type { Session, SessionSpec } from '../../../src/core/session/session.ts';
import { resolveAudience } from '../../../src/crm/audience.ts';
import { emailHash } from '../../../src/crm/email.ts';
import {
  ActivationSession,
  type CommandAnswer,
  type EraseAnswer,
} from '../../../src/durable/activation-session.ts';
import { MailGate } from '../../../src/durable/mail-gate.ts';
import { SessionStore } from '../../../src/durable/store/session-store.ts';
import { mailGateStub, sessionStub } from '../../../src/durable/stubs.ts';
import { hasTable, Invariants, Violation, type InvariantMemory, type InvariantName } from '../invariants.ts';
import { SimDatabase } from '../platform/d1.ts';
import {
  contextOf,
  namespaceOf,
  Instance,
  ObjectHost,
  type ObjectClass,
  type Weather,
} from '../platform/objects.ts';
import { Random } from '../platform/random.ts';
import { enterRealm, installRealm } from '../platform/realm.ts';
import { Actor, Simulator, type SimEvent } from '../platform/simulator.ts';
import type { Tables } from '../platform/sqlite.ts';
import type { ProviderName } from '../world/mail-api.ts';
import { Choices, type Choice, type Options } from './choices.ts';
import { ChosenMailApi, type KnownKey } from './mail-api.ts';
import { stateKey, type StateKey } from './state-key.ts';

export interface Bounds {
  provider: ProviderName;
  /** In each batch. */
  leads: number;
  batches: number;
  /** On one path. */
  crashes: number;
}

/** A state at rest: what is on disk and outside. */
export interface Rest {
  key: string;
  nowMs: number;
  session: Tables;
  gate: Tables;
  crm: Tables;
  alarmAt: number | null;
  keys: ReadonlyMap<string, KnownKey>;
  memory: InvariantMemory;
  crashesLeft: number;
  isEnded: boolean;
  isErased: boolean;
  /** What a person does for it to go on, if it needs one. */
  helpedBy: 'resume' | null;
}

export interface Walk {
  choices: readonly Choice[];
  /** The states on the way, each with the number of choices before it. */
  passed: { key: string; choiceCount: number }[];
  /** Where it came to rest; null when it met a known state before. */
  rest: Rest | null;
  violation: { invariant: InvariantName; message: string } | null;
}

const commands = {
  pause: { kind: 'pause' },
  resume: { kind: 'resume' },
  cancel: { kind: 'cancel' },
  undo: { kind: 'cancel', isUndo: true },
  'retry failed': { kind: 'retry', outcome: 'failed' },
  'retry unknown': { kind: 'retry', outcome: 'unknown' },
  check: { kind: 'check' },
  'take as sent': { kind: 'assumeSent' },
} as const satisfies Record<string, Command>;

const dayMs = 86_400_000;
/** An alarm further ahead is retention's. */
const retentionMs = 10 * dayMs;
const sessionId = 'activation_1767225600000_small0000';
const hashKey = 'simulated-hash-key';
/** Without the timeline, which no decision reads. */
const sessionTables = ['spec', 'session', 'batch', 'fate', 'erased_lead'];
const crmTables = ['lead_counts', 'activations'];
/** At the start, no lead has a revision at which it was set active. */
const changedLeadsSql =
  'SELECT id, status, activated_at, activated_by, activated_revision FROM leads WHERE activated_revision IS NOT NULL';
const template = { id: 'welcome', version: 1, name: 'Welcome', subject: 'Hi', html: '<p>Hi</p>', text: 'Hi' };
/** Choices at which nothing goes wrong. */
const harmless: ReadonlySet<string> = new Set(['go on', 'taken', 'nothing', 'the alarm fires']);
/** More events than any path has: something goes round and round. */
const maxEventCount = 5_000;

/** Backoff draws the middle. */
class Middle extends Random {
  override next(): number {
    return 0.5;
  }
}

/** Thrown out of a walk that met a known state. */
const isKnownState = new Error('known state');

export class SmallWorld {
  readonly #bounds: Bounds;
  readonly #sim = new Simulator(1, new Middle(1));
  readonly #crm: SimDatabase;
  readonly #api: ChosenMailApi;
  readonly #invariants: Invariants;
  readonly #hosts = new Map<string, ObjectHost>();
  readonly #env: Env;
  readonly #person = new Actor('person');
  #violation: Walk['violation'] = null;
  /** Something durable or outside has changed since the last look. */
  #isChanged = false;
  #crashesLeft = 0;
  #crmChangeCount = 0;
  #sliceGeneration = 0;
  /** At the last place where something could come between. */
  #lastCore = '';

  constructor(bounds: Bounds) {
    installRealm();
    this.#bounds = bounds;
    const sim = this.#sim;
    this.#crm = new SimDatabase(sim, {
      hopMs: () => 0,
      fault: () => 'none',
    });
    // Retention has no check here: its alarm, ten days and more ahead, never fires. Nor has reading results: nobody reads.
    this.#invariants = new Invariants(sim, this.#crm);
    // main.ts plants a smaller number.
    this.#invariants.maxAttempts = maxAttempts;
    this.#invariants.onViolation = ({ invariant, message }) => (this.#violation ??= { invariant, message });
    this.#api = new ChosenMailApi(sim, bounds.provider, {
      departed: (call) => {
        this.#isChanged = true;
        this.#checked(() => this.#invariants.callDeparted(call));
      },
      taken: (call, leadIds) => {
        this.#isChanged = true;
        this.#checked(() => this.#invariants.callTaken(call, leadIds));
      },
      refused: (call, leadIds) => this.#invariants.callRefused(call, leadIds),
      leadIdOf: (email) => Number(/^l(\d+)/.exec(email)?.[1] ?? 0),
    });
    this.#env = this.#makeEnv();
    enterRealm({
      sim,
      fetch: (_url, init) => this.#api.fetch(init),
      log: (level, text) => {
        this.#checked(() => this.#invariants.logged(level, text));
      },
      uncaught: (_actor, error) => this.#checked(() => this.#invariants.logged('error', String(error))),
    });
  }

  #makeEnv(): Env {
    const env: Record<string, unknown> = {
      DB: this.#crm,
      ADDRESS_HASH_KEY: hashKey,
      MAIL_PROVIDER: this.#bounds.provider,
      MAIL_API_KEY: 'key',
      MAIL_API_URL: 'http://mail.test',
      MAIL_FROM: 'Sim <hello@sim.test>',
      MAIL_RATE: '1000',
      MAIL_DAILY_CAP: '',
      RETENTION_DAYS: '30',
      DATA_JURISDICTION: '',
      MAIL_GUARD_MIN_RESULTS: '500',
      MAIL_MAX_BOUNCE_PERCENT: '4',
      MAIL_MAX_COMPLAINT_PERCENT: '0.08',
    };
    const weather: Weather = {
      hopMs: () => 0,
      commitMs: () => 0,
      // A walk breaks off in the middle of a turn.
      commitsAtOnce: false,
      isStorageSlow: () => false,
      alarm: () => ({ lateMs: 0, isLost: false, isTwice: false }),
      isStorageAway: () => false,
      crashed: (host) => this.#invariants.answersLost(host),
      turnEnded: () => {},
      committed: (host, written) => {
        if (host.className !== 'session') return;
        this.#isChanged = true;
        this.#checked(() => this.#invariants.committed(host, written));
      },
      called: () => {},
    };
    const classes: [string, ObjectClass][] = [
      ['session', ActivationSession],
      ['gate', MailGate],
    ];
    for (const [className, Class] of classes) {
      const make = (_host: ObjectHost, instance: Instance): object =>
        new Class(contextOf(instance) as never, env as never);
      const hostOf = (name: string): ObjectHost => {
        const key = `${className} ${name}`;
        const known =
          this.#hosts.get(key) ??
          new ObjectHost({ sim: this.#sim, weather, schema: null, make }, className, name);
        this.#hosts.set(key, known);
        return known;
      };
      env[className === 'session' ? 'ACTIVATION_SESSION' : 'MAIL_GATE'] = namespaceOf(hostOf);
    }
    return env as unknown as Env;
  }

  get #session(): ObjectHost {
    const host = this.#hosts.get(`session ${sessionId}`);
    if (host === undefined) throw new Error('The session was not started.');
    return host;
  }

  get #gate(): ObjectHost {
    const host = this.#hosts.get(`gate ${this.#bounds.provider}`);
    if (host === undefined) throw new Error('The gate was not asked.');
    return host;
  }

  #checked(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
    }
  }

  // ── the beginning ──────────────────────────────────────────────────────────────────────────────

  /** Starts the session, which is then at rest. Call it from a timer, not from a microtask. */
  begin(): Rest {
    const { rows } = this.#crm;
    const leadCount = this.#bounds.leads * this.#bounds.batches;
    for (let id = 1; id <= leadCount; id++) {
      const email = `l${id}@sim.test`;
      rows.run(
        'INSERT INTO leads (id, email, email_valid, email_hash, created_at, updated_at) VALUES (?, ?, 1, ?, 0, 0)',
        id,
        email,
        emailHash(hashKey, email),
      );
    }
    rows.run('UPDATE lead_counts SET new_count = ?, active_count = 0', leadCount);
    this.#sim.after(0, this.#person, 'start', () => void this.#start());
    this.#sim.run(Infinity, () => this.#isAtRest());
    if (this.#violation !== null) throw new Error(this.#violation.message);
    this.#crashesLeft = this.#bounds.crashes;
    const rest = this.#restNow();
    for (const { database } of this.#hosts.values()) {
      // While a changed schema is not committed, every rollback prepares all statements anew.
      database.control('COMMIT');
      database.control('BEGIN');
    }
    rows.control('SAVEPOINT base');
    return rest;
  }

  async #start(): Promise<void> {
    const audience = { filter: {} };
    const resolved = await resolveAudience(this.#env.DB, audience);
    if (resolved.kind !== 'ok') throw new Error(`The audience is ${resolved.kind}.`);
    const createdAt = this.#sim.wallMs();
    const spec: SessionSpec = {
      sessionId,
      name: 'Small',
      owner: 'ana@sim.test',
      fingerprint: 'f',
      audience,
      template,
      mail: {
        from: 'Sim <hello@sim.test>',
        replyTo: null,
        actionUrl: null,
        postalAddress: null,
        publicUrl: null,
      },
      provider: this.#bounds.provider,
      batchLeadCount: this.#bounds.leads,
      maxLeadId: resolved.maxLeadId,
      total: resolved.total,
      revision: resolved.revision,
      createdAt,
      startsAt: createdAt + 10_000,
    };
    sessionStub(this.#env, sessionId);
    this.#invariants.sessionStarted(this.#session, { createdAt, startsAt: createdAt + 10_000 });
    this.#invariants.audienceFrozen(sessionId, audience, spec.maxLeadId);
    await sessionStub(this.#env, sessionId).startSession(spec);
    // Makes the gate's table.
    await mailGateStub(this.#env, this.#bounds.provider).lease(0);
  }

  /** At the end of the exploration. */
  dispose(): void {
    enterRealm(null);
    this.#crm.dispose();
  }

  // ── rest ───────────────────────────────────────────────────────────────────────────────────────

  #isAtRest(): boolean {
    return this.#sim.hasOnly('alarm');
  }

  #restNow(): Rest {
    const session = this.#session;
    const isErased = hasTable(session, 'erased');
    const row = isErased
      ? undefined
      : session.database.run('SELECT state, reason, finished_at AS ended FROM session').rows[0];
    return {
      key: restKey(this.#key()),
      nowMs: this.#sim.nowMs,
      session: isErased ? new Map() : session.database.copy(sessionTables),
      gate: this.#gate.database.copy(['gate']),
      crm: new Map([...this.#crm.rows.copy(crmTables), ['leads', this.#crm.rows.run(changedLeadsSql).rows]]),
      alarmAt: session.durableAlarmAt,
      keys: new Map(this.#api.keys),
      memory: this.#invariants.remember(),
      crashesLeft: this.#crashesLeft,
      isEnded: isErased || row?.['ended'] !== null,
      isErased,
      helpedBy: row?.['state'] === 'paused' && row['reason'] !== 'mail_unreachable' ? 'resume' : null,
    };
  }

  #comeTo(rest: Rest): void {
    const sim = this.#sim;
    sim.clear();
    sim.nowMs = rest.nowMs;
    for (const host of this.#hosts.values()) {
      host.rest(null);
      host.database.control('ROLLBACK');
      host.database.control('BEGIN');
    }
    this.#session.database.restore(rest.session);
    this.#gate.database.restore(rest.gate);
    const { rows } = this.#crm;
    rows.control('ROLLBACK TO base');
    for (const [table, copied] of rest.crm) {
      if (table !== 'leads') rows.restore(new Map([[table, copied]]));
      else
        for (const { id, status, activated_at: at, activated_by: by, activated_revision: revision } of copied)
          rows.run(
            'UPDATE leads SET status = ?, activated_at = ?, activated_by = ?, activated_revision = ? WHERE id = ?',
            ...([status, at, by, revision, id] as (string | number | null)[]),
          );
    }
    this.#session.rest(rest.alarmAt);
    this.#api.rest(rest.keys);
    this.#invariants.recall(rest.memory);
    this.#crashesLeft = rest.crashesLeft;
    this.#violation = null;
    this.#isChanged = false;
    this.#lastCore = this.#key().core;
    this.#crmChangeCount = this.#crmChanges();
    this.#look();
  }

  #key(): StateKey {
    if (hasTable(this.#session, 'erased')) return { core: 'erased', around: '' };
    return stateKey({
      nowMs: this.#sim.nowMs,
      session: this.#session.database,
      crm: this.#crm.rows,
      sessionId,
      alarmAt: this.#session.durableAlarmAt,
      memory: this.#invariants.known,
      isKeyKnown: (key) => this.#api.isKnown(key),
    });
  }

  #underWay(): string {
    const events = this.#sim.pending().map(({ kind, actor }) => `${kind}${actor === null ? '' : '@'}`);
    const calls = this.#api.due.map(({ call, what }) => `${call.key.slice(-2)}${call.leadIds.length}${what}`);
    const isStale = this.#generation() !== this.#sliceGeneration;
    const { isAccountAtFault } = this.#invariants.known;
    return `${isAccountAtFault ? '!' : ''}${events.join()}/${calls.join()}/${this.#api.arriving.join()}/${String(isStale)}/${String(this.#session.isHandlingAlarm)}`;
  }

  #generation(): number {
    if (!hasTable(this.#session, 'session')) return 0;
    return Number(this.#session.database.run('SELECT generation FROM session').rows[0]?.['generation']);
  }

  #crmChanges(): number {
    return Number(this.#crm.rows.run('SELECT total_changes() AS n').rows[0]?.['n'] ?? 0);
  }

  /** The session as it is on disk. */
  #stored(): Session | null {
    const { storage } = contextOf(new Instance(this.#session)) as { storage: DurableObjectStorage };
    return new SessionStore(storage).load();
  }

  /** Checks what a reader sees now. */
  #look(): Session | null {
    const session = this.#stored();
    if (session !== null) {
      this.#checked(() => this.#invariants.seen('reader', toProgress(session, this.#sim.wallMs())));
    }
    return session;
  }

  // ── a walk ─────────────────────────────────────────────────────────────────────────────────────

  /** A method, because the checks set it behind the back of TypeScript. */
  get #isBroken(): boolean {
    return this.#violation !== null;
  }

  /**
   * Walks from a state at rest until it is at rest again, or meets a known state.
   *
   * @param given - the first choices
   * @param isKnown - called with the key of each state on the way, at which it must also note it
   */
  walk(rest: Rest, given: readonly string[], isKnown: (key: string, crashesLeft: number) => boolean): Walk {
    const sim = this.#sim;
    const choices = new Choices(given, (taken) => this.#disturb(taken));
    const passed: Walk['passed'] = [];
    this.#comeTo(rest);
    this.#api.choices = choices;
    let eventCount = 0;
    const stopAt = (key: string): void => {
      const isNew = !isKnown(key, this.#crashesLeft);
      passed.push({ key, choiceCount: choices.made.length });
      if (!isNew) throw isKnownState;
    };
    sim.beforeTurn = (event) => {
      if (event.kind.startsWith('alarm activation'))
        this.#checked(() => this.#invariants.alarmFires(this.#session));
    };
    sim.afterTurn = (event) => this.#afterTurn(event, choices, stopAt);
    const end = (at: Rest | null): Walk => ({
      choices: choices.made,
      passed,
      rest: this.#violation === null ? at : null,
      violation: this.#violation,
    });
    try {
      this.#begin(choices.take(() => this.#beginnings(rest)));
      const isOver = (): boolean =>
        this.#violation !== null || this.#isAtRest() || ++eventCount > maxEventCount;
      if (!isOver()) sim.run(Infinity, isOver);
      if (eventCount > maxEventCount) {
        this.#violation ??= {
          invariant: 'every session ends',
          message: `${maxEventCount} events were not enough`,
        };
      }
    } catch (error) {
      if (error !== isKnownState) throw error;
      return end(null);
    } finally {
      sim.beforeTurn = null;
      sim.afterTurn = null;
    }
    if (this.#violation !== null) return end(null);
    this.#checked(() => this.#invariants.checkRows(this.#session));
    this.#look();
    if (this.#isBroken) return end(null);
    const next = this.#restNow();
    if (next.isEnded && isAtPeace(next)) this.#checked(() => this.#invariants.atEnd());
    passed.push({ key: next.key, choiceCount: choices.made.length });
    return end(next);
  }

  /** What can happen to a session at rest. First what happens by itself. */
  #beginnings(rest: Rest): Options {
    if (rest.isErased) return ['nothing'];
    const isAlarmSet = rest.alarmAt !== null && rest.alarmAt < rest.nowMs + retentionMs;
    const untold = this.#untold();
    return [
      isAlarmSet ? 'the alarm fires' : 'nothing',
      ...this.#commandsThat(this.#stored(), ['changed', 'unchanged']),
      'erase session',
      ...(isAlarmSet ? ['a day passes'] : ['a day passes without an alarm']),
      ...untold.map((leadId) => `an event says that lead ${leadId} was mailed`),
    ];
  }

  /** Leads that were mailed and of which no event came, one of each kind. */
  #untold(): number[] {
    const { takenBy, told } = this.#invariants.known;
    return [...takenBy.keys()].filter((key) => !told.has(key)).map((key) => Number(key.split('/')[1]));
  }

  /** Tells the checks what has gone wrong; when all is well, a session wakes only for its work. */
  #disturb(taken: string): void {
    if (harmless.has(taken)) return;
    this.#invariants.disturbed('choice', taken === 'account refused' ? '401' : taken);
  }

  #begin(beginning: string): void {
    const sim = this.#sim;
    // A session that rests waits for a person because of its account, or the account is right.
    if (beginning === 'resume' || this.#stored()?.reason !== 'mail_auth') this.#invariants.accountRepaired();
    if (beginning === 'nothing') {
      this.#session.rest(null);
      return;
    }
    if (beginning === 'the alarm fires' || beginning === 'a day passes') {
      if (beginning === 'a day passes') sim.nowMs += dayMs;
      // The event itself; the walk goes on from there.
      sim.run(Infinity, () => true);
      return;
    }
    if (beginning === 'a day passes without an alarm') {
      sim.nowMs += dayMs;
      return;
    }
    const told = /lead (\d+)/.exec(beginning)?.[1];
    if (told !== undefined) {
      const leadId = Number(told);
      this.#invariants.eventsSent(sessionId, [leadId], 'delivered');
      this.#tell(
        (object) => object.addDeliveryEvents([{ leadId, event: 'delivered' }]),
        () => this.#invariants.eventsTold(sessionId, [leadId], 'delivered'),
      );
      return;
    }
    this.#command(beginning);
  }

  /** Calls the session's object now, as a request that has just arrived. */
  #tell<Answer>(
    call: (object: ActivationSession) => Promise<Answer>,
    answered: (answer: Answer) => void,
  ): void {
    const instance = this.#session.live();
    this.#sim.turn(instance, () => {
      void call(instance.object as ActivationSession).then((answer) =>
        instance.emit(() => this.#checked(() => answered(answer))),
      );
    });
  }

  #command(name: string): void {
    const host = this.#session;
    if (name === 'erase session') {
      this.#tell<EraseAnswer>(
        (object) => {
          this.#invariants.commandArrived(host, { kind: 'cancel' });
          return object.erase('ana');
        },
        (answer) => {
          if (answer.kind === 'erased') this.#invariants.sessionErased(sessionId);
        },
      );
      return;
    }
    const command: Command = commands[name as keyof typeof commands];
    const sentAtMs = this.#sim.nowMs;
    this.#tell<CommandAnswer>(
      (object) => {
        this.#invariants.commandArrived(host, command);
        return object.command(command, 'ana');
      },
      (answer) => {
        if (answer.kind === 'ok') this.#invariants.commandAnswered(sessionId, command, sentAtMs);
      },
    );
  }

  /** What can come between two turns. */
  #interruptions(session: Session | null): Options {
    const changing = this.#commandsThat(session, ['changed']);
    return ['go on', ...(this.#crashesLeft > 0 ? ['crash'] : []), ...changing];
  }

  /** Commands by what the core would decide if there were mail to ask about. */
  #commandsThat(session: Session | null, kinds: readonly CommandDecision['kind'][]): string[] {
    if (session === null) return [];
    const nowMs = this.#sim.wallMs();
    return Object.entries(commands).flatMap(([name, command]) =>
      kinds.includes(decideCommand(session, command, nowMs, true).kind) ? [name] : [],
    );
  }

  /** After each turn that has changed something: the object may die here, and a command may come. */
  #afterTurn(event: SimEvent, choices: Choices, stopAt: (key: string) => void): void {
    if (this.#violation !== null) return;
    if (event.kind.startsWith('alarm activation')) this.#sliceGeneration = this.#generation();
    if (event.kind.startsWith('d1 ')) {
      const changeCount = this.#crmChanges();
      if (changeCount !== this.#crmChangeCount) this.#isChanged = true;
      this.#crmChangeCount = changeCount;
    }
    if (!this.#isChanged || this.#session.instance === null || this.#isAtRest()) return;
    this.#isChanged = false;
    const { core, around } = this.#key();
    if (core === this.#lastCore) return;
    this.#lastCore = core;
    // What comes before a given choice was looked at before.
    const session = choices.isGiven ? null : this.#look();
    if (!choices.isGiven) stopAt(`${core}|${around}|${this.#underWay()}`);
    const taken = choices.take(() => this.#interruptions(session));
    if (taken === 'go on') return;
    if (taken === 'crash') {
      this.#crashesLeft--;
      this.#session.crash('crash');
      this.#checked(() => this.#invariants.afterCrash(this.#session));
      return;
    }
    this.#command(taken);
  }
}

function restKey({ core, around }: StateKey): string {
  return `${core}|${around}|`;
}

/** Nothing but retention is left to be done. */
function isAtPeace({ alarmAt, nowMs }: Rest): boolean {
  return alarmAt === null || alarmAt > nowMs + retentionMs;
}
