/**
 * ActivationSession: one bulk activation, found by its session id.
 *
 * A shell: it answers the Worker, owns the streams, and hands its rows, clock and settings to its parts.
 * What to do is decided in src/core; the work of an alarm is session-slice.ts, when it fires
 * session-alarm.ts, commands session-commands.ts, rows session-store.ts.
 * Invariants: `alarm()` arms its successor before anything else and never throws our own errors; a read
 * of an unknown id writes nothing; evicting the object between any two awaits changes nothing but latency.
 *
 * @module
 */
import { DurableObject } from 'cloudflare:workers';
import type { Batch } from '../core/batch/batch.ts';
import type { Command } from '../core/session/command.ts';
import type { ProviderTraits } from '../core/batch/doubt.ts';
import type { DeliveryEvent, DeliveryReport } from '../core/batch/delivery-status.ts';
import { nextRetention } from '../core/session/retention.ts';
import { toProgress } from '../core/session/progress-view.ts';
import { newSession, type Session, type SessionSpec } from '../core/session/session.ts';
import type { SliceVerbs } from '../core/session/slice.ts';
import { deleteActivation, markAnonymized } from '../crm/activations.ts';
import { keyWindowMs } from '../mail/providers/index.ts';
import type { ForgottenPerson } from '../shared/forgotten.ts';
import { limits } from '../shared/limits.ts';
import type { Issue, Progress } from '../shared/progress.ts';
import type { Recipient } from '../shared/recipient.ts';
import type { LeadResult } from '../shared/schemas/activation.ts';
import type { Timeline } from '../shared/timeline.ts';
import { DeliveryEvents } from './session/delivery-events.ts';
import { Feed } from './session/feed.ts';
import { readLeadResult } from './session/lead-result.ts';
import { logEvent, type LogFields, type LogLevel } from '../runtime/log.ts';
import { guardLimits, retentionDays } from '../runtime/settings.ts';
import { classifyFault, faultText } from '../runtime/faults.ts';
import { SessionAlarm } from './session/alarm.ts';
import { followClock } from './session/clock.ts';
import { applyCommand } from './session/commands.ts';
import { readResults, type ResultPage, type ResultQuery } from './session/results.ts';
import type { SessionContext } from './session/context.ts';
import { SessionSlice } from './session/slice.ts';
import { SessionStore } from './store/session-store.ts';
import { SessionSweep } from './session/sweep.ts';

export type StartAnswer =
  { kind: 'started' | 'exists'; progress: Progress } | { kind: 'conflict' } | { kind: 'erased' };

export type CommandAnswer =
  { kind: 'ok'; progress: Progress } | { kind: 'refused'; detail: string } | { kind: 'unknown_session' };

export type EraseAnswer =
  { kind: 'erased' } | { kind: 'refused'; detail: string } | { kind: 'unknown_session' };

const maxIssueCount = 50;

