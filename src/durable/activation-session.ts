/**
 * ActivationSession: the object of one bulk activation, found by its session id.
 *
 * It answers the Worker, owns the streams, and hands its rows, clock and settings to its parts. Decisions are made
 * in src/core. Alarms and erasures are session/turns.ts, commands session/commands.ts, rows store/session-store.ts.
 * Invariants: a read of an unknown id writes nothing; evicting the object between any two awaits changes nothing
 * but latency.
 *
 * @module
 */
import { DurableObject } from 'cloudflare:workers';
import type { Batch } from '../core/batch/batch.ts';
import type { Command } from '../core/session/command.ts';
import type { ProviderTraits } from '../core/batch/doubt.ts';
import type { DeliveryEvent, DeliveryReport } from '../core/batch/delivery-status.ts';
import { answerPoll, toProgress, type PollAnswer } from '../core/session/progress-view.ts';
import { newApproval, type ApprovalVerdict } from '../core/session/approval.ts';
import { newSession, touch, type Session, type SessionSpec } from '../core/session/session.ts';
import type { SliceVerbs } from '../core/session/slice.ts';
import { receiptAddressKey } from '../crm/email.ts';
import { keyWindowMs } from '../mail/providers/index.ts';
import type { ForgottenPerson } from '../shared/forgotten.ts';
import { limits } from '../shared/limits.ts';
import type { Issue, Progress } from '../shared/progress.ts';
import type { Recipient } from '../shared/recipient.ts';
import type { LeadResult } from '../shared/schemas/activation.ts';
import type { SessionManifest } from '../shared/schemas/manifest.ts';
import type { TakeBackChoice } from '../shared/take-back.ts';
import type { Timeline } from '../shared/timeline.ts';
import { DeliveryEvents } from './session/delivery-events.ts';
import { Feed } from './session/feed.ts';
import { logEvent, type LogFields, type LogLevel } from '../runtime/log.ts';
import { guardLimits } from '../runtime/settings.ts';
import { SessionAlarm } from './session/alarm.ts';
import { applyVerdict, type VerdictResult } from './session/approval.ts';
import { followClock } from './session/clock.ts';
import { SessionEvents, type EventAnswer, type EventQuery } from './session/events.ts';
import { forgetPerson } from './session/forget.ts';
import { applyCommand } from './session/commands.ts';
import { readLeadResult, readResults, type ResultPage, type ResultQuery } from './session/results.ts';
import type { SessionContext } from './session/context.ts';
import { SessionCrm } from './session/crm.ts';
import { closeMembers, receiptPage, type ReceiptCursor, type ReceiptPage } from './session/receipt.ts';
import { SessionSlice } from './session/slice.ts';
import { tellResults } from './session/warm-up-results.ts';
import { SessionStore } from './store/session-store.ts';
import { SessionSweep } from './session/sweep.ts';
import {
  forecastOf,
  SessionTakeBack,
  startTakeBack,
  type TakeBackForecastAnswer,
  type TakeBackStart,
} from './session/take-back.ts';
import { SessionTurns, type EraseAnswer } from './session/turns.ts';

export type { ResultCursor, ResultQuery } from './session/results.ts';
export type { ReceiptCursor, ReceiptPage } from './session/receipt.ts';
export type { EraseAnswer } from './session/turns.ts';
export type { TakeBackForecastAnswer } from './session/take-back.ts';

export type StartAnswer =
  | { kind: 'started' | 'exists'; progress: Progress; manifestHash: string | null }
  | { kind: 'conflict' }
  | { kind: 'erased' };

export type VerdictAnswer = { kind: 'ok'; progress: Progress } | Exclude<VerdictResult, { kind: 'ok' }>;

/** What an approver looks at, as far as the session knows it. */
export interface ApprovalMaterial extends Pick<
  SessionSpec,
  'owner' | 'audience' | 'template' | 'mail' | 'maxLeadId'
> {
  /** A {@link HashedManifest} as JSON. */
  manifest: string;
  /** Why it was rejected. */
  reason: string | null;
  /** It has not been decided. */
  isOpen: boolean;
}
export type TakeBackAnswer =
  { kind: 'ok'; progress: Progress; isNew: boolean } | Exclude<TakeBackStart, { kind: 'ok' }>;

export type CommandAnswer =
  | { kind: 'ok'; progress: Progress; manifestHash: string | null }
  | { kind: 'refused'; detail: string }
  | { kind: 'unknown_session' };

/** What a session was started with, as far as it still knows. */
export interface OriginalSpec extends Pick<
  SessionSpec,
  'name' | 'audience' | 'fingerprint' | 'selectionHash'
