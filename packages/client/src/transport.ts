/**
 * Requests that are repeated until they are answered, as far as a repeat can do no harm.
 *
 * Invariants: a request that may have been carried out is repeated only where the same request twice is the same as
 * once; `Retry-After` is kept; a refusal that a repeat cannot change is thrown at once.
 *
 * @module
 */
import { backoffMs, type BackoffPolicy } from '../../../src/shared/backoff.ts';
import { exchange, type Answer, type Refusal } from './exchange.ts';
import { errorOf } from './errors.ts';

/** Time as a dependency, so that tests need none. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 up to, and not with, 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const timer = setTimeout(done, ms);
      function done(): void {
        signal?.removeEventListener('abort', aborted);
        resolve();
      }
      function aborted(): void {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      }
      signal?.addEventListener('abort', aborted, { once: true });
    }),
  random: () => Math.random(),
};

export interface TransportOptions {
  baseUrl: string;
  headers: Readonly<Record<string, string>>;
  send: typeof fetch;
  clock: Clock;
  /** How long a request without an answer is repeated, in milliseconds. */
  giveUpAfterMs: number;
}

export interface TransportRequest<T> {
  method: string;
  /** With its query. */
  path: string;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /** The same request twice is the same as once. */
  isRepeatable: boolean;
  /** The body of an answer that is no JSON. */
  read?: (response: Response) => Promise<T>;
  /** The answer takes as long as it takes: a download. */
  isLong?: boolean;
}

/** A request that is not answered for so long is given up, and repeated where it can be. */
export const answerTimeoutMs = 60_000;
/** A hiccup of the network is over in a quarter of a second; a person who waits sees a sign of life every ten. */
export const clientBackoff = { baseMs: 250, maxMs: 10_000 } as const satisfies BackoffPolicy;

export class Transport {
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  get clock(): Clock {
    return this.#options.clock;
  }
  get baseUrl(): string {
    return this.#options.baseUrl;
  }

  /** One attempt. */
  attempt<T>({
    method,
    path,
    body,
    headers,
    signal,
    read,
    isLong = false,
  }: TransportRequest<T>): Promise<Answer<T>> {
    const { baseUrl, send } = this.#options;
    const limits = [
      ...(signal === undefined ? [] : [signal]),
      ...(isLong ? [] : [AbortSignal.timeout(answerTimeoutMs)]),
    ];
    return exchange<T>(
      send,
      baseUrl + path,
      {
        method,
        headers: {
          ...this.#options.headers,
          // Also without a body: a change must not look like a form of another site.
          ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any(limits),
      },
      read,
    );
  }

  /** An answer that stays open: no limit of time, no repeat. Rejects where there is no connection. */
  async open(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response> {
    const { baseUrl, send } = this.#options;
    return send(baseUrl + path, {
      headers: { ...this.#options.headers, 'x-requested-with': 'XMLHttpRequest', ...headers },
      cache: 'no-store',
      redirect: 'manual',
      signal,
    });
  }

  /**
   * Sends a request until it is answered.
   *
   * @throws RefusedError, SignedOutError, WrongAddressError, UnreachableError, and the reason of an aborted signal
   */
  async request<T>(request: TransportRequest<T>): Promise<T> {
    const { clock, giveUpAfterMs, baseUrl } = this.#options;
    const startedAt = clock.now();
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.attempt(request);
      request.signal?.throwIfAborted();
      if (answer.ok) return answer.value;
      const delayMs = Math.max(waitOf(answer.refusal), backoffMs(clientBackoff, attempt + 1, clock.random));
      const isLate = clock.now() - startedAt + delayMs > giveUpAfterMs;
      if (!isWorthARepeat(answer.refusal, request.isRepeatable) || isLate) {
        throw errorOf(answer.refusal, baseUrl);
      }
      await clock.sleep(delayMs, request.signal);
    }
  }
}

const waitOf = (refusal: Refusal): number =>
  refusal.kind === 'signed_out' ? 0 : (refusal.retryAfterMs ?? 0);

/** A refusal by 429 or 503 has written nothing, so that any request can be sent again. */
function isWorthARepeat(refusal: Refusal, isRepeatable: boolean): boolean {
  if (refusal.kind === 'signed_out') return false;
  if (refusal.kind === 'unreachable') return isRepeatable && refusal.isForeign !== true;
  const { status } = refusal.problem;
  return status === 429 || status === 503 || (status >= 500 && status !== 502 && isRepeatable);
}
