/**
 * The promises of the product, as code: DESIGN's invariants, checked while a simulated world runs and at its end.
 *
 * Owns what is checked and the record that it needs: who was mailed, what a person accepted, what each reader saw.
 * It reads the objects' rows itself, so a counter of the product is never its own witness.
 * The names of the checks are `InvariantName`; a mutant names the ones that must find it.
 *
 * @module
 */
import type { DeliveryCounts, DeliveryEvent } from '../../src/core/batch/delivery-status.ts';
import { maxLateMs } from '../../src/core/schedule/begin.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { TakeBackChoice, TakeBackProgress } from '../../src/shared/take-back.ts';
import { isWindowOpen, type SendingWindow } from '../../src/shared/schedule/sending-window.ts';
import type { Audience, LeadResult } from '../../src/shared/schemas/activation.ts';
import type { ApprovalVerdict } from '../../src/core/session/approval.ts';
import type { SessionSpec } from '../../src/core/session/session.ts';
import { hashNow } from '../../src/durable/session/manifest.ts';
import type { Manifest } from '../../src/shared/manifest.ts';
import { manifestOfSpec } from './world/approver.ts';
import type { ObjectHost } from './platform/objects.ts';
import type { Simulator } from './platform/simulator.ts';
import type { Row, Written } from './platform/sqlite.ts';
import { namesPlatformFault, type SimDatabase } from './platform/d1.ts';
import { TakenBack } from './taken-back.ts';
import { EventChecks, type EndedSession } from './events-out.ts';
import { WaveChecks, type WaveRows } from './waves.ts';
import type { Call } from './world/mail-api.ts';

export const invariantNames = [
  /** 1. A lead is mailed once, unless a person accepted the risk of a second mail. */
  'mailed once',
  /** 1. What a provider knows a mail by. Of another content under a known key nobody can say what became. */
  'a key has one content',
  /** 1. `sent` means taken, `failed` means not taken. */
  'sent means taken',
  'failed means not taken',
  /** 1. Unknown mail was on its way when something went wrong. */
  'unknown was in doubt',
  /** 1. What the provider has reported on was taken. */
  'an event settles the doubt',
  /** 2. Each lead has one result, the counters are the sum over the rows, and total is their sum. */
  /** A lead fails because of itself, and a session pauses for mail because of its account; an outage does neither. */
  'an outage fails nobody',
  'an outage ends by itself',
  /** 7. The audience is frozen by the CRM's revision, not by a clock. */
  'nobody is left out',
  'one result each',
  'what is decided stays decided',
  'counters equal rows',
  'parts make the total',
  /** 3. */
  'numbers never go back',
  'same revision, same numbers',
  /** 4. */
  'resumes within five seconds',
  'every session ends',
  /** 10. An object that can do nothing does not wake again and again. */
  'at rest while it waits',
  /** 6. */
  'nothing leaves after a command',
  'cancelled stays cancelled',
  'another provider only after a person',
  'an undone start did nothing',
  /** 7. */
  'nothing leaves before its time',
  'nothing leaves outside its window',
  'a missed start asks a person',
  /** 7. Where another person has to approve it, nothing leaves but what was approved. */
  'nothing leaves without approval',
  'only the frozen audience is mailed',
  'suppressed is not mailed',
  /** 7. Waves: see waves.ts. */
  'a wave keeps its members',
  'a wave counts its own leads',
  'nothing leaves over its wave',
  'a wave is watched',
  "a day's wave waits for its day",
  'a broken limit holds the wave',
  'nothing leaves while a wave is held',
  /** Events to endpoints: see events-out.ts. */
  'each event arrives',
  'events come in order',
  'no event is made up',
  'a repeat is the same event',
  /** 9. */
  'erased is gone',
  'erased is not mailed',
  'what retention removes is gone',
  /** Active means mailed, failed, unknown, or owned by a live batch; new means not mailed. */
  'active means mailed',
  'new means not mailed',
  /** Taking back: see taken-back.ts. */
  'what was changed since stays',
  'only what was chosen is taken back',
  'mailed leads only when chosen',
  'what was chosen is taken back',
  'a taking back adds up',
  'a lead taken back keeps the time of its mail',
  'nobody is mailed again by it',
  'the list equals the session',
  'the CRM counts its leads',
  'the results equal the rows',
  'each event counts once',
  /** No exception of our own making reaches the log or a caller. */
  'no bug is logged',
] as const;
export type InvariantName = (typeof invariantNames)[number];

export class Violation extends Error {
  readonly invariant: InvariantName;

