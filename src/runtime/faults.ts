/**
 * Faults of the platform, the CRM database and the MailGate, classified in one place, with one policy for each kind.
 *
 * Owns what each error text means and where the error came from. Does not classify answers of the mail API
 * (src/mail), and expected refusals are unions, not errors.
 * Invariant: people see our messages; the text of an error goes to the log only.
 *
 * @module
 */

export type Fault =
  /** The platform replaces this object or its code: stop. The watchdog alarm starts the next instance. */
  | { kind: 'superseded' }
  /** The CRM refuses this statement, and would refuse it again. */
  | { kind: 'refused'; message: string }
  /** The fault passes by itself: try again later. */
  | { kind: 'transient'; place: 'crm' | 'platform'; message: string }
  /** The object's own SQLite cannot be written or read; no work is possible until it can. */
  | { kind: 'storage'; message: string }
  /** A bug of ours. It is logged, and the work is tried again. */
  | { kind: 'bug'; message: string };

const storageFault: Fault = {
  kind: 'storage',
  message: 'Its storage is busy or full. The activation continues by itself when that is over.',
};

/** @see https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ */
const supersededTexts = [
  'reset because its code was updated',
  'moved to a different machine',
  'object is being reset',
  'Durable Object storage is no longer accessible',
  'aborted',
  // src/crm/fence.ts: another instance of the object has gone on.
  'SupersededFlip',
];

/** @see https://developers.cloudflare.com/d1/observability/debug-d1/ */
const refusedTexts = ['SQLITE_CONSTRAINT', 'SQLITE_MISMATCH', 'SQLITE_TOOBIG', 'string or blob too big'];

const crmTexts = ['D1_ERROR', 'D1 DB'];

/** SQLite's result codes (https://www.sqlite.org/rescode.html), as workerd puts them into messages. */
const storageTexts = ['SQLITE_BUSY', 'SQLITE_LOCKED', 'SQLITE_FULL', 'SQLITE_IOERR', 'SQLITE_CANTOPEN'];

/** What the runtime says when an object's class has no such method; `workerd/deploy-skew` asks it. */
const missingMethodText = 'RPC receiver does not implement';

const platformTexts = [
  // During a deploy: the object is still of the version before.
  missingMethodText,
  'Network connection lost',
  'overloaded',
  'storage operation exceeded timeout',
  'internal error',
  'Too many API requests',
  'Too many subrequests',
];

/** An error of the MailGate, or of the call to it. The error itself does not say where it comes from. */
export class GateError extends Error {
  override readonly name = 'GateError';

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** A foreign CRM does not answer, or not yet; its text is for people. */
export class CrmUnavailable extends Error {
  override readonly name = 'CrmUnavailable';
}

/** Calls the gate; wraps what it throws in {@link GateError}. */
export async function callGate<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw new GateError(error);
  }
}

/** An error of the object's own storage. Its text may not say so: a failed `setAlarm` is an `internal error`. */
class StorageFault extends Error {
  override readonly name = 'StorageFault';

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Calls the object's storage; wraps what it throws in {@link StorageFault}. */
export async function atStorage<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw new StorageFault(error);
  }
}

/** Classifies what was thrown by storage, D1 or another object. */
export function classifyFault(error: unknown): Fault {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const has = (texts: readonly string[]): boolean => texts.some((part) => text.includes(part));
  // Before the texts below: its own may have any words in it.
  if (error instanceof CrmUnavailable) {
    const message = `${error.message} The activation continues when it answers.`;
    return { kind: 'transient', place: 'crm', message };
  }
  if (has(supersededTexts)) return { kind: 'superseded' };
  if (has(refusedTexts)) return { kind: 'refused', message: 'The CRM refused to set these leads active.' };
  if (error instanceof StorageFault) return storageFault;
  const isAtGate = error instanceof GateError;
  const isAtCrm = has(crmTexts);
  const isStorage = has(storageTexts);
  if (isStorage && !isAtGate && !isAtCrm) return storageFault;
  if (isStorage || isAtCrm || has(platformTexts) || isRetryable(isAtGate ? error.cause : error)) {
    const name = isAtGate ? 'The mail gate' : isAtCrm ? 'The CRM database' : 'The platform';
    const message = `${name} does not answer. The activation continues when it does.`;
    return { kind: 'transient', place: isAtCrm ? 'crm' : 'platform', message };
  }
  return { kind: 'bug', message: 'Something broke on our side. The work is tried again.' };
}

function isRetryable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  return (
    ('retryable' in error && error.retryable === true) || ('overloaded' in error && error.overloaded === true)
  );
}

/** True when an object of an earlier version does not have the method that was called. Then nothing was done. */
export function isMissingMethod(error: unknown): boolean {
  return error instanceof Error && error.message.includes(missingMethodText);
}

/** The text of an error for the log: without its stack, at most 500 characters. */
export function faultText(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 500);
}
