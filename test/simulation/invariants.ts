/**
 * The promises of the product, as code: DESIGN's invariants, checked while a simulated world runs and at its end.
 *
 * Owns what is checked and the record that it needs: who was mailed, what a person accepted, what each reader saw.
 * It reads the objects' rows itself, so a counter of the product is never its own witness.
 * The names of the checks are `InvariantName`; a mutant names the ones that must find it.
 *
 * @module
 */
import type { Progress } from '../../src/shared/progress.ts';
import type { ObjectHost } from './platform/objects.ts';
import type { Simulator } from './platform/simulator.ts';
import type { Row } from './platform/sqlite.ts';
import type { SimDatabase } from './platform/d1.ts';
import type { Call } from './world/mail-api.ts';

export const invariantNames = [
  /** 1. A lead is mailed once, unless a person accepted the risk of a second mail. */
  'mailed once',
  /** 1. `sent` means taken, `failed` means not taken. */
  'sent means taken',
  'failed means not taken',
  /** 1. Unknown mail was on its way when something went wrong. */
  'unknown was in doubt',
  /** 1. What the provider has reported on was taken. */
  'an event settles the doubt',
  /** 2. Each lead has one result, the counters are the sum over the rows, and total is their sum. */
  'one result each',
  'counters equal rows',
  'parts make the total',
  /** 3. */
  'numbers never go back',
  'same revision, same numbers',
  /** 4. */
  'resumes within five seconds',
  'every session ends',
  /** 6. */
  'nothing leaves after a command',
  'an undone start did nothing',
  /** 7. */
  'nothing leaves before its time',
  'suppressed is not mailed',
  /** 9. */
  'erased is gone',
  'erased is not mailed',
  /** Active means mailed, failed, unknown, or owned by a live batch; new means not mailed. */
  'active means mailed',
  'new means not mailed',
  'the list equals the session',
  'the CRM counts its leads',
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
/** What docs/RELIABILITY.md promises, from the crash to the next alarm. */
const resumeMs = 5_000;

/** The result of one lead in the rows of a session. */
type LeadState = 'pending' | 'p' | 's' | 'f' | 'u' | 'skipped' | 'refused';

interface SessionRecord {
  host: ObjectHost;
  createdAt: number;
  startsAt: number;
  /** Set between the answer to pause, cancel or erase and the next command that lets mail leave. */
  stoppedBy: string | null;
  /** The undo that arrived last came in time. */
  isUndoPossible: boolean;
  isUndone: boolean;
  isErased: boolean;
  /** When the last command arrived that lets numbers go back; true time. */
  reopenedAt: number;
  assumed: Set<number>;
  /** Calls whose result is not durable yet. */
  openCalls: Set<Call>;
}

interface Seen {
  progress: Progress;
  at: number;
}

/** What the checks know of the past. */
export interface InvariantMemory {
  sessions: ReadonlyMap<string, SessionRecord>;
  taken: ReadonlyMap<number, number>;
  accepted: ReadonlyMap<number, number>;
  takenBy: ReadonlyMap<string, number>;
  callsOf: ReadonlyMap<string, readonly Call[]>;
  told: ReadonlySet<string>;
}

/** A view that was made before a command may arrive this much after it. */
const viewDelayMs = 3_000;

export class Invariants {
  readonly #sim: Simulator;
  readonly #crm: SimDatabase;
  readonly #isKeyed: boolean;
  readonly #sessions = new Map<string, SessionRecord>();
  /** How often each lead was mailed, and how often it may be. */
  readonly #taken = new Map<number, number>();
  readonly #accepted = new Map<number, number>();
  readonly #takenBy = new Map<string, number>();
  readonly #callsOf = new Map<string, Call[]>();
  /** Nothing moves any more. A recipient of a call that is under way may be unknown in the meantime. */
  #isEnd = false;
  readonly #told = new Set<string>();
  readonly #seen = new Map<string, Seen>();
  readonly #suppressedAt = new Map<string, number>();
  readonly #erased = new Map<number, { emails: string[]; at: number }>();
  /** The clock was set: times of before cannot be compared with it. */
  isClockTrue = true;
  checkCount = 0;
  viewCount = 0;
  /** Gets each broken promise. */
  onViolation: (violation: Violation) => void = () => {};

  constructor(sim: Simulator, crm: SimDatabase, isKeyed: boolean) {
    this.#sim = sim;
    this.#crm = crm;
    this.#isKeyed = isKeyed;
  }

  #fail(invariant: InvariantName, detail: string): never {
    const violation = new Violation(invariant, detail);
    // A view is checked in a reader's promise, which would keep the error to itself.
    this.onViolation(violation);
    throw violation;
  }

  #record(sessionId: string): SessionRecord {
    const record = this.#sessions.get(sessionId);
    if (record === undefined) throw new Error(`No session ${sessionId} was started.`);
    return record;
  }

  /** A copy of what is known, for {@link recall}; what readers saw and who was suppressed or erased is not in it. */
  remember(): InvariantMemory {
    return copyOf(this.known);
  }

  /** What is known now, itself. */
  get known(): InvariantMemory {
    return {
      sessions: this.#sessions,
      taken: this.#taken,
      accepted: this.#accepted,
      takenBy: this.#takenBy,
      callsOf: this.#callsOf,
      told: this.#told,
    };
  }

  /** Goes back to what was known then. */
  recall(memory: InvariantMemory): void {
    const { sessions, taken, accepted, takenBy, callsOf, told } = copyOf(memory);
    replace(this.#sessions, sessions);
    replace(this.#taken, taken);
    replace(this.#accepted, accepted);
    replace(this.#takenBy, takenBy);
    replace(this.#callsOf, callsOf);
    this.#told.clear();
    for (const key of told) this.#told.add(key);
    this.#seen.clear();
    this.#isEnd = false;
  }

  sessionStarted(host: ObjectHost, spec: { createdAt: number; startsAt: number }): void {
    this.#sessions.set(host.name, {
      host,
      ...spec,
      stoppedBy: null,
      isUndoPossible: false,
      isUndone: false,
      isErased: false,
      reopenedAt: -Infinity,
      assumed: new Set(),
      openCalls: new Set(),
    });
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
    record.openCalls.add(call);
    for (const [index, leadId] of call.leadIds.entries()) {
      const key = `${call.sessionId}/${leadId}`;
      const calls = this.#callsOf.get(key) ?? [];
      const isRepeat = calls.some((earlier) => !earlier.isCertain || !earlier.isSettled);
      calls.push(call);
      this.#callsOf.set(key, calls);
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

  callTaken(call: Call, leadIds: readonly number[]): void {
    for (const leadId of leadIds) {
      const count = (this.#taken.get(leadId) ?? 0) + 1;
      this.#taken.set(leadId, count);
      const key = `${call.sessionId}/${leadId}`;
      this.#takenBy.set(key, (this.#takenBy.get(key) ?? 0) + 1);
      if (count > 1 + (this.#accepted.get(leadId) ?? 0)) {
        this.#fail(
          'mailed once',
          `lead ${leadId} was mailed ${count} times, last by ${call.sessionId} under ${call.key || 'no key'}`,
        );
      }
    }
  }

  // ── commands ───────────────────────────────────────────────────────────────────────────────────

  /** A command is about to be carried out: what is unknown now is what the person speaks of. */
  commandArrived(host: ObjectHost, command: { kind: string; outcome?: string; isUndo?: true }): void {
    const record = this.#sessions.get(host.name);
    if (record === undefined) return;
    if (command.kind === 'retry' && command.outcome === 'unknown') {
      for (const [leadId, state] of this.#states(host)) {
        if (state === 'u') this.#accepted.set(leadId, (this.#accepted.get(leadId) ?? 0) + 1);
      }
    }
    if (command.kind === 'assumeSent') {
      for (const [leadId, state] of this.#states(host)) if (state === 'u') record.assumed.add(leadId);
    }
    if (command.kind !== 'pause' && command.kind !== 'cancel') {
      record.reopenedAt = this.#sim.nowMs;
      record.stoppedBy = null;
      // Whoever resumes a session that waits has it begin at once.
      record.startsAt = 0;
    }
    if (command.isUndo === true && hasTable(host, 'session')) {
      const row = host.database.run('SELECT state, started_at AS startedAt FROM session').rows[0];
      record.isUndoPossible = row?.['state'] !== 'cancelled' && row?.['startedAt'] === null;
    }
  }

  commandAnswered(sessionId: string, command: { kind: string; isUndo?: true }): void {
    const record = this.#record(sessionId);
    if (command.kind === 'pause' || command.kind === 'cancel') record.stoppedBy = command.kind;
    if (command.isUndo === true && record.isUndoPossible) record.isUndone = true;
  }

  sessionErased(sessionId: string): void {
    const record = this.#record(sessionId);
    record.isErased = true;
    record.stoppedBy = 'erase';
  }

  /** The session has acknowledged events about these mails. */
  eventsTold(sessionId: string, leadIds: readonly number[]): void {
    for (const leadId of leadIds) this.#told.add(`${sessionId}/${leadId}`);
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
      ['total', old.total, total],
    ];
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
    return host.database.run('SELECT state, lead_ids, marks, skipped, recipients FROM batch ORDER BY seq')
      .rows;
  }

  /** The result of each lead, by the rows. */
  #states(host: ObjectHost): Map<number, LeadState> {
    const states = new Map<number, LeadState>();
    const add = (leadId: number, state: LeadState): void => {
      const before = states.get(leadId);
      if (before !== undefined)
        this.#fail('one result each', `lead ${leadId} of ${host.name} is ${before} and ${state}`);
      states.set(leadId, state);
    };
    for (const row of this.#rows(host)) {
      const { state, lead_ids: leadIds, marks, skipped, recipients } = row as Record<string, string>;
      for (const { leadId } of JSON.parse(skipped ?? '[]') as { leadId: number }[]) add(leadId, 'skipped');
      if (recipients === undefined || (recipients as string | null) === null) {
        const result = state === 'cancelled' ? 'skipped' : state === 'done' ? 'refused' : 'pending';
        for (const leadId of JSON.parse(leadIds ?? '[]') as number[]) add(leadId, result);
        continue;
      }
      for (const [index, { leadId }] of (JSON.parse(recipients) as { leadId: number }[]).entries()) {
        const mark = marks?.[index];
        if (mark !== 'm') add(leadId, mark as LeadState);
      }
    }
    return states;
  }

  /** Checks a session's durable rows: each lead once, and the counters by them. */
  checkRows(host: ObjectHost): void {
    const record = this.#sessions.get(host.name);
    if (record === undefined) return;
    this.checkCount++;
    for (const call of record.openCalls) {
      if (!call.isAnswered) continue;
      record.openCalls.delete(call);
      call.isSettled = true;
    }
    const { database } = host;
    if (!hasTable(host, 'batch')) return;
    const row = database.run('SELECT counts, plan, total, state, finished_at AS finishedAt FROM session')
      .rows[0];
    const reduced = database.run("SELECT 1 FROM spec WHERE json ->> 'reducedAt' IS NOT NULL").rows.length > 0;
    if (row === undefined || reduced) return;
    const counts = JSON.parse(String(row['counts'])) as Record<string, number>;
    const { unlistedCount } = JSON.parse(String(row['plan'])) as { unlistedCount: number };
    const found: Record<string, number> = {
      activated: 0,
      skipped: unlistedCount,
      sent: 0,
      failed: 0,
      unknown: 0,
    };
    for (const [leadId, state] of this.#states(host)) {
      const letters: Partial<Record<LeadState, string>> = {
        s: 'sent',
        f: 'failed',
        u: 'unknown',
        skipped: 'skipped',
      };
      const name = letters[state];
      if (name !== undefined) found[name] = (found[name] ?? 0) + 1;
      if (state === 'p' || state === 's' || state === 'f' || state === 'u')
        found['activated'] = (found['activated'] ?? 0) + 1;
      this.#checkResult(record, leadId, state);
    }
    for (const [name, count] of Object.entries(found)) {
      if (counts[name] !== count) {
        this.#fail(
          'counters equal rows',
          `${host.name}: ${name} is ${counts[name] ?? 0}, the rows have ${count}`,
        );
      }
    }
  }

  #checkResult(record: SessionRecord, leadId: number, state: LeadState): void {
    const key = `${record.host.name}/${leadId}`;
    const takenCount = this.#takenBy.get(key) ?? 0;
    if (state === 's' && takenCount === 0 && !record.assumed.has(leadId)) {
      this.#fail('sent means taken', `lead ${leadId} of ${record.host.name}`);
    }
    if ((state === 'f' || state === 'skipped' || state === 'refused') && takenCount > 0) {
      this.#fail('failed means not taken', `lead ${leadId} of ${record.host.name} is ${state}`);
    }
    if (state !== 'u') return;
    if (this.#isEnd && this.#told.has(key))
      this.#fail('an event settles the doubt', `lead ${leadId} of ${record.host.name} is unknown`);
    const calls = this.#callsOf.get(key) ?? [];
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
    this.#sessions.get(host.name)?.openCalls.clear();
  }

  /** After the rows are as they will be found. */
  afterCrash(host: ObjectHost): void {
    if (!this.#sessions.has(host.name) || host.isAlarmLost || !this.isClockTrue) return;
    const { database } = host;
    if (!hasTable(host, 'session')) return;
    const row = database.run(
      `SELECT state, finished_at AS finishedAt, waiting_until AS waitingUntil, spec.json ->> 'startsAt' AS startsAt,
         (SELECT count(*) FROM batch WHERE state IN ('inflight', 'pending')) AS dueCount
       FROM session, spec`,
    ).rows[0];
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
    // The cron says so when the database does not answer, and tries again in a minute.
    if (level === 'error' && !text.includes('"sweep_failed"')) this.#fail('no bug is logged', text);
  }

  /** Everything, once nothing moves any more. */
  atEnd(): void {
    this.#isEnd = true;
    const listed = new Map(
      this.#crm.rows
        .run('SELECT session_id AS sessionId, progress FROM activations')
        .rows.map((row) => [String(row['sessionId']), JSON.parse(String(row['progress'])) as Progress]),
    );
    const states = new Map<string, Map<number, LeadState>>();
    for (const [sessionId, record] of this.#sessions) {
      if (record.isErased) {
        if (listed.has(sessionId))
          this.#fail('the list equals the session', `${sessionId} was erased and is listed`);
        continue;
      }
      // A start whose request was lost.
      if (!hasTable(record.host, 'session')) continue;
      this.checkRows(record.host);
      states.set(sessionId, this.#states(record.host));
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
      if (record.isUndone && [...this.#callsOf.keys()].some((key) => key.startsWith(`${sessionId}/`))) {
        this.#fail('an undone start did nothing', `${sessionId} has called`);
      }
    }
    this.#checkLeads(states);
    this.#checkErased();
  }

  #checkLeads(states: ReadonlyMap<string, ReadonlyMap<number, LeadState>>): void {
    const leads = this.#crm.rows.run('SELECT id, status, activated_by AS owner FROM leads').rows;
    let newCount = 0;
    for (const { id, status, owner } of leads) {
      const leadId = Number(id);
      if (status === 'new') {
        newCount++;
        if ((this.#taken.get(leadId) ?? 0) > 0)
          this.#fail('new means not mailed', `lead ${leadId} was mailed`);
        for (const [sessionId, of] of states) {
          const state = of.get(leadId);
          if (state === 's' || state === 'u')
            this.#fail('new means not mailed', `lead ${leadId} is ${state} in ${sessionId}`);
        }
        continue;
      }
      const ownerId = String(owner);
      const record = this.#sessions.get(ownerId);
      const state = states.get(ownerId)?.get(leadId);
      if (record?.isErased === true) {
        if (!this.#callsOf.has(`${ownerId}/${leadId}`))
          this.#fail('active means mailed', `lead ${leadId} of the erased ${ownerId}`);
      } else if (state !== 's' && state !== 'f' && state !== 'u') {
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

  #checkErased(): void {
    for (const [leadId, { emails }] of this.#erased) {
      for (const email of emails) {
        for (const { host, isErased } of this.#sessions.values()) {
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

  get isKeyed(): boolean {
    return this.#isKeyed;
  }
}

function replace<Key, Value>(map: Map<Key, Value>, by: ReadonlyMap<Key, Value>): void {
  map.clear();
  for (const [key, value] of by) map.set(key, value);
}

interface CopiedMemory {
  sessions: Map<string, SessionRecord>;
  taken: Map<number, number>;
  accepted: Map<number, number>;
  takenBy: Map<string, number>;
  callsOf: Map<string, Call[]>;
  told: Set<string>;
}

/** A copy that shares nothing that changes. */
function copyOf({ sessions, taken, accepted, takenBy, callsOf, told }: InvariantMemory): CopiedMemory {
  const calls = new Map<Call, Call>();
  const copyCall = (call: Call): Call => {
    const known = calls.get(call) ?? { ...call };
    calls.set(call, known);
    return known;
  };
  return {
    sessions: new Map(
      [...sessions].map(([id, record]) => [
        id,
        {
          ...record,
          assumed: new Set(record.assumed),
          openCalls: new Set([...record.openCalls].map(copyCall)),
        },
      ]),
    ),
    taken: new Map(taken),
    accepted: new Map(accepted),
    takenBy: new Map(takenBy),
    callsOf: new Map([...callsOf].map(([key, of]) => [key, of.map(copyCall)])),
    told: new Set(told),
  };
}

function numbersOf({ state, total, processed, activation, email }: Progress): string {
  return JSON.stringify({ state, total, processed, activation, email });
}

/** True when an object has a table. */
export function hasTable(host: ObjectHost, name: string): boolean {
  return host.database.run('SELECT 1 FROM sqlite_master WHERE name = ?', name).rows.length > 0;
}
