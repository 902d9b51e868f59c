/**
 * ActivationSession: one bulk activation, found by its session id.
 *
 * A shell: it owns the alarm, the transactions around commands and the streams; what to do is decided in
 * src/core, rows are in SessionStore, the verbs of a slice in SessionRunner.
 * Invariants: `alarm()` arms its successor before anything else and never throws our own errors; a read
 * of an unknown id writes nothing; evicting the object between any two awaits changes nothing but latency.
 *
 * @module
 */
import { DurableObject } from 'cloudflare:workers';
import type { Batch } from '../core/batch.ts';
import { backoffMs, crmBackoff } from '../core/backoff.ts';
import type { FateReport } from '../core/fates.ts';
import {
  applyCounts,
  decideCommand,
  finish,
  newSession,
  pauseFor,
  processedCount,
  toProgress,
  touch,
  workMode,
  type Command,
  type Session,
  type SessionSpec,
} from '../core/session.ts';
import { nextRetention } from '../core/retention.ts';
import { runSlice, sliceLimits, type SliceVerbs } from '../core/slice.ts';
import { nextWakeAt } from '../core/wake.ts';
import { emailHash } from '../crm/email-hash.ts';
import { unflipLeads } from '../crm/flip.ts';
import { deleteActivation, recordActivation } from '../crm/history.ts';
import { suppressedAmong } from '../crm/suppressions.ts';
import { domainOf } from '../mail/render.ts';
import { unsubscribeToken } from '../mail/unsubscribe-token.ts';
import { limits } from '../shared/limits.ts';
import type { Issue, Progress } from '../shared/progress.ts';
import type { Recipient } from '../shared/recipient.ts';
import type { Timeline } from '../shared/timeline.ts';
import type { LeadResult } from '../shared/schemas.ts';
import { Fates } from './fates.ts';
import { classifyFault, faultText } from './faults.ts';
import { Feed } from './feed.ts';
import { readLeadResult } from './lead-result.ts';
import { logEvent, type LogFields } from './log.ts';
import { guardLimits, mailWorld, type MailWorld } from './mail-world.ts';
import { PermitPool, type RequestLease } from './permit-pool.ts';
import { retentionDays } from './retention.ts';
import { readResults, type ResultPage, type ResultQuery } from './session-results.ts';
import { SessionRunner, type MailCap } from './session-runner.ts';
import { SessionStore } from './session-store.ts';
import { moveFailed } from './session-retry.ts';

export type StartAnswer = { kind: 'started' | 'exists'; progress: Progress } | { kind: 'conflict' };

export type CommandAnswer =
  { kind: 'ok'; progress: Progress } | { kind: 'refused'; detail: string } | { kind: 'unknown_session' };

export type EraseAnswer =
  { kind: 'erased' } | { kind: 'refused'; detail: string } | { kind: 'unknown_session' };

/** How soon the successor of a killed slice runs; DESIGN §6.4 allows five seconds. */
const watchdogMs = 2_000;
/** A running session whose alarm is overdue by this much has lost it. */
const overdueMs = 5_000;
/** Readers look after the alarm at most this often. */
const healIntervalMs = 2_000;
/** After its end a session hears of fates for days; the list of runs is told of them this late. */
const fateRecordMs = 60_000;
const maxIssueCount = 50;

