/**
 * The mail API of every provider in place of the network, for tests inside workerd: the address of a call says whose.
 *
 * Resend's has its documented behaviour: the same key with the same body gets the first answer, and with another body
 * a conflict. The others have no keys: each call is a new one. The forms of requests and answers are in
 * mail-dialects.ts. A test plans faults call by call.
 *
 * @module
 */
import { vi } from 'vitest';
import { mailDialects, type ApiAnswer, type MailDialect, type ReceivedMail } from './mail-dialects.ts';

/** What happens to one call. `lose…` throws as a broken connection does, before or after acceptance. */
export type MailFault =
  | { kind: 'none' }
  | { kind: 'loseBefore' }
  | { kind: 'loseAfter' }
  /** No answer, until the caller gives up; taken or not. */
  | { kind: 'hang' }
  | { kind: 'hangAfter' }
  | { kind: 'answer'; status: number; body?: unknown; headers?: Record<string, string> }
  /** Accepts, and answers something else. */
  | { kind: 'acceptThenAnswer'; status: number; body?: unknown; headers?: Record<string, string> }
  /** Something before the API answers with a page of its own, and passes the call on or does not. */
  | { kind: 'page'; status: number; isPassedOn?: boolean }
  /** Accepts, and half of its answer comes. */
  | { kind: 'truncateAfter' };

export interface AcceptedMail extends ReceivedMail {
  key: string;
}

const dialectOf = (url: string): MailDialect | undefined =>
  mailDialects.find((dialect) => dialect.handles(new URL(url).pathname));

export class FakeMailApi {
  /** Every taken mail, in order. */
  readonly mails: AcceptedMail[] = [];
  callCount = 0;
  /** The time of each call, by the test's clock. */
  readonly callTimes: number[] = [];
  now: () => number = Date.now;
  /** Decides the fault of a call; none by default. */
  fault: (call: { key: string; to: string[]; callCount: number }) => MailFault = () => ({ kind: 'none' });
  /** What a call waits for before its answer; null: nothing. */
  hold: (call: { callCount: number }) => Promise<unknown> | null = () => null;
  /** Addresses that make the API refuse the mail, or the whole call where it does not answer for each. */
  readonly refused = new Set<string>();
  /** Addresses whose next mail is to come again later, where the API answers for each. */
  readonly later = new Set<string>();
  readonly #byKey = new Map<string, { body: string; ids: string[] }>();
  /** False: keys are ignored, as by a provider without keys. */
  keepsKeys = true;
  /** Of every answer to mails that were taken. */
  headers: Record<string, string> = {};
  /** True: addresses are checked before keys. */
  checksContentFirst = false;

  /** Takes the place of the network for this test file; `vi.unstubAllGlobals()` ends it. */
  install(): this {
    const realFetch = globalThis.fetch;
    vi.stubGlobal('fetch', (input: RequestInfo | URL, init?: RequestInit) => {
      const request = new Request(input, init);
      const dialect = dialectOf(request.url);
      return dialect === undefined ? realFetch(request) : this.#answer(dialect, request, init);
    });
    return this;
  }

  /** How often each address was mailed. */
  countByAddress(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const mail of this.mails) counts.set(mail.to, (counts.get(mail.to) ?? 0) + 1);
    return counts;
  }

  async #answer(dialect: MailDialect, request: Request, init?: RequestInit): Promise<Response> {
    const key = request.headers.get('idempotency-key') ?? '';
    const body = await request.text();
    const mails = dialect.read(body, request.headers.get('content-type') ?? '');
    const to = mails.map((mail) => mail.to);
    const accept = (): Response => {
      if (dialect.answersEach) return this.#acceptEach(dialect, mails);
      return key === '' ? this.#acceptAll(dialect, mails) : this.#acceptUnderKey(dialect, key, body, mails);
    };
    this.callCount++;
    this.callTimes.push(this.now());
    const { callCount } = this;
    await this.hold({ callCount });
    const fault = this.fault({ key, to, callCount });
    switch (fault.kind) {
      case 'loseBefore':
        throw new TypeError('Network connection lost.');
      case 'hangAfter':
        accept();
        return untilAborted(init);
      case 'hang':
        return untilAborted(init);
      case 'answer':
        return respond(fault);
      case 'loseAfter':
        accept();
        throw new TypeError('Network connection lost.');
      case 'acceptThenAnswer':
        accept();
        return respond(fault);
      case 'page':
        if (fault.isPassedOn === true) accept();
        return new Response('<html><body>Sorry</body></html>', {
          status: fault.status,
          headers: { 'content-type': 'text/html' },
        });
      case 'truncateAfter': {
        const text = await accept().text();
        return new Response(text.slice(0, text.length / 2));
      }
      case 'none':
        return accept();
    }
  }

  #acceptUnderKey(dialect: MailDialect, key: string, body: string, mails: readonly ReceivedMail[]): Response {
    const isRefused = mails.some((mail) => this.refused.has(mail.to));
    if (this.checksContentFirst && isRefused) return respond(dialect.refusal);
    const known = this.#byKey.get(key);
    if (known !== undefined && this.keepsKeys) {
      return known.body === body
        ? respond(dialect.answer(known.ids.map((id) => ({ kind: 'taken', id }))))
        : Response.json({ name: 'invalid_idempotent_request', message: 'Key reused.' }, { status: 409 });
    }
    if (isRefused) return respond(dialect.refusal);
    const ids = mails.map((mail) => this.#take(mail, key));
    this.#byKey.set(key, { body, ids });
    return respond({ ...dialect.answer(ids.map((id) => ({ kind: 'taken', id }))), headers: this.headers });
  }

  #acceptAll(dialect: MailDialect, mails: readonly ReceivedMail[]): Response {
    if (mails.some((mail) => this.refused.has(mail.to))) return respond(dialect.refusal);
    return respond(dialect.answer(mails.map((mail) => ({ kind: 'taken', id: this.#take(mail, '') }))));
  }

  #acceptEach(dialect: MailDialect, mails: readonly ReceivedMail[]): Response {
    return respond(
      dialect.answer(
        mails.map((mail) => {
          if (this.refused.has(mail.to)) return { kind: 'refused' };
          if (this.later.delete(mail.to)) return { kind: 'later' };
          return { kind: 'taken', id: this.#take(mail, '') };
        }),
      ),
    );
  }

  /** Takes a mail; returns its id. */
  #take(mail: ReceivedMail, key: string): string {
    this.mails.push({ ...mail, key });
    return `mail-${this.mails.length}`;
  }
}

/** A fault without a body answers `{}`, as an answer that is nobody's. */
function respond({ status, body, headers = {} }: ApiAnswer): Response {
  if (status === 202) return new Response(null, { status, headers });
  return typeof body === 'string'
    ? new Response(body, { status, headers })
    : Response.json(body ?? {}, { status, headers });
}

function untilAborted(init?: RequestInit): Promise<Response> {
  return new Promise((_, reject) => {
    init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
  });
}