  constructor(invariant: InvariantName, detail: string) {
    super(`${invariant}: ${detail}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

/** A suppression that is younger than this may not have been seen: the flip, the slot and two hops lie between. */
const suppressionGraceMs = 90_000;
/** From the turn in which a call is made until it departs. */
const departureMs = 5_000;
/** A session that begins within the hour may need this for its first mail. */
const lateSlackMs = 600_000;
/** What docs/RELIABILITY.md promises, from the crash to the next alarm. */
const resumeMs = 5_000;

/** The result of one lead in the rows of a session. */
type LeadState = 'pending' | 'p' | 's' | 'f' | 'u' | 'skipped' | 'refused';

interface SessionRecord {
  host: ObjectHost;
  createdAt: number;
  startsAt: number;
  /** When its schedule has it begin; null: with its request, or when a person wishes. */
  dueAt: number | null;
  /** The start time that somebody has asked for, and the one before; null once a person has had it begin since. */
  asked: { startAt: number; before: number } | null;
  window: SendingWindow | null;
  /** The providers that a person has agreed to. */
  providers: Set<string>;
  /** Hashes of manifests that another person has approved; null: nobody has to approve it. */
  approvedHashes: Set<string> | null;
  /** Set between the answer to pause, cancel or erase and the next command that lets mail leave. */
  stoppedBy: string | null;
  /** The undo that arrived last came in time. */
  isUndoPossible: boolean;
  isUndone: boolean;
  isErased: boolean;
  /** Its rows said so, and no retry has arrived since. */
  isCancelled: boolean;
  /** When the last command arrived that lets numbers go back; true time. */
  reopenedAt: number;
  assumed: Set<number>;
  /** Leads with a higher id, or of no list, were not in the CRM when it started. */
  maxLeadId: number;
  leadIds: ReadonlySet<number> | null;
  /** When its audience was read from the CRM at the latest; true time. */
  frozenAt: number;
  /** Its rows say that it is taken back, or was. */
  isTakenBack: boolean;
  /** By the rows that were checked last: retention and erasure remove rows. */
  last: ReadonlyMap<number, LeadState>;
  /** The counters by those rows; null while it has none. */
  lastCounts: Readonly<Record<string, number>> | null;
  /** A spec that was found to be what was approved; an approval stays. */
  agreedSpec: string | null;
  /** Batches in whose state nothing more is sent. */
  closed: Map<unknown, unknown>;
  /** Since something last happened to it. */
  idleAlarmCount: number;
  /** A mail was taken since its rows were checked last. */
  isUnchecked: boolean;
  /** Calls whose result is not durable yet. */
  openCalls: Set<Call>;
}

/** What the checks read of a command. */
interface GivenCommand {
  kind: string;
  outcome?: string;
  isUndo?: true;
  time?: { startAt: number };
  /** The wave from which a person goes on. */
  after?: number;
}

interface Seen {
  progress: Progress;
  at: number;
}

/** What the checks know of the past. */
export interface InvariantMemory {
  sessions: Map<string, SessionRecord>;
  /** How often each lead was mailed, and how often it may be. */
  taken: Map<number, number>;
  accepted: Map<number, number>;
  /** By session and lead: how often it was mailed, in which calls, and whether the provider itself has refused it. */
  takenBy: Map<string, number>;
  callsOf: Map<string, Call[]>;
  refused: Set<string>;
  /** What was sent to whom first, by key. */
  contents: Map<string, ReadonlyMap<number, string>>;
  /** Delivery events of each lead: those that were sent, and those that the session acknowledged. */
  sent: Map<string, Set<DeliveryEvent>>;
  told: Map<string, Set<DeliveryEvent>>;
  /** Leads that somebody suppressed or erased. */
  forgotten: Set<number>;
  isAccountAtFault: boolean;
  isCrmChanged: boolean;
}

/** RELIABILITY.md: a probe is about a minute ahead at most. */
const maxProbeMs = 75_000;
/** Alarms without a fault, a command, a call or an event in between. No session needs 20. */
const maxIdleAlarmCount = 40;
/** The alarm of a retention may be late. */
const retentionSlackMs = 3_600_000;

const noEvents: ReadonlySet<DeliveryEvent> = new Set();

/** The counters that are compared with the rows. */
const countNames = ['activated', 'skipped', 'sent', 'failed', 'unknown'] as const;
/** The one that a lead in a state counts for. */
const countOf: Partial<Record<LeadState, (typeof countNames)[number]>> = {
  s: 'sent',
  f: 'failed',
  u: 'unknown',
  skipped: 'skipped',
};

/** The counters of a session, and the events that each counts. */
const countedEvents: readonly (readonly [keyof DeliveryCounts, readonly DeliveryEvent[]])[] = [
  ['delivered', ['delivered', 'complained']],
  ['bounced', ['hardBounced', 'bounced', 'failed', 'suppressed']],
  ['complained', ['complained']],
];

/** True where a lead's events count for this counter. */
function isCounted(
  of: ReadonlyMap<string, ReadonlySet<DeliveryEvent>>,
  key: string,
  name: keyof DeliveryCounts,
): boolean {
  const found = of.get(key);
  return (
    found !== undefined &&
    countedEvents.some(([counter, events]) => counter === name && events.some((event) => found.has(event)))
  );
}

/** A view that was made before a command may arrive this much after it. */
const viewDelayMs = 3_000;

export class Invariants {
  readonly #sim: Simulator;
  readonly #crm: SimDatabase;
  #known: InvariantMemory = nothing();
  /** Nothing moves any more. A recipient of a call that is under way may be unknown in the meantime. */
  #isEnd = false;
  readonly #seen = new Map<string, Seen>();
  readonly #suppressedAt = new Map<string, number>();
  readonly #erased = new Map<number, { emails: string[]; at: number }>();
  /** The clock was set: times of before cannot be compared with it. */
  isClockTrue = true;
  /** How long an ended session keeps whom it mailed. */
  retentionMs = Infinity;
  /** The product gives a mail up after so many attempts. */
  maxAttempts = 10;
  checkCount = 0;
  viewCount = 0;
  /** What became of leads that were taken back; not in {@link remember}. */
  readonly takenBack: TakenBack;
  /** What endpoints are sent; not in {@link remember}. */
  readonly events: EventChecks;
  /** Of sessions in waves; not in {@link remember}. */
  readonly waves: WaveChecks;
  /** Gets each broken promise. */
  onViolation: (violation: Violation) => void = () => {};

  constructor(sim: Simulator, crm: SimDatabase) {
    this.#sim = sim;
    this.#crm = crm;
    this.takenBack = new TakenBack({
      crm,
      nowMs: () => sim.nowMs,
      stateOf: (sessionId, leadId) => this.#states(this.#record(sessionId).host).get(leadId),
      fail: (invariant, detail) => this.#fail(invariant, detail),
    });
    this.events = new EventChecks({
      isClockTrue: () => this.isClockTrue,
      nowMs: () => sim.nowMs,
      reportsOf: (sessionId, leadId) => ({
        sent: this.#known.sent.get(`${sessionId}/${leadId}`) ?? noEvents,
        told: this.#known.told.get(`${sessionId}/${leadId}`) ?? noEvents,
      }),
      fail: (invariant, detail) => this.#fail(invariant, detail),
    });
    this.waves = new WaveChecks({
      nowMs: () => sim.nowMs,
      wallMs: () => sim.wallMs(),
      isClockTrue: () => this.isClockTrue,
      rowsOf: (sessionId) => waveRowsOf(this.#record(sessionId).host),
      isBounced: (sessionId, leadId) => isCounted(this.#known.told, `${sessionId}/${leadId}`, 'bounced'),
      fail: (invariant, detail) => this.#fail(invariant, detail),
    });
  }

  #fail(invariant: InvariantName, detail: string): never {
    const violation = new Violation(invariant, detail);
    // A view is checked in a reader's promise, which would keep the error to itself.
    this.onViolation(violation);
    throw violation;
  }

  #record(sessionId: string): SessionRecord {
    const record = this.#known.sessions.get(sessionId);
    if (record === undefined) throw new Error(`No session ${sessionId} was started.`);
    return record;
  }

  /** A copy of what is known, for {@link recall}; what readers saw and who was suppressed or erased is not in it. */
  remember(): InvariantMemory {
    return copyOf(this.#known);
  }

  /** What is known now, itself. */
  get known(): Readonly<InvariantMemory> {
    return this.#known;
  }

  /** Goes back to what was known then. */
  recall(memory: InvariantMemory): void {
    this.#known = copyOf(memory);
    this.#seen.clear();
    this.#isEnd = false;
  }

  sessionStarted(
    host: ObjectHost,
    spec: Pick<SessionRecord, 'createdAt' | 'startsAt'> &
      Partial<Pick<SessionRecord, 'dueAt' | 'window' | 'providers'>>,
    needsApproval = false,
  ): void {
    this.#known.sessions.set(host.name, {
      host,
      dueAt: null,
      asked: null,
      window: null,
      providers: new Set(),
      ...spec,
      approvedHashes: needsApproval ? new Set() : null,
      stoppedBy: null,
      isUndoPossible: false,
      isUndone: false,
      isErased: false,
      isCancelled: false,
      reopenedAt: -Infinity,
      assumed: new Set(),
      maxLeadId: 0,
      leadIds: null,
      frozenAt: -Infinity,
      isTakenBack: false,
      last: new Map(),
      lastCounts: null,
      agreedSpec: null,
      closed: new Map(),
      idleAlarmCount: 0,
      isUnchecked: false,
      openCalls: new Set(),
    });
  }

  /** What a start request has counted. A repeat of the request finds the session of the first that arrived. */
  audienceFrozen(sessionId: string, audience: Audience, maxLeadId: number): void {
    const record = this.#record(sessionId);
    record.maxLeadId = Math.max(record.maxLeadId, maxLeadId);
    record.frozenAt = maxLeadId === Infinity ? Infinity : this.#sim.nowMs;
    record.leadIds = 'leadIds' in audience ? new Set(audience.leadIds) : null;
  }

  /** A session begins with rows of the version before. They do not say which refusals were certain, so all may be doubts. */
  earlierRows(host: ObjectHost): void {
    for (const [leadId, state] of this.#states(host)) {
      if (state !== 'p') continue;
      for (const call of this.#known.callsOf.get(`${host.name}/${leadId}`) ?? []) call.isCertain = false;
    }
  }

  /** The provider's own refusal of mails. */
  callRefused(call: Call, leadIds: readonly number[]): void {
    for (const leadId of leadIds) this.#known.refused.add(`${call.sessionId}/${leadId}`);
  }

  /** Somebody begins to suppress or erase a lead: it may fail for that. */
  leadForgotten(leadId: number): void {
    this.events.leadForgotten(leadId);
    this.#known.forgotten.add(leadId);
  }

  /** Something happened that an object may have to do something about. */
  disturbed(place: string, kind: string): void {
    // An account that is refused, or settings that cannot be used: a person has to do something.
    if (kind === '401' || place === 'deploy') this.#known.isAccountAtFault = true;
    if (place === 'person')
      this.#known.isCrmChanged ||= kind === 'edit' || kind === 'import' || kind === 'erase lead';
    for (const record of this.#known.sessions.values()) record.idleAlarmCount = 0;
  }

  /** A person has put the account in order, and nothing is under way. */
  accountRepaired(): void {
    this.#known.isAccountAtFault = false;
  }

  /** An alarm of a session fires. */
  alarmFires(host: ObjectHost): void {
    const record = this.#known.sessions.get(host.name);
    if (record === undefined) return;
    if (++record.idleAlarmCount > maxIdleAlarmCount)
      this.#fail(
        'at rest while it waits',
        `${host.name} woke ${maxIdleAlarmCount} times for nothing: ${JSON.stringify(host.database.run('SELECT * FROM session').rows[0])}`,
      );
  }

  // ── the mail API's book ────────────────────────────────────────────────────────────────────────

  callDeparted(call: Call): void {
    this.checkCount++;
    const record = this.#record(call.sessionId);
    if (record.stoppedBy !== null) {
      this.#fail(
        'nothing leaves after a command',
        `${call.sessionId} called after the answer to ${record.stoppedBy}`,
      );
    }
    if (this.isClockTrue && this.#sim.wallMs() < record.startsAt) {
      this.#fail(
        'nothing leaves before its time',
        `${call.sessionId} called ${record.startsAt - this.#sim.wallMs()} ms early`,
      );
    }
    this.#checkTimes(record, call);
    this.waves.departed(call);
    if (record.isTakenBack)
      this.#fail('nobody is mailed again by it', `${call.sessionId} was taken back, and calls`);
    if (record.providers.size > 0 && !record.providers.has(call.provider)) {
      this.#fail('another provider only after a person', `${call.sessionId} called ${call.provider}`);
    }
    this.#checkApproval(record);
    this.#checkContent(call);
    record.idleAlarmCount = 0;
    record.openCalls.add(call);
    for (const [index, leadId] of call.leadIds.entries()) {
      const key = `${call.sessionId}/${leadId}`;
      const calls = this.#known.callsOf.get(key) ?? [];
      const isRepeat = calls.some((earlier) => !earlier.isCertain || !earlier.isSettled);
      calls.push(call);
      this.#known.callsOf.set(key, calls);
      if (leadId > record.maxLeadId || record.leadIds?.has(leadId) === false)
        this.#fail('only the frozen audience is mailed', `lead ${leadId} by ${call.sessionId}`);
      const erased = this.#erased.get(leadId);
      if (erased !== undefined)
        this.#fail(
          'erased is not mailed',
          `lead ${leadId} left ${this.#sim.nowMs - erased.at} ms after its erasure`,
        );
      const suppressedAt = this.#suppressedAt.get(call.emails[index] ?? '');
      // What may have been taken is repeated with the same bytes.
      if (suppressedAt !== undefined && !isRepeat && this.#sim.nowMs - suppressedAt > suppressionGraceMs) {
        this.#fail(
          'suppressed is not mailed',
          `lead ${leadId} left ${this.#sim.nowMs - suppressedAt} ms after its suppression`,
        );
      }
    }
  }

  /** Mail to somebody who was suppressed or erased since may be missing; the rest is the same to the byte. */
  #checkContent({ sessionId, key, leadIds, mails }: Call): void {
    if (key === '') return;
    const known = this.#known.contents.get(key);
    if (known === undefined) {
      this.#known.contents.set(key, new Map(leadIds.map((leadId, index) => [leadId, mails[index] ?? ''])));
      return;
    }
    const isMissing = [...known.keys()].some(
      (leadId) => !leadIds.includes(leadId) && !this.#known.forgotten.has(leadId),
    );
    if (isMissing || leadIds.some((leadId, index) => known.get(leadId) !== mails[index]))
      this.#fail('a key has one content', `${sessionId} has used ${key} for other mails`);
  }

  /** A call goes when its rows are durable, which may take a moment. */
  #checkTimes({ window, dueAt }: SessionRecord, { sessionId }: Call): void {
    if (!this.isClockTrue) return;
    const nowMs = this.#sim.wallMs();
    if (window !== null && !isWindowOpen(window, nowMs) && !isWindowOpen(window, nowMs - departureMs)) {
      this.#fail(
        'nothing leaves outside its window',
        `${sessionId} called at ${new Date(nowMs).toISOString()}`,
      );
    }
    if (window !== null || dueAt === null || nowMs - dueAt <= maxLateMs + lateSlackMs) return;
    if (this.waves.isPastFirst(sessionId)) return;
    // Only its first call: it may take as long as it needs.
    if (![...this.#known.callsOf.keys()].some((key) => key.startsWith(`${sessionId}/`))) {
      this.#fail('a missed start asks a person', `${sessionId} began ${nowMs - dueAt} ms late by itself`);
    }
  }

  /** A person has a session go on while these settings hold. */
  providerAccepted(host: ObjectHost, provider: string): void {
    this.#known.sessions.get(host.name)?.providers.add(provider);
  }

  /** What the session would do by its rows is what somebody else has approved. */
  #checkApproval(record: SessionRecord): void {
    const { host, approvedHashes } = record;
    if (approvedHashes === null) return;
    const json = host.database.run('SELECT json FROM spec').rows[0]?.['json'] as string;
    if (json === record.agreedSpec) return;
    const spec = JSON.parse(json) as SessionSpec;
    const agreed = spec.manifest;
    const isAgreed = agreed !== undefined && approvedHashes.has(hashNow(agreed.manifest).hash);
    if (!isAgreed || !isWithin(spec, agreed.manifest)) {
      const { when, audience } = manifestOfSpec(spec).manifest;
      this.#fail(
        'nothing leaves without approval',
        `${host.name} called with ${JSON.stringify({ when, audience })}; ${approvedHashes.size} manifests were approved`,
      );
    }
    record.agreedSpec = json;
  }

  /** A person's verdict arrives: another one's approval counts for what it was given for. */
  verdictArrived(host: ObjectHost, verdict: ApprovalVerdict, owner: string): void {
    const record = this.#known.sessions.get(host.name);
    if (record === undefined) return;
    record.idleAlarmCount = 0;
    record.reopenedAt = this.#sim.nowMs;
    if (verdict.kind === 'approve' && verdict.by.toLowerCase() !== owner)
      record.approvedHashes?.add(verdict.manifestHash);
  }

  callTaken(call: Call, leadIds: readonly number[]): void {
    this.#record(call.sessionId).isUnchecked = true;
    for (const leadId of leadIds) {
      const count = (this.#known.taken.get(leadId) ?? 0) + 1;
      this.#known.taken.set(leadId, count);
      const key = `${call.sessionId}/${leadId}`;
      this.#known.takenBy.set(key, (this.#known.takenBy.get(key) ?? 0) + 1);
      const chosenAnew = this.takenBack.renewedCount(leadId, this.#lastFrozenAt(leadId));
      if (count > 1 + (this.#known.accepted.get(leadId) ?? 0) + chosenAnew) {
        this.#fail(
          'mailed once',
          `lead ${leadId} was mailed ${count} times, last by ${call.sessionId} under ${call.key || 'no key'}`,
        );
      }
    }
  }

  /** When the last audience was frozen whose session has mailed a lead; a mail may be taken after a later one. */
  #lastFrozenAt(leadId: number): number {
    const sessions = [...this.#known.sessions.values()];
    const called = sessions.filter(({ host }) => this.#known.callsOf.has(`${host.name}/${leadId}`));
    return Math.max(...called.map(({ frozenAt }) => frozenAt));
  }

  // ── commands ───────────────────────────────────────────────────────────────────────────────────

  /** A command is about to be carried out: what is unknown now is what the person speaks of. */
  commandArrived(host: ObjectHost, command: GivenCommand): void {
    const record = this.#known.sessions.get(host.name);
    if (record === undefined) return;
    record.idleAlarmCount = 0;
    // Sets no start time and ends no pause.
    if (command.kind === 'nextWave') {
      this.waves.goesOn(host.name, command.after ?? 0);
      return;
    }
    if (command.kind === 'retry' || command.kind === 'check') this.waves.reopened(host.name);
    if (command.kind === 'retry') record.isCancelled = false;
    if (command.kind === 'retry' && command.outcome === 'unknown') {
      for (const [leadId, state] of this.#states(host)) {
        if (state === 'u') this.#known.accepted.set(leadId, (this.#known.accepted.get(leadId) ?? 0) + 1);
      }
    }
    if (command.kind === 'assumeSent') {
      for (const [leadId, state] of this.#states(host)) if (state === 'u') record.assumed.add(leadId);
    }
    if (command.kind !== 'pause' && command.kind !== 'cancel') {
      record.reopenedAt = this.#sim.nowMs;
      record.stoppedBy = null;
      const newStartAt = command.time?.startAt;
      if (newStartAt !== undefined) {
        // Until it is answered, it is not known which of the two counts.
        record.asked = { startAt: newStartAt, before: record.startsAt };
        record.startsAt = Math.min(record.startsAt, newStartAt);
        if (record.dueAt !== null) record.dueAt = Math.max(record.dueAt, newStartAt);
      } else if (command.kind === 'reschedule') return;
      // Whoever resumes a session that waits has it begin at once; one with a schedule has to be started now.
      else if (record.dueAt === null || command.kind === 'startNow' || this.#sim.wallMs() >= record.dueAt) {
        record.startsAt = 0;
        record.dueAt = null;
        record.asked = null;
      }
    }
    if (command.isUndo === true && hasTable(host, 'session')) {
      const row = host.database.run('SELECT state, started_at AS startedAt FROM session').rows[0];
      record.isUndoPossible = row?.['state'] !== 'cancelled' && row?.['startedAt'] === null;
    }
  }

  /** A person has a session taken back: its leads change for the others. */
  takeBackArrived(host: ObjectHost, choice: TakeBackChoice): void {
    this.takenBack.asked(host.name, choice);
    this.#known.isCrmChanged = true;
    const record = this.#known.sessions.get(host.name);
    if (record !== undefined) record.idleAlarmCount = 0;
  }

  /** @param sentAtMs - when the command was sent, in simulated time */
  commandAnswered(sessionId: string, command: GivenCommand, sentAtMs: number): void {
    const record = this.#record(sessionId);
    if (command.time !== undefined) {
      const { startAt } = command.time;
      if (record.asked !== null)
        record.startsAt = record.asked.startAt === startAt ? startAt : record.asked.before;
      if (record.dueAt !== null) record.dueAt = startAt;
    }
    // What was started before its time goes back to it.
    if (command.isUndo === true && storedState(record.host) !== 'cancelled') return;
    // A command that has let mail leave since then may have overtaken the answer.
    const isLatest = record.reopenedAt <= sentAtMs;
    if (isLatest && (command.kind === 'pause' || command.kind === 'cancel')) record.stoppedBy = command.kind;
    if (command.isUndo === true && record.isUndoPossible) record.isUndone = true;
  }

  sessionErased(sessionId: string): void {
    const record = this.#record(sessionId);
    record.isErased = true;
    record.stoppedBy = 'erase';
  }

  /** A provider reports on these mails. */
  eventsSent(sessionId: string, leadIds: readonly number[], event: DeliveryEvent): void {
    for (const leadId of leadIds) addTo(this.#known.sent, `${sessionId}/${leadId}`, event);
    this.#record(sessionId).idleAlarmCount = 0;
  }

  /** The session has acknowledged events about these mails. */
  eventsTold(sessionId: string, leadIds: readonly number[], event: DeliveryEvent): void {
    for (const leadId of leadIds) addTo(this.#known.told, `${sessionId}/${leadId}`, event);
  }

  suppressed(email: string): void {
    if (!this.#suppressedAt.has(email)) this.#suppressedAt.set(email, this.#sim.nowMs);
  }

  leadErased(leadId: number, emails: readonly string[]): void {
    this.#erased.set(leadId, { emails: [...emails], at: this.#sim.nowMs });
  }

  // ── what a reader sees ─────────────────────────────────────────────────────────────────────────

  /** Checks one view of one reader. */
  seen(reader: string, progress: Progress): void {
    this.viewCount++;
    const { activation, email, total } = progress;
    const decided = activation.activated + activation.skipped + activation.failed;
    const mailed = email.sent + email.failed + email.unknown;
    if (decided > total || mailed > activation.activated) {
      this.#fail(
        'parts make the total',
        `${progress.sessionId}: ${JSON.stringify({ total, activation, email })}`,
      );
    }
    if (
      progress.finishedAt !== null &&
      progress.state !== 'failed' &&
      (decided !== total || mailed !== activation.activated)
    ) {
      this.#fail(
        'parts make the total',
        `${progress.sessionId} ended with ${JSON.stringify({ total, activation, email })}`,
      );
    }
    const { reopenedAt } = this.#record(progress.sessionId);
    const key = `${reader}/${progress.sessionId}`;
    const before = this.#seen.get(key);
    this.#seen.set(key, { progress, at: this.#sim.nowMs });
    if (before === undefined) return;
    const old = before.progress;
    const what = `${reader} of ${progress.sessionId}: rev ${old.rev} → ${progress.rev}`;
    if (progress.rev < old.rev) this.#fail('numbers never go back', what);
    if (progress.rev === old.rev && numbersOf(progress) !== numbersOf(old)) {
      this.#fail('same revision, same numbers', `${what}: ${numbersOf(old)} → ${numbersOf(progress)}`);
    }
    const rises: [string, number, number][] = [
      ['sent', old.email.sent, email.sent],
      ['skipped', old.activation.skipped, activation.skipped],
      ['delivered', old.email.delivered, email.delivered],
    ];
    const { takeBack } = progress;
    if (takeBack !== undefined && takeBack.startedAt === old.takeBack?.startedAt) {
      rises.push(
        ['reverted', old.takeBack.reverted, takeBack.reverted],
        ['kept', old.takeBack.kept, takeBack.kept],
      );
    }
    for (const [index, wave] of (old.waves ?? []).entries()) {
      const now = progress.waves?.[index];
      // What is planned is counted anew where the audience is frozen at the start.
      if (wave.startedAt === null) continue;
      rises.push([`sent of wave ${wave.number}`, wave.sent, now?.sent ?? 0]);
      if (wave.state === 'passed' && now?.state !== 'passed' && progress.finishedAt === old.finishedAt)
        this.#fail('numbers never go back', `${what}: wave ${wave.number} passed, and is ${now?.state}`);
    }
    // An audience that is frozen at the start is counted anew then.
    // Whoever resumes one that was paused before its first slice starts it before that.
    const isFrozen = old.schedule?.freezeAt !== 'start' || old.processed + old.activation.activated > 0;
    if (isFrozen) rises.push(['total', old.total, total]);
    // Only a person's retry takes results back.
    if (reopenedAt < before.at - viewDelayMs) {
      rises.push(
        ['processed', old.processed, progress.processed],
        ['email.failed', old.email.failed, email.failed],
      );
      if (old.state === 'cancelled' && progress.state !== 'cancelled') {
        this.#fail('numbers never go back', `${what}: cancelled became ${progress.state}`);
      }
    }
    for (const [name, from, to] of rises) {
      if (to < from) this.#fail('numbers never go back', `${what}: ${name} ${from} → ${to}`);
    }
  }

  // ── the rows ───────────────────────────────────────────────────────────────────────────────────

  #rows(host: ObjectHost): Row[] {
    if (!hasTable(host, 'batch')) return [];
    return host.database.run(
      'SELECT seq, state, lead_ids, marks, skipped, recipients FROM batch ORDER BY seq',
    ).rows;
  }

  /** The result of each lead, by the rows. */
  #states(host: ObjectHost, rows = this.#rows(host)): Map<number, LeadState> {
    const states = new Map<number, LeadState>();
    for (const row of rows) {
      for (const [leadId, state] of resultsOf(row as Record<string, string | null>)) {
        const before = states.get(leadId);
        if (before !== undefined)
          this.#fail('one result each', `lead ${leadId} of ${host.name} is ${before} and ${state}`);
        states.set(leadId, state);
      }
    }
    return states;
  }

  /** A turn has ended whose writes are durable later. */
  turnEnded(host: ObjectHost, written: Written): void {
    if (!this.events.isWatched || written !== 'batches' || !this.#known.sessions.has(host.name)) return;
    this.events.written(host.name, this.#states(host));
  }

  /** A session has committed something. Results are what its writes after an answer say. */
  committed(host: ObjectHost, written: Written): void {
    const record = this.#known.sessions.get(host.name);
    if (record === undefined) return;
    for (const call of record.openCalls) {
      if (!call.isAnswered) continue;
      record.openCalls.delete(call);
      call.isSettled = true;
    }
    if (record.isUnchecked) this.checkRows(host);
    else if (written !== 'other') this.checkRows(host, written);
  }

  /** Only a person who has its failed or unknown mail sent again sets a cancelled session going. */
  #checkCancelled(record: SessionRecord, state: unknown): void {
    const hasEnded = state === 'completed' || state === 'failed';
    if (record.isCancelled && state !== 'cancelled' && !hasEnded)
      this.#fail('cancelled stays cancelled', `${record.host.name} is ${String(state)}`);
    record.isCancelled ||= state === 'cancelled';
  }

  /**
   * Checks a session's durable rows: each lead once, and the counters by them.
   *
   * @param written - what has changed since the last time; the results of leads are read again where they may have
   */
  checkRows(host: ObjectHost, written: Exclude<Written, 'other'> = 'batches'): void {
    const record = this.#known.sessions.get(host.name);
    if (record === undefined) return;
    record.isUnchecked = false;
    this.checkCount++;
    const { database } = host;
    if (!hasTable(host, 'batch')) return;
    const row = database.run(
      `SELECT counts, plan, total, state, reason, probe_at AS probeAt, cancelled_at AS cancelledAt,
         spec.json ->> 'reducedAt' AS reducedAt FROM session, spec`,
    ).rows[0];
    if (row?.['reducedAt'] !== null) return;
    this.#checkCancelled(record, row['state']);
    if (row['reason'] === 'mail_auth' && !this.#known.isAccountAtFault)
      this.#fail('an outage ends by itself', `${host.name} waits for a person, and its account is right`);
    const probeMs = Number(row['probeAt'] ?? 0) - this.#sim.wallMs();
    if (this.isClockTrue && probeMs > maxProbeMs)
      this.#fail('an outage ends by itself', `${host.name} asks again in ${probeMs} ms`);
    const counts = JSON.parse(String(row['counts'])) as Record<string, number>;
    const { unlistedCount } = JSON.parse(String(row['plan'])) as { unlistedCount: number };
    if (unlistedCount > 0 && row['cancelledAt'] === null && !this.#known.isCrmChanged)
      this.#fail(
        'nobody is left out',
        `${host.name} does not list ${unlistedCount} leads, and nobody changed them`,
      );
    const found = (written === 'session' ? record.lastCounts : null) ?? this.#checkResults(record);
    const states = record.last;
    this.waves.committed(host.name, states);
    for (const name of countNames) {
      const count = (found[name] ?? 0) + (name === 'skipped' ? unlistedCount : 0);
      if (counts[name] !== count) {
        this.#fail(
          'counters equal rows',
          `${host.name}: ${name} is ${counts[name] ?? 0}, the rows have ${count}`,
        );
      }
    }
    const takeBack = this.takenBack.isWatched ? takeBackOf(host) : null;
    if (takeBack === null) return;
    record.isTakenBack = true;
    this.takenBack.check(host.name, takeBack, states);
  }

  /** Reads and checks the result of each lead. @returns the counters by them */
  #checkResults(record: SessionRecord): Readonly<Record<string, number>> {
    const { host } = record;
    const rows = this.#rows(host);
    const states = this.#states(host, rows);
    this.#checkClosed(record, rows);
    const counts: Record<string, number> = {};
    for (const [leadId, state] of states) {
      const name = countOf[state];
      if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
      if (state === 'p' || state === 's' || state === 'f' || state === 'u')
        counts['activated'] = (counts['activated'] ?? 0) + 1;
      this.#checkResult(record, leadId, state);
    }
    record.last = states;
    record.lastCounts = counts;
    this.events.committed(host.name, states);
    return counts;
  }

  /** A retry takes recipients out of such a batch; the batch itself is never sent again. */
  #checkClosed({ host, closed }: SessionRecord, rows: readonly Row[]): void {
    for (const { seq, state } of rows) {
      const before = closed.get(seq);
      if (before !== undefined && before !== state)
        this.#fail(
          'what is decided stays decided',
          `batch ${String(seq)} of ${host.name} was ${JSON.stringify(before)} and is ${JSON.stringify(state)}`,
        );
      if (state === 'done' || state === 'split' || state === 'cancelled') closed.set(seq, state);
    }
  }

  #checkResult(record: SessionRecord, leadId: number, state: LeadState): void {
    const key = `${record.host.name}/${leadId}`;
    const takenCount = this.#known.takenBy.get(key) ?? 0;
    if (state === 's' && takenCount === 0 && !record.assumed.has(leadId)) {
      this.#fail('sent means taken', `lead ${leadId} of ${record.host.name}`);
    }
    if ((state === 'f' || state === 'skipped' || state === 'refused') && takenCount > 0) {
      this.#fail('failed means not taken', `lead ${leadId} of ${record.host.name} is ${state}`);
    }
    if (state === 'f' && !this.#known.refused.has(key) && !this.#known.forgotten.has(leadId)) {
      const callCount = this.#known.callsOf.get(key)?.length ?? 0;
      if (callCount < this.maxAttempts)
        this.#fail(
          'an outage fails nobody',
          `lead ${leadId} of ${record.host.name} failed after ${callCount} calls`,
        );
    }
    if (state !== 'u') return;
    if (this.#isEnd && this.#known.told.has(key))
      this.#fail('an event settles the doubt', `lead ${leadId} of ${record.host.name} is unknown`);
    const calls = this.#known.callsOf.get(key) ?? [];
    if (calls.length === 0)
      this.#fail('unknown was in doubt', `lead ${leadId} of ${record.host.name} was in no call`);
    if (this.isClockTrue && calls.every((call) => call.isCertain && call.isSettled)) {
      this.#fail(
        'unknown was in doubt',
        `each call with lead ${leadId} of ${record.host.name} was answered for certain`,
      );
    }
  }

  // ── crashes ────────────────────────────────────────────────────────────────────────────────────

  /** Answers that are not written yet may never be: the instance dies, or its storage takes no write. */
  answersLost(host: ObjectHost): void {
    this.#known.sessions.get(host.name)?.openCalls.clear();
  }

  /** After the rows are as they will be found. */
  afterCrash(host: ObjectHost): void {
    if (!this.#known.sessions.has(host.name) || host.isAlarmLost || !this.isClockTrue) return;
    const { database } = host;
    if (!hasTable(host, 'session')) return;
    const row = database.run(
      `SELECT state, finished_at AS finishedAt, waiting_until AS waitingUntil, spec.json ->> 'startsAt' AS startsAt,
         (SELECT count(*) FROM batch WHERE state IN ('inflight', 'pending')) AS dueCount
       FROM session, spec`,
    ).rows[0];
    const isTakingBack = this.takenBack.isWatched && takeBackOf(host)?.endedAt === null;
    if (isTakingBack && host.durableAlarmAt === null)
      this.#fail(
        'resumes within five seconds',
        `${host.name} died while it was taken back, without an alarm`,
      );
    if (row?.['finishedAt'] !== null || (row['state'] !== 'running' && row['state'] !== 'queued')) return;
    const wallMs = this.#sim.wallMs();
    const at = host.durableAlarmAt;
    if (at === null) this.#fail('resumes within five seconds', `${host.name} died without an alarm`);
    const isHeld = Number(row['waitingUntil'] ?? 0) > wallMs || Number(row['startsAt'] ?? 0) > wallMs;
    if (!isHeld && Number(row['dueCount']) > 0 && at > wallMs + resumeMs) {
      this.#fail(
        'resumes within five seconds',
        `${host.name} died with work, and its alarm is ${at - wallMs} ms ahead`,
      );
    }
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────

  /** A fault of ours in the product's log. */
  logged(level: string, text: string): void {
    // A cron says so when the database does not answer; the next one tries again. A fault of its statements is a bug.
    const isCron = text.includes('"sweep_failed"') || text.includes('"cleanup_failed"');
    if (level === 'error' && !(isCron && namesPlatformFault(text))) this.#fail('no bug is logged', text);
  }

  /** A line of an erased session may have come back; then it is known as erased, and the night removes it. */
  beforeNight(): void {
    const unknown = this.#crm.rows.run(
      'SELECT session_id AS id FROM activations WHERE session_id NOT IN (SELECT session_id FROM erased_sessions)',
    ).rows;
    for (const { id } of unknown) {
      if (this.#known.sessions.get(String(id))?.isErased === true)
        this.#fail('the list equals the session', `${String(id)} was erased and is listed`);
    }
  }

  /** Everything, once nothing moves any more. */
  atEnd(): void {
    this.#isEnd = true;
    const listed = new Map(
      this.#crm.rows
        .run('SELECT session_id AS sessionId, progress FROM activations')
        .rows.map((row) => [String(row['sessionId']), JSON.parse(String(row['progress'])) as Progress]),
    );
    const states = new Map<string, ReadonlyMap<number, LeadState>>();
    for (const [sessionId, record] of this.#known.sessions) {
      if (record.isErased) {
        if (listed.has(sessionId))
          this.#fail('the list equals the session', `${sessionId} was erased and is listed`);
        continue;
      }
      // A start whose request was lost.
      if (!hasTable(record.host, 'session')) continue;
      this.checkRows(record.host);
      states.set(sessionId, record.last);
      this.#checkRetention(record);
      this.#checkEvents(record);
      this.#checkWaveEvents(record);
      const row = record.host.database.run('SELECT rev, state, total, plan FROM session').rows[0];
      const line = listed.get(sessionId);
      if (line?.rev !== row?.['rev'] || line?.state !== row?.['state']) {
        this.#fail(
          'the list equals the session',
          `${sessionId}: rev ${line?.rev ?? 'none'} is listed, it has ${String(row?.['rev'])}`,
        );
      }
      const { unlistedCount } = JSON.parse(String(row?.['plan'])) as { unlistedCount: number };
      const leadCount = (states.get(sessionId)?.size ?? 0) + unlistedCount;
      if (leadCount !== row?.['total']) {
        this.#fail(
          'one result each',
          `${sessionId} has ${leadCount} results for ${String(row?.['total'])} leads`,
        );
      }
      if (record.isUndone && [...this.#known.callsOf.keys()].some((key) => key.startsWith(`${sessionId}/`))) {
        this.#fail('an undone start did nothing', `${sessionId} has called`);
      }
    }
    this.#checkLeads(states);
    this.#checkErased();
    if (this.events.isWatched) this.events.atEnd(this.endedSessions());
  }

  /** The sessions that still know whom they mailed. */
  endedSessions(): EndedSession[] {
    return [...this.#known.sessions].flatMap(([sessionId, { host, isErased, last }]) => {
      if (isErased || !hasTable(host, 'session')) return [];
      const row = host.database.run(
        "SELECT counts, total FROM session, spec WHERE spec.json ->> 'reducedAt' IS NULL",
      ).rows[0];
      if (row === undefined) return [];
      const { activated, skipped, sent, failed, refused, unknown } = JSON.parse(
        String(row['counts']),
      ) as Record<'activated' | 'skipped' | 'sent' | 'failed' | 'refused' | 'unknown', number>;
      const counts = { activated, skipped, sent, failed: failed + refused, unconfirmed: unknown };
      return [{ sessionId, states: last, counts: { total: Number(row['total']), ...counts } }];
    });
  }

  #checkLeads(states: ReadonlyMap<string, ReadonlyMap<number, LeadState>>): void {
    const leads = this.#crm.rows.run('SELECT id, status, activated_by AS owner FROM leads').rows;
    let newCount = 0;
    for (const { id, status, owner } of leads) {
      const leadId = Number(id);
      if (status === 'new') {
        newCount++;
        for (const [sessionId] of this.#known.sessions) {
          // Whoever takes its mailed leads back knows that they were mailed.
          if (this.takenBack.hasReverted(sessionId, leadId)) continue;
          if ((this.#known.takenBy.get(`${sessionId}/${leadId}`) ?? 0) > 0)
            this.#fail('new means not mailed', `lead ${leadId} was mailed by ${sessionId}`);
          const state = states.get(sessionId)?.get(leadId);
          if (state === 's' || state === 'u')
            this.#fail('new means not mailed', `lead ${leadId} is ${state} in ${sessionId}`);
        }
        continue;
      }
      const ownerId = String(owner);
      const state = this.#known.sessions.get(ownerId)?.last.get(leadId);
      if (state !== 's' && state !== 'f' && state !== 'u') {
        this.#fail('active means mailed', `lead ${leadId} is ${state ?? 'not'} in its owner ${ownerId}`);
      }
    }
    const counts = this.#crm.rows.run('SELECT new_count AS n, active_count AS a FROM lead_counts').rows[0];
    if (counts?.['n'] !== newCount || counts['a'] !== leads.length - newCount) {
      this.#fail(
        'the CRM counts its leads',
        `${JSON.stringify(counts)} for ${newCount} new of ${leads.length}`,
      );
    }
  }

  #checkRetention({ host, last }: SessionRecord): void {
    const { database } = host;
    const row = database.run(
      "SELECT json ->> 'reducedAt' AS at, finished_at AS finishedAt FROM spec, session",
    ).rows[0];
    if (row?.['at'] != null) {
      const leftCount = database.run('SELECT (SELECT count(*) FROM batch) + (SELECT count(*) FROM fate) AS n')
        .rows[0]?.['n'];
      if (leftCount !== 0)
        this.#fail('what retention removes is gone', `${host.name} has ${String(leftCount)} rows`);
      return;
    }
    const endedMs = this.#sim.wallMs() - Number(row?.['finishedAt'] ?? Infinity);
    if (endedMs > this.retentionMs + retentionSlackMs && this.isClockTrue)
      this.#fail('what retention removes is gone', `${host.name} still has ${last.size} leads`);
  }

  /** The counters of delivery events: what was acknowledged is counted, and nothing that was not sent. */
  #checkEvents({ host }: SessionRecord): void {
    const row = host.database.run("SELECT fates FROM session, spec WHERE json ->> 'reducedAt' IS NULL")
      .rows[0];
    if (row === undefined) return;
    const counts = JSON.parse(String(row['fates'])) as Record<string, number>;
    for (const [name, events] of countedEvents) {
      const countIn = (of: ReadonlyMap<string, ReadonlySet<DeliveryEvent>>): number =>
        [...of].filter(
          ([key, found]) => key.startsWith(`${host.name}/`) && events.some((each) => found.has(each)),
        ).length;
      const count = counts[name] ?? 0;
      if (count < countIn(this.#known.told) || count > countIn(this.#known.sent)) {
        this.#fail(
          'each event counts once',
          `${host.name}: ${name} is ${count}; ${countIn(this.#known.told)} were acknowledged and ${countIn(this.#known.sent)} sent`,
        );
      }
    }
  }

  /** The same for each wave: an event counts for the wave of its lead, however late it comes. */
  #checkWaveEvents({ host }: SessionRecord): void {
    const isReduced = host.database.run("SELECT 1 FROM spec WHERE json ->> 'reducedAt' IS NOT NULL").rows;
    if (isReduced.length > 0) return;
    for (const wave of waveRowsOf(host)?.waves.begun ?? []) {
      const { number, afterLeadId, lastLeadId } = wave;
      for (const [name] of countedEvents) {
        const countIn = (of: ReadonlyMap<string, ReadonlySet<DeliveryEvent>>): number =>
          [...of.keys()].filter((key) => {
            const [sessionId, leadId] = key.split('/');
            const isIn = Number(leadId) > afterLeadId && Number(leadId) <= (lastLeadId ?? Infinity);
            return sessionId === host.name && isIn && isCounted(of, key, name);
          }).length;
        const count = wave[name];
        if (count < countIn(this.#known.told) || count > countIn(this.#known.sent)) {
          this.#fail(
            'a wave counts its own leads',
            `wave ${number} of ${host.name}: ${name} is ${count}; ${countIn(this.#known.told)} were acknowledged and ${countIn(this.#known.sent)} sent`,
          );
        }
      }
    }
  }

  /** Checks the results that a person reads of an ended session, all pages of them. */
  resultsRead(sessionId: string, results: readonly LeadResult[]): void {
    const { last, host } = this.#record(sessionId);
    // Somebody has erased it.
    if (!hasTable(host, 'spec')) return;
    this.checkRows(host);
    if (host.database.run("SELECT 1 FROM spec WHERE json ->> 'reducedAt' IS NULL").rows.length === 0) return;
    const read = new Map(results.map((result) => [result.leadId, result]));
    if (read.size !== results.length || read.size !== last.size) {
      this.#fail(
        'the results equal the rows',
        `${sessionId} has ${results.length} results of ${read.size} leads for ${last.size}`,
      );
    }
    for (const [leadId, state] of last) {
      const result = read.get(leadId);
      if (result !== undefined && stateOf(result) === state) continue;
      this.#fail(
        'the results equal the rows',
        `lead ${leadId} of ${sessionId} is ${state}, its result says otherwise`,
      );
    }
  }

  #checkErased(): void {
    for (const [leadId, { emails }] of this.#erased) {
      for (const email of emails) {
        for (const { host, isErased } of this.#known.sessions.values()) {
          if (isErased) continue;
          const found = this.#rows(host).some((row) => String(row['recipients']).includes(`"${email}"`));
          if (found) this.#fail('erased is gone', `lead ${leadId} is in ${host.name}`);
        }
        const found = this.#crm.rows.run('SELECT 1 FROM leads WHERE email = ?', email).rows.length > 0;
        if (found) this.#fail('erased is gone', `lead ${leadId} is in the CRM`);
      }
    }
  }

  /** A session that has not ended in time. */
  stuck(sessionId: string, afterMs: number): never {
    const row = this.#record(sessionId).host.database.run(
      'SELECT state, reason, waiting_until, counts FROM session',
    ).rows[0];
    this.#fail(
      'every session ends',
      `${sessionId} has not ended ${afterMs / 60_000} minutes after all was well: ${JSON.stringify(row)}`,
    );
  }
}

