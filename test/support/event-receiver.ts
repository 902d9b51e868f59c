/**
 * A receiver of events, for tests inside workerd: it checks signatures, keeps what it takes, and refuses on request.
 *
 * @module
 */
import { Webhook } from 'standardwebhooks';
import { alertSourceId, type OutEvent } from '../../src/shared/events.ts';
import { hooks } from './hooks.ts';

export interface TakenEvent {
  id: string;
  path: string;
  type: string;
  data: OutEvent['data'];
  /** When it arrived. */
  at: number;
}

/** Addresses that the name of every host leads to; a test replaces them. */
const publicAddress = '203.0.114.9';

export class EventReceiver {
  /** Taken, in the order of arrival; the same event may be there twice. */
  readonly taken: TakenEvent[] = [];
  /** All requests but look-ups, also refused ones: their path and id. */
  readonly requests: { path: string; id: string; at: number }[] = [];
  readonly secrets: string[] = [];
  addresses: readonly string[] = [publicAddress];
  /** Answers an attempt; null: it is taken. */
  refuse: (request: Request, callCount: number) => Response | Promise<Response> | null = () => null;

  install(): this {
    hooks.receive = (request) => this.#receive(request);
    return this;
  }

  async #receive(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.hostname === 'cloudflare-dns.com') return this.#lookUp(url);
    const id = request.headers.get('webhook-id') ?? '';
    this.requests.push({ path: url.pathname, id, at: Date.now() });
    const refused = await this.refuse(request, this.requests.length);
    if (refused !== null) return refused;
    const body = await request.text();
    // Not by the library's `verify`, which has the real clock.
    const time = new Date(1_000 * Number(request.headers.get('webhook-timestamp')));
    const signatures = request.headers.get('webhook-signature')?.split(' ') ?? [];
    const isSigned = this.secrets.some((secret) =>
      signatures.includes(new Webhook(secret).sign(id, time, body)),
    );
    if (!isSigned) return new Response(null, { status: 401 });
    const { type, data } = JSON.parse(body) as Pick<TakenEvent, 'type' | 'data'>;
    this.taken.push({ id, path: url.pathname, type, data, at: Date.now() });
    return new Response('thanks');
  }

  #lookUp(url: URL): Response {
    const isV6 = url.searchParams.get('type') === 'AAAA';
    const data = this.addresses.filter((address) => address.includes(':') === isV6);
    return Response.json({ Status: 0, Answer: data.map((one) => ({ type: isV6 ? 28 : 1, data: one })) });
  }

  /** The taken events without repeats, by session and in the order of their first arrival. */
  bySession(): Map<string, TakenEvent[]> {
    const seen = new Set<string>();
    const first = this.taken.filter(({ id }) => !seen.has(id) && seen.add(id));
    return Map.groupBy(first, ({ data }) => ('sessionId' in data ? data.sessionId : alertSourceId));
  }
}
