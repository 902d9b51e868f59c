/**
 * The Worker of the workerd tests: the real one, with a session object that a test can stop at each
 * verb of a slice, and whose clock and keys it can put something else in place of.
 *
 * The hooks are module state: the tests run in the same isolate as the objects, and it outlives them.
 *
 * @module
 */
import type { Batch } from '../../src/core/batch.ts';
import { toProgress } from '../../src/core/progress-view.ts';
import type { Session } from '../../src/core/session.ts';
import type { SliceVerbs } from '../../src/core/slice.ts';
import { ActivationSession as RealSession } from '../../src/durable/activation-session.ts';
import { MailGate as RealGate } from '../../src/durable/mail-gate.ts';
import { SessionStore } from '../../src/durable/session-store.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { localAudience } from '../../src/worker/identity.ts';
import app from '../../src/worker/index.ts';
import { hooks } from './hooks.ts';

export class MailGate extends RealGate {
  protected override now(): number {
    return hooks.now === null ? super.now() : hooks.now();
  }
}

/**
 * Who a test request comes from: this header's e-mail address, as the local person who may do everything;
 * `none` for nobody; an identity as JSON, which has the role that the lists give it; else Ana.
 */
export const identityHeader = 'test-identity';

/**
 * The real app, with Cloudflare Access in front as far as the app can see: the runtime gives the identity
 * in the execution context, and the test runner's has none.
 */
export default {
  fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response> {
    const access = accessOf(request.headers.get(identityHeader) ?? 'ana@example.com');
    // The app uses no more of a context than this.
    const identified = { waitUntil: (promise: Promise<unknown>) => ctx.waitUntil(promise), access };
    return app.fetch(request, { ...env, ...hooks.env }, identified as unknown as ExecutionContext);
  },
};

function accessOf(header: string): { aud: string; getIdentity(): Promise<unknown> } | undefined {
  if (header === 'none') return undefined;
  const isIdentity = header.startsWith('{');
  const identity: unknown = isIdentity ? JSON.parse(header) : { email: header };
  return {
    aud: isIdentity ? 'an-access-application' : localAudience,
    getIdentity: () => Promise.resolve(identity),
  };
}

export class ActivationSession extends RealSession {
  /** What a reader would be shown, without the healing that a read does. */
  view(): Progress | null {
    const session = this.rows().load();
    return session === null ? null : toProgress(session, this.now());
  }

  /** A store of its own over the same rows: what is really on disk, past every cache. */
  rows(): SessionStore {
    return new SessionStore(this.ctx.storage);
  }

  protected override now(): number {
    return hooks.now === null ? super.now() : hooks.now();
  }

  protected override random(): number {
    return hooks.random();
  }

  protected override sleep(ms: number): Promise<void> {
    return hooks.sleep === null ? super.sleep(ms) : hooks.sleep(ms);
  }

  protected override settings(): Env {
    return { ...super.settings(), ...hooks.env };
  }

  protected override deliveryTimeoutMs(): number {
    return hooks.deliveryTimeoutMs ?? super.deliveryTimeoutMs();
  }

  protected override verbs(verbs: SliceVerbs): SliceVerbs {
    if (hooks.onVerb === null && hooks.hold === null) return verbs;
    return watched(verbs, hooks.onVerb ?? (() => false), () => this.ctx.abort('crash'));
  }

  protected override keyOf(session: Session, batch: Batch): string {
    return hooks.keyOf === null ? super.keyOf(session, batch) : hooks.keyOf(session, batch);
  }
}

/** Verbs that return a promise, so that a test can hold them. */
const slowVerbs: ReadonlySet<string> = new Set([
  'plan',
  'permit',
  'flip',
  'prepare',
  'deliver',
  'sleepUntil',
]);

/** `verbs` with a look before and after each call; `crash` ends the object then and there. */
function watched(verbs: SliceVerbs, onVerb: NonNullable<typeof hooks.onVerb>, crash: () => void): SliceVerbs {
  const look = (verb: string, edge: 'before' | 'after'): void => {
    if (onVerb(verb, edge)) {
      crash();
      throw new Error('crashed');
    }
  };
  return new Proxy(verbs, {
    get(target, name: keyof SliceVerbs & string) {
      return (...args: unknown[]) => {
        look(name, 'before');
        const call = (): unknown =>
          Reflect.apply(target[name] as (...args: unknown[]) => unknown, target, args);
        const held = slowVerbs.has(name) ? (hooks.hold?.(name) ?? null) : null;
        const result = held === null ? call() : held.then(call);
        if (!(result instanceof Promise)) {
          look(name, 'after');
          return result;
        }
        return result.then((value: unknown) => {
          look(name, 'after');
          return value;
        });
      };
    },
  });
}