/** True where a session does what a manifest says. An audience that is found again at the start may only be smaller. */
function isWithin(spec: SessionSpec, agreed: Manifest): boolean {
  const { total, maxLeadId, members } = agreed.audience;
  const isFoundAgain = spec.schedule?.freezeAt === 'start';
  const present = manifestOfSpec(isFoundAgain ? { ...spec, total, maxLeadId } : spec).manifest;
  const audience = { ...present.audience, members };
  return (
    hashNow({ ...present, audience }).hash === hashNow(agreed).hash && (!isFoundAgain || spec.total <= total)
  );
}

function nothing(): InvariantMemory {
  return {
    sessions: new Map(),
    taken: new Map(),
    accepted: new Map(),
    takenBy: new Map(),
    callsOf: new Map(),
    refused: new Set(),
    contents: new Map(),
    sent: new Map(),
    told: new Map(),
    forgotten: new Set(),
    isAccountAtFault: false,
    isCrmChanged: false,
  };
}

/** The stored state of a session; null where there is none. */
function storedState(host: ObjectHost): string | null {
  if (!hasTable(host, 'session')) return null;
  const state = host.database.run('SELECT state FROM session').rows[0]?.['state'];
  return typeof state === 'string' ? state : null;
}

/** What a session's rows say of its taking back; null where nobody has asked for one. */
export function takeBackOf(host: ObjectHost): TakeBackProgress | null {
  let json: unknown;
  try {
    json = host.database.run("SELECT extra ->> 'takeBack' AS json FROM session").rows[0]?.['json'];
  } catch {
    // Rows of the version before have no such column, until the next instance has made it.
  }
  return typeof json === 'string' ? (JSON.parse(json) as TakeBackProgress) : null;
}