export class ActivationSession extends DurableObject<Env> {
  readonly #store: SessionStore;
  readonly #feed: Feed;
  readonly #deliveries: DeliveryEvents;
  readonly #parts: SessionContext;
  readonly #alarm: SessionAlarm;
  readonly #slice: SessionSlice;
  /** The turn that is being taken: an alarm's, or an erasure. */
  #turn: Promise<unknown> | null = null;
  #going: Promise<void> | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new SessionStore(ctx.storage);
    this.#feed = new Feed({
      progress: () => this.#view(),
      issues: () => this.#store.results.issues(maxIssueCount),
      now: () => this.now(),
      look: () => this.ctx.waitUntil(this.#alarm.ensureAlarm(null)),
    });
    this.#deliveries = new DeliveryEvents({
      store: this.#store,
      now: () => this.now(),
      limits: () => guardLimits(this.settings()),
      changed: (before, after) => this.#deliveriesChanged(before, after),
    });
    this.#parts = this.#shell();
    this.#slice = new SessionSlice(this.#parts, new SessionSweep(this.#parts));
    this.#alarm = new SessionAlarm(this.#parts, () => this.#slice.isRunning);
  }

  // ── called by the Worker ───────────────────────────────────────────────────────────────────────

  /**
   * The session's progress if this id was started by the same request; `conflict` if by another; `erased` if
   * it was and is no more; else null.
   *
   * @param requestId - of the Worker's request; for the log, here and below
   */
  async find(fingerprint: string, requestId: string | null = null): Promise<StartAnswer | null> {
    await this.#alarm.ensureAlarm(requestId);
    return this.#found(fingerprint);
  }

  #found(fingerprint: string): StartAnswer | null {
    const session = this.#store.load();
    if (session === null) return this.#store.wasErased() ? { kind: 'erased' } : null;
    if (session.spec.fingerprint !== fingerprint) return { kind: 'conflict' };
    return { kind: 'exists', progress: toProgress(session, this.now()) };
  }

  /** Starts the session, once: the same request again finds it. */
  async start(spec: SessionSpec, requestId: string | null = null): Promise<StartAnswer> {
    const existing = this.#found(spec.fingerprint);
    if (existing !== null) return existing;
    const session = newSession(spec);
    this.#store.transact(() => this.#store.create(session));
    await this.ctx.storage.setAlarm(this.now());
    this.#log('info', 'session_started', { requestId, total: spec.total, template: spec.template.id });
    return { kind: 'started', progress: toProgress(session, this.now()) };
  }

  /** Progress, or null for an unknown id. */
  async progress(requestId: string | null = null): Promise<Progress | null> {
    await this.#alarm.ensureAlarm(requestId);
    return this.#view();
  }

  /** What went wrong, by reason, or null for an unknown id. */
  async issues(requestId: string | null = null): Promise<{ rev: number; issues: Issue[] } | null> {
    await this.#alarm.ensureAlarm(requestId);
    const session = this.#store.load();
    return session === null ? null : { rev: session.rev, issues: this.#store.results.issues(maxIssueCount) };
  }

  /** What happened to it and how fast it was, or null for an unknown id. */
  async timeline(requestId: string | null = null): Promise<Timeline | null> {
    await this.#alarm.ensureAlarm(requestId);
    const session = this.#store.load();
    if (session === null) return null;
    const { timeline } = this.#store;
    return { rev: session.rev, events: timeline.events(), throughput: [...timeline.series().points] };
  }

  /** One page of per-lead results, or null for an unknown id. */
  async results(query: ResultQuery): Promise<ResultPage | null> {
    await this.#alarm.ensureAlarm(null);
    return this.#store.load() === null ? null : readResults(this.#store, query);
  }

  /** What became of one lead, or null when the session or the lead in it is unknown. */
  async leadResult(leadId: number): Promise<LeadResult | null> {
    await this.#alarm.ensureAlarm(null);
    return this.#store.load() === null ? null : readLeadResult(this.#store, leadId);
  }

  /** What webhooks tell of this session's mails; resolves when it is on disk. Harmless for an unknown id. */
  async addDeliveryEvents(reports: readonly DeliveryReport[]): Promise<void> {
    await this.#deliveries.add(reports);
  }

  /** `addDeliveryEvents` as version 0.1 called it: for a Worker that a deploy has not replaced yet. */
  async fates(reports: readonly { leadId: number; fate: DeliveryEvent }[]): Promise<void> {
    await this.addDeliveryEvents(reports.map(({ leadId, fate }) => ({ leadId, event: fate })));
  }

  /**
   * Carries out a person's command; the same command again changes nothing.
   *
   * @param by - who gives it; for the timeline
   */
  async command(
    command: Command,
    by: string | null = null,
    requestId: string | null = null,
  ): Promise<CommandAnswer> {
    followClock(this.#parts);
    const nowMs = this.now();
    const result = applyCommand(this.#store, command, by, nowMs, this.#traits());
    if (result.kind !== 'ok') return result;
    const progress = toProgress(result.session, nowMs);
    this.#log('info', 'command', { requestId, command: command.kind, state: progress.state });
    this.#feed.publish();
    await this.#alarm.arm(nowMs);
    return { kind: 'ok', progress };
  }

  /**
   * Forgets who a lead is; false when no mail of this session was for it. Harmless for an unknown id. A Worker of
   * an earlier version asks for it while a deploy is under way; {@link forgetPerson} does this and more.
   */
  eraseLead(leadId: number): boolean {
    return this.#store.transact(() => this.#store.load() !== null && this.#store.eraseLead(leadId));
  }

  /** A lead as a mail of this session was addressed to it, or null; the CRM may know it otherwise by now. */
  frozenRecipient(leadId: number): Recipient | null {
    if (this.#store.load() === null) return null;
    const batches = this.#store.batches.holding(leadId);
    return batches.at(-1)?.recipients?.find((recipient) => recipient.leadId === leadId) ?? null;
  }

  /** Forgets a person, wherever the session mentions them. Harmless for an unknown id. */
  async forgetPerson(person: ForgottenPerson): Promise<void> {
    const nowMs = this.now();
    const isRenamed = this.#store.transact(
      () => this.#store.load() !== null && this.#store.forgetPerson(person, nowMs),
    );
    if (!isRenamed) return;
    this.#feed.publish();
    await this.#alarm.arm(nowMs);
  }

  /**
   * Erases the session, wholly, and ends its streams with `deleted`. One that is at work is not erased: what it
   * knows of its leads is what keeps them from being lost or mailed twice. One that is paused is cancelled first,
   * so that leads which it set active and did not mail are new again before it is gone.
   */
  async erase(by: string | null = null, requestId: string | null = null): Promise<EraseAnswer> {
    followClock(this.#parts);
    const session = this.#store.load();
    if (session === null) return { kind: 'unknown_session' };
    if (session.finishedAt === null && session.state !== 'paused') {
      return { kind: 'refused', detail: `It is ${session.state}; cancel it or wait for its end.` };
    }
    if (session.finishedAt === null) {
      applyCommand(this.#store, { kind: 'cancel' }, by, this.now(), this.#traits());
      // Whatever becomes of this call, the alarm goes on with giving its leads back.
      await this.#alarm.watch();
    }
    return this.#inTurn(async (): Promise<EraseAnswer> => {
      if (this.#store.load()?.finishedAt === null) await this.#slice.run();
      if (this.#store.load()?.finishedAt === null) {
        await this.#alarm.arm(this.now());
        const detail =
          'It was cancelled, and its leads are being set back in the CRM. Erase it when that has ended.';
        return { kind: 'refused', detail };
      }
      if (!(await this.#remove())) return { kind: 'refused', detail: 'It was set going again meanwhile.' };
      this.#log('info', 'session_erased', { requestId });
      return { kind: 'erased' };
    });
  }

  /** The session's event stream. */
  override async fetch(request: Request): Promise<Response> {
    if (this.#store.load() === null) return new Response(null, { status: 404 });
    if (this.#feed.readerCount >= limits.maxStreamReaderCount) return new Response(null, { status: 429 });
    await this.#alarm.ensureAlarm(request.headers.get('x-request-id'));
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

  override alarm(): Promise<void> {
    return this.#goOn();
  }

  /** Does what is due. One at a time: an alarm that fires while a sweep has set it going waits for the same. */
  #goOn(): Promise<void> {
    return (this.#going ??= this.#takeTurns().finally(() => (this.#going = null)));
  }

  async #takeTurns(): Promise<void> {
    for (;;) {
      // The successor first: a throw or a kill from here on never uses up the platform's retries.
      await this.#alarm.watch();
      try {
        await this.#inTurn(() => this.#takeTurn());
        return;
      } catch (error) {
        if (classifyFault(error).kind !== 'storage') throw error;
        // Storage went away in the middle: the watch waits for it, and what was under way is taken up from rows.
        this.#log('warn', 'turn_fault', { error: faultText(error) });
      }
    }
  }

  /** One at a time works on the batches: an alarm, or an erasure. */
  async #inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const before = this.#turn;
    // What went wrong before is for whoever waits for that.
    const turn = (before ?? Promise.resolve()).catch(() => {}).then(work);
    this.#turn = turn;
    try {
      return await turn;
    } finally {
      if (this.#turn === turn) this.#turn = null;
    }
  }

  async #takeTurn(): Promise<void> {
    followClock(this.#parts);
    if (this.#store.load() === null) {
      await this.#alarm.clear();
      return;
    }
    if ((await this.#retain()) === 'removed') return;
    if ((await this.#slice.run()) === 'superseded') return;
    await this.#alarm.arm(this.now());
  }

  /** Takes the next step of retention, if it is due. */
  async #retain(): Promise<'kept' | 'removed'> {
    const step = nextRetention(this.#store.session(), retentionDays(this.settings()));
    if (step === null || step.at > this.now()) return 'kept';
    this.#log('info', `session_${step.kind}d`, {});
    if (step.kind === 'remove') return (await this.#remove()) ? 'removed' : 'kept';
    this.#store.transact(() => this.#store.anonymize(this.now()));
    // Where the database does not take it, erasures go on asking this session, which costs a call each.
    const { sessionId } = this.#store.session().spec;
    this.ctx.waitUntil(markAnonymized(this.env.DB, sessionId, this.now()).catch(() => undefined));
    return 'kept';
  }

  /**
   * Removes the session. The list of runs first: a removal that broke off there can be asked for again.
   *
   * @returns false when a command came in meanwhile; nothing but the list has changed then
   */
  async #remove(): Promise<boolean> {
    const session = this.#store.load();
    if (session === null) return true;
    const { spec, generation } = session;
    // What is still being told would put the line back that is taken off here.
    await this.#slice.told();
    await deleteActivation(this.env.DB, spec.sessionId);
    if (this.#store.load()?.generation !== generation) return false;
    await this.#alarm.clear();
    await this.#store.deleteAll();
    this.#feed.closeDeleted(spec.sessionId);
    return true;
  }

  /**
   * Makes sure that a session which should move can, as any read does, for a sweep over all of them. One whose
   * alarm is overdue is set going here: after failures the platform repeats an alarm later and later, and
   * another time that is set meanwhile does not bring it forward.
   *
   * @returns false when there is no session of this id, or no more
   */
  async poke(): Promise<boolean> {
    const isOverdue = await this.#alarm.isOverdue();
    await this.#alarm.ensureAlarm(null);
    if (isOverdue) this.ctx.waitUntil(this.#goOn());
    return this.#store.load() !== null;
  }

  #deliveriesChanged(before: Session, after: Session): void {
    this.#feed.publish();
    if (after.state !== before.state) {
      this.#log('info', 'session_state', { state: after.state, reason: after.reason });
    }
    this.ctx.waitUntil(this.#alarm.wakeForDeliveries(after));
  }

  #view(): Progress | null {
    const session = this.#store.load();
    return session === null ? null : toProgress(session, this.now());
  }

  #traits(): ProviderTraits {
    // One that was started before this was noted has the provider of the settings.
    const provider = this.#store.load()?.spec.provider ?? this.settings().MAIL_PROVIDER;
    return { idempotencyWindowMs: keyWindowMs(provider) };
  }

  #log(level: LogLevel, event: string, fields: LogFields): void {
    logEvent(level, event, { sessionId: this.ctx.id.name ?? null, ...fields });
  }

  #shell(): SessionContext {
    return {
      store: this.#store,
      alarms: this.ctx.storage,
      env: this.env,
      traits: () => this.#traits(),
      settings: () => this.settings(),
      now: () => this.now(),
      random: () => this.random(),
      sleep: (ms) => this.sleep(ms),
      deliveryTimeoutMs: () => this.deliveryTimeoutMs(),
      verbs: (verbs) => this.verbs(verbs),
      keyOf: (session, batch) => this.keyOf(session, batch),
      publish: () => this.#feed.publish(),
      log: (level, event, fields) => this.#log(level, event, fields),
      waitUntil: (promise) => this.ctx.waitUntil(promise),
    };
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
  protected verbs(verbs: SliceVerbs): SliceVerbs {
    return verbs;
  }

  /** The same for every attempt of a batch, and for no other: what makes a repeat harmless. */
  protected keyOf(session: Session, batch: Batch): string {
    return `${session.spec.sessionId}/${batch.seq}`;
  }
}
