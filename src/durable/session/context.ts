/**
 * What the parts of a session object share: its rows, its clock, its readers and its log.
 *
 * The object makes it once and hands it to each part; a test changes what is behind it (clock, settings,
 * verbs) in the object, and nowhere else.
 *
 * @module
 */
import type { Batch } from '../../core/batch/batch.ts';
import type { ProviderTraits } from '../../core/batch/doubt.ts';
import type { Session } from '../../core/session/session.ts';
import type { SliceVerbs } from '../../core/session/slice.ts';
import type { LogFields, LogLevel } from '../../runtime/log.ts';
import type { SessionStore } from '../store/session-store.ts';

export interface SessionContext {
  readonly store: SessionStore;
  readonly alarms: Pick<DurableObjectStorage, 'getAlarm' | 'setAlarm' | 'deleteAlarm'>;
  readonly env: Env;
  /** Of the provider that the session was started with: its keys live on, whatever the settings say now. */
  traits(): ProviderTraits;
  /** Bindings that the mail side reads. */
  settings(): Env;
  now(): number;
  random(): number;
  sleep(ms: number): Promise<void>;
  deliveryTimeoutMs(): number;
  /** The verbs as the slice is to call them. */
  verbs(verbs: SliceVerbs): SliceVerbs;
  keyOf(session: Session, batch: Batch): string;
  /** Something that a reader sees has changed. */
  publish(): void;
  log(level: LogLevel, event: string, fields: LogFields): void;
  waitUntil(promise: Promise<unknown>): void;
}