/** What a session's rows say of its waves; null where it has none. */
function waveRowsOf(host: ObjectHost): WaveRows | null {
  if (!hasTable(host, 'session')) return null;
  const row = host.database.run(
    `SELECT state, extra ->> 'waves' AS waves, extra ->> 'isChecking' AS isChecking, spec.json ->> 'total' AS total
     FROM session, spec`,
  ).rows[0];
  if (typeof row?.['waves'] !== 'string') return null;
  return {
    state: String(row['state']),
    waves: JSON.parse(row['waves']) as WaveRows['waves'],
    total: Number(row['total']),
    isChecking: row['isChecking'] === 1,
  };
}

/** A copy that shares nothing that changes. */
function copyOf(memory: InvariantMemory): InvariantMemory {
  const calls = new Map<Call, Call>();
  const copyCall = (call: Call): Call => {
    const known = calls.get(call) ?? { ...call };
    calls.set(call, known);
    return known;
  };
  const copySets = <Value>(sets: ReadonlyMap<string, ReadonlySet<Value>>): Map<string, Set<Value>> =>
    new Map([...sets].map(([key, set]) => [key, new Set(set)]));
  return {
    ...memory,
    sessions: new Map(
      [...memory.sessions].map(([id, record]) => [
        id,
        {
          ...record,
          approvedHashes: record.approvedHashes === null ? null : new Set(record.approvedHashes),
          assumed: new Set(record.assumed),
          providers: new Set(record.providers),
          closed: new Map(record.closed),
          openCalls: new Set([...record.openCalls].map(copyCall)),
        },
      ]),
    ),
    taken: new Map(memory.taken),
    accepted: new Map(memory.accepted),
    takenBy: new Map(memory.takenBy),
    callsOf: new Map([...memory.callsOf].map(([key, of]) => [key, of.map(copyCall)])),
    refused: new Set(memory.refused),
    contents: new Map(memory.contents),
    sent: copySets(memory.sent),
    told: copySets(memory.told),
    forgotten: new Set(memory.forgotten),
  };
}

