/**
 * The world as a slice sees it, made anew for each slice of a session.
 *
 * Owns: what outlives a slice (leased permits), the recipients' own unsubscribe links, the day's cap of the
 * domain that the mails come from. Never: the order of what a slice does, rows.
 *
 * @module
 */
import type { Batch } from '../../core/batch/batch.ts';
import type { Allowance } from '../../core/limits/daily-cap.ts';
import { processedCount, type Session } from '../../core/session/session.ts';
import { sliceLimits } from '../../core/session/slice.ts';
import { emailHash, isEmailHash } from '../../crm/email.ts';
import { suppressedAmong } from '../../crm/suppressions.ts';
import { domainOf } from '../../mail/templates/render.ts';
import type { Delivery, MailTransport } from '../../mail/transport.ts';
import { unsubscribeToken } from '../../mail/unsubscribe-token.ts';
import type { Recipient } from '../../shared/recipient.ts';
import { callGate } from '../../runtime/faults.ts';
import type { LogFields } from '../../runtime/log.ts';
import { refusalOf, type MailAccount } from '../mail/mail-account.ts';
import { PermitPool, type RequestLease } from '../mail/permit-pool.ts';
import type { SessionContext } from './context.ts';
import type { SessionStore } from '../store/session-store.ts';
import type { Waits } from './waits.ts';

/** The cap on mails of a day, over all sessions. */
export interface MailCap {
  reserve(mailCount: number): Promise<Allowance>;
  /** Gives back what was reserved and did not leave. */
  refund(day: number, mailCount: number): void;
}

/** The world, as far as a slice touches it. */
export interface SliceContext {
  store: SessionStore;
  db: D1Database;
  transport: MailTransport;
  permits: PermitPool;
  /** Told of whatever takes time. */
  waits: Waits;
  now(): number;
  random(): number;
  sleep(ms: number): Promise<void>;
  /** How long an answer of the mail API is waited for. */
  deliveryTimeoutMs: number;
  /** The day's cap on mails; null: there is none. */
  cap: MailCap | null;
  /** Tells the gate what an answer said of the rate limit. */
  report(delivery: Delivery): void;
  /** Something that a reader sees has changed. */
  publish(): void;
  log(event: string, fields: LogFields): void;
  /** The idempotency key of a batch; the same for every attempt. */
  keyOf(session: Session, batch: Batch): string;
  /** The recipient's own link; its hash is made here where the CRM has not told it. */
  unsubscribeUrlOf(session: Session, recipient: Recipient, knownHash: string | null): string | null;
  /** Which of these must not be mailed any more. */
  suppressedLeadIds(recipients: readonly Recipient[]): Promise<ReadonlySet<number>>;
}

/** Makes the worlds of one session's slices. */
export class SliceContexts {
  readonly #shell: SessionContext;
  /** Kept from slice to slice: a lease that was thrown away is time on the account's line that nobody uses. */
  readonly #permits: PermitPool;
  readonly #waits: Waits;
  /** Of the slice that runs. */
  #senderCount = 0;
  #heldCount = (): number => 0;
  #lease: RequestLease = () => Promise.reject(new Error('No slice has begun.'));

  constructor(shell: SessionContext, waits: Waits) {
    this.#shell = shell;
    this.#waits = waits;
    this.#permits = new PermitPool(
      (wantedCount) => this.#lease(wantedCount),
      () => shell.now(),
      (waitingCount) => this.#wantedPermitCount(waitingCount),
    );
  }

  /**
   * The world of the slice that begins.
   *
   * @param heldCount - how many batches the slice has in hand
   */
  next(mail: MailAccount, log: SliceContext['log'], heldCount: () => number): SliceContext {
    const shell = this.#shell;
    this.#heldCount = heldCount;
    this.#senderCount = sliceLimits(mail.maxRatePerSecond).senderCount;
    // A stub that has failed stays broken: each slice has a new one.
    this.#lease = (wantedCount) => callGate(async () => mail.gate.lease(wantedCount));
    return {
      store: shell.store,
      db: shell.env.DB,
      transport: mail.transport,
      permits: this.#permits,
      waits: this.#waits,
      now: () => shell.now(),
      random: () => shell.random(),
      sleep: (ms) => shell.sleep(ms),
      deliveryTimeoutMs: shell.deliveryTimeoutMs(),
      cap: this.#cap(mail),
      report: (delivery) => {
        this.#waits.answered(refusalOf(delivery)?.kind === 'throttled');
        shell.waitUntil(mail.report(delivery, this.#permits));
      },
      publish: () => shell.publish(),
      log,
      keyOf: (session, batch) => shell.keyOf(session, batch),
      unsubscribeUrlOf: (session, recipient, knownHash) =>
        this.#unsubscribeUrl(session, recipient, knownHash),
      suppressedLeadIds: (recipients) => this.#suppressedLeadIds(recipients),
    };
  }

  /** Slots for the batches that are left, but no more than there are senders. */
  #wantedPermitCount(waitingCount: number): number {
    const { total, counts, spec } = this.#shell.store.session();
    const openCount = Math.ceil((total - processedCount(counts)) / spec.batchLeadCount);
    return Math.min(this.#senderCount, waitingCount + Math.max(0, openCount - this.#heldCount()));
  }

  /** The day's cap is of the domain that the mails come from. */
  #cap({ gate, dailyCap }: MailAccount): MailCap | null {
    if (dailyCap === null) return null;
    const domain = domainOf(this.#shell.store.session().spec.mail.from);
    return {
      reserve: (mailCount) => callGate(async () => gate.reserve(domain, dailyCap, mailCount)),
      refund: (day, mailCount) => this.#shell.waitUntil(gate.refund(domain, day, mailCount)),
    };
  }

  /** This recipient's own link; the same for every attempt, or a repeat would be another payload. */
  #unsubscribeUrl({ spec }: Session, { leadId, email }: Recipient, knownHash: string | null): string | null {
    if (spec.mail.publicUrl === null) return null;
    const secret = this.#shell.env.ADDRESS_HASH_KEY;
    // A row that was damaged must not stop the run.
    const hash = knownHash !== null && isEmailHash(knownHash) ? knownHash : emailHash(secret, email);
    const claim = { sessionId: spec.sessionId, leadId, emailHash: hash };
    return `${spec.mail.publicUrl}/unsubscribe/${unsubscribeToken(secret, claim)}`;
  }

  /** Which of these were suppressed since they were activated. */
  async #suppressedLeadIds(recipients: readonly Recipient[]): Promise<ReadonlySet<number>> {
    const { env } = this.#shell;
    const hashes = recipients.map(({ email }) => emailHash(env.ADDRESS_HASH_KEY, email));
    const suppressed = await suppressedAmong(env.DB, hashes);
    return new Set(
      recipients.flatMap(({ leadId }, index) => (suppressed.has(hashes[index] ?? '') ? [leadId] : [])),
    );
  }
}