export class ActivationSession extends DurableObject<Env> {
  readonly #store: SessionStore;
  readonly #feed: Feed;
  readonly #fates: Fates;
  /** The slice that runs in this very object, if one does. */
  #slice: Promise<void> | null = null;
  /** The alarm that is being handled: a slice, and what comes after it. */
  #turn: Promise<void> | null = null;
  /** Slices in a row that ended by a fault; a cache, it only shortens the wait when lost. */
  #faultCount = 0;
  #permits: PermitPool | null = null;
  /** Of the slice that runs. */
  #heldCount = (): number => 0;
  #lease: RequestLease = () => Promise.reject(new Error('No slice has begun.'));
  #healedAt = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new SessionStore(ctx.storage);
    this.#feed = new Feed({
      progress: () => this.#view(),
      issues: () => this.#store.issues(maxIssueCount),
      now: () => this.now(),
    });
    this.#fates = new Fates({
      store: this.#store,
      now: () => this.now(),
      limits: () => guardLimits(this.settings()),
      changed: (before, after) => this.#fatesChanged(before, after),
    });
  }

  // ── called by the Worker ───────────────────────────────────────────────────────────────────────

  /** The session's progress if this id was started by the same request; `conflict` if by another; else null. */
  find(fingerprint: string): StartAnswer | null {
    const session = this.#store.load();
    if (session === null) return null;
    if (session.spec.fingerprint !== fingerprint) return { kind: 'conflict' };
    return { kind: 'exists', progress: toProgress(session, this.now()) };
  }

  /** Starts the session, once: the same request again finds it. */
  async start(spec: SessionSpec): Promise<StartAnswer> {
    const existing = this.find(spec.fingerprint);
    if (existing !== null) return existing;
    const session = newSession(spec);
    this.#store.transact(() => this.#store.create(session));
    await this.ctx.storage.setAlarm(this.now());
    this.#log('session_started', { total: spec.total, template: spec.template.id });
    return { kind: 'started', progress: toProgress(session, this.now()) };
  }

  /** Progress, or null for an unknown id. */
  async progress(): Promise<Progress | null> {
    await this.#heal();
    return this.#view();
  }

  issues(): { rev: number; issues: Issue[] } | null {
    const session = this.#store.load();
    return session === null ? null : { rev: session.rev, issues: this.#store.issues(maxIssueCount) };
  }

  /** What happened to it and how fast it was, or null for an unknown id. */
  timeline(): Timeline | null {
    const session = this.#store.load();
    if (session === null) return null;
    const { timeline } = this.#store;
    return { rev: session.rev, events: timeline.events(), throughput: [...timeline.series().points] };
  }

  /** One page of per-lead results, or null for an unknown id. */
  results(query: ResultQuery): ResultPage | null {
    return this.#store.load() === null ? null : readResults(this.#store, query);
  }

  /** What became of one lead, or null when the session or the lead in it is unknown. */
  leadResult(leadId: number): LeadResult | null {
    return this.#store.load() === null ? null : readLeadResult(this.#store, leadId);
  }

  /** What webhooks tell of this session's mails; resolves when it is on disk. Harmless for an unknown id. */
  async fates(reports: readonly FateReport[]): Promise<void> {
    await this.#fates.add(reports);
  }

  /**
   * Carries out a person's command; the same command again changes nothing.
   *
   * @param by - who gives it; for the timeline
   */
  async command(command: Command, by: string | null = null): Promise<CommandAnswer> {
    const nowMs = this.now();
    const answer = this.#store.transact((): CommandAnswer => {
      const session = this.#store.load();
      if (session === null) return { kind: 'unknown_session' };
      const decision = decideCommand(session, command, nowMs);
      if (decision.kind === 'refused') return decision;
      if (decision.kind === 'unchanged') return { kind: 'ok', progress: toProgress(session, nowMs) };
      const changed = this.#changeBatches(decision.session, command, nowMs);
      this.#store.save(changed, by);
      return { kind: 'ok', progress: toProgress(changed, nowMs) };
    });
    if (answer.kind === 'ok') {
      this.#log('command', { command: command.kind, state: answer.progress.state });
      this.#feed.publish();
      await this.#arm(nowMs);
    }
    return answer;
  }

  /** Forgets who a lead is; false when no mail of this session was for it. Harmless for an unknown id. */
  eraseLead(leadId: number): boolean {
    return this.#store.transact(() => this.#store.load() !== null && this.#store.eraseLead(leadId));
  }

  /**
   * Erases the session, wholly, and ends its streams with `deleted`. One that is at work is not erased:
   * what it knows of its leads is what keeps them from being lost or mailed twice.
   */
  async erase(): Promise<EraseAnswer> {
    const session = this.#store.load();
    if (session === null) return { kind: 'unknown_session' };
    if (session.finishedAt === null && session.state !== 'paused') {
      return { kind: 'refused', detail: `It is ${session.state}; cancel it or wait for its end.` };
    }
    // A paused session may still be settling what was on its way.
    await this.#turn;
    if (!(await this.#remove())) return { kind: 'refused', detail: 'It was set going again meanwhile.' };
    this.#log('session_erased', {});
    return { kind: 'erased' };
  }

  /** The session's event stream. */
  override async fetch(request: Request): Promise<Response> {
    if (this.#store.load() === null) return new Response(null, { status: 404 });
    if (this.#feed.readerCount >= limits.maxStreamReaderCount) return new Response(null, { status: 429 });
    await this.#heal();
    const lastRev = Number.parseInt(request.headers.get('last-event-id') ?? '', 10);
    return new Response(this.#feed.connect(Number.isSafeInteger(lastRev) ? lastRev : null), {
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        // nginx and its kin hold a response back until it is whole, unless told not to.
        'x-accel-buffering': 'no',
      },
    });
  }

  // ── the alarm ──────────────────────────────────────────────────────────────────────────────────

  override async alarm(): Promise<void> {
    this.#turn = this.#takeTurn();
    try {
      await this.#turn;
    } finally {
      this.#turn = null;
    }
  }

  async #takeTurn(): Promise<void> {
    // The successor first: a throw or a kill from here on never uses up the platform's retries.
    await this.ctx.storage.setAlarm(this.now() + watchdogMs);
    if (this.#store.load() === null) {
      await this.ctx.storage.deleteAlarm();
      return;
    }
    if ((await this.#retain()) === 'removed') return;
    // The list of runs shows a new one at once; its first mail does not wait for that.
    const recording = this.#session().recordedRev === 0 ? this.#record() : Promise.resolve();
    this.#slice = this.#work();
    try {
      await this.#slice;
      this.#faultCount = 0;
    } catch (error) {
      const fault = classifyFault(error);
      logEvent(fault.kind === 'bug' ? 'error' : 'warn', 'slice_fault', {
        ...this.#ids(),
        fault: fault.kind,
        error: faultText(error),
      });
      if (fault.kind === 'superseded') return;
      this.#faultCount++;
      this.#holdOff(fault.message);
    } finally {
      this.#slice = null;
    }
    await recording;
    await this.#record();
    await this.#arm(this.now());
  }

  async #work(): Promise<void> {
    let session = this.#session();
    if (workMode(session, this.now()) !== 'none') {
      const mail = mailWorld(this.settings(), () => this.now());
      if (mail.kind === 'refused') {
        this.#pauseUnconfigured(mail.message);
        return;
      }
      const runner = this.#runner(mail);
      runner.begin();
      await runSlice(this.verbs(runner), sliceLimits);
      session = this.#session();
    }
    // A pause does not hold it open: what was in flight may have been the rest.
    if (session.finishedAt !== null || !session.plan.isDone) return;
    // The counters say when to look, the rows decide.
    const isAllDecided = processedCount(session.counts) >= session.total;
    if (!isAllDecided || this.#store.hasOpen()) return;
    if (session.cancelledAt !== null) await this.#unflipCancelled(session);
    this.#store.transact(() => this.#store.save(finish(this.#session(), this.now())));
    this.#log('session_finished', { ...this.#session().counts });
    this.#feed.publish();
  }

  /** Takes the next step of retention, if it is due. */
  async #retain(): Promise<'kept' | 'removed'> {
    const step = nextRetention(this.#session(), retentionDays(this.settings()));
    if (step === null || step.at > this.now()) return 'kept';
    this.#log(`session_${step.kind}d`, {});
    if (step.kind === 'remove') return (await this.#remove()) ? 'removed' : 'kept';
    this.#store.transact(() => this.#store.reduce(this.now()));
    return 'kept';
  }

  /**
   * Removes the session. The list of runs first: a removal that broke off there can be asked for again.
   *
   * @returns false when a command came in meanwhile; nothing but the list has changed then
   */
  async #remove(): Promise<boolean> {
    const { spec, generation } = this.#session();
    await deleteActivation(this.env.DB, spec.sessionId);
    if (this.#store.load()?.generation !== generation) return false;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#store.forget();
    this.#feed.closeDeleted(spec.sessionId);
    return true;
  }

  /**
   * A slice that was killed between flip and intent, and then cancelled, leaves leads active that will
   * get no mail. They are among the first batches that never left.
   */
  async #unflipCancelled(session: Session): Promise<void> {
    const leadIds = this.#store.firstCancelledLeadIds(2 * sliceLimits.senderCount);
    if (leadIds.length > 0) await unflipLeads(this.env.DB, { sessionId: session.spec.sessionId, leadIds });
  }

  /** What a command does to the batches, beside the session itself. */
  #changeBatches(session: Session, command: Command, nowMs: number): Session {
    const store = this.#store;
    switch (command.kind) {
      case 'pause':
      case 'resume':
        return session;
      case 'cancel':
        store.hurryWaiting(nowMs);
        return applyCounts(session, nowMs, { skipped: store.cancelPending() });
      case 'retry': {
        if (command.outcome === 'unknown')
          return applyCounts(session, nowMs, { unknown: -store.retryUnknown(nowMs) });
        return applyCounts(session, nowMs, {
          failed: -moveFailed(store, session.spec.batchLeadCount, nowMs),
        });
      }
      case 'assumeSent': {
        const leads = store.assumeSent();
        return applyCounts(session, nowMs, { unknown: -leads, sent: leads });
      }
      default:
        return command satisfies never;
    }
  }

  /** The settings changed under a running session: nothing can leave until a person mends them. */
  #pauseUnconfigured(message: string): void {
    this.#store.transact(() => {
      const paused = pauseFor(this.#session(), 'mail_auth', message);
      this.#store.save(touch(paused, this.now(), {}));
    });
    this.#feed.publish();
  }

  /** After a fault the run waits, and says so. */
  #holdOff(message: string): void {
    const waitMs = backoffMs(crmBackoff, this.#faultCount, () => this.random());
    this.#store.transact(() => {
      const session = this.#session();
      if (workMode(session, this.now()) === 'none') return;
      this.#store.save(touch(session, this.now(), { waitingUntil: this.now() + waitMs, lastError: message }));
    });
    this.#feed.publish();
  }

  /** Writes the session's last word into the CRM's list of runs. */
  async #record(): Promise<void> {
    const session = this.#session();
    if (session.recordedRev === session.rev) return;
    try {
      await recordActivation(this.env.DB, toProgress(session, this.now()));
      this.#store.transact(() => this.#store.save({ ...this.#session(), recordedRev: session.rev }));
    } catch (error) {
      logEvent('warn', 'record_fault', { ...this.#ids(), error: faultText(error) });
    }
  }

  /** Sets the next alarm, or none. */
  async #arm(nowMs: number): Promise<void> {
    const session = this.#session();
    const at = nextWakeAt(
      {
        session,
        isWorkDue: !session.plan.isDone || this.#store.hasPending(),
        nextAttemptAt: this.#store.nextAttemptAt(),
        isRecorded: session.recordedRev === session.rev,
        retentionAt: nextRetention(session, retentionDays(this.settings()))?.at ?? null,
      },
      nowMs,
    );
    if (at === null) await this.ctx.storage.deleteAlarm();
    // A slice that runs arms for itself when it ends; till then its watchdog stands.
    else if (this.#slice === null) await this.ctx.storage.setAlarm(at);
  }

  #fatesChanged(before: Session, after: Session): void {
    this.#feed.publish();
    if (after.state !== before.state) {
      this.#log('session_state', { state: after.state, reason: after.reason });
    }
    // A session at work records itself when its slice ends; one at rest must wake for it.
    if (this.#slice !== null || (after.finishedAt === null && after.state !== 'paused')) return;
    this.ctx.waitUntil(
      this.ctx.storage.getAlarm().then(async (at) => {
        const recordAt = this.now() + fateRecordMs;
        if (at === null || at > recordAt) await this.ctx.storage.setAlarm(recordAt);
      }),
    );
  }

  /** This recipient's own link; the same for every attempt, or a repeat would be another payload. */
  #unsubscribeUrl({ spec }: Session, { leadId, email }: Recipient): string | null {
    if (spec.mail.publicUrl === null) return null;
    const secret = this.env.ADDRESS_HASH_KEY;
    const claim = { sessionId: spec.sessionId, leadId, emailHash: emailHash(secret, email) };
    return `${spec.mail.publicUrl}/unsubscribe/${unsubscribeToken(secret, claim)}`;
  }

  /** Which of these were suppressed since they were activated. */
  async #suppressedLeadIds(recipients: readonly Recipient[]): Promise<ReadonlySet<number>> {
    const hashOf = (recipient: Recipient): string => emailHash(this.env.ADDRESS_HASH_KEY, recipient.email);
    const hashes = await suppressedAmong(this.env.DB, recipients.map(hashOf));
    return new Set(
      recipients.filter((recipient) => hashes.has(hashOf(recipient))).map(({ leadId }) => leadId),
    );
  }

  /** Whoever looks at a session that should move makes sure that it can. */
  async #heal(): Promise<void> {
    const nowMs = this.now();
    const session = this.#store.load();
    if (session === null || this.#slice !== null) return;
    if (nowMs - this.#healedAt < healIntervalMs) return;
    this.#healedAt = nowMs;
    const alarmAt = await this.ctx.storage.getAlarm();
    if (alarmAt !== null && alarmAt >= nowMs - overdueMs) return;
    if (session.finishedAt !== null) {
      // Only its retention is left; one that ended before there was any gets its alarm here.
      await this.#arm(nowMs);
      return;
    }
    if (session.state === 'paused' && session.probeAt === null && session.recordedRev === session.rev) return;
    logEvent('warn', 'alarm_rearmed', { ...this.#ids(), alarmAt });
    await this.#arm(nowMs);
  }

  /** Slots for the batches that are left, but no more than there are senders. */
  #wantedPermitCount(waitingCount: number, heldCount: number): number {
    const { total, counts, spec } = this.#session();
    const openCount = Math.ceil((total - processedCount(counts)) / spec.batchLeadCount);
    return Math.min(sliceLimits.senderCount, waitingCount + Math.max(0, openCount - heldCount));
  }

  #runner(mail: MailWorld): SessionRunner {
    // Kept from slice to slice: a lease that was thrown away is time on the account's line that nobody uses.
    const permits = (this.#permits ??= new PermitPool(
      (wantedCount) => this.#lease(wantedCount),
      () => this.now(),
      (waitingCount) => this.#wantedPermitCount(waitingCount, this.#heldCount()),
    ));
    // A stub that has failed stays broken: each slice has a new one.
    this.#lease = async (wantedCount) => mail.gate.lease(wantedCount);
    const runner = new SessionRunner({
      store: this.#store,
      db: this.env.DB,
      transport: mail.transport,
      permits,
      cap: this.#cap(mail),
      now: () => this.now(),
      random: () => this.random(),
      sleep: (ms) => this.sleep(ms),
      deliveryTimeoutMs: this.deliveryTimeoutMs(),
      report: (delivery) => this.ctx.waitUntil(mail.report(delivery, permits)),
      publish: () => this.#feed.publish(),
      log: (event, fields) => this.#log(event, fields),
      keyOf: (session, batch) => this.keyOf(session, batch),
      unsubscribeUrlOf: (session, recipient) => this.#unsubscribeUrl(session, recipient),
      suppressedLeadIds: (recipients) => this.#suppressedLeadIds(recipients),
    });
    this.#heldCount = () => runner.heldCount;
    return runner;
  }

  /** The day's cap is of the domain that the mails come from. */
  #cap({ gate, dailyCap }: MailWorld): MailCap | null {
    if (dailyCap === null) return null;
    const domain = domainOf(this.#session().spec.mail.from);
    return {
      reserve: (mailCount) => gate.reserve(domain, dailyCap, mailCount),
      refund: (day, mailCount) => this.ctx.waitUntil(gate.refund(domain, day, mailCount)),
    };
  }

  #view(): Progress | null {
    const session = this.#store.load();
    return session === null ? null : toProgress(session, this.now());
  }

  #session(): Session {
    const session = this.#store.load();
    if (session === null) throw new Error('There is no session in this object.');
    return session;
  }

  #ids(): LogFields {
    return { sessionId: this.ctx.id.name ?? null };
  }

  #log(event: string, fields: LogFields): void {
    logEvent('info', event, { ...this.#ids(), ...fields });
  }

  // ── what a test puts something else in place of ────────────────────────────────────────────────

  protected now(): number {
    return Date.now();
  }

  protected random(): number {
    return Math.random();
  }

  protected sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Bindings that the mail side reads. */
  protected settings(): Env {
    return this.env;
  }

  /** A mail API that has not answered after this long will not: the outcome is unknown. */
  protected deliveryTimeoutMs(): number {
    return 30_000;
  }

  /** The verbs of a slice; a test stops the world at each of them. */
  protected verbs(runner: SessionRunner): SliceVerbs {
    return runner;
  }

  /** The same for every attempt of a batch, and for no other: what makes a repeat harmless. */
  protected keyOf(session: Session, batch: Batch): string {
    return `${session.spec.sessionId}/${batch.seq}`;
  }
}
