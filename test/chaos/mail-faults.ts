/**
 * The faults of a mail API as data: which there are, how they are drawn, and the bodies of refusals.
 *
 * What was taken is decided in mail-api.ts. A foreign answer is one that a proxy gives instead of the provider.
 *
 * @module
 */
import type { RetryAfterForm } from '../support/fault-proxy.ts';

/** Before or after the provider took the call. */
export type When = 'before' | 'after';

export type Fault =
  /** 5xx, in the provider's words or in those of something in front of it. */
  | { kind: 'error'; status: 500 | 502 | 503 | 504; when: When; isForeign: boolean }
  /** The connection ends without an answer: closed, or reset. */
  | { kind: 'drop' | 'reset'; when: When }
  /** No answer, until the caller gives up. */
  | { kind: 'hang'; when: When }
  /** A success page of somebody else. */
  | { kind: 'garbage'; when: When }
  /** Half of the answer. */
  | { kind: 'truncate' }
  /** Success, with fewer ids than mails. */
  | { kind: 'partial' }
  /** A refusal by something in front of the provider, which never saw the call. */
  | { kind: 'edge'; status: 400 | 403 | 407 | 413 | 421 | 425 | 426 | 431 }
  | { kind: 'throttle'; form: RetryAfterForm; seconds: number }
  | { kind: 'quota'; scope: 'daily' | 'monthly' }
  | { kind: 'auth'; status: 401 | 403 }
  /** The whole call is refused for its content, in the provider's words. */
  | { kind: 'invalid' }
  | { kind: 'slow'; ms: number };

/** A fault's name with what matters of it; for figures and for events that are printed. */
export function nameOfFault(fault: Fault): string {
  switch (fault.kind) {
    case 'error':
      return `${fault.status}${fault.isForeign ? ' foreign' : ''} ${fault.when}`;
    case 'drop':
    case 'reset':
    case 'hang':
    case 'garbage':
      return `${fault.kind} ${fault.when}`;
    case 'edge':
      return `edge ${fault.status}`;
    case 'throttle':
      return `429 retry-after ${fault.form}`;
    case 'quota':
      return `quota ${fault.scope}`;
    case 'auth':
      return `auth ${fault.status}`;
    case 'truncate':
    case 'partial':
    case 'invalid':
    case 'slow':
      return fault.kind;
    default:
      return fault satisfies never;
  }
}

const pick = <T>(random: () => number, items: readonly T[]): T => {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
};

const whens = ['before', 'after'] as const;
const forms = ['seconds', 'date', 'missing', 'garbage'] as const;
const edgeStatuses = [400, 403, 407, 413, 421, 425, 426, 431] as const;

const passing: readonly ((random: () => number) => Fault)[] = [
  (random) => ({
    kind: 'error',
    status: pick(random, [500, 502, 503, 504] as const),
    when: pick(random, whens),
    isForeign: random() < 0.5,
  }),
  // The one that was taken for "certainly not taken" once: drawn on its own too.
  () => ({ kind: 'error', status: 503, when: 'after', isForeign: true }),
  (random) => ({ kind: pick(random, ['drop', 'reset'] as const), when: pick(random, whens) }),
  (random) => ({ kind: 'garbage', when: pick(random, whens) }),
  () => ({ kind: 'truncate' }),
  () => ({ kind: 'partial' }),
  (random) => ({ kind: 'edge', status: pick(random, edgeStatuses) }),
  (random) => ({ kind: 'throttle', form: pick(random, forms), seconds: 1 }),
  (random) => ({ kind: 'slow', ms: 500 + Math.floor(random() * 1_500) }),
];

const pausing: readonly ((random: () => number) => Fault)[] = [
  (random) => ({ kind: 'quota', scope: pick(random, ['daily', 'monthly'] as const) }),
  (random) => ({ kind: 'auth', status: pick(random, [401, 403] as const) }),
];

/**
 * A fault of one call; one in forty needs a person before the session goes on.
 *
 * @param isRepeated - an earlier call under its key is in doubt: a refusal by something in front of the provider,
 *   which is the answer that is easiest to misread then, comes more often
 */
export function drawFault(random: () => number, isRepeated: boolean): Fault {
  if (isRepeated && random() < 0.5) return { kind: 'edge', status: pick(random, edgeStatuses) };
  return pick(random, random() < 1 / 40 ? pausing : passing)(random);
}

/** An outage: every call meets this, for some seconds. `refused` is a port where nobody listens. */
export type Outage = Fault | { kind: 'refused' };

export function nameOfOutage(outage: Outage): string {
  return outage.kind === 'refused' ? 'refused' : nameOfFault(outage);
}

/** Outages that a session must come back from by itself. */
export const outages: readonly Outage[] = [
  { kind: 'refused' },
  ...([500, 502, 503, 504] as const).flatMap((status): Outage[] => [
    { kind: 'error', status, when: 'before', isForeign: true },
    { kind: 'error', status, when: 'after', isForeign: true },
  ]),
  ...whens.flatMap((when): Outage[] => [
    { kind: 'drop', when },
    { kind: 'reset', when },
    { kind: 'hang', when },
    { kind: 'garbage', when },
  ]),
  ...edgeStatuses.map((status): Outage => ({ kind: 'edge', status })),
  ...forms.map((form): Outage => ({ kind: 'throttle', form, seconds: 1 })),
];

/** An answer on the wire. */
export interface WireAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): WireAnswer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/** A page of a proxy: nothing in it is the provider's. */
export function foreignAnswer(status: number): WireAnswer {
  return {
    status,
    headers: { 'content-type': 'text/html' },
    body: `<html><head><title>${status}</title></head><body><h1>${status}</h1><hr>nginx</body></html>`,
  };
}

/** The providers whose protocol the stand-in speaks. */
export type Provider = 'resend' | 'postmark';

/** Resend's names are the wire's, Postmark's numbers are its ErrorCode (developer/api/overview, "API error codes"). */
export function ownRefusal(
  provider: Provider,
  refusal: { status: number; name: string; code: number; message: string },
  headers: Record<string, string> = {},
): WireAnswer {
  const { status, name, code, message } = refusal;
  return provider === 'resend'
    ? json(status, { statusCode: status, name, message }, headers)
    : json(status, { ErrorCode: code, Message: message }, headers);
}

/** A success: ids, or Postmark's list with a result per mail. */
export function ownSuccess(
  provider: Provider,
  results: readonly { id: string | null; to: string }[],
): WireAnswer {
  return provider === 'resend'
    ? json(200, { data: results.map(({ id }) => ({ id })) })
    : json(
        200,
        results.map(({ id, to }) =>
          id === null
            ? {
                ErrorCode: 406,
                Message: 'You tried to send to a recipient that has been marked as inactive.',
              }
            : { ErrorCode: 0, Message: 'OK', MessageID: id, To: to },
        ),
      );
}