function numbersOf({ state, total, processed, activation, email }: Progress): string {
  return JSON.stringify({ state, total, processed, activation, email });
}

function addTo(map: Map<string, Set<DeliveryEvent>>, key: string, event: DeliveryEvent): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([event]));
  else known.add(event);
}

/** What a result says became of its lead. */
function stateOf({ activation, emailState }: LeadResult): LeadState {
  if (activation !== 'activated') return activation === 'failed' ? 'refused' : activation;
  if (emailState === 'failed') return 'f';
  if (emailState === 'unknown') return 'u';
  return emailState === 'pending' ? 'p' : 's';
}

const resultsByRow = new Map<string, readonly (readonly [number, LeadState])[]>();

/** The results of the leads of one row. Most rows are as they were when they were read last. */
function resultsOf(row: Record<string, string | null>): readonly (readonly [number, LeadState])[] {
  const { state, lead_ids: leadIds, marks, skipped, recipients } = row;
  const text = `${state} ${marks} ${leadIds} ${skipped} ${recipients}`;
  const known = resultsByRow.get(text);
  if (known !== undefined) return known;
  const results: [number, LeadState][] = [];
  for (const { leadId } of JSON.parse(skipped ?? '[]') as { leadId: number }[])
    results.push([leadId, 'skipped']);
  if (recipients === undefined || recipients === null) {
    const result = state === 'cancelled' ? 'skipped' : state === 'done' ? 'refused' : 'pending';
    for (const leadId of JSON.parse(leadIds ?? '[]') as number[]) results.push([leadId, result]);
  } else {
    for (const [index, { leadId }] of (JSON.parse(recipients) as { leadId: number }[]).entries()) {
      const mark = marks?.[index];
      if (mark !== 'm') results.push([leadId, mark as LeadState]);
    }
  }
  if (resultsByRow.size > 10_000) resultsByRow.clear();
  resultsByRow.set(text, results);
  return results;
}

/** True when an object has a table. */
export function hasTable(host: ObjectHost, name: string): boolean {
  return host.database.hasTable(name);
}
