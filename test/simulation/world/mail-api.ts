/**
 * The mail API of a world, by the provider's own rules, with its own book of whom it mailed.
 *
 * `resend`: all or none, under a key that is known for exactly 24 hours; the same key and payload get the first answer.
 * `postmark`: each mail on its own, no keys. Faults happen before the provider, in it, and after it. Whether content is
 * checked before keys, and whether an error is remembered under a key, differs from world to world, because
 * Resend documents neither.
 *
 * @module
 */
import type { Actor, Simulator } from '../platform/simulator.ts';
import type { Faults } from './faults.ts';

const keyLifeMs = 24 * 3_600_000;

export type ProviderName = 'resend' | 'postmark';

/** One call, from its departure on. */
export interface Call {
  id: number;
  sessionId: string;
  provider: ProviderName;
  key: string;
  leadIds: number[];
  /** What each of them gets, in the same order. */
  mails: string[];
  emails: string[];
  /** True time. */
  departedAt: number;
  /** Leads that the provider took in this call, also if an earlier call under its key had taken them. */
  isTaken: boolean;
  /** The answer says for certain what was taken. */
  isCertain: boolean;
  /** The answer has reached the session. */
  isAnswered: boolean;
  /** The session's writes after the answer are durable. */
  isSettled: boolean;
}

export interface MailBook {
  departed(call: Call): void;
  taken(call: Call, leadIds: readonly number[]): void;
  /** The provider itself has refused mails of these leads. */
  refused(call: Call, leadIds: readonly number[]): void;
  leadIdOf(email: string): number;
}

interface Remembered {
  at: number;
  payload: string;
  isBusy: boolean;
  answer: Answer | null;
}

export interface Answer {
  status: number;
  body: string;
  headers?: Record<string, string>;
  /** Says for certain which mails were taken. */
  isCertain: boolean;
}

const faultKinds = [
  ['lost before', 3],
  ['lost after', 5],
  ['hang before', 1],
  ['hang after', 2],
  ['500 after', 4],
  ['503 proxy after', 4],
  ['502 before', 2],
  ['400 proxy before', 2],
  ['403 proxy before', 1],
  ['400 proxy after', 2],
  ['429 seconds', 3],
  ['429 date', 1],
  ['429 garbage', 1],
  ['429 proxy', 1],
  ['429 day', 0.3],
  ['daily quota', 0.5],
  ['401', 0.5],
  ['200 page before', 1],
  ['200 page after', 2],
  ['too few ids', 1],
  ['half an answer', 1],
  ['slow', 3],
  ['locked', 1],
  ['refused for content', 1],
  ['409 used key', 0.5],
] as const;
type FaultKind = (typeof faultKinds)[number][0];

export interface MailApiOptions {
  /** Of a call, when the API is up. */
  faultProbability: number;
  checksContentFirst: boolean;
  remembersErrors: boolean;
  /** The control: no key is known a second time. */
  forgetsKeys: boolean;
}

export class MailApi {
  readonly calls: Call[] = [];
  /** Leads whose address is refused. */
  readonly refusedLeadIds = new Set<number>();
  /** Leads whose address has bounced: Postmark takes no further mail to it (error 406). */
  readonly bouncedLeadIds = new Set<number>();
  /** Of an outage: what every call meets. */
  outage: OutageKind | null = null;
  /** Is told of the next call, once. */
  onNextCall: (() => void) | null = null;
  readonly #sim: Simulator;
  readonly #faults: Faults;
  readonly #options: MailApiOptions;
  readonly #book: MailBook;
  readonly #keys = new Map<string, Remembered>();

  constructor(sim: Simulator, faults: Faults, options: MailApiOptions, book: MailBook) {
    this.#sim = sim;
    this.#faults = faults;
    this.#options = options;
    this.#book = book;
  }

  /** What `fetch` is to the product. */
  fetch(url: string, init: RequestInit): Promise<Response> {
    const provider = url.endsWith('/emails/batch') ? 'resend' : 'postmark';
    const sim = this.#sim;
    const caller = sim.current;
    if (caller === null) throw new Error('Nobody calls.');
    return new Promise((resolve, reject) => {
      const signal = init.signal ?? null;
      let isOver = false;
      const finish = (settle: () => void): void => {
        if (isOver) return;
        isOver = true;
        settle();
      };
      signal?.addEventListener('abort', () => finish(() => reject(signal.reason as Error)), { once: true });
      caller.emit(() =>
        this.#depart(
          caller,
          provider,
          init,
          (kind, settle) => {
            sim.after(this.#latencyMs(), caller, kind, () => finish(settle));
          },
          resolve,
          reject,
        ),
      );
    });
  }

