/**
 * The mail API of the exploration: what it does with each call is a choice.
 *
 * Owns the outside alone: whom the provider has mailed, under which keys, and which answers are on their way. Its two
 * forms are those of world/mail-api.ts. Faults that the product cannot tell apart are one choice.
 *
 * @module
 */
import type { Actor, Simulator } from '../platform/simulator.ts';
import {
  callOf,
  own as resend,
  responseOf,
  type Answer,
  type Call,
  type MailBook,
  type ProviderName,
} from '../world/mail-api.ts';
import type { Choices, Options } from './choices.ts';

const keyLifeMs = 24 * 3_600_000;

/** What the provider did first under a key. */
export interface KnownKey {
  at: number;
  payload: string;
  answer: Answer;
}

/** An answer that is on its way to its caller. */
interface Due {
  call: Call;
  caller: Actor;
  what: string;
  deliver: () => void;
}

export class ChosenMailApi {
  readonly keys = new Map<string, KnownKey>();
  due: Due[] = [];
  choices: Choices | null = null;
  /** Calls that have left and did not arrive yet. */
  arriving: string[] = [];
  callCount = 0;
  readonly #sim: Simulator;
  readonly #provider: ProviderName;
  readonly #book: MailBook;
  #isDelivering = false;

  constructor(sim: Simulator, provider: ProviderName, book: MailBook) {
    this.#sim = sim;
    this.#provider = provider;
    this.#book = book;
  }

  /** Nothing is under way. */
  rest(keys: ReadonlyMap<string, KnownKey>): void {
    this.keys.clear();
    for (const [key, known] of keys) this.keys.set(key, known);
    this.due = [];
    this.arriving = [];
    this.#isDelivering = false;
  }

  isKnown(key: string): boolean {
    const known = this.keys.get(key);
    return known !== undefined && this.#sim.nowMs - known.at < keyLifeMs;
  }

  /** What `fetch` is to the product. */
  fetch(init: RequestInit): Promise<Response> {
    const caller = this.#sim.current;
    if (caller === null) throw new Error('Nobody calls.');
    return new Promise((resolve, reject) => {
      caller.emit(() => this.#depart(caller, init, resolve, reject));
    });
  }

  #depart(
    caller: Actor,
    init: RequestInit,
    resolve: (response: Response) => void,
    reject: (error: Error) => void,
  ): void {
    const payload = init.body as string;
    const call = callOf(init, {
      id: this.callCount++,
      sessionId: caller.name,
      provider: 'resend',
      departedAt: this.#sim.nowMs,
      book: this.#book,
    });
    this.#book.departed(call);
    const what = this.choices?.take(() => this.#options(call)) ?? 'taken';
    const come = (answer: Answer | null): void => {
      this.due.push({
        call,
        caller,
        what,
        deliver: () => {
          call.isAnswered = true;
          call.isCertain = answer?.isCertain ?? false;
          if (answer === null) reject(new Error('Network connection lost.'));
          else resolve(responseOf(answer));
        },
      });
      this.#deliverSoon();
    };
    const refusal = what === 'lost before' ? null : refusals[this.#provider][what];
    if (refusal !== undefined) {
      // Of some mail, it is not said which.
      if (what === 'mail refused') this.#book.refused(call, call.leadIds.slice(0, 1));
      come(refusal);
      return;
    }
    const place = `${call.key}/${call.leadIds.join()} ${what}`;
    this.arriving.push(place);
    this.#sim.after(0, null, 'mail call', () => {
      this.arriving.splice(this.arriving.indexOf(place), 1);
      const answer = this.#take(call, payload, what);
      come(what === 'lost after' ? null : answer);
    });
  }

