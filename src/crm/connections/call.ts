/**
 * One HTTP call to a foreign CRM, and reading its answer by a table.
 *
 * Owns the request, what a missing answer means, and how a table is read: from the top, the first matching line decides.
 * What a CRM answers is in its own file. Invariants: nothing here throws; every body is read; an answer that no line
 * matches, or that is not in the CRM's form, is `unavailable` and so is repeated; redirects are not followed, so that a
 * key is sent only to the configured address.
 *
 * @module
 */
import type { PushOutcome, RecordRefusal } from '../../core/crm/push.ts';
import { parseJson, safeCode, safeMessage, findRule, type RulePattern } from '../../runtime/answer.ts';
import { userAgent, type FetchLike } from '../../runtime/fetch-like.ts';
import { parseRetryAfter } from '../../runtime/retry-after.ts';
import type { CrmPort, CrmRecord } from '../port.ts';

/** Passed in, so that tests can replace the clock and the network. */
export interface CrmEffects {
  fetch: FetchLike;
  /** Epoch milliseconds. */
  now: () => number;
}

export interface CrmRequest {
  method: 'GET' | 'POST' | 'PATCH';
  url: string;
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
  mayLeave?: (() => boolean) | undefined;
}

export interface CrmAnswer {
  status: number;
  headers: Headers;
  /** Parsed JSON; undefined when it is none. */
  body: unknown;
  retryAfterMs: number | null;
}

export type CrmReply =
  { kind: 'answered'; answer: CrmAnswer } | Extract<PushOutcome, { kind: 'notSent' | 'unavailable' }>;

/** Makes one request. */
export async function callCrm(
  { fetch, now }: CrmEffects,
  { method, url, headers, body, signal, mayLeave }: CrmRequest,
): Promise<CrmReply> {
  // In the turn of the call: no command came since.
  if (signal.aborted || mayLeave?.() === false) return { kind: 'notSent' };
  try {
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      headers: {
        'user-agent': userAgent,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
      signal,
    });
    const text = await response.text();
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), now());
    const { status } = response;
    return {
      kind: 'answered',
      answer: { status, headers: response.headers, body: parseJson(text), retryAfterMs },
    };
  } catch (error) {
    const isTimeout = error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name);
    return isTimeout
      ? unavailable('timeout', 'The CRM did not answer in time.')
      : unavailable('connection_lost', 'The connection to the CRM was lost.');
  }
}

type TestOutcome = Awaited<ReturnType<CrmPort['test']>>;

/** The outcome of a call that no command can stop: one that was given up has had no answer in time. */
function unlessGivenUp(outcome: PushOutcome): TestOutcome {
  return outcome.kind === 'notSent' ? unavailable('timeout', 'The CRM did not answer in time.') : outcome;
}

/** The fault of a read, which has nothing that could be set. */
export function readFault(outcome: PushOutcome): Exclude<TestOutcome, { kind: 'set' }> {
  const answered = unlessGivenUp(outcome);
  return answered.kind === 'set' ? unreadable : answered;
}

/** What the answer to a test means: a 200 says that the key was taken. */
export function testOutcome(reply: CrmReply, errorOf: (answer: CrmAnswer) => PushOutcome): TestOutcome {
  if (reply.kind !== 'answered') return unlessGivenUp(reply);
  return reply.answer.status === 200 ? { kind: 'set', refusals: [] } : unlessGivenUp(errorOf(reply.answer));
}

/** The parts of an error that tables read. */
export interface CrmError {
  status: number;
  /** The CRM's own word for the error; empty when the answer is not in its form. */
  code: string;
  message: string;
  retryAfterMs: number | null;
}

/** A line of a table. */
export interface CrmRule extends RulePattern {
  outcome: (error: CrmError) => PushOutcome;
}

/** Reads a table: the outcome of the first matching line. */
export function readCrmTable(table: readonly CrmRule[], error: CrmError): PushOutcome {
  const { status, code, retryAfterMs } = error;
  // Whoever says so, it is safe to come back later and to repeat.
  if (status === 429) return { kind: 'throttled', retryAfterMs };
  if (code === '') {
    return unavailable(
      `http_${status}`,
      `Something other than the CRM answered ${status}, or the CRM without a reason.`,
      retryAfterMs,
    );
  }
  return findRule(table, error)?.outcome(error) ?? unavailable(code, error.message, retryAfterMs);
}

/** An error whose texts may be stored and shown. */
export function crmError({ status, retryAfterMs }: CrmAnswer, code: unknown, message: unknown): CrmError {
  return {
    status,
    retryAfterMs,
    code: typeof code === 'string' ? safeCode(code) : '',
    message: typeof message === 'string' ? safeMessage(message) : '',
  };
}

export const auth = ({ code, message }: CrmError): PushOutcome => ({ kind: 'auth', code, message });
export const quota = ({ message }: CrmError): PushOutcome => ({ kind: 'quota', message });
export const throttled = ({ retryAfterMs }: CrmError): PushOutcome => ({ kind: 'throttled', retryAfterMs });

export function unavailable(
  code: string,
  message: string,
  retryAfterMs: number | null = null,
): Extract<PushOutcome, { kind: 'unavailable' }> {
  return { kind: 'unavailable', code, message, retryAfterMs };
}

/**
 * Calls with the records whose ids have the CRM's form; the others are refused here. One id in another form can make a CRM
 * refuse a whole call, or be read as a part of a filter.
 */
export async function withRecordIds(
  records: readonly CrmRecord[],
  form: RegExp,
  call: (records: readonly CrmRecord[]) => Promise<PushOutcome>,
): Promise<PushOutcome> {
  const placeOf = records.flatMap(({ recordId }, index) => (form.test(recordId) ? [index] : []));
  const malformed = records.flatMap(({ recordId }, index): RecordRefusal[] =>
    form.test(recordId)
      ? []
      : [{ index, code: 'invalid_id', message: 'The external id is not an id of a record of this CRM.' }],
  );
  if (placeOf.length === 0) return { kind: 'set', refusals: malformed };
  const outcome = await call(placeOf.flatMap((index) => records[index] ?? []));
  if (outcome.kind !== 'set' || malformed.length === 0) return outcome;
  const refusals = outcome.refusals.map((refusal) => ({ ...refusal, index: placeOf[refusal.index] ?? 0 }));
  return { kind: 'set', refusals: [...malformed, ...refusals] };
}

/** A success whose body does not say what became of each record: it is repeated. */
export const unreadable = unavailable(
  'unreadable_answer',
  'The CRM took the call, but its answer could not be read.',
);