  #latencyMs(): number {
    return this.#sim.random.int(1, 120);
  }

  #depart(
    caller: Actor,
    provider: ProviderName,
    init: RequestInit,
    later: (kind: string, settle: () => void) => void,
    resolve: (response: Response) => void,
    reject: (error: Error) => void,
  ): void {
    const payload = init.body as string;
    const call = callOf(init, {
      id: this.calls.length,
      sessionId: caller.name,
      provider,
      departedAt: this.#sim.nowMs,
      book: this.#book,
    });
    this.calls.push(call);
    this.#book.departed(call);
    const { onNextCall } = this;
    this.onNextCall = null;
    onNextCall?.();
    const fault = this.outage ?? this.#faults.pick('mail call', this.#options.faultProbability, faultKinds);
    const lose = (): void =>
      later('call lost', () => {
        call.isAnswered = true;
        reject(new Error('Network connection lost.'));
      });
    const give = (answer: Answer): void =>
      later('mail answer', () => {
        call.isAnswered = true;
        call.isCertain = answer.isCertain;
        resolve(responseOf(answer));
      });
    const slowMs = fault === 'slow' ? this.#faults.int(500, 29_000) : 0;
    if (fault === 'lost before') {
      lose();
      return;
    }
    if (fault === 'hang before') return;
    const before = answerBefore(fault, this.#sim, provider);
    if (before !== null) {
      give(before);
      return;
    }
    this.#sim.after(this.#latencyMs() + slowMs, null, 'mail call', () => {
      const answer =
        provider === 'resend' ? this.#takeAll(call, payload, fault) : this.#takeEach(call, fault);
      if (fault === 'hang after') return;
      if (fault === 'lost after') lose();
      else give(answerAfter(fault, answer) ?? answer);
    });
  }

  // What the provider does with a call that has reached it.

  #takeAll(call: Call, payload: string, fault: FaultKind | null): Answer {
    const { checksContentFirst, remembersErrors, forgetsKeys } = this.#options;
    const nowMs = this.#sim.nowMs;
    const refused =
      fault === 'refused for content' ? 0 : call.leadIds.findIndex((id) => this.refusedLeadIds.has(id));
    const refusal = (): Answer => {
      this.#book.refused(call, call.leadIds.slice(refused, refused + 1));
      return own(422, 'validation_error', `Invalid \`to\` field. emails[${refused}].to is not deliverable.`);
    };
    if (checksContentFirst && refused >= 0) return refusal();
    const known = forgetsKeys ? undefined : this.#keys.get(call.key);
    if (known !== undefined && nowMs - known.at < keyLifeMs) {
      if (known.isBusy) return { ...own(409, 'concurrent_idempotent_requests', 'Wait.'), isCertain: false };
      // Also where the first call was refused: no provider's page says that it is not so.
      if (known.payload !== payload) {
        call.isTaken = known.answer?.status === 200;
        return { ...own(409, 'invalid_idempotent_request', 'Another payload.'), isCertain: false };
      }
      if (known.answer !== null) {
        call.isTaken = known.answer.status === 200;
        return known.answer;
      }
    }
    if (refused >= 0) {
      const answer = refusal();
      if (remembersErrors) this.#keys.set(call.key, { at: nowMs, payload, isBusy: false, answer });
      return answer;
    }
    const answer: Answer = {
      status: 200,
      body: JSON.stringify({ data: call.leadIds.map((id) => ({ id: `m${call.id}-${id}` })) }),
      isCertain: true,
    };
    const entry: Remembered = { at: nowMs, payload, isBusy: true, answer };
    this.#keys.set(call.key, entry);
    // The answer is on its way for a while; a repeat meanwhile is told to wait.
    this.#sim.after(this.#sim.random.int(0, 200), null, 'key settled', () => (entry.isBusy = false));
    call.isTaken = true;
    this.#book.taken(call, call.leadIds);
    return answer;
  }

  #takeEach(call: Call, fault: FaultKind | null): Answer {
    const isRefused = (id: number): boolean =>
      this.refusedLeadIds.has(id) || (fault === 'refused for content' && id === call.leadIds[0]);
    const isInactive = (id: number): boolean => this.bouncedLeadIds.has(id);
    const taken = call.leadIds.filter((id) => !isRefused(id) && !isInactive(id));
    const results = call.leadIds.map((id) => {
      if (isRefused(id)) return { ErrorCode: 300, Message: 'Invalid email request' };
      if (isInactive(id)) return { ErrorCode: 406, Message: 'Inactive recipient' };
      return { ErrorCode: 0, Message: 'OK', MessageID: `m${call.id}-${id}` };
    });
    call.isTaken = taken.length > 0;
    this.#book.refused(
      call,
      call.leadIds.filter((id) => !taken.includes(id)),
    );
    this.#book.taken(call, taken);
    return { status: 200, body: JSON.stringify(results), isCertain: true };
  }
}

/** What every call of an outage meets. */
export type OutageKind = FaultKind;

/** Outages that take the mails and say nothing, or nothing that proves it. */
export const doubtKinds: readonly [OutageKind, ...OutageKind[]] = [
  '503 proxy after',
  'lost after',
  '500 after',
];

