/**
 * One HTTP call to a mail provider, with what is certain about it: answered, never sent, or lost.
 *
 * Owns fetch, its errors, and reading a body to its end. The meaning of an answer is in each provider's table. Invariant: nothing here throws, and every body is read or cancelled (an unread one
 * holds one of a Worker's six connections).
 *
 * @module
 */
import type { Outcome } from '../../core/batch/outcome.ts';
import { type FetchLike, userAgent } from '../../runtime/fetch-like.ts';
import type { DeliveryCall } from '../transport.ts';

/** The outcome of a request. */
export type HttpAnswer =
  /** A status line came. The body is empty when it broke off, or was too long to be an answer. */
  | { kind: 'answered'; status: number; headers: Headers; body: string }
  /** No connection was made: certainly not taken. */
  | { kind: 'refused'; code: string; message: string }
  /** The call was given up before it was made: a command came, or its time was over. */
  | { kind: 'notSent' }
  /** No answer, for whatever reason: it may have been taken. */
  | { kind: 'lost'; code: string; message: string };

/** An answer to 500 mails is about 100 kB. */
const maxAnswerLength = 4 * 1024 * 1024;

/**
 * Makes one request. Redirects are not followed, so that a key is sent only to the configured address.
 */
export async function callProvider(
  fetchLike: FetchLike,
  url: string,
  init: { headers: Record<string, string>; body: string },
  call: Pick<DeliveryCall, 'signal' | 'mayLeave' | 'onSent'>,
): Promise<HttpAnswer> {
  if (isGivenUp(call)) return { kind: 'notSent' };
  let response: Response;
  try {
    response = await fetchLike(
      url,
      {
        method: 'POST',
        redirect: 'manual',
        headers: { 'user-agent': userAgent, ...init.headers },
        body: init.body,
        signal: call.signal,
      },
      call.onSent,
    );
  } catch (error) {
    return classifyNetworkError(error);
  }
  const body = await readBody(response);
  return { kind: 'answered', status: response.status, headers: response.headers, body };
}

/** True when a call must not be made any more. Ask directly before the call, without an await in between. */
export function isGivenUp({ signal, mayLeave }: Pick<DeliveryCall, 'signal' | 'mayLeave'>): boolean {
  return signal.aborted || mayLeave?.() === false;
}

/**
 * Distinguishes "no connection was made" from "the answer was lost". In Node the error's cause says which. workerd
 * throws `Network connection lost.` both for a refused connection and for one that was reset after the request was
 * read, so there it is never certain.
 */
function classifyNetworkError(error: unknown): Extract<HttpAnswer, { kind: 'refused' | 'lost' }> {
  const code = errorCode(error);
  if (code !== null && neverConnected.has(code)) {
    return { kind: 'refused', code: 'unreachable', message: 'The mail provider could not be reached.' };
  }
  const name = error instanceof Error ? error.name : '';
  return name === 'TimeoutError' || name === 'AbortError'
    ? { kind: 'lost', code: 'timeout', message: 'The mail provider did not answer in time.' }
    : { kind: 'lost', code: 'connection_lost', message: 'The connection to the mail provider was lost.' };
}

const neverConnected: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function errorCode(error: unknown): string | null {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return null;
}

/** The outcome of a call that got no answer: the same for every provider. */
export function networkOutcome(answer: Exclude<HttpAnswer, { kind: 'answered' }>): Outcome {
  if (answer.kind === 'notSent') return answer;
  const { code, message } = answer;
  return answer.kind === 'refused'
    ? { kind: 'transient', code, message, retryAfterMs: null }
    : { kind: 'unknown', code, message };
}

async function readBody(response: Response): Promise<string> {
  if (response.body === null) return '';
  // The runtime reads a body as a whole for far less than in pieces. A decompressed one may be longer than it says.
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  if (length <= maxAnswerLength && !response.headers.has('content-encoding')) {
    try {
      return await response.text();
    } catch {
      return '';
    }
  }
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let body = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return body + decoder.decode();
      body += decoder.decode(value, { stream: true });
      if (body.length > maxAnswerLength) {
        await reader.cancel();
        return '';
      }
    }
  } catch {
    return '';
  }
}
