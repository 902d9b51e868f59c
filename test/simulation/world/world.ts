/**
 * One simulated world: a CRM, a mail API, a few sessions over the same leads, people, readers, and a time of trouble
 * after which everything is well again and every session must end.
 *
 * All that differs between worlds is drawn from the seed. The classes are the product's own.
 *
 * @module
 */
import { newApproval, type ApprovalVerdict } from '../../../src/core/session/approval.ts';
import type { Command } from '../../../src/core/session/command.ts';
import type { SessionSpec } from '../../../src/core/session/session.ts';
import type { DeliveryEvent } from '../../../src/core/batch/delivery-status.ts';
import { ActivationSession, type StartAnswer } from '../../../src/durable/activation-session.ts';
import { MailGate } from '../../../src/durable/mail-gate.ts';
import { WebhookEndpoint } from '../../../src/durable/webhook-endpoint.ts';
import { EndpointStore } from '../../../src/durable/webhooks/endpoint-store.ts';
import { migrate } from '../../../src/durable/store/schema.ts';
import { sessionStub } from '../../../src/durable/stubs.ts';
import { resolveAudience } from '../../../src/crm/audience.ts';
import { emailHash } from '../../../src/crm/email.ts';
import { endpointIds } from '../../../src/crm/event-endpoints.ts';
import { runNightlyCleanup, sweep } from '../../../src/worker/operations/scheduled-cleanup.ts';
import type { TakeBackChoice } from '../../../src/shared/take-back.ts';
import type { WavePlan } from '../../../src/shared/waves.ts';
import type { Audience } from '../../../src/shared/schemas/activation.ts';
import { hasTable, Invariants, takeBackOf, Violation, type InvariantName } from '../invariants.ts';
import { SimDatabase, type DatabaseFault, type Request } from '../platform/d1.ts';
import {
  contextOf,
  namespaceOf,
  ObjectHost,
  type Instance,
  type ObjectClass,
  type Weather,
} from '../platform/objects.ts';
import type { Random } from '../platform/random.ts';
import { enterRealm, installRealm } from '../platform/realm.ts';
import { Actor, Simulator, type SimEvent } from '../platform/simulator.ts';
import { schemaOf, type Schema } from '../platform/sqlite.ts';
import { isRevert } from '../taken-back.ts';
import { Encounters } from './encounters.ts';
import { Faults, type InjectedFault, type Intensity } from './faults.ts';
import { MailApi, type Call, type ProviderName } from './mail-api.ts';
import { Approver, manifestOfSpec } from './approver.ts';
import { isForReceiver, Receivers } from './receiver.ts';
import { Taker } from './taker.ts';
import { drawSchedule, drawTimes, type Times } from './times.ts';
import { drawWaves, fittingWaves, goOnCommand, longestGatesMs, WaveWatcher } from './wave-watcher.ts';
import { Person, Poller, StreamReader, type PersonParts } from './person.ts';

export interface WorldOptions {
  seed: number;
  /** Numbers of faults and commands that do not happen; for shrinking. */
  leftOut?: ReadonlySet<number>;
  /** A provider that forgets its keys: the check *mailed once* must report it. */
  forgetsKeys?: boolean;
  /** Gets each line of the event log. */
  onLine?: (line: string) => void;
}

export interface WorldResult {
  seed: number;
  violation: { invariant: InvariantName; message: string; atMs: number } | null;
  hash: number;
  stepCount: number;
  crashCount: number;
  /** Those in storms. */
  stormCrashCount: number;
  callCount: number;
  mailCount: number;
  sessionCount: number;
  viewCount: number;
  checkCount: number;
  /** Simulated time. */
  tookMs: number;
  injected: readonly InjectedFault[];
  coverage: ReadonlyMap<string, number>;
}

/** After all is well, a session ends within this time: a wait that the provider asked for is an hour at most. */
const settleMs = 3 * 3_600_000;
const dayMs = 86_400_000;
/** More steps than any world needs: something goes round and round. */
const maxStepCount = 1_000_000;
/** After the activations have ended, events arrive within this time: an attempt waits for six hours at most. */
const eventSettleMs = 8 * 3_600_000;
/** Of all worlds, those with storms of crashes. */
const stormShare = 0.6;
const hashKey = 'simulated-hash-key';
const owner = 'ana@sim.test';
const sessionSuffix = 'sim00000';

const template = { id: 'welcome', version: 1, name: 'Welcome', subject: 'Hi', html: '<p>Hi</p>', text: 'Hi' };

const sessionSchema = schemaOf(migrate);
const endpointSchema = schemaOf((sql) => {
  const storage = { sql, transactionSync: (work: () => void) => work() } as unknown as DurableObjectStorage;
  new EndpointStore(storage).create(0);
});

const hashes = new Map<string, string>();

function hashOfEmail(email: string): string {
  const known = hashes.get(email) ?? emailHash(hashKey, email);
  hashes.set(email, known);
  return known;
}