/** The kinds of which an outage consists. */
export const outageKinds: readonly [OutageKind, ...OutageKind[]] = [
  'lost before',
  'lost after',
  '500 after',
  '503 proxy after',
  '502 before',
  '400 proxy before',
  'hang after',
  '429 seconds',
  '200 page before',
];

/** Resend's own answer of an error. */
export function own(status: number, name: string, message: string): Answer {
  return { status, body: JSON.stringify({ statusCode: status, name, message }), isCertain: true };
}

function page(status: number): Answer {
  return { status, body: '<html>proxy</html>', isCertain: false };
}

function tooMany(retryAfter: string | null, provider: ProviderName): Answer {
  const body =
    provider === 'resend'
      ? JSON.stringify({ statusCode: 429, name: 'rate_limit_exceeded', message: 'Too many requests.' })
      : JSON.stringify({ ErrorCode: 429, Message: 'Too many requests.' });
  return {
    status: 429,
    body,
    isCertain: true,
    ...(retryAfter === null ? {} : { headers: { 'retry-after': retryAfter } }),
  };
}

/** The answer of something in front of the provider, or a refusal of the whole account; null: none. */
function answerBefore(fault: FaultKind | null, sim: Simulator, provider: ProviderName): Answer | null {
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- the others happen elsewhere
  switch (fault) {
    case '502 before':
      return page(502);
    case '400 proxy before':
      return page(400);
    case '403 proxy before':
      return page(403);
    case '200 page before':
      return page(200);
    case '429 seconds':
      return tooMany('7', provider);
    case '429 date':
      return tooMany(new Date(sim.wallMs() + 20_000).toUTCString(), provider);
    case '429 garbage':
      return tooMany('soon', provider);
    case '429 day':
      return tooMany('86400', provider);
    case '429 proxy':
      return { status: 429, body: 'slow down', isCertain: false };
    case 'daily quota':
      return provider === 'resend'
        ? own(429, 'daily_quota_exceeded', 'You have reached your daily quota.')
        : tooMany(null, provider);
    case '401':
      return provider === 'resend'
        ? own(401, 'invalid_api_key', 'API key is invalid.')
        : { status: 401, body: JSON.stringify({ ErrorCode: 10, Message: 'Bad token.' }), isCertain: true };
    case '409 used key':
      // Keys belong to the account: a restored copy of this installation has used it for other mails.
      return provider === 'resend'
        ? { ...own(409, 'invalid_idempotent_request', 'Another payload.'), isCertain: false }
        : null;
    case 'locked':
      return provider === 'resend'
        ? { ...own(409, 'resource_locked', 'Locked.'), isCertain: true }
        : { status: 503, body: JSON.stringify({ ErrorCode: 100, Message: 'Maintenance' }), isCertain: true };
    default:
      return null;
  }
}

/** What comes back instead of the provider's answer; null: its answer. */
function answerAfter(fault: FaultKind | null, answer: Answer): Answer | null {
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- the others happen elsewhere
  switch (fault) {
    case '500 after':
      return { ...own(500, 'internal_server_error', 'Something went wrong.'), isCertain: false };
    case '503 proxy after':
      return page(503);
    case '400 proxy after':
      return page(400);
    case '200 page after':
      return page(200);
    case 'too few ids':
      return { status: 200, body: '{"data":[]}', isCertain: false };
    case 'half an answer':
      return { ...answer, body: answer.body.slice(0, answer.body.length / 2), isCertain: false };
    default:
      return null;
  }
}

/** A call that departs, as the product makes it. */
export function callOf(
  init: RequestInit,
  {
    book,
    ...departure
  }: Pick<Call, 'id' | 'sessionId' | 'provider' | 'departedAt'> & { book: Pick<MailBook, 'leadIdOf'> },
): Call {
  const headers = init.headers as Record<string, string>;
  const mails = JSON.parse(init.body as string) as { to?: [string]; To?: string }[];
  const emails = mails.map((mail) => mail.to?.[0] ?? mail.To ?? '');
  return {
    ...departure,
    key: headers['idempotency-key'] ?? '',
    leadIds: emails.map((email) => book.leadIdOf(email)),
    emails,
    mails: mails.map((mail) => JSON.stringify(mail)),
    isTaken: false,
    isCertain: false,
    isAnswered: false,
    isSettled: false,
  };
}

const encoder = new TextEncoder();

/** The part of Response that the product reads. */
export function responseOf({ status, body, headers = {} }: Answer): Response {
  const chunks = [encoder.encode(body)];
  return {
    status,
    headers: { get: (name: string) => headers[name] ?? null },
    body: {
      getReader: () => ({
        read: () => Promise.resolve({ done: chunks.length === 0, value: chunks.shift() }),
        cancel: () => Promise.resolve(),
      }),
    },
  } as unknown as Response;
}