  #options(call: Call): Options {
    const isMany = call.leadIds.length > 1;
    const common = ['lost before', 'lost after', 'throttled', 'not now', 'account refused'];
    if (this.#provider === 'postmark') {
      return ['taken', ...common, 'mail refused', ...(isMany ? ['all refused', 'mail throttled'] : [])];
    }
    return [
      'taken',
      ...common,
      'mail refused',
      ...(isMany ? ['some mail refused'] : []),
      // By something before the provider.
      'throttled by a proxy',
      'quota used up',
      'under way',
    ];
  }

  /** Delivers the answers, in any order. */
  #deliverSoon(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    this.#sim.after(5, null, 'mail answers', () => {
      this.#isDelivering = false;
      this.due = this.due.filter(({ caller }) => !caller.isGone);
      if (this.due.length === 0) return;
      const names = this.due.map(({ call }) => `the answer for ${call.leadIds.join()} comes first`);
      const [first = '', ...others] = names;
      const chosen = this.due.length === 1 ? first : (this.choices?.take(() => [first, ...others]) ?? first);
      const [next] = this.due.splice(names.indexOf(chosen), 1);
      if (next !== undefined) this.#sim.after(0, next.caller, 'mail answer', next.deliver);
      if (this.due.length > 0) this.#deliverSoon();
    });
  }

  #take(call: Call, payload: string, what: string): Answer {
    return this.#provider === 'postmark' ? this.#takeEach(call, what) : this.#takeAll(call, payload);
  }

  #takeAll(call: Call, payload: string): Answer {
    const known = this.isKnown(call.key) ? this.keys.get(call.key) : undefined;
    call.isTaken = true;
    if (known !== undefined) {
      if (known.payload === payload) return known.answer;
      return resend(409, 'invalid_idempotent_request', 'Another payload.');
    }
    const data = call.leadIds.map((leadId) => ({ id: `m${leadId}` }));
    const answer = { status: 200, body: JSON.stringify({ data }), isCertain: true };
    this.keys.set(call.key, { at: this.#sim.nowMs, payload, answer });
    this.#book.taken(call, call.leadIds);
    return answer;
  }

  #takeEach(call: Call, what: string): Answer {
    const codeOf = (index: number): number => {
      if (what === 'all refused' || (what === 'mail refused' && index === 0)) return 300;
      return what === 'mail throttled' && index === 0 ? 429 : 0;
    };
    const results = call.leadIds.map((leadId, index) =>
      codeOf(index) === 0
        ? { ErrorCode: 0, Message: 'OK', MessageID: `m${leadId}` }
        : { ErrorCode: codeOf(index), Message: 'Not taken' },
    );
    const taken = call.leadIds.filter((_, index) => codeOf(index) === 0);
    call.isTaken = taken.length > 0;
    this.#book.refused(
      call,
      call.leadIds.filter((_, index) => codeOf(index) === 300),
    );
    this.#book.taken(call, taken);
    return { status: 200, body: JSON.stringify(results), isCertain: true };
  }
}

function postmark(status: number, code: number, message: string): Answer {
  return { status, body: JSON.stringify({ ErrorCode: code, Message: message }), isCertain: true };
}

/** Answers with which nothing is taken. */
const refusals: Record<ProviderName, Record<string, Answer | undefined>> = {
  resend: {
    throttled: resend(429, 'rate_limit_exceeded', 'Too many requests.'),
    'throttled by a proxy': { status: 429, body: 'slow down', isCertain: false },
    'not now': resend(409, 'resource_locked', 'Locked.'),
    'under way': { ...resend(409, 'concurrent_idempotent_requests', 'Wait.'), isCertain: false },
    'quota used up': resend(429, 'daily_quota_exceeded', 'Used up.'),
    'mail refused': resend(422, 'validation_error', 'Invalid emails[0].to.'),
    'some mail refused': resend(422, 'validation_error', 'Invalid mail.'),
    'account refused': resend(401, 'invalid_api_key', 'API key is invalid.'),
  },
  postmark: {
    throttled: postmark(429, 429, 'Too many requests.'),
    'not now': postmark(503, 100, 'Maintenance'),
    'account refused': postmark(401, 10, 'Bad token.'),
  },
};
