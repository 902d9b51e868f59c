/**
 * A foreign CRM in place of the network, with records and a log of its own.
 *
 * Owns the records, the times of the calls and the faults that a test plans; each CRM's form is a subclass. It is told
 * nothing of the product, so what it holds at the end is a second account of what was done.
 *
 * @module
 */
import { vi } from 'vitest';

/** What happens to one call. */
export type CrmFault =
  | { kind: 'none' }
  | { kind: 'loseBefore' }
  | { kind: 'loseAfter' }
  | { kind: 'hang' }
  /** Answers at once, and does what was asked when the test lets it. */
  | { kind: 'lateAfterLoss' }
  | { kind: 'page'; status: number; isPassedOn?: boolean }
  | { kind: 'answer'; status: number; body?: unknown; headers?: Record<string, string> };

/** A write as a CRM understands it, whatever its form. */
export interface CrmWrite {
  id: string;
  set: Record<string, string>;
}

export abstract class FakeCrm {
  /** By record id. */
  readonly records = new Map<string, Record<string, string>>();
  /** Records that it refuses to change, and its code for that. */
  readonly refused = new Map<string, string>();
  /** The time of each call, by the test's clock. */
  readonly callTimes: number[] = [];
  /** What was set, in order. */
  readonly writes: CrmWrite[] = [];
  /** Writes of calls that were lost and arrive later. */
  readonly late: (() => void)[] = [];
  now: () => number = Date.now;
  fault: (call: { request: Request; callCount: number }) => CrmFault = () => ({ kind: 'none' });
  /** Called with each exchange; for the check against a description. */
  onExchange:
    | ((exchange: {
        request: Request;
        requestBody: unknown;
        response: Response;
        responseBody: unknown;
      }) => void)
    | null = null;

  abstract readonly host: string;

  /** The answer to a request that has arrived, after it was done. */
  protected abstract handle(request: Request, body: unknown): Response;

  /** Adds records `${prefix}1`, `${prefix}2`, … */
  addRecords(count: number, prefix = 'r', fields: Record<string, string> = {}): this {
    for (let at = 1; at <= count; at++)
      this.records.set(`${prefix}${at}`, { lead_activation: 'new', ...fields });
    return this;
  }

  /** Takes the place of its host in the network. */
  install(): this {
    const next = globalThis.fetch;
    vi.stubGlobal('fetch', (input: RequestInfo | URL, init?: RequestInit) => {
      const url = new URL(input instanceof Request ? input.url : input);
      return url.host === this.host ? this.#answer(new Request(input, init), init) : next(input, init);
    });
    return this;
  }

  /** The ids of the records with this value, sorted. */
  idsWith(field: string, value: string): string[] {
    return [...this.records].flatMap(([id, fields]) => (fields[field] === value ? [id] : [])).sort();
  }

  /** The most calls in any span of so many ms. */
  mostCallsIn(spanMs: number): number {
    const times = [...this.callTimes].sort((a, b) => a - b);
    let first = 0;
    return times.reduce((most, at, index) => {
      while ((times[first] ?? at) <= at - spanMs) first++;
      return Math.max(most, index - first + 1);
    }, 0);
  }

  protected write(id: string, set: Record<string, string>): 'set' | 'missing' | { refused: string } {
    const refused = this.refused.get(id);
    if (refused !== undefined) return { refused };
    const record = this.records.get(id);
    if (record === undefined) return 'missing';
    Object.assign(record, set);
    this.writes.push({ id, set });
    return 'set';
  }

  async #answer(request: Request, init?: RequestInit): Promise<Response> {
    const copy = request.clone();
    // The runtime warns of the text of a form.
    const text = new TextDecoder().decode(await request.arrayBuffer());
    const body: unknown = parsed(text);
    this.callTimes.push(this.now());
    const fault = this.fault({ request: copy, callCount: this.callTimes.length });
    switch (fault.kind) {
      case 'loseBefore':
        throw new TypeError('Network connection lost.');
      case 'loseAfter':
        this.handle(copy, body);
        throw new TypeError('Network connection lost.');
      case 'lateAfterLoss':
        this.late.push(() => void this.handle(copy, body));
        throw new TypeError('Network connection lost.');
      case 'hang':
        return new Promise((_, reject) =>
          init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error)),
        );
      case 'page':
        if (fault.isPassedOn === true) this.handle(copy, body);
        return new Response('<html>Sorry</html>', { status: fault.status });
      case 'answer':
        return Response.json(fault.body ?? {}, { status: fault.status, headers: fault.headers ?? {} });
      case 'none': {
        const response = this.handle(copy, body);
        const answer = await response.clone().text();
        this.onExchange?.({
          ...{ request: copy, requestBody: body, response },
          responseBody: parsed(answer),
        });
        return response;
      }
    }
  }
}

/** A body; a form's is not read. */
function parsed(text: string): unknown {
  return /^[[{]/.test(text) ? JSON.parse(text) : undefined;
}

/** Our own form (docs/CRM.md). It checks what the page promises to a receiver. */
export class FakeHttpCrm extends FakeCrm {
  readonly host = 'crm.acme.com';
  readonly keys: string[] = [];
  /** The highest `order` of each record. */
  readonly #orders = new Map<string, number>();
  /** True: it leaves out what a higher `order` has overtaken. */
  isFenced = false;
  /** Record ids by list id. */
  readonly lists = new Map<string, string[]>();

  protected handle(request: Request, body: unknown): Response {
    if (request.method === 'GET') return this.#members(request);
    const { leads, set, order } = body as {
      leads: { leadId: number; id: string }[];
      set: Record<string, string>;
      order: number;
    };
    this.keys.push(request.headers.get('idempotency-key') ?? '');
    if (request.headers.get('authorization') !== 'Bearer crm-key')
      return Response.json({ error: { code: 'unauthorized', message: 'Wrong key.' } }, { status: 401 });
    return Response.json({
      results: leads.map(({ id }) => {
        if (this.isFenced && (this.#orders.get(id) ?? 0) > order) return { id, status: 'set' };
        this.#orders.set(id, order);
        const done = this.write(id, set);
        if (done === 'set') return { id, status: 'set' };
        const code = done === 'missing' ? 'not_found' : done.refused;
        return { id, status: 'refused', code, message: `${code}: ana@example.com` };
      }),
    });
  }

  #members(request: Request): Response {
    if (request.headers.get('authorization') !== 'Bearer crm-key')
      return Response.json({ error: { code: 'unauthorized', message: 'Wrong key.' } }, { status: 401 });
    const { pathname, searchParams } = new URL(request.url);
    const members = this.lists.get(/^\/activations\/lists\/([^/]+)$/.exec(pathname)?.[1] ?? '');
    if (members === undefined)
      return Response.json({ error: { code: 'not_found', message: 'No list.' } }, { status: 404 });
    const wanted = searchParams.get('fields')?.split(',') ?? [];
    const from = Number(searchParams.get('cursor') ?? 0);
    const until = from + 100;
    const contacts = members.slice(from, until).map((id) => {
      const record = Object.entries(this.records.get(id) ?? {});
      return { id, fields: Object.fromEntries(record.filter(([name]) => wanted.includes(name))) };
    });
    return Response.json({ contacts, next: until < members.length ? String(until) : null });
  }
}