export class World {
  readonly #sim: Simulator;
  readonly #draw: Random;
  /** Which sessions another person has to approve. */
  readonly #approvals: Random;
  readonly #faults: Faults;
  readonly #intensity: Intensity;
  readonly #crm: SimDatabase;
  readonly #api: MailApi;
  readonly #invariants: Invariants;
  readonly #hosts = new Map<string, ObjectHost>();
  readonly #env: Env;
  readonly #provider: ProviderName;
  readonly #leadCount: number;
  readonly #people: Person[] = [];
  /** Which sessions are taken back. */
  readonly #takeBacks: Random;
  readonly #takers: Taker[] = [];
  /** Which sessions leave in waves. */
  readonly #waves: Random;
  readonly #watchers: WaveWatcher[] = [];
  #gatesMs = 0;
  /** Of events; null where nobody listens. */
  readonly #receivers: Receivers | null;
  /** Of sessions that another person has to approve. */
  readonly #approvers = new Map<string, Approver>();
  readonly #readers: (Poller | StreamReader)[] = [];
  readonly #sessionIds: string[] = [];
  readonly #storageAwayUntil = new Map<ObjectHost, number>();
  readonly #cron = new Actor('cron');
  readonly #hopMaxMs: number;
  readonly #hasWebhooks: boolean;
  /** Hours and days of trouble. */
  readonly #isLong: boolean;
  readonly #commitIsSlow: boolean;
  /** A session waits for its time, or sends in a few minutes of each day. */
  #hasTimes = false;
  /** Which ended sessions nobody looks at. */
  readonly #unread: Random;
  /** Objects die at every few events for some seconds. */
  readonly #storms: Random;
  #storm = { untilMs: -Infinity, intensity: 0 };
  #crashCount = 0;
  #stormCrashCount = 0;
  #mailCount = 0;
  #violation: WorldResult['violation'] = null;

