/**
 * One HTTP exchange with the server, as a value: an answer, the server's refusal, an expired sign-in, or no answer at
 * all. Knows nothing of routes, and repeats nothing.
 *
 * @module
 */
import type { components } from './api.ts';

/** A refusal by RFC 9457, as the description of the API has it. */
export type Problem = components['schemas']['Problem'];

/**
 * Why an exchange did not succeed. `unreachable`: nobody knows whether the server took it. `isForeign`: something
 * answered that is not this product, such as another site, or the sign-in page of a network.
 */
export type Refusal =
  | { kind: 'problem'; problem: Problem; retryAfterMs?: number }
  | { kind: 'unreachable'; retryAfterMs?: number; isForeign?: boolean }
  | { kind: 'signed_out' };
export type Answer<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/**
 * Headers of every request. With them Cloudflare Access answers an expired sign-in with 401, and without them with a
 * redirect to its login on another host, which a program cannot follow.
 *
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/
 */
export const apiHeaders = { accept: 'application/json', 'x-requested-with': 'XMLHttpRequest' } as const;

/**
 * True when somebody has to sign in again. Requests are made with `redirect: 'manual'`, because no route that this
 * client uses redirects: a redirect is that of a login.
 */
export function isSignedOut(response: { status: number; type: string }): boolean {
  const isRedirect = response.status >= 300 && response.status < 400 && response.status !== 304;
  // A browser hides the redirect's status.
  return response.status === 401 || response.type === 'opaqueredirect' || isRedirect;
}

/** Milliseconds of a `Retry-After` in seconds or as an HTTP date; null where there is none that can be read. */
export function retryAfterMs(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  const seconds = Number(value);
  const waitMs = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(value) - nowMs;
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : null;
}

function isProblem(value: unknown): value is Omit<Problem, 'detail'> & Partial<Pick<Problem, 'detail'>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Problem>).title === 'string' &&
    typeof (value as Partial<Problem>).status === 'number' &&
    typeof (value as Partial<Problem>).code === 'string'
  );
}

/** The refusal in an answer that is none of 2xx. */
export async function readRefusal(response: Response): Promise<Refusal> {
  if (isSignedOut(response)) return { kind: 'signed_out' };
  const waitMs = retryAfterMs(response.headers.get('retry-after'), Date.now());
  const wait = waitMs === null ? {} : { retryAfterMs: waitMs };
  const body: unknown = await response.json().catch(() => null);
  if (isProblem(body)) return { kind: 'problem', problem: { ...body, detail: body.detail ?? '' }, ...wait };
  // The product's own 404 is a problem. A gateway's other errors do not say whether the Worker took the request.
  return { kind: 'unreachable', ...wait, ...(response.status === 404 ? { isForeign: true } : {}) };
}

/** A page where data was asked for: no answer of the API is one. */
export const isPage = ({ headers }: Response): boolean =>
  headers.get('content-type')?.startsWith('text/html') === true;

/**
 * Sends a request and reads its answer.
 *
 * @param read - the body of an answer that is no JSON
 * @returns never rejects, also where `init.signal` is aborted (`unreachable`)
 */
export async function exchange<T>(
  send: typeof fetch,
  url: string,
  init: RequestInit = {},
  read: (response: Response) => Promise<T> = async (response) => (await response.json()) as T,
): Promise<Answer<T>> {
  try {
    const headers = new Headers(apiHeaders);
    new Headers(init.headers).forEach((value, name) => headers.set(name, value));
    const response = await send(url, { ...init, headers, cache: 'no-store', redirect: 'manual' });
    // 304 comes only to a caller that asked for it.
    if (!response.ok && response.status !== 304) return { ok: false, refusal: await readRefusal(response) };
    if (isPage(response)) return { ok: false, refusal: { kind: 'unreachable', isForeign: true } };
    // 204 has no body, and `response.json()` would throw.
    if (response.status === 204) return { ok: true, value: undefined as T };
    return { ok: true, value: await read(response) };
  } catch {
    return { ok: false, refusal: { kind: 'unreachable' } };
  }
}
