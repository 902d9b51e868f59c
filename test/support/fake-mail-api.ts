/**
 * A mail API in place of the network, for tests inside workerd: Resend's, or Postmark's on request.
 *
 * It has Resend's documented behaviour: the same key with the same body gets the first answer, and with another body
 * a conflict. Postmark has no keys: each call is a new one, and each mail is taken or refused separately. A test
 * plans faults call by call.
 *
 * @module
 */
import { vi } from 'vitest';

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
  | { kind: 'acceptThenAnswer'; status: number; body?: unknown }
  /** Something before the API answers with a page of its own, and passes the call on or does not. */
  | { kind: 'page'; status: number; isPassedOn?: boolean }
  /** Accepts, and half of its answer comes. */
  | { kind: 'truncateAfter' };

export interface AcceptedMail {
  to: string;
  subject: string;
  key: string;
}

interface Mail {
  to?: string | string[];
  subject?: string;
  To?: string;
  Subject?: string;
}

const paths: ReadonlySet<string> = new Set(['/emails/batch', '/email/batch']);

export class FakeMailApi {
  /** Every taken mail, in order. */
  readonly mails: AcceptedMail[] = [];
  callCount = 0;
  /** The time of each call, by the test's clock. */
  readonly callTimes: number[] = [];
  now: () => number = Date.now;
  /** Decides the fault of a call; none by default. */
  fault: (call: { key: string; to: string[]; callCount: number }) => MailFault = () => ({ kind: 'none' });
  /** Addresses that make the API refuse the whole batch. */
  readonly refused = new Set<string>();
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
      return paths.has(new URL(request.url).pathname) ? this.#answer(request, init) : realFetch(request);
    });
    return this;
  }

  /** How often each address was mailed. */
  countByAddress(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const mail of this.mails) counts.set(mail.to, (counts.get(mail.to) ?? 0) + 1);
    return counts;
  }

  async #answer(request: Request, init?: RequestInit): Promise<Response> {
    const isPostmark = new URL(request.url).pathname === '/email/batch';
    const key = request.headers.get('idempotency-key') ?? '';
    const body = await request.text();
    const mails = (JSON.parse(body) as Mail[]).map((mail) => ({
      to: [mail.to ?? mail.To ?? ''].flat()[0] ?? '',
      subject: mail.subject ?? mail.Subject ?? '',
    }));
    const to = mails.map((mail) => mail.to);
    const accept = () => (isPostmark ? this.#acceptEach(mails) : this.#accept(key, body, mails));
    this.callCount++;
    this.callTimes.push(this.now());
    const fault = this.fault({ key, to, callCount: this.callCount });
    switch (fault.kind) {
      case 'loseBefore':
        throw new TypeError('Network connection lost.');
      case 'hangAfter':
        accept();
        return untilAborted(init);
      case 'hang':
        return untilAborted(init);
      case 'answer':
        return Response.json(fault.body ?? {}, { status: fault.status, headers: fault.headers ?? {} });
      case 'loseAfter':
        accept();
        throw new TypeError('Network connection lost.');
      case 'acceptThenAnswer':
        accept();
        return Response.json(fault.body ?? {}, { status: fault.status });
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

  #accept(key: string, body: string, mails: readonly { to: string; subject: string }[]): Response {
    const isRefused = mails.some((mail) => this.refused.has(mail.to));
    const refusal = () =>
      Response.json({ name: 'validation_error', message: 'Invalid `to` field.' }, { status: 422 });
    if (this.checksContentFirst && isRefused) return refusal();
    const known = this.#byKey.get(key);
    if (known !== undefined && this.keepsKeys) {
      return known.body === body
        ? Response.json({ data: known.ids.map((id) => ({ id })) })
        : Response.json({ name: 'invalid_idempotent_request', message: 'Key reused.' }, { status: 409 });
    }
    if (isRefused) return refusal();
    const ids = mails.map((mail) => {
      this.mails.push({ ...mail, key });
      return `mail-${this.mails.length}`;
    });
    this.#byKey.set(key, { body, ids });
    return Response.json({ data: ids.map((id) => ({ id })) }, { headers: this.headers });
  }

  #acceptEach(mails: readonly { to: string; subject: string }[]): Response {
    return Response.json(
      mails.map((mail) => {
        if (this.refused.has(mail.to)) return { ErrorCode: 406, Message: 'Inactive recipient.' };
        this.mails.push({ ...mail, key: '' });
        return { ErrorCode: 0, Message: 'OK', MessageID: `mail-${this.mails.length}` };
      }),
    );
  }
}

function untilAborted(init?: RequestInit): Promise<Response> {
  return new Promise((_, reject) => {
    init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
  });
}
