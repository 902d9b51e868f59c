/**
 * The product's Worker with a clock that a test can set forward, for browser tests in which days pass.
 *
 * `startProduct` starts it in place of src/worker/index.ts where a test asks for a movable clock. Nothing in src and
 * nothing that deploys knows of it. Days pass as they do on a host: the clock moves, and every alarm of an object fires
 * at its time. Timers within a call keep real time.
 *
 * @module
 */
import { env } from 'cloudflare:workers';
import { endpointStub, sessionStub } from '../../src/durable/stubs.ts';
import worker, {
  ActivationSession as RealSession,
  WebhookEndpoint as RealEndpoint,
} from '../../src/worker/index.ts';
import { clockPath } from './clock-path.ts';

export { MailGate } from '../../src/worker/index.ts';

const hostNow = Date.now;
let aheadMs = 0;
Date.now = () => hostNow() + aheadMs;

/** Moves the alarm of each object that has been made, by its name. */
const objects = new Map<string, (byMs: number) => Promise<void>>();

/** The alarm of one object, by the moved clock. */
class ClockedAlarm {
  readonly #storage: DurableObjectStorage;
  readonly #setByHost: DurableObjectStorage['setAlarm'];

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#setByHost = storage.setAlarm.bind(storage);
    const getByHost = storage.getAlarm.bind(storage);
    storage.setAlarm = (at, options) => this.#setByHost(Number(at) - aheadMs, options);
    storage.getAlarm = async (options) => {
      const at = await getByHost(options);
      return at === null ? null : at + aheadMs;
    };
  }

  /** The clock has moved by so much, and the host did not move the alarm. */
  async follow(byMs: number): Promise<void> {
    const at = await this.#storage.getAlarm();
    if (at !== null) await this.#storage.setAlarm(at - byMs);
  }
}

type Clocked = { clockMoved(byMs: number): Promise<void> };

export class ActivationSession extends RealSession implements Clocked {
  readonly #alarm: ClockedAlarm;

  constructor(ctx: DurableObjectState, bindings: Env) {
    const alarm = new ClockedAlarm(ctx.storage);
    super(ctx, bindings);
    this.#alarm = alarm;
    const name = ctx.id.name ?? '';
    // The bindings are typed with the real classes.
    objects.set(name, (byMs) => (sessionStub(env, name) as unknown as Clocked).clockMoved(byMs));
  }

  clockMoved(byMs: number): Promise<void> {
    return this.#alarm.follow(byMs);
  }
}

export class WebhookEndpoint extends RealEndpoint implements Clocked {
  readonly #alarm: ClockedAlarm;

  constructor(ctx: DurableObjectState, bindings: Env) {
    const alarm = new ClockedAlarm(ctx.storage);
    super(ctx, bindings);
    this.#alarm = alarm;
    const name = ctx.id.name ?? '';
    objects.set(name, (byMs) => (endpointStub(env, name) as unknown as Clocked).clockMoved(byMs));
  }

  clockMoved(byMs: number): Promise<void> {
    return this.#alarm.follow(byMs);
  }
}

async function moveClock(byMs: number): Promise<Response> {
  aheadMs += byMs;
  for (const move of objects.values()) await move(byMs);
  return new Response();
}

export default {
  ...worker,
  fetch: async (request: Request, bindings: Env, ctx: ExecutionContext) =>
    new URL(request.url).pathname === clockPath
      ? moveClock(Number(await request.text()))
      : worker.fetch(request, bindings, ctx),
} satisfies ExportedHandler<Env>;
