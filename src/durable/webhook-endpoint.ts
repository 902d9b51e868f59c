/**
 * WebhookEndpoint: the object of one endpoint that gets events.
 *
 * It keeps the endpoint's secrets, how far each session's events were sent, and the log. Sessions announce that they
 * have events; its alarm fetches them and sends them (webhooks/deliveries.ts). What the endpoint is, its address and
 * its types, is in D1 and read by every alarm.
 * Invariants: an announcement is on disk when it is answered; while events wait to be sent to an endpoint that is
 * switched on, the alarm is set; a secret leaves this object once, in the answer that makes it.
 *
 * @module
 */
import { DurableObject } from 'cloudflare:workers';
import { eventBackoff, type Attempt } from '../core/events/retry.ts';
import type { BackoffPolicy } from '../shared/backoff.ts';
import { disableEndpoint, externalIdsOf, findEndpoint, type EndpointRow } from '../crm/event-endpoints.ts';
import { alertSourceId, type OutEvent } from '../shared/events.ts';
import type { FetchLike } from '../runtime/fetch-like.ts';
import { faultText } from '../runtime/faults.ts';
import { logEvent, type LogFields, type LogLevel } from '../runtime/log.ts';
import { allowsLocalWebhooks, mailTexts } from '../runtime/settings.ts';
import type { EventAnswer, EventQuery } from './session/events.ts';
import { onceStorageIsThere } from './storage-wait.ts';
import { sessionStub } from './stubs.ts';
import { alertPage } from './webhooks/alerts.ts';
import { PublicAddresses } from './webhooks/addresses.ts';
import { messageOf, outcomeOf, place, sendDue, type PageQuery } from './webhooks/deliveries.ts';
import { EndpointStore, type DeliveryRow } from './webhooks/endpoint-store.ts';
import { sendNoticeMail } from './webhooks/notice-mail.ts';
import { sendEvent, type Message, type SendContext } from './webhooks/send-event.ts';

export type { DeliveryRow } from './webhooks/endpoint-store.ts';

/** How sending to the endpoint goes. */
export interface EndpointStatus {
  takenAt: number | null;
  waitingCount: number;
  previousSecretUntil: number | null;
}

/** One alarm sends for no longer; the next one goes on. An alarm may take 15 minutes. */
const maxTurnMs = 60_000;
/** How soon the next alarm comes where this one dies. */
const watchdogMs = 2_000;
/** How soon the database is asked again that did not answer. */
const crmRetryMs = 5_000;
/** So long events are signed with the secret before as well; so long a release of a receiver may take. */
const rotationMs = 86_400_000;
/** The maker of an endpoint that was switched off is told of it for so long, where mail does not leave. */
const tellForMs = 86_400_000;
const tellRetryMs = 300_000;
/** Whoever switches the endpoint on may not reach this object: it looks so often while events wait. */
const offLookMs = 3_600_000;
/** Bytes of a secret; Standard Webhooks has 24 to 64. */
const secretByteCount = 32;

