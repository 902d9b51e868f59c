/**
 * What the parts of a session object share: its rows, its clock, its settings, its readers and its log.
 *
 * The object makes one {@link SessionContext} and hands it to each part. A slice adds the mail account that it
 * sends through. A test replaces the clock, the settings or the verbs in the object, and nowhere else.
 *
 * @module
 */
import type { Batch } from '../../core/batch/batch.ts';
import type { ProviderTraits } from '../../core/batch/doubt.ts';
import type { Session } from '../../core/session/session.ts';
import type { SliceVerbs } from '../../core/session/slice.ts';
import type { LogFields, LogLevel } from '../../runtime/log.ts';
import type { MailAccount } from '../mail-account.ts';
import type { PermitPool } from '../sending/permit-pool.ts';
import type { SessionStore } from '../store/session-store.ts';
import type { SessionCrm } from './crm.ts';
import type { Waits } from './waits.ts';

export interface SessionContext {
  readonly store: SessionStore;
  readonly alarms: Pick<DurableObjectStorage, 'getAlarm' | 'setAlarm' | 'deleteAlarm'>;
  readonly env: Env;
  /** Of the provider that the session was started with: its keys stay valid when the settings name another provider. */
  traits(): ProviderTraits;
  /** Bindings that the mail side reads. */
  settings(): Env;
  /** The foreign CRM of the session. */
  readonly crm: SessionCrm;
  /** Epoch ms. */
  now(): number;
  /** Uniform in [0, 1). */
  random(): number;
  sleep(ms: number): Promise<void>;
  /** How long an answer of the mail API is waited for. */
  deliveryTimeoutMs(): number;
  /** The verbs as the slice is to call them. */
  verbs(verbs: SliceVerbs): SliceVerbs;
  /** The idempotency key of a batch; the same for every attempt. */
  keyOf(session: Session, batch: Batch): string;
  /** Tells the streams that something which a reader sees has changed; `canWait`: see {@link Feed.publish}. */
  publish(canWait?: boolean): void;
  log(level: LogLevel, event: string, fields: LogFields): void;
  waitUntil(promise: Promise<unknown>): void;
}

/** The context of a slice that sends. Its `traits` are those of the provider in the settings. */
export interface SliceContext extends SessionContext {
  readonly mail: MailAccount;
  /** Leased permits; they outlive a slice, because a lease that is thrown away is time that nobody uses. */
  readonly permits: PermitPool;
  /** Records what the slice waits for. */
  readonly waits: Waits;
}
