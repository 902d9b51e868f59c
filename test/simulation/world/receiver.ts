/**
 * The receivers of a world's events: programs that fail, are slow, ask to wait, or want no more, and the people who switch
 * their endpoints off and on.
 *
 * Invariant: all that is drawn is from streams of their own, so that worlds without endpoints stay as they are.
 *
 * @module
 */
import { addEndpoint, changeEndpoint, findEndpoint } from '../../../src/crm/event-endpoints.ts';
import type { WebhookEndpoint } from '../../../src/durable/webhook-endpoint.ts';
import { endpointStub } from '../../../src/durable/stubs.ts';
import { eventTypeNames, type EventType } from '../../../src/shared/events.ts';
import type { EventChecks } from '../events-out.ts';
import type { Random } from '../platform/random.ts';
import { Actor, type Simulator } from '../platform/simulator.ts';
import type { Faults } from './faults.ts';

/** What may become of one request. */
const faultKinds = [
  ['500 before', 4],
  ['500 after', 4],
  ['lost before', 2],
  ['lost after', 3],
  ['hang after', 1],
  ['429', 2],
  ['302', 1],
  ['slow', 3],
  ['410', 0.2],
] as const;

const host = 'events.sim.test';
const maxEndpointCount = 20;
const maxTryCount = 40;

export interface ReceiverParts {
  sim: Simulator;
  env: Env;
  faults: Faults;
  checks: EventChecks;
  isLong: boolean;
}

/** True for a request to a receiver. */
export function isForReceiver(url: string): boolean {
  return url.includes(host);
}

export class Receivers extends Actor {
  readonly #parts: ReceiverParts;
  readonly #random: Random;
  readonly #ids: string[];
  readonly #faultProbability: number;
  /** Every request fails until then; true time. */
  #awayUntil = -Infinity;
  isDone = false;

  /** @param count - of endpoints */
  constructor(parts: ReceiverParts, count: number) {
    super('receiver');
    this.#parts = parts;
    this.#random = parts.sim.stream('receivers');
    this.#ids = Array.from({ length: count }, (_, index) => `endpoint_${index}`);
    this.#faultProbability = this.#random.pick([0, 0.1, 0.4]);
  }

  get ids(): readonly string[] {
    return this.#ids;
  }