> {
  templateId: string;
  templateVersion: number;
  /** A {@link SessionManifest} as JSON; null in a session of version 0.1. */
  manifest: string | null;
}

const maxIssueCount = 50;

export class ActivationSession extends DurableObject<Env> {
  readonly #store: SessionStore;
  readonly #feed: Feed;
  readonly #deliveries: DeliveryEvents;
  readonly #context: SessionContext;
  readonly #alarm: SessionAlarm;
  readonly #turns: SessionTurns;
  readonly #events: SessionEvents;

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
      tellWarmUp: () => tellResults(this.#context),
      changed: (before, after) => this.#deliveriesChanged(before, after),
    });
    this.#context = this.#makeContext();
    this.#events = new SessionEvents(this.#context);
    const slice = new SessionSlice(this.#context, new SessionSweep(this.#context));
    this.#alarm = new SessionAlarm(this.#context, () => slice.isRunning);
    this.#turns = new SessionTurns(this.#context, {
      alarm: this.#alarm,
      slice,
      takeBack: new SessionTakeBack(this.#context),
      events: this.#events,
      sessionId: ctx.id.name ?? null,
      removed: (sessionId) => this.#feed.closeDeleted(sessionId),
    });
  }

  // ── called by the Worker ───────────────────────────────────────────────────────────────────────

  /**
   * Looks for the session that a start request means.
   *
   * @param requestId - of the Worker's request; for the log, here and below
   * @returns `exists` if the same request started it, `conflict` if another one did, `erased` if it was erased;
   *   null for an unknown id
   */
  async find(fingerprint: string, requestId: string | null = null): Promise<StartAnswer | null> {
    await this.#alarm.ensureAlarm(requestId);
    return this.#foundArmed(fingerprint);
  }

  /**
   * Until its first slice has put it into the list, no cron knows of a session: the answer waits for its alarm, which
   * storage may have refused to the request before.
   *
   * @throws what storage throws
   */
  async #foundArmed(fingerprint: string): Promise<StartAnswer | null> {
    const found = this.#found(fingerprint);
    if (found?.kind !== 'exists' || this.#store.session().recordedRev > 0) return found;
    // One that is set stays: the repeats of an impatient person would put it off.
    const alarmAt = await this.ctx.storage.getAlarm();
    if (alarmAt === null && this.#store.load() !== null) await this.#alarm.arm(this.now());
    return found;
  }

  #found(fingerprint: string): StartAnswer | null {
    const session = this.#store.load();
    if (session === null) return this.#store.wasErased() ? { kind: 'erased' } : null;
    if (session.spec.fingerprint !== fingerprint) return { kind: 'conflict' };
    return this.#started('exists', session);
  }

  /** {@link startSession} for Workers of the version before, whose requests have no condition that is new since. */
  start(spec: SessionSpec, requestId: string | null = null): Promise<StartAnswer> {
    return this.startSession(spec, requestId);
  }

  /**
   * Starts the session. The same request again finds it and changes nothing. Its name is new in 0.2: an object of a
   * version before would leave out conditions that it does not know, and mail more leads than were shown.
   *
   * @param endpoints - those that get its events; false: it finds out later. The version before says true where there
   *   are some
   */
  async startSession(
    spec: SessionSpec,
    requestId: string | null = null,
    endpoints: readonly string[] | boolean = false,
  ): Promise<StartAnswer> {
    // A new one is created before any await.
    if (this.#found(spec.fingerprint) !== null) {
      const existing = await this.#foundArmed(spec.fingerprint);
      if (existing !== null) return existing;
    }
    // Its time counts by the clock that ends it.
    const approval = spec.approval === undefined ? {} : { approval: newApproval(this.now()) };
    const session = newSession({ ...spec, ...approval });
    const endpointIds = endpoints === true ? [] : endpoints === false ? null : endpoints;
    this.#store.transact(() => this.#store.create(session, endpointIds));
    await this.ctx.storage.setAlarm(this.now());
    this.#events.soon();
    this.#log('info', 'session_started', { requestId, total: spec.total, template: spec.template.id });
    return this.#started('started', session);
  }

  #started(kind: 'started' | 'exists', session: Session): StartAnswer {
    const { startedManifestHash, manifest } = session.spec;
    const manifestHash = startedManifestHash ?? manifest?.hash ?? null;
    return { kind, progress: toProgress(session, this.now()), manifestHash };
  }

  /** The session's progress, or null for an unknown id. */
  async progress(requestId: string | null = null): Promise<Progress | null> {
    await this.#alarm.ensureAlarm(requestId);
    return this.#view();
  }

  /**
   * The session's progress for a poll: its ETag, and its JSON unless the poll has it already. A text passes to the
   * Worker at a fraction of the cost of an object, and the Worker does not encode it again.
   *
   * @param knownTags - the ETags of `If-None-Match`; `*` stands for all
   * @returns null for an unknown id
   */
  async poll(knownTags: readonly string[], requestId: string | null = null): Promise<PollAnswer | null> {
    await this.#alarm.ensureAlarm(requestId);
    const progress = this.#view();
    return progress === null ? null : answerPoll(progress, knownTags);
  }

  /** What the session was started with, as far as it still knows, or null for an unknown id. */
  async original(requestId: string | null = null): Promise<OriginalSpec | null> {
    await this.#alarm.ensureAlarm(requestId);
    const session = this.#store.load();
    if (session === null) return null;
    const { name, audience, fingerprint, selectionHash, template, manifest, startedManifestHash } =
      session.spec;
    const started = startedManifestHash === undefined ? {} : { startedHash: startedManifestHash };
    return {
      name,
      audience,
      fingerprint,
      ...(selectionHash === undefined ? {} : { selectionHash }),
      templateId: template.id,
      templateVersion: template.version,
      manifest:
        manifest === undefined ? null : JSON.stringify({ ...manifest, ...started } satisfies SessionManifest),
    };
  }

  /** What an approver looks at; null for an unknown id, and where nobody has to approve it. */
  async approvalMaterial(requestId: string | null = null): Promise<ApprovalMaterial | null> {
    await this.#alarm.ensureAlarm(requestId);
    const session = this.#store.load();
    if (session === null) return null;
    const { owner, audience, template, mail, maxLeadId, manifest, approval } = session.spec;
    if (approval === undefined || manifest === undefined) return null;
    return {
      ...{ owner, audience, template, mail, maxLeadId },
      manifest: JSON.stringify(manifest),
      reason: approval.rejected?.reason ?? null,
      isOpen: session.state === 'awaiting_approval',
    };
  }

  /** Failures and skips, counted by reason, or null for an unknown id. */
  async issues(requestId: string | null = null): Promise<{ rev: number; issues: Issue[] } | null> {
    await this.#alarm.ensureAlarm(requestId);
    const session = this.#store.load();
    return session === null ? null : { rev: session.rev, issues: this.#store.results.issues(maxIssueCount) };
  }

  /** The session's events and its throughput, or null for an unknown id. */
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

  /**
   * One page of the receipt; without a cursor the first one. The texts of all pages are the file. It is `changed` when
   * results have changed since the first page: begin again.
   */
  async receipt(cursor: ReceiptCursor | null, requestId: string | null = null): Promise<ReceiptPage> {
    if (cursor === null) await this.#alarm.ensureAlarm(requestId);
    return receiptPage(this.#context, cursor);
  }

  /** The key of the addresses in the session's receipt, or null once it does not know whom it mailed. */
  async receiptKey(requestId: string | null = null): Promise<{ key: string | null } | null> {
    await this.#alarm.ensureAlarm(requestId);
    const session = this.#store.load();
    if (session === null) return null;
    const { sessionId, reducedAt } = session.spec;
    return { key: reducedAt === undefined ? receiptAddressKey(this.env.ADDRESS_HASH_KEY, sessionId) : null };
  }

  /** Events for an endpoint; null for an unknown id. */
  eventPage(query: EventQuery): EventAnswer | null {
    return this.#events.page(query);
  }

  /** The result of one lead, or null when the session is unknown or does not have the lead. */
  async leadResult(leadId: number): Promise<LeadResult | null> {
    await this.#alarm.ensureAlarm(null);
    return this.#store.load() === null ? null : readLeadResult(this.#store, leadId);
  }

  /** The results of those of these leads that the session has. */
  async leadResults(leadIds: readonly number[]): Promise<LeadResult[]> {
    await this.#alarm.ensureAlarm(null);
    if (this.#store.load() === null) return [];
    return leadIds.flatMap((leadId) => readLeadResult(this.#store, leadId) ?? []);
  }

  /**
   * What the session's last mail to a lead was made of, or null: the session is unknown, never mailed the lead, or
   * does not know any more whom it mailed.
   */
  sentMail(
    leadId: number,
  ): (Pick<SessionSpec, 'template' | 'mail'> & { recipient: Recipient; sentAt: number | null }) | null {
    const session = this.#store.load();
    const recipient = this.frozenRecipient(leadId);
    if (session === null || recipient === null || recipient.email === '') return null;
    const batch = this.#store.batches.holding(leadId).at(-1);
    const { template, mail } = session.spec;
    return { template, mail, recipient, sentAt: batch?.attemptAt ?? null };
  }

  /** Adds delivery events that webhooks reported; resolves when they are on disk. Does nothing for an unknown id. */
  async addDeliveryEvents(reports: readonly DeliveryReport[]): Promise<void> {
    await this.#deliveries.add(reports);
  }

  /** The name of `addDeliveryEvents` in version 0.1: a deploy replaces the Worker and the objects at different times. */
  async fates(reports: readonly { leadId: number; fate: DeliveryEvent }[]): Promise<void> {
    await this.addDeliveryEvents(reports.map(({ leadId, fate }) => ({ leadId, event: fate })));
  }

  /**
   * Carries out a person's command. The same command again changes nothing.
   *
   * @param by - who gives it; for the timeline
   */
  async command(
    command: Command,
    by: string | null = null,
    requestId: string | null = null,
  ): Promise<CommandAnswer> {
    const isSetBack = followClock(this.#context);
    const nowMs = this.now();
    const result = applyCommand(this.#store, command, by, nowMs, this.#traits());
    if (result.kind !== 'ok') {
      // The moved times are a change too, which the list must get.
      if (isSetBack) await this.#alarm.arm(nowMs, true);
      // A repeat is refused whose first request was carried out and got no alarm.
      else await this.#alarm.ensureAlarm(requestId, true);
      return result;
    }
    const progress = toProgress(result.session, nowMs);
    this.#log('info', 'command', { requestId, command: command.kind, state: progress.state });
    this.#publish();
    await this.#alarm.arm(nowMs, isSetBack);
    return { kind: 'ok', progress, manifestHash: result.session.spec.manifest?.hash ?? null };
  }

  /** Approves or rejects a session that waits for it. The same verdict again changes nothing. */
  async decideApproval(verdict: ApprovalVerdict, requestId: string | null = null): Promise<VerdictAnswer> {
    const isSetBack = followClock(this.#context);
    const nowMs = this.now();
    const result = applyVerdict(this.#store, verdict, nowMs);
    if (result.kind !== 'ok') {
      if (isSetBack) await this.#alarm.arm(nowMs, true);
      else await this.#alarm.ensureAlarm(requestId, true);
      return result;
    }
    const progress = toProgress(result.session, nowMs);
    this.#log('info', 'approval', { requestId, verdict: verdict.kind, state: progress.state });
    this.#publish();
    await this.#alarm.arm(nowMs, isSetBack);
    return { kind: 'ok', progress };
  }

  /** What taking the session back would do now; changes nothing. */
  async takeBackForecast(
    choice: TakeBackChoice,
    requestId: string | null = null,
  ): Promise<TakeBackForecastAnswer> {
    await this.#alarm.ensureAlarm(requestId);
    return forecastOf(this.#context, choice);
  }

  /**
   * Begins to make leads new again that the session has set active; the alarm does the rest. The same request again
   * finds it.
   *
   * @param wanted.manifestHash - of the manifest that was shown; where another one would come out, nothing is changed
   */
  async takeBack(
    wanted: { choice: TakeBackChoice; manifestHash: string; by: string },
    requestId: string | null = null,
  ): Promise<TakeBackAnswer> {
    // The moved times are a change too, which the list must get, also where this is refused.
    if (followClock(this.#context)) await this.#alarm.arm(this.now(), true);
    const answer = await startTakeBack(this.#context, wanted);
    if (answer.kind !== 'ok') return answer;
    const { isNew, session } = answer;
    const nowMs = this.now();
    if (isNew) {
      this.#log('info', 'take_back', { requestId, choice: wanted.choice });
      this.#publish();
    }
    // Also for a repeat: storage may have refused the alarm of the first request.
    await this.#alarm.arm(nowMs);
    return { kind: 'ok', progress: toProgress(session, nowMs), isNew };
  }

  /**
   * Deletes what the session knows of a lead. Only a Worker of an earlier version calls it, while a deploy is under
   * way; {@link forgetPerson} does this and more. Does nothing for an unknown id.
   *
   * @returns false when the session has no mail for this lead
   */
  eraseLead(leadId: number): boolean {
    return this.#store.transact(() => {
      if (this.#store.load() === null) return false;
      closeMembers(this.#context, new Set([leadId]), this.#store.batches.holding(leadId));
      return this.#store.eraseLead(leadId);
    });
  }

  /** A lead as the session's last mail to it was addressed, or null. The CRM may have another name or address by now. */
  frozenRecipient(leadId: number): Recipient | null {
    if (this.#store.load() === null) return null;
    const batches = this.#store.batches.holding(leadId);
    return batches.at(-1)?.recipients?.find((recipient) => recipient.leadId === leadId) ?? null;
  }

  /**
   * Deletes a person from everything that the session stores. Does nothing for an unknown id. If this breaks off, the
   * same call again does the rest.
   */
  async forgetPerson(person: ForgottenPerson): Promise<void> {
    if (!(await forgetPerson(this.#context, person))) return;
    this.#publish();
    await this.#alarm.arm(this.now());
  }

  /** Erases the session; see {@link SessionTurns.erase}. */
  erase(by: string | null = null, requestId: string | null = null): Promise<EraseAnswer> {
    return this.#turns.erase(by, requestId);
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
        // Proxies like nginx buffer a response unless this header forbids it.
        'x-accel-buffering': 'no',
      },
    });
  }

  /** The day's mails may be more now: where it waits for them, it looks again at once. */
  async dayChanged(): Promise<void> {
    const session = this.#store.load();
    if (session?.waitingFor?.kind !== 'daily_cap' || session.finishedAt !== null) return;
    const nowMs = this.now();
    this.#store.transact(() =>
      this.#store.save(touch(session, nowMs, { waitingUntil: null, waitingFor: null })),
    );
    this.#publish();
    await this.#alarm.arm(nowMs);
  }

  // ── the alarm ──────────────────────────────────────────────────────────────────────────────────

  override alarm(): Promise<void> {
    return this.#turns.goOn();
  }

  /**
   * Makes sure that a session which should move has its alarm, as every read does; for the scheduled cleanup. A
   * session whose alarm is overdue is set going here: after failures the platform repeats an alarm later and
   * later, and a new time does not bring that forward.
   *
   * @returns how its alarm was found, or false when there is no session of this id, or no more
   */
  async poke(): Promise<{ alarm: 'set' | 'late' | 'lost' } | false> {
    const isOverdue = await this.#alarm.isOverdue();
    await this.#events.refresh();
    const wasLost = await this.#alarm.ensureAlarm(null);
    if (isOverdue) this.ctx.waitUntil(this.#turns.goOn());
    if (this.#store.load() === null) return false;
    return { alarm: isOverdue ? 'late' : wasLost ? 'lost' : 'set' };
  }

  #publish(canWait = false): void {
    this.#feed.publish(canWait);
    this.#events.soon();
  }

  #deliveriesChanged(before: Session, after: Session): void {
    this.#publish();
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
    // A session of an early version has no provider in its spec: it uses the one of the settings.
    const provider = this.#store.load()?.spec.provider ?? this.settings().MAIL_PROVIDER;
    return { idempotencyWindowMs: keyWindowMs(provider) };
  }

  #log(level: LogLevel, event: string, fields: LogFields): void {
    logEvent(level, event, { sessionId: this.ctx.id.name ?? null, ...fields });
  }

  #makeContext(): SessionContext {
    return {
      store: this.#store,
      alarms: this.ctx.storage,
      env: this.env,
      traits: () => this.#traits(),
      settings: () => this.settings(),
      crm: new SessionCrm({
        settings: () => this.settings(),
        now: () => this.now(),
        random: () => this.random(),
        sleep: (ms) => this.sleep(ms),
        log: (level, event, fields) => this.#log(level, event, fields),
        waitUntil: (promise) => this.ctx.waitUntil(promise),
      }),
      now: () => this.now(),
      random: () => this.random(),
      sleep: (ms) => this.sleep(ms),
      deliveryTimeoutMs: () => this.deliveryTimeoutMs(),
      verbs: (verbs) => this.verbs(verbs),
      keyOf: (session, batch) => this.keyOf(session, batch),
      publish: (canWait) => this.#publish(canWait),
      log: (level, event, fields) => this.#log(level, event, fields),
      waitUntil: (promise) => this.ctx.waitUntil(promise),
    };
  }

  // ── what a test replaces ────────────────────────────────────────────────

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

  /** The mail API is not waited for longer than this, in ms; the outcome is then unknown. */
  protected deliveryTimeoutMs(): number {
    return 30_000;
  }

  /** The verbs of a slice; a test stops a slice at each of them. */
  protected verbs(verbs: SliceVerbs): SliceVerbs {
    return verbs;
  }

  /** The idempotency key: the same for every attempt of a batch, and different for every batch. */
  protected keyOf(session: Session, batch: Batch): string {
    return `${session.spec.sessionId}/${batch.seq}`;
  }
}
