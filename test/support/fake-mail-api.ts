/**
 * A mail API with idempotency keys in place of the network, for tests inside workerd.
 *
 * It keeps Resend's promises as documented: the same key with the same body is answered with the first
 * answer, with another body it is a conflict. A test plans faults call by call.
 *
 * @module
 */
import { vi } from 'vitest';

/** What happens to one call. `lose…` throws as a broken connection does, before or after acceptance. */
export type MailFault =
  | { kind: 'none' }
  | { kind: 'loseBefore' }
  | { kind: 'loseAfter' }
  | { kind: 'hang' }
  | { kind: 'answer'; status: number; body?: unknown; headers?: Record<string, string> }
  /** Accepts, and answers something else. */
  | { kind: 'acceptThenAnswer'; status: number; body?: unknown };

export interface AcceptedMail {
  to: string;
  subject: string;
  key: string;
}

interface Mail {
  to: string | string[];
  subject: string;
}

export class FakeMailApi {
  /** Every mail that was taken, in order. */
  readonly mails: AcceptedMail[] = [];
  callCount = 0;
  /** Decides what happens to a call; by default nothing. */
  fault: (call: { key: string; to: string[]; callCount: number }) => MailFault = () => ({ kind: 'none' });
  /** Addresses that make the API refuse the whole batch. */
  readonly refused = new Set<string>();
  readonly #byKey = new Map<string, { body: string; ids: string[] }>();
  /** False: keys are ignored, as by a provider without them. */
  keepsKeys = true;

  /** Takes the place of the network for this test file; `vi.unstubAllGlobals()` ends it. */
  install(): this {
    const realFetch = globalThis.fetch;
    vi.stubGlobal('fetch', (input: RequestInfo | URL, init?: RequestInit) => {
      const request = new Request(input, init);
      return new URL(request.url).pathname === '/emails/batch'
        ? this.#answer(request, init)
        : realFetch(request);
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
    const key = request.headers.get('idempotency-key') ?? '';
    const body = await request.text();
    const mails = JSON.parse(body) as Mail[];
    const to = mails.map((mail) => (Array.isArray(mail.to) ? (mail.to[0] ?? '') : mail.to));
    this.callCount++;
    const fault = this.fault({ key, to, callCount: this.callCount });
    switch (fault.kind) {
      case 'loseBefore':
        throw new TypeError('Network connection lost.');
      case 'hang':
        return new Promise((_, reject) => {
          init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error));
        });
      case 'answer':
        return Response.json(fault.body ?? {}, { status: fault.status, headers: fault.headers ?? {} });
      case 'loseAfter':
        this.#accept(key, body, mails, to);
        throw new TypeError('Network connection lost.');
      case 'acceptThenAnswer':
        this.#accept(key, body, mails, to);
        return Response.json(fault.body ?? {}, { status: fault.status });
      case 'none':
        return this.#accept(key, body, mails, to);
    }
  }

  #accept(key: string, body: string, mails: Mail[], to: string[]): Response {
    const known = this.#byKey.get(key);
    if (known !== undefined && this.keepsKeys) {
      return known.body === body
        ? Response.json({ data: known.ids.map((id) => ({ id })) })
        : Response.json({ name: 'invalid_idempotent_request', message: 'Key reused.' }, { status: 409 });
    }
    const bad = to.find((address) => this.refused.has(address));
    if (bad !== undefined) {
      return Response.json({ name: 'validation_error', message: 'Invalid `to` field.' }, { status: 422 });
    }
    const ids = to.map((address, index) => {
      this.mails.push({ to: address, subject: mails[index]?.subject ?? '', key });
      return `mail-${this.mails.length}`;
    });
    this.#byKey.set(key, { body, ids });
    return Response.json({ data: ids.map((id) => ({ id })) });
  }
}