  constructor(options: WorldOptions) {
    installRealm();
    const sim = new Simulator(options.seed);
    this.#sim = sim;
    sim.onLine = options.onLine ?? null;
    const draw = sim.stream('world');
    this.#draw = draw;
    this.#approvals = sim.stream('approvals');
    this.#takeBacks = sim.stream('take back');
    this.#waves = sim.stream('waves');
    this.#storms = sim.stream('storms');
    this.#unread = sim.stream('unread');
    this.#faults = new Faults(sim, options.leftOut ?? new Set());
    const some = (probability: number, low: number, high: number): number =>
      draw.chance(probability) ? (draw.chance(0.5) ? low : high) : 0;
    this.#intensity = {
      crashes: some(0.9, 0.06, 0.25),
      database: some(0.4, 0.01, 0.05),
      mail: some(0.7, 0.1, 0.4),
      alarms: some(0.4, 0.05, 0.2),
      storage: some(0.2, 0.001, 0.004),
      lateFlips: some(0.2, 0.01, 0.05),
    };
    this.#provider = draw.chance(0.75) ? 'resend' : 'postmark';
    this.#hopMaxMs = draw.pick([3, 20, 150]);
    this.#commitIsSlow = draw.chance(0.3);
    this.#hasWebhooks = draw.chance(0.4);
    this.#isLong = draw.chance(0.1);
    this.#leadCount = draw.int(3, 14);
    this.#crm = new SimDatabase(sim, {
      hopMs: () => this.#hopMs(),
      fault: (request, caller) => this.#databaseFault(labelOf(request), caller),
      watch: (request, run) => this.#watched(request, run),
    });
    this.#invariants = new Invariants(sim, this.#crm);
    this.#invariants.onViolation = (violation) => this.#broken(violation);
    this.#api = new MailApi(
      sim,
      this.#faults,
      {
        faultProbability: this.#intensity.mail,
        checksContentFirst: draw.chance(0.3),
        remembersErrors: draw.chance(0.5),
        forgetsKeys: options.forgetsKeys ?? false,
      },
      {
        departed: (call) => this.#checked(() => this.#invariants.callDeparted(call)),
        taken: (call, leadIds) => this.#taken(call, leadIds),
        refused: (call, leadIds) => this.#invariants.callRefused(call, leadIds),
        leadIdOf: (email) => this.#leadIdOf(email),
      },
    );
    this.#env = this.#makeEnv();
    const events = sim.stream('events');
    this.#receivers = events.chance(0.2)
      ? new Receivers(
          {
            ...{ sim, env: this.#env, faults: this.#faults, checks: this.#invariants.events },
            isLong: this.#isLong,
          },
          events.int(1, 2),
        )
      : null;
    this.#invariants.events.isWatched = this.#receivers !== null;
    this.#faults.onInjected = (place, kind) => this.#invariants.disturbed(place, kind);
    this.#invariants.retentionMs = Number(this.#env.RETENTION_DAYS) * dayMs;
  }

  #makeEnv(): Env {
    const classes: [string, ObjectClass, Schema | null][] = [
      ['session', ActivationSession, sessionSchema],
      ['gate', MailGate, null],
      ['endpoint', WebhookEndpoint, endpointSchema],
    ];
    const bindings: Record<string, string> = {
      session: 'ACTIVATION_SESSION',
      gate: 'MAIL_GATE',
      endpoint: 'WEBHOOK_ENDPOINT',
    };
    const env: Record<string, unknown> = {
      DB: this.#crm,
      ADDRESS_HASH_KEY: hashKey,
      MAIL_PROVIDER: this.#provider,
      MAIL_API_KEY: 'key',
      MAIL_API_URL: 'http://mail.test',
      MAIL_FROM: 'Sim <hello@sim.test>',
      MAIL_RATE: this.#draw.chance(0.5) ? '8' : '1000',
      MAIL_DAILY_CAP: this.#draw.chance(0.2) ? '8' : '',
      RETENTION_DAYS: this.#isLong && this.#draw.chance(0.5) ? '1' : '30',
      DATA_JURISDICTION: '',
      TAKE_BACK_DAYS: '30',
      MAIL_GUARD_MIN_RESULTS: '500',
      MAIL_MAX_BOUNCE_PERCENT: '4',
      MAIL_MAX_COMPLAINT_PERCENT: '0.08',
      // No look-up of the receivers' names.
      WEBHOOKS_ALLOW_LOCAL: '1',
      // Without these nothing is reported, and no wave waits for it.
      RESEND_WEBHOOK_SECRET: this.#hasWebhooks ? 'whsec_c2ltdWxhdGVk' : '',
      POSTMARK_WEBHOOK_CREDENTIALS: this.#hasWebhooks ? 'simulated:credentials' : '',
    };
    const weather = this.#weather();
    for (const [className, Class, schema] of classes) {
      const make = (_host: ObjectHost, instance: Instance): object =>
        new Class(contextOf(instance) as never, env as never);
      const hostOf = (name: string): ObjectHost => {
        const key = `${className} ${name}`;
        const known =
          this.#hosts.get(key) ?? new ObjectHost({ sim: this.#sim, weather, schema, make }, className, name);
        this.#hosts.set(key, known);
        return known;
      };
      env[bindings[className] ?? ''] = namespaceOf(hostOf);
    }
    return env as unknown as Env;
  }

  #weather(): Weather {
    const faults = this.#faults;
    const { random } = this.#sim;
    return {
      hopMs: () => this.#hopMs(),
      commitMs: () => (this.#commitIsSlow && random.chance(0.5) ? random.int(1, 12) : 0),
      commitsAtOnce: !this.#commitIsSlow,
      isStorageSlow: () => random.chance(0.3),
      alarm: (host) => {
        const p = this.#intensity.alarms;
        const isLate = faults.happens('alarm', 'late', p);
        const isLost = host.className === 'session' && faults.happens('alarm', 'lost', p / 5);
        return {
          lateMs: isLate ? faults.int(1, 4_000) : 0,
          isLost,
          isTwice: faults.happens('alarm', 'twice', p),
        };
      },
      isStorageAway: (host) => faults.isActive && (this.#storageAwayUntil.get(host) ?? 0) > this.#sim.nowMs,
      crashed: (host) => {
        this.#crashCount++;
        if (this.#isStorm) this.#stormCrashCount++;
        this.#invariants.answersLost(host);
        this.#invariants.events.lost(host.name);
      },
      turnEnded: (host, written) => this.#checked(() => this.#invariants.turnEnded(host, written)),
      committed: (host, written) => this.#checked(() => this.#invariants.committed(host, written)),
      called: (host, method, args) => {
        if (method === 'command') {
          const command = args[0] as Command;
          this.#invariants.commandArrived(host, command);
          // Whoever stops a session agrees to nothing; whoever goes on with a wave, to its figures.
          const agrees = command.kind !== 'pause' && command.kind !== 'cancel' && command.kind !== 'nextWave';
          if (agrees) this.#invariants.providerAccepted(host, this.#env.MAIL_PROVIDER);
        }
        if (method === 'startSession' && !hasTable(host, 'session') && args[2] !== false)
          this.#invariants.events.notes(host.name);
        if (method === 'decideApproval')
          this.#invariants.verdictArrived(host, args[0] as ApprovalVerdict, owner);
        if (method === 'takeBack')
          this.#invariants.takeBackArrived(host, (args[0] as { choice: TakeBackChoice }).choice);
        if (method === 'erase') this.#invariants.commandArrived(host, { kind: 'cancel' });
      },
    };
  }

  #hopMs(): number {
    return this.#sim.random.int(1, this.#hopMaxMs);
  }

  /** Carries out a request to the CRM, and checks what it has done. */
  #watched<Answer>(request: Request, run: () => Answer): Answer {
    let answers: readonly Answer[] = [];
    const keep = (): void => void (answers = [run()]);
    this.#checked(() => this.#invariants.takenBack.watch(request, keep));
    const [answer] = answers;
    return answer ?? run();
  }

  #databaseFault(label: string, caller: Actor | null): DatabaseFault {
    if (
      label === 'flip' &&
      this.#faults.happens('d1 flip', 'late, after a cancel', this.#intensity.lateFlips)
    ) {
      this.#overtake(hostOfActor(caller));
      return 'slow';
    }
    // While an erasure is on its way to the list its sender dies, and the session goes on.
    if (label === 'unlist' && this.#faults.happens('d1 unlist', 'late, after a death', 0.3)) {
      const sender = hostOfActor(caller);
      if (sender !== null) {
        this.#sim.after(1, this.#cron, 'overtake', () => {
          sender.crash('crash');
          this.#checked(() => this.#invariants.afterCrash(sender));
        });
      }
      return 'slow';
    }
    return (
      this.#faults.pick(`d1 ${label}`, this.#intensity.database, [
        ['before', 3],
        ['after', 3],
        ['overloaded', 1],
        ['slow', 2],
      ]) ?? 'none'
    );
  }

  /** While a flip is on its way its sender dies, and a person cancels. By dice alone the three hardly ever meet. */
  #overtake(sender: ObjectHost | null): void {
    const person = this.#people.find(({ sessionId }) => sessionId === sender?.name);
    if (sender === null || person === undefined) return;
    this.#sim.after(1, person, 'overtake', () => {
      sender.crash('crash');
      this.#checked(() => this.#invariants.afterCrash(sender));
      person.command({ kind: 'cancel' }).catch(() => {});
    });
  }

  #taken(call: Call, leadIds: readonly number[]): void {
    this.#mailCount += leadIds.length;
    this.#checked(() => this.#invariants.callTaken(call, leadIds));
    if (!this.#hasWebhooks || leadIds.length === 0) return;
    const { random } = this.#sim;
    for (const event of random.pick(eventLists)) {
      if (event === 'hardBounced') for (const leadId of leadIds) this.#api.bouncedLeadIds.add(leadId);
      const send = (): void => this.#report(call.sessionId, leadIds, event);
      // Early, late, out of order, and sometimes twice: a provider repeats an event that was not acknowledged.
      const times = random.chance(0.3) ? 2 : 1;
      for (let i = 0; i < times; i++) this.#sim.after(10 ** (random.next() * 5), this.#cron, 'webhook', send);
    }
  }

  #report(sessionId: string, leadIds: readonly number[], event: DeliveryEvent): void {
    this.#invariants.eventsSent(sessionId, leadIds, event);
    sessionStub(this.#env, sessionId)
      .addDeliveryEvents(leadIds.map((leadId) => ({ leadId, event })))
      .then(() => this.#invariants.eventsTold(sessionId, leadIds, event))
      .catch(() => {});
  }

  /** An address of a simulated lead begins with its id: l12e1@sim.test. Imported leads get theirs from the CRM. */
  #leadIdOf(email: string): number {
    const id = /^l(\d+)/.exec(email)?.[1];
    return Number(
      id ?? this.#crm.rows.run('SELECT id FROM leads WHERE email = ?', email).rows[0]?.['id'] ?? 0,
    );
  }

  /** Keeps the first violation; the world then ends. */
  #broken({ invariant, message }: Violation): void {
    if (this.#violation !== null) return;
    this.#violation = { invariant, message, atMs: this.#sim.nowMs - this.#sim.startedMs };
    this.#sim.note(`VIOLATION ${message}`);
  }

  #checked(check: () => void): void {
    if (this.#violation !== null) return;
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
    }
  }

  // ── crashes ────────────────────────────────────────────────────────────────────────────────────

  #mayCrash(event: SimEvent, when: 'before' | 'after'): void {
    const { actor } = event;
    const host = hostOfActor(actor);
    if (host === null || host.instance !== actor) return;
    // While the storage of an object is away, those that need it ask again and again, ever more rarely.
    if (when === 'before' && event.kind.startsWith('alarm') && !this.#isAnyStorageAway()) {
      this.#checked(() => this.#invariants.alarmFires(host));
    }
    // What an object is told while its storage takes no write, it may not keep.
    if (this.#storageAwayUntil.size > 0 && (this.#storageAwayUntil.get(host) ?? 0) > this.#sim.nowMs) {
      this.#invariants.answersLost(host);
    }
    if (!this.#faults.isActive) return;
    const { kind: what } = event;
    // Never in the middle of a turn: what a turn writes is one commit.
    if (
      when === 'before' &&
      this.#faults.happens(() => `before ${placeOf(what)}`, 'storage away', this.#intensity.storage)
    ) {
      this.#invariants.answersLost(host);
      this.#storageAwayUntil.set(host, this.#sim.nowMs + this.#faults.int(1, 30_000));
    }
    const intensity = this.#isStorm ? this.#storm.intensity : this.#intensity.crashes;
    const kind = this.#faults.pick(() => `${when} ${placeOf(what)}`, intensity / 2, crashKinds);
    if (kind === null) return;
    host.crash(kind, kind === 'crash' ? 0 : this.#faults.int(1, 3_000));
    this.#checked(() => this.#invariants.afterCrash(host));
  }

  get #isStorm(): boolean {
    return this.#sim.nowMs < this.#storm.untilMs;
  }

  /** Storms begin while most happens, and one may last as long as all of that. */
  #beginStorms(): void {
    const draw = this.#storms;
    if (!draw.chance(stormShare)) return;
    for (let left = draw.int(1, 4); left > 0; left--) {
      const afterMs = 10 ** (1 + draw.next() * (this.#isLong ? 6 : 3.3));
      const forMs = 10 ** (2.5 + draw.next() * 2);
      const intensity = draw.pick([0.25, 0.5, 0.8]);
      this.#sim.after(afterMs, this.#cron, 'storm', () => {
        this.#storm = { untilMs: this.#sim.nowMs + forMs, intensity };
      });
    }
  }

  #isAnyStorageAway(): boolean {
    return [...this.#storageAwayUntil.values()].some((until) => until > this.#sim.nowMs);
  }

  // ── the world's course ─────────────────────────────────────────────────────────────────────────

  /** Runs the world to its end. Call it from a timer, not from a microtask. */
  run(): WorldResult {
    const sim = this.#sim;
    enterRealm({
      sim,
      fetch: (url, init) =>
        this.#receivers !== null && isForReceiver(url)
          ? this.#receivers.fetch(url, init)
          : this.#api.fetch(url, init),
      log: (level, text) => {
        sim.note(`log ${level} ${text}`);
        this.#checked(() => this.#invariants.logged(level, text));
      },
      uncaught: (actor, error) => {
        const host = hostOfActor(actor);
        // An instance whose storage was taken away may throw what it likes.
        if (host !== null && host.instance !== actor) return;
        this.#checked(() => this.#invariants.logged('error', String(error)));
      },
    });
    sim.beforeTurn = (event) => this.#mayCrash(event, 'before');
    sim.afterTurn = (event) => this.#mayCrash(event, 'after');
    try {
      this.#insertLeads();
      this.#begin();
      this.#runUntil(sim.startedMs + this.#troubleMs());
      this.#makeWell();
      this.#settle();
      if (this.#violation === null) this.#checked(() => this.#invariants.beforeNight());
      // The night after.
      this.#sim.after(0, this.#cron, 'cron', () => void runNightlyCleanup(this.#env));
      this.#runUntil(this.#sim.nowMs + 60_000);
      this.#letEventsArrive();
      if (this.#violation === null) this.#checked(() => this.#invariants.atEnd());
    } finally {
      enterRealm(null);
      for (const host of this.#hosts.values()) host.dispose();
      this.#crm.dispose();
    }
    return {
      seed: sim.seed,
      violation: this.#violation,
      hash: sim.hash,
      stepCount: sim.stepCount,
      crashCount: this.#crashCount,
      stormCrashCount: this.#stormCrashCount,
      callCount: this.#api.calls.length,
      mailCount: this.#mailCount,
      sessionCount: this.#sessionIds.length,
      viewCount: this.#invariants.viewCount,
      checkCount: this.#invariants.checkCount,
      tookMs: sim.nowMs - sim.startedMs,
      injected: this.#faults.injected,
      coverage: this.#faults.coverage,
    };
  }

  #runUntil(untilMs: number, isOver: () => boolean = () => false): void {
    if (this.#violation !== null) return;
    try {
      this.#sim.run(untilMs, () => {
        if (this.#sim.stepCount > maxStepCount) {
          this.#broken(new Violation('every session ends', `${maxStepCount} steps were not enough`));
        }
        return this.#violation !== null || isOver();
      });
    } catch (error) {
      // It is kept already, and thrown in an event of a reader.
      if (!(error instanceof Violation)) throw error;
    }
  }

  #troubleMs(): number {
    const draw = this.#draw;
    return this.#isLong ? draw.int(3_600_000, 80 * 3_600_000) : draw.int(5_000, 200_000);
  }

  #insertLeads(): void {
    const { rows } = this.#crm;
    // In some worlds another clock, two hours ahead, has dated the leads.
    const datedAt = this.#draw.chance(0.2) ? this.#sim.wallMs() + 7_200_000 : 0;
    for (let id = 1; id <= this.#leadCount; id++) {
      const email = `l${id}@sim.test`;
      rows.run(
        `INSERT INTO leads (id, email, email_valid, email_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)`,
        id,
        email,
        this.#draw.chance(0.05) ? 0 : 1,
        hashOfEmail(email),
        datedAt,
        datedAt,
      );
      if (this.#draw.chance(0.06)) this.#api.refusedLeadIds.add(id);
    }
    rows.run('UPDATE lead_counts SET new_count = ?, active_count = 0', this.#leadCount);
  }

  #begin(): void {
    const draw = this.#draw;
    const sessionCount = draw.pick([1, 1, 1, 2, 2, 3, 5]);
    const parts: PersonParts = {
      sim: this.#sim,
      env: this.#env,
      faults: this.#faults,
      invariants: this.#invariants,
      hostOf: (sessionId) => this.#hostOf(sessionId),
      leadCount: this.#leadCount,
      addressUse: new Map(),
      isLong: this.#isLong,
    };
    for (let i = 0; i < sessionCount; i++) {
      const sessionId = `activation_1767225600000_${sessionSuffix}${i}`;
      const person = new Person(parts, sessionId, draw.pick([0, 1, 2, 3, 5, 8]));
      this.#people.push(person);
      this.#sessionIds.push(sessionId);
      // In a long world an approval may come hours after the start time, or never.
      const isApproved = this.#approvals.chance(this.#isLong ? 0.4 : 0.15);
      if (isApproved) {
        const importLeads = (): Promise<void> => person.meddle('import');
        const approver = new Approver({ ...parts, importLeads }, sessionId, owner);
        this.#approvers.set(sessionId, approver);
      }
      if (this.#takeBacks.chance(0.3)) {
        this.#invariants.takenBack.isWatched = true;
        this.#takers.push(new Taker(parts, person));
      }
      const waves = this.#waves.chance(0.25) ? drawWaves(this.#waves, this.#isLong) : undefined;
      if (waves !== undefined) {
        this.#gatesMs += longestGatesMs(waves, this.#leadCount);
        this.#watchers.push(new WaveWatcher(this.#sim, person, this.#isLong));
      }
      const undoMs = draw.chance(0.2) ? 10_000 : 0;
      const isFilter = draw.chance(0.6);
      const from = draw.int(1, this.#leadCount);
      const audience: Audience = isFilter
        ? { filter: {} }
        : { leadIds: Array.from({ length: this.#leadCount - from + 1 }, (_, at) => from + at) };
      const startMs = i === 0 ? 0 : draw.int(0, 20_000);
      const batchLeadCount = draw.int(1, 4);
      const drawn = drawTimes(draw, this.#sim.wallMs() + startMs, this.#isLong);
      const times = isApproved ? this.#approvedTimes(startMs) : drawn;
      this.#hasTimes ||= times.schedule !== undefined || times.window !== undefined;
      this.#sim.after(
        startMs,
        person,
        'start',
        () => void this.#start(person, sessionId, { audience, undoMs, batchLeadCount, times, waves }),
      );
      const readers = draw.pick([
        [],
        [new Poller(parts, sessionId)],
        [new StreamReader(parts, sessionId)],
        [new Poller(parts, sessionId), new StreamReader(parts, sessionId)],
      ]);
      for (const reader of readers) reader.begin(draw.pick([15_000, 40_000]));
      this.#readers.push(...readers);
    }
    const encounters = new Encounters({
      ...{ sim: this.#sim, draw, faults: this.#faults, invariants: this.#invariants },
      ...{ api: this.#api, env: this.#env, people: this.#people, leadCount: this.#leadCount },
      ...{ isLong: this.#isLong, hasMailFaults: this.#intensity.mail > 0 },
      hosts: () => this.#hosts.values(),
    });
    for (const taker of this.#takers) taker.begin();
    for (const watcher of this.#watchers) watcher.begin((forMs) => encounters.throttle(forMs));
    this.#receivers?.begin();
    this.#beginSweep();
    this.#beginNights();
    encounters.mayBeginOutage();
    this.#beginClockStep();
    encounters.mayBeginDeploy();
    if (this.#receivers !== null) encounters.mayRetryUnheard(this.#receivers);
    this.#beginStorms();
  }

  /** Half of those that wait for a person have a start time, which may pass meanwhile. Their approver gives them windows. */
  #approvedTimes(startMs: number): Times {
    const draw = this.#approvals;
    const schedule = drawSchedule(draw, this.#sim.wallMs() + startMs, this.#isLong);
    return draw.chance(0.5) ? { schedule } : {};
  }

  #hostOf(sessionId: string): ObjectHost {
    sessionStub(this.#env, sessionId);
    const host = this.#hosts.get(`session ${sessionId}`);
    if (host === undefined) throw new Error(`No object ${sessionId}.`);
    return host;
  }

  async #start(
    person: Person,
    sessionId: string,
    how: {
      audience: Audience;
      undoMs: number;
      batchLeadCount: number;
      times: Times;
      waves: WavePlan | undefined;
    },
  ): Promise<void> {
    const again = (): void =>
      void this.#sim.after(1_000, person, 'start again', () => void this.#start(person, sessionId, how));
    try {
      const found = (await sessionStub(this.#env, sessionId).find('f')) as StartAnswer | null;
      if (found !== null) {
        person.begin();
        return;
      }
      const createdAt = this.#sim.wallMs();
      const resolved = await resolveAudience(this.#env.DB, how.audience);
      if (resolved.kind === 'empty' || resolved.kind === 'unknown_leads') {
        this.#sessionIds.splice(this.#sessionIds.indexOf(sessionId), 1);
        return;
      }
      const { maxLeadId, total, revision } = resolved;
      const approver = this.#approvers.get(sessionId);
      const { schedule, window = null } = how.times;
      const startsAt = schedule?.startAt ?? createdAt + how.undoMs;
      const made: SessionSpec = {
        sessionId,
        name: 'Simulated',
        owner,
        fingerprint: 'f',
        audience: how.audience,
        template,
        mail: {
          from: 'Sim <hello@sim.test>',
          replyTo: null,
          actionUrl: null,
          postalAddress: null,
          publicUrl: null,
        },
        provider: this.#provider,
        batchLeadCount: how.batchLeadCount,
        maxLeadId,
        total,
        revision,
        createdAt,
        ...(schedule === undefined ? {} : { schedule }),
        ...(window === null ? {} : { window }),
        ...fittingWaves(how.waves, total),
      };
      const spec: SessionSpec =
        approver === undefined
          ? { ...made, ...(schedule === undefined ? { startsAt } : {}) }
          : { ...made, manifest: manifestOfSpec(made), approval: newApproval(createdAt) };
      // Before the call: it may be carried out although its answer is lost. A repeat finds the first spec.
      const host = this.#hostOf(sessionId);
      if (!this.#started.has(sessionId)) {
        this.#started.add(sessionId);
        const isWaiting = approver !== undefined;
        // The day's cap may keep the first mail waiting for days; whoever looks sees what it waits for.
        const dueAt = this.#env.MAIL_DAILY_CAP === '' ? (schedule?.startAt ?? null) : null;
        // What waits for a person, and has no time, begins with their approval.
        const times = { startsAt: isWaiting && schedule === undefined ? 0 : startsAt, dueAt, window };
        const providers = new Set([this.#provider]);
        this.#invariants.sessionStarted(host, { createdAt, ...times, providers }, isWaiting);
        if (made.waves !== undefined)
          this.#invariants.waves.started(sessionId, made.waves, this.#hasWebhooks);
        approver?.begin();
      }
      const isFrozen = schedule?.freezeAt !== 'start' || 'leadIds' in how.audience;
      this.#invariants.audienceFrozen(sessionId, how.audience, isFrozen ? maxLeadId : Infinity);
      const endpoints = this.#receivers === null ? [] : await endpointIds(this.#env.DB);
      const answer = (await sessionStub(this.#env, sessionId).startSession(
        spec,
        null,
        endpoints.length > 0 && endpoints,
      )) as StartAnswer;
      this.#sim.note(`started ${sessionId} ${answer.kind}`);
      person.begin();
    } catch {
      again();
    }
  }

  readonly #started = new Set<string>();

  /**
   * The cron that looks after sessions whose alarm was lost: every minute at first, and ever more rarely. Once all is well
   * it begins anew, because a session may have nobody else who wakes it.
   */
  #beginSweep(): void {
    const { isActive } = this.#faults;
    let afterMs = 60_000;
    const run = (): void => {
      if (isActive !== this.#faults.isActive) return;
      void sweep(this.#env);
      afterMs = Math.min(1_800_000, afterMs * 1.3);
      this.#sim.after(afterMs, this.#cron, 'cron', run);
    };
    this.#sim.after(afterMs, this.#cron, 'cron', run);
  }

  /** The cron of the night: it removes lines that came back after an erasure, and calls sessions that nobody looks at. */
  #beginNights(): void {
    this.#sim.after(dayMs, this.#cron, 'night', () => {
      void runNightlyCleanup(this.#env);
      this.#beginNights();
    });
  }

  #beginClockStep(): void {
    if (!this.#draw.chance(0.1)) return;
    this.#sim.after(this.#draw.int(0, 60_000), this.#cron, 'clock', () => {
      const kind = this.#faults.pick('clock', 1, [
        ['back by seconds', 1],
        ['back by an hour', 1],
        ['back by a day', 1],
        ['ahead by an hour', 1],
      ]);
      if (kind === null) return;
      const byMs = {
        'back by seconds': -20_000,
        'back by an hour': -3_600_000,
        'back by a day': -86_400_000,
        'ahead by an hour': 3_600_000,
      };
      this.#invariants.isClockTrue = false;
      this.#sim.clockOffsetMs += byMs[kind];
    });
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────

  #makeWell(): void {
    this.#faults.isActive = false;
    this.#api.outage = null;
    Object.assign(this.#env, { MAIL_API_KEY: 'key' });
    for (const person of this.#people) person.isDone = true;
    for (const approver of this.#approvers.values()) approver.isDone = true;
    for (const taker of this.#takers) taker.isDone = true;
    for (const watcher of this.#watchers) watcher.isDone = true;
    this.#receivers?.makeWell(this.#invariants.isClockTrue);
    this.#beginSweep();
  }

  /** With all well, a person resumes what is paused, until every session has ended. */
  #settle(): void {
    const isTheirs = ({ sessionId }: Person): boolean => this.#sessionIds.includes(sessionId);
    // Nobody reads some of those that have ended: then only the night calls them.
    const isRead = ({ sessionId, isErasureOpen }: Person): boolean =>
      !this.#hasEnded(sessionId) || isErasureOpen || !this.#unread.chance(0.5);
    this.#follow(this.#people.filter(isTheirs).filter(isRead));
    for (const reader of this.#readers) reader.isDone = true;
    this.#runUntil(this.#sim.nowMs + 130_000);
    if (this.#violation !== null) return;
    // What was still to happen, as a question about mail in doubt, has opened it again.
    this.#follow(
      this.#people.filter(({ sessionId }) => this.#sessionIds.includes(sessionId) && this.#isOpen(sessionId)),
    );
  }

  /** These look at their sessions until they have ended. */
  #follow(people: readonly Person[]): void {
    const sim = this.#sim;
    const beganAt = sim.nowMs;
    const boundMs = settleMs + this.#dayCount() * dayMs + this.#gatesMs;
    if (people.length === 0) return;
    let openCount = people.length;
    for (const person of people) {
      let waitMs = 20_000;
      const look = async (): Promise<void> => {
        // A deploy may take the object away while it is asked: whoever gets no answer looks again.
        if (await this.#lookAfter(person).catch(() => false)) {
          openCount--;
          return;
        }
        waitMs = Math.min(1_800_000, waitMs * 1.5);
        sim.after(waitMs, person, 'look', () => void look());
      };
      // A session takes its alarm for lost once that is five seconds late. Its alarm may have been set by the erasure, two
      // seconds ahead: whoever has no answer looks after that, because nobody else may ever call a session without a line.
      sim.after(person.isErasureOpen ? 10_000 : 5_000, person, 'look', () => void look());
    }
    this.#runUntil(beganAt + boundMs, () => openCount === 0);
    if (this.#violation !== null) return;
    const [first] = this.#sessionIds.filter((sessionId) => this.#isOpen(sessionId));
    if (openCount > 0 && first !== undefined) this.#checked(() => this.#invariants.stuck(first, boundMs));
  }

  /** @returns true once the session has ended, was erased, or never began */
  async #lookAfter(person: Person): Promise<boolean> {
    const { sessionId } = person;
    const progress = await person.progress();
    if (progress === null) {
      const isErased = this.#started.has(sessionId) && hasTable(this.#hostOf(sessionId), 'erased');
      if (isErased) this.#invariants.sessionErased(sessionId);
      // Not started: nobody was left to mail. Or it starts only now.
      return isErased || !this.#sessionIds.includes(sessionId);
    }
    if (progress.finishedAt !== null && progress.takeBack?.endedAt !== null) {
      await this.#readResults(person);
      return true;
    }
    if (progress.state === 'paused' && progress.reason !== 'mail_unreachable')
      // What was approved does not leave through another provider: a person lets the rest go.
      await person.command({
        kind: this.#approvers.has(sessionId) && progress.reason === 'mail_auth' ? 'cancel' : 'resume',
      });
    else if (progress.state === 'wave_held') await person.command(goOnCommand(progress));
    else if (progress.state === 'awaiting_approval') await this.#approvers.get(sessionId)?.approve();
    return false;
  }

  /** Compares the pages of a session's results with its rows, unless it has changed between two pages. */
  async #readResults(person: Person): Promise<void> {
    const host = this.#hostOf(person.sessionId);
    const revBefore = storedRev(host);
    const results = await person.results();
    if (storedRev(host) === revBefore)
      this.#checked(() => this.#invariants.resultsRead(person.sessionId, results));
  }

  /** Looks until every receiver has what it is to get. Somebody switches on again what its last answer switched off. */
  #letEventsArrive(): void {
    const receivers = this.#receivers;
    if (receivers === null || this.#violation !== null) return;
    const beganAt = this.#sim.nowMs;
    let isOver = false;
    let waitMs = 5_000;
    const look = (): void => {
      isOver = this.#invariants.events.missing(this.#invariants.endedSessions()) === null;
      if (isOver) return;
      receivers.makeWell(this.#invariants.isClockTrue);
      this.#sim.after(waitMs, this.#cron, 'look', look);
      waitMs = Math.min(600_000, waitMs * 1.5);
    };
    this.#sim.after(0, this.#cron, 'look', look);
    this.#runUntil(beganAt + eventSettleMs, () => isOver);
  }

  /** Days that a session may have to wait for besides. */
  #dayCount(): number {
    // A batch that is refused and split takes of the day's cap again. What was used of a day stays used where the clock is
    // set back to the day before.
    const setBackDays = this.#invariants.isClockTrue ? 0 : 1;
    const capDays = this.#env.MAIL_DAILY_CAP === '' ? 0 : this.#sessionIds.length * 6 + setBackDays;
    return capDays + (this.#hasTimes ? 4 : 0);
  }

  #hasEnded(sessionId: string): boolean {
    return hasTable(this.#hostOf(sessionId), 'session') && !this.#isOpen(sessionId);
  }

  #isOpen(sessionId: string): boolean {
    const host = this.#hostOf(sessionId);
    if (!hasTable(host, 'session')) return false;
    const isOpen = host.database.run('SELECT 1 FROM session WHERE finished_at IS NULL').rows.length > 0;
    return isOpen || takeBackOf(host)?.endedAt === null;
  }
}

/** The number of the last change of a session; null where there is none, or none any more. */
function storedRev(host: ObjectHost): unknown {
  return hasTable(host, 'session') ? host.database.run('SELECT rev FROM session').rows[0]?.['rev'] : null;
}

function hostOfActor(actor: Actor | null): ObjectHost | null {
  return actor !== null && 'host' in actor ? (actor as Instance).host : null;
}

/** What a provider reports of a mail. Each event comes at its own time. */
const eventLists: readonly [readonly DeliveryEvent[], ...(readonly DeliveryEvent[])[]] = [
  ['delivered'],
  ['delivered'],
  ['delayed', 'delivered'],
  ['delivered', 'complained'],
  ['hardBounced'],
];

const crashKinds = [
  ['crash', 8],
  ['crash, old instance lingers', 2],
] as const;

/** An event's kind without the names in it. */
function placeOf(kind: string): string {
  const [first = '', second = '', third] = kind.split(' ');
  if (first === 'call') return `call ${third ?? ''}`;
  return first === 'answer' || first === 'mail' ? `${first} ${second}` : first;
}

const labels: readonly (readonly [RegExp, string])[] = [
  [/^UPDATE leads AS l SET status = 'active'/, 'flip'],
  // The first flip of a slice that follows another.
  [/^INSERT INTO flip_fences/, 'flip'],
  [/^UPDATE leads AS l SET status = 'new'/, 'unflip'],
  [/^\s*INSERT INTO activations/, 'record'],
  [/^INSERT OR IGNORE INTO erased_sessions/, 'unlist'],
  [/FROM audit/, 'recovery'],
  [/suppressions/, 'suppressions'],
  [/activations/, 'list'],
  [/leads/, 'leads'],
];

function labelOf(request: Request): string {
  // It begins as a flip does, which raises the same fence.
  if (request.some(({ sql }) => isRevert(sql))) return 'take back';
  const sql = request[0]?.sql ?? '';
  return labels.find(([pattern]) => pattern.test(sql))?.[1] ?? 'other';
}
