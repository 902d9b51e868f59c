/**
 * Faults of the platform, the CRM database and the MailGate, classified in one place, with one policy each.
 *
 * Owns: which error text means what, and where it broke. Never: the mail API's answers (src/mail), our own refusals (unions).
 * Messages that people see are ours; the error's own words go to the log only.
 *
 * @module
 */

export type Fault =
  /** This object's code or place is being replaced: stop; the watchdog alarm brings its successor. */
  | { kind: 'superseded' }
  /** The CRM refuses this very statement, now and later. */
  | { kind: 'refused'; message: string }
  /** Passing: come back later. */
  | { kind: 'transient'; place: 'crm' | 'platform'; message: string }
  /** The object's own SQLite takes no write, or cannot be read: nothing can be done until it can. */
  | { kind: 'storage'; message: string }
  /** Ours. It is logged, and tried again in case it passes. */
  | { kind: 'bug'; message: string };

const storageFault: Fault = {
  kind: 'storage',
  message: 'Its storage is busy or full; it goes on by itself once it is not.',
};

/** @see https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ */
const supersededTexts = [
  'reset because its code was updated',
  'moved to a different machine',
  'object is being reset',
  'Durable Object storage is no longer accessible',
  'aborted',
];

/** @see https://developers.cloudflare.com/d1/observability/debug-d1/ */
const refusedTexts = ['SQLITE_CONSTRAINT', 'SQLITE_MISMATCH', 'SQLITE_TOOBIG', 'string or blob too big'];

const crmTexts = ['D1_ERROR', 'D1 DB'];

/** SQLite's own codes (https://www.sqlite.org/rescode.html) as workerd words them, of a database of ours. */
const storageTexts = ['SQLITE_BUSY', 'SQLITE_LOCKED', 'SQLITE_FULL', 'SQLITE_IOERR', 'SQLITE_CANTOPEN'];

const platformTexts = [
  'Network connection lost',
  'overloaded',
  'storage operation exceeded timeout',
  'internal error',
  'Too many API requests',
  'Too many subrequests',
];

/** What the MailGate threw, or the way to it; the error itself does not say where it comes from. */
export class GateError extends Error {
  override readonly name = 'GateError';

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Calls the gate, and says of what is thrown that it was the gate. */
export async function callGate<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw new GateError(error);
  }
}

/** What the object's own storage threw where its words do not say so: an alarm that is not taken is an `internal error`. */
class StorageFault extends Error {
  override readonly name = 'StorageFault';

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Calls the object's storage, and says of what is thrown that it was that. */
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
  if (has(supersededTexts)) return { kind: 'superseded' };
  if (has(refusedTexts)) return { kind: 'refused', message: 'The CRM refused to set these leads active.' };
  if (error instanceof StorageFault) return storageFault;
  const isAtGate = error instanceof GateError;
  const isAtCrm = has(crmTexts);
  const isStorage = has(storageTexts);
  if (isStorage && !isAtGate && !isAtCrm) return storageFault;
  if (isStorage || isAtCrm || has(platformTexts) || isRetryable(isAtGate ? error.cause : error)) {
    const name = isAtGate ? 'The mail gate' : isAtCrm ? 'The CRM database' : 'The platform';
    const message = `${name} does not answer; the run goes on when it does.`;
    return { kind: 'transient', place: isAtCrm ? 'crm' : 'platform', message };
  }
  return { kind: 'bug', message: 'Something broke on our side; the run is tried again.' };
}

function isRetryable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  return (
    ('retryable' in error && error.retryable === true) || ('overloaded' in error && error.overloaded === true)
  );
}

/** An error's own words, for the log: no stack, bounded. */
export function faultText(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 500);
}