  /** Endpoints that exist before the first activation, or are added a little later. */
  begin(): void {
    for (const endpointId of this.#ids) {
      const types = this.#random.chance(0.7)
        ? eventTypeNames
        : eventTypeNames.filter(() => this.#random.chance(0.5));
      const afterMs = this.#random.chance(0.7) ? 0 : this.#random.int(1, 20_000);
      this.#parts.sim.after(afterMs, this, 'endpoint', () => void this.#add(endpointId, types));
    }
    if (this.#random.chance(0.4)) {
      const forMs = 10 ** (3 + this.#random.next() * (this.#parts.isLong ? 4.8 : 2));
      this.#parts.sim.after(this.#random.int(0, 20_000), this, 'endpoint', () => this.leave(forMs));
    }
    this.#mayMeddle();
  }

  /** Takes no request for so long. */
  leave(forMs: number): void {
    this.#awayUntil = Math.max(this.#awayUntil, this.#parts.sim.nowMs + forMs);
  }

  async #add(endpointId: string, types: readonly EventType[], tryCount = 0): Promise<void> {
    const { env, sim, checks } = this.#parts;
    try {
      // As the Worker does it: the object first, so that no announcement finds none.
      await this.#stub(endpointId).makeSecret(false);
      const createdAt = sim.wallMs();
      const target = `https://${host}/${endpointId}`;
      checks.added(endpointId, types, createdAt);
      await addEndpoint(
        env.DB,
        {
          ...{
            endpointId,
            kind: 'webhook',
            target,
            description: '',
            types: [...types],
            createdAt,
            createdBy: 'ana',
          },
          ...{ disabledAt: null, disabledReason: null },
        },
        maxEndpointCount,
      );
      checks.isThere(endpointId);
    } catch {
      if (tryCount < maxTryCount)
        sim.after(500, this, 'endpoint', () => void this.#add(endpointId, types, tryCount + 1));
    }
  }

  #stub(endpointId: string): DurableObjectStub<WebhookEndpoint> {
    return endpointStub(this.#parts.env, endpointId);
  }

  /** Somebody switches an endpoint off and on, sends an event again, or looks at the log. */
  #mayMeddle(): void {
    const { sim } = this.#parts;
    const ms = 10 ** (3 + this.#random.next() * (this.#parts.isLong ? 4 : 1.7));
    sim.after(ms, this, 'endpoint', () => {
      if (this.isDone) return;
      const again = (): void => this.#mayMeddle();
      this.#meddle(this.#random.pick(['off', 'on', 'on', 'again', 'look'])).then(again, again);
    });
  }

  async #meddle(kind: 'off' | 'on' | 'again' | 'look'): Promise<void> {
    const endpointId = this.#random.pick(this.#ids as [string]);
    const stub = this.#stub(endpointId);
    switch (kind) {
      case 'off':
        await this.#switch(endpointId, false);
        return;
      case 'on':
        await this.#switch(endpointId, true);
        return;
      case 'again': {
        const [entry] = await stub.deliveries(null, 1 + this.#random.int(0, 5));
        if (entry !== undefined) await stub.sendAgain(entry.id);
        return;
      }
      case 'look':
        await stub.status();
        return;
      default:
        kind satisfies never;
    }
  }

  /** As the Worker does it. */
  async #switch(endpointId: string, isOn: boolean, mayBeOn = true): Promise<void> {
    const { env, sim } = this.#parts;
    const known = await findEndpoint(env.DB, endpointId);
    if (known === null || (!mayBeOn && known.disabledAt === null)) return;
    const change = { target: null, description: null, types: null, isEnabled: isOn };
    await changeEndpoint(env.DB, endpointId, change, sim.wallMs());
    // The Worker dies between the two.
    if (isOn && this.#parts.faults.happens('receiver', 'switched on, and not told', 0.4)) return;
    await this.#stub(endpointId).changed();
  }

  /**
   * All is well: what was switched off is switched on. The others go on by themselves.
   *
   * @param isClockTrue - otherwise an attempt may lie a day ahead, and somebody hurries them all
   */
  makeWell(isClockTrue: boolean): void {
    this.isDone = true;
    this.#awayUntil = -Infinity;
    for (const endpointId of this.#ids) this.#retrySwitch(endpointId, !isClockTrue);
  }

  #retrySwitch(endpointId: string, mayBeOn: boolean, tryCount = 0): void {
    if (tryCount > maxTryCount) return;
    const again = (): void =>
      void this.#parts.sim.after(500, this, 'endpoint', () =>
        this.#retrySwitch(endpointId, mayBeOn, tryCount + 1),
      );
    this.#parts.sim.after(
      1,
      this,
      'endpoint',
      () => void this.#switch(endpointId, true, mayBeOn).catch(again),
    );
  }

  /** What `fetch` is to an endpoint's object. */
  fetch(url: string, init: RequestInit): Promise<Response> {
    const { sim, faults, checks } = this.#parts;
    const caller = sim.current;
    if (caller === null) throw new Error('Nobody calls.');
    const endpointId = new URL(url).pathname.slice(1);
    const headers = init.headers as Record<string, string>;
    const hop = (): number => sim.random.int(1, 120);
    return new Promise((resolve, reject) => {
      let isOver = false;
      const finish = (settle: () => void): void => {
        if (!isOver) settle();
        isOver = true;
      };
      init.signal?.addEventListener('abort', () => finish(() => reject(new Error('Aborted.'))), {
        once: true,
      });
      const answer = (status: number, retryAfter: string | null = null): void => {
        const response = { status, headers: { get: () => retryAfter }, body: null } as unknown as Response;
        sim.after(hop(), caller, 'answer event', () => finish(() => resolve(response)));
      };
      const lose = (): void =>
        void sim.after(hop(), caller, 'answer event', () =>
          finish(() => reject(new Error('Network connection lost.'))),
        );
      caller.emit(() => {
        const id = headers['webhook-id'] ?? '';
        checks.departed(endpointId, id, init.body as string);
        const isAway = faults.isActive && sim.nowMs < this.#awayUntil;
        const fault = isAway ? '500 before' : faults.pick('receiver', this.#faultProbability, faultKinds);
        if (fault === '500 before') return void answer(500);
        if (fault === 'lost before') return void lose();
        if (fault === '429') return void answer(429, this.#random.pick(['3', '40', 'soon']));
        if (fault === '302') return void answer(302);
        if (fault === '410') return void answer(410);
        const slowMs = fault === 'slow' ? faults.int(500, 20_000) : 0;
        sim.after(hop() + slowMs, null, 'event', () => {
          checks.received(endpointId, id, init.body as string);
          if (fault === 'hang after') return;
          if (fault === 'lost after') return void lose();
          answer(fault === '500 after' ? 500 : 200);
        });
      });
    });
  }
}