export class WebhookEndpoint extends DurableObject<Env> {
  readonly #store: EndpointStore;
  readonly #addresses: PublicAddresses;
  #isRunning = false;
  /** How often a person has changed the endpoint; a turn that sees another number is out of date. */
  #changeCount = 0;
  /** As the last turn found it; in memory only. */
  #isOff = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#store = new EndpointStore(ctx.storage);
    this.#addresses = new PublicAddresses(
      (url, init) => this.fetchOut(url, init),
      () => this.now(),
    );
  }

  // ── called by the Worker ───────────────────────────────────────────────────────────────────────

  /**
   * Makes the endpoint's storage, or its next secret.
   *
   * @param isSigned - false for an endpoint of another kind than `webhook`: then the secret is empty
   * @param isNew - false for the next secret
   * @returns null where there is no endpoint whose next secret it would be
   */
  makeSecret(isSigned: boolean, isNew = true): { secret: string; previousUntil: number } | null {
    // It was deleted meanwhile: nothing would ever erase what is made now.
    if (!isNew && this.#store.endpoint() === null) return null;
    const nowMs = this.now();
    this.#store.create(nowMs);
    const previousUntil = nowMs + rotationMs;
    if (!isSigned) return { secret: '', previousUntil };
    const secret = `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(secretByteCount))))}`;
    this.#store.addSecret(secret, nowMs, previousUntil);
    return { secret, previousUntil };
  }

  async status(): Promise<EndpointStatus> {
    if (this.#store.endpoint() === null) return { takenAt: null, waitingCount: 0, previousSecretUntil: null };
    await this.#ensureAlarm();
    return {
      takenAt: this.#store.takenAt('anything'),
      waitingCount: this.#store.waitingCount(),
      previousSecretUntil: this.#store.previousSecretUntil(this.now()),
    };
  }

  /** Entries of the log, the newest first. */
  async deliveries(beforeId: number | null, limit: number): Promise<DeliveryRow[]> {
    if (this.#store.endpoint() === null) return [];
    await this.#ensureAlarm();
    return this.#store.deliveries(beforeId, limit);
  }

  /** The endpoint was changed: what waits is sent now. */
  async changed(): Promise<void> {
    if (this.#store.endpoint() === null) return;
    this.#changeCount++;
    this.#isOff = false;
    this.#store.hurry();
    await this.ctx.storage.setAlarm(this.now());
  }

  /** Sends a test event; the log has it. */
  async sendTest(): Promise<DeliveryRow | null> {
    const endpoint = await findEndpoint(this.env.DB, this.#id());
    if (endpoint === null) return null;
    const id = `test_${crypto.randomUUID()}`;
    const message: Message = { id, event: { type: 'endpoint.test', at: this.now(), data: {} } };
    return this.#sendOnce(endpoint, null, message, { afterSeq: 0, untilSeq: 0, part: 0 });
  }

  /**
   * Sends an event of the log again, at once and whatever its order, under its id.
   *
   * @returns the new entry of the log; null where the log has no such entry, or the session no such event any more
   */
  async sendAgain(deliveryId: number): Promise<DeliveryRow | null> {
    const known = this.#store.endpoint() === null ? null : this.#store.delivery(deliveryId);
    if (known === null) return null;
    const { sessionId, afterSeq, untilSeq, part } = known;
    if (sessionId === null) return this.sendTest();
    const endpoint = await findEndpoint(this.env.DB, this.#id());
    if (endpoint === null) return null;
    const page = await this.#pageOf(sessionId, endpoint, { afterSeq, untilSeq });
    const events = page === null ? [] : (JSON.parse(page.events) as OutEvent[]);
    const event = events.find((one) => messageOf(one).id === known.messageId);
    return event === undefined
      ? null
      : this.#sendOnce(endpoint, sessionId, messageOf(event), { afterSeq, untilSeq, part });
  }

  async #sendOnce(
    endpoint: EndpointRow,
    sessionId: string | null,
    message: Message,
    at: Parameters<typeof place>[2],
  ): Promise<DeliveryRow | null> {
    // It was deleted meanwhile.
    if (this.#store.endpoint() === null) return null;
    const startedAt = this.now();
    const attempt = await this.#send(endpoint, message);
    const entry: Omit<DeliveryRow, 'id'> = {
      ...place(sessionId, message, at),
      ...outcomeOf(attempt, startedAt, this.now()),
      attempts: 1,
      nextAt: null,
      state: attempt.kind === 'taken' ? 'taken' : 'given_up',
    };
    return this.#store.delivery(this.#store.transact(() => this.#store.log(entry)));
  }

  /** Deletes everything of the endpoint. */
  async erase(): Promise<void> {
    await this.#store.deleteAll();
  }

  // ── called by sessions ─────────────────────────────────────────────────────────────────────────

  /** A session has events up to this number. They are fetched and sent soon. */
  async announce(sessionId: string, seq: number): Promise<void> {
    // It was deleted meanwhile, and nothing must be written.
    if (this.#store.endpoint() === null) return;
    const isNews = this.#store.announce(sessionId, seq);
    if (!isNews) await this.#rearmIfLost();
    else if (!this.#isRunning) await this.#arm();
  }

  /**
   * Storage may have taken an announcement and refused its alarm, so that there is a later one or none, and the platform
   * may have given an alarm up.
   */
  async #rearmIfLost(): Promise<void> {
    const nextAt = this.#store.nextAt();
    if (this.#isRunning || nextAt === null) return;
    const alarmAt = await this.ctx.storage.getAlarm();
    const latest = Math.max(nextAt, this.now()) + (this.#isOff ? offLookMs : crmRetryMs);
    if (alarmAt === null || alarmAt > latest) await this.#arm();
  }

  /** {@link #rearmIfLost} for reads, which must not fail by it. */
  async #ensureAlarm(): Promise<void> {
    try {
      await this.#rearmIfLost();
    } catch (error) {
      this.#log('warn', 'alarm_check_fault', { error: faultText(error) });
    }
  }

  // ── the alarm ──────────────────────────────────────────────────────────────────────────────────

  override async alarm(): Promise<void> {
    // First of all: whatever happens below, there is a next one.
    const isThere = await onceStorageIsThere(
      { sleep: (ms) => this.sleep(ms), log: (level, event, fields) => this.#log(level, event, fields) },
      async () => {
        if (this.#store.endpoint() === null) return false;
        await this.ctx.storage.setAlarm(this.now() + watchdogMs);
        return true;
      },
    );
    if (!isThere) return;
    this.#isRunning = true;
    const changeCount = this.#changeCount;
    let waitMs = 0;
    try {
      waitMs = await this.#turn(changeCount);
    } catch (error) {
      this.#log('warn', 'webhook_turn_fault', { error: faultText(error) });
      waitMs = crmRetryMs;
    } finally {
      this.#isRunning = false;
    }
    await this.#arm(this.#changeCount === changeCount ? waitMs : 0);
  }

  /**
   * @param changeCount - as it was when the turn began
   * @returns how long the next alarm waits at least, in ms; Infinity: it is not needed
   */
  async #turn(changeCount: number): Promise<number> {
    const endpoint = await findEndpoint(this.env.DB, this.#id());
    if (endpoint === null) {
      await this.#store.deleteAll();
      return Infinity;
    }
    this.#isOff = endpoint.disabledAt !== null;
    if (endpoint.disabledAt !== null) {
      // The days of what waits begin when it is switched on again, also where nobody could tell this object of that.
      this.#store.hurry();
      const waitMs = await this.#tellDisabled(endpoint, endpoint.disabledAt);
      return this.#store.waitingCount() > 0 ? Math.min(waitMs, offLookMs) : waitMs;
    }
    const end = await sendDue(
      {
        store: this.#store,
        now: () => this.now(),
        random: () => Math.random(),
        isOutdated: () => this.#changeCount !== changeCount,
        backoff: this.backoff(),
        pull: async (sessionId, page) => {
          try {
            const answer = await this.#pageOf(sessionId, endpoint, page);
            return answer === null ? { kind: 'erased' } : { kind: 'page', ...answer };
          } catch (error) {
            this.#log('warn', 'events_unread', { sessionId, error: faultText(error) });
            return { kind: 'unreachable' };
          }
        },
        send: (message) => this.#send(endpoint, message),
      },
      endpoint,
      this.now() + maxTurnMs,
    );
    // What was saved meanwhile may lead elsewhere: only an answer from there counts.
    if (this.#changeCount !== changeCount || (end !== 'gone' && end !== 'failing')) return 0;
    const isNew = await disableEndpoint(this.env.DB, endpoint, end, this.now());
    if (isNew) this.#log('warn', 'webhook_disabled', { reason: end });
    // The next alarm tells its maker.
    return 0;
  }

  /** The events of a session, or of the alerts. Every time with the same conditions, so that a repeat is the same page. */
  async #pageOf(
    sourceId: string,
    { createdAt, endpointId }: EndpointRow,
    page: PageQuery,
  ): Promise<EventAnswer | null> {
    const query: EventQuery = { ...page, since: createdAt, endpointId };
    return sourceId === alertSourceId
      ? alertPage(this.env.DB, query)
      : sessionStub(this.env, sourceId).eventPage(query);
  }

  /** Tells the maker of an endpoint that was switched off without a person. */
  async #tellDisabled(endpoint: EndpointRow, disabledAt: number): Promise<number> {
    const isTold = this.#store.endpoint()?.toldDisabledAt === disabledAt;
    if (isTold || endpoint.disabledReason === 'person' || this.now() - disabledAt > tellForMs)
      return Infinity;
    const { createdBy, endpointId, description } = endpoint;
    if (createdBy.includes('@')) {
      const name = description === '' ? new URL(this.#hostUrl(endpoint)).hostname : description;
      const why =
        endpoint.disabledReason === 'gone'
          ? 'It answered that it wants no more events (410).'
          : 'It has taken no event for three days.';
      const text = `Events are no longer sent to the webhook “${name}”. ${why} They are kept: switch it on again in Settings to send them.`;
      const attempt = await sendNoticeMail(this.settings(), () => this.now(), {
        key: `webhook-disabled/${endpointId}/${disabledAt}`,
        to: createdBy,
        subject: 'A webhook was switched off',
        html: `<p>${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</p>`,
        text,
      });
      if (attempt.kind === 'refused') {
        this.#log('warn', 'webhook_notice_not_sent', { error: attempt.error });
        return tellRetryMs;
      }
    }
    this.#store.noteDisabledTold(disabledAt);
    return Infinity;
  }

  #hostUrl({ kind, target }: EndpointRow): string {
    return kind === 'email' ? 'mailto:' : target;
  }

  /** Sets the next alarm where events wait. @param waitMs - at least so long; Infinity: none is needed */
  async #arm(waitMs = 0): Promise<void> {
    if (this.#store.endpoint() === null) return;
    const nextAt = waitMs >= crmRetryMs && waitMs !== Infinity ? this.now() : this.#store.nextAt();
    if (waitMs === Infinity || nextAt === null) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(Math.max(nextAt, this.now() + waitMs));
  }

  #send(endpoint: EndpointRow, message: Message): Promise<Attempt> {
    const context: SendContext = {
      fetch: (url, init) => this.fetchOut(url, init),
      now: () => this.now(),
      addresses: this.#addresses,
      allowLocal: allowsLocalWebhooks(this.settings()),
      publicUrl: mailTexts(this.settings()).publicUrl,
      sendMail: (mail) => sendNoticeMail(this.settings(), () => this.now(), mail),
      externalIds: (leadIds) => externalIdsOf(this.env.DB, leadIds),
    };
    return sendEvent(context, endpoint, this.#store.secrets(this.now()), message);
  }

  #id(): string {
    const { name } = this.ctx.id;
    if (name === undefined) throw new Error('The object of an endpoint has the endpoint’s id as its name.');
    return name;
  }

  #log(level: LogLevel, event: string, fields: LogFields): void {
    logEvent(level, event, { endpointId: this.ctx.id.name ?? null, ...fields });
  }

  // ── what a test replaces ────────────────────────────────────────────────

  protected now(): number {
    return Date.now();
  }

  protected sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  protected backoff(): BackoffPolicy {
    return eventBackoff;
  }

  /** Bindings that the endpoint reads but the database. */
  protected settings(): Env {
    return this.env;
  }

  protected fetchOut: FetchLike = (url, init) => fetch(url, init);
}
