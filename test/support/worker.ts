/**
 * The Worker of the workerd tests: the real one, with a session object that a test can stop at each verb of a slice,
 * and whose clock and keys it can replace.
 *
 * The hooks are module state: the tests run in the same isolate as the objects, and it outlives them.
 *
 * @module
 */
import type { Batch } from '../../src/core/batch/batch.ts';
import { toProgress } from '../../src/core/session/progress-view.ts';
import type { Session } from '../../src/core/session/session.ts';
import type { SliceVerbs } from '../../src/core/session/slice.ts';
import { ActivationSession as RealSession } from '../../src/durable/activation-session.ts';
import { MailGate as RealGate } from '../../src/durable/mail-gate.ts';
import { SessionStore } from '../../src/durable/store/session-store.ts';
import { WebhookEndpoint as RealEndpoint } from '../../src/durable/webhook-endpoint.ts';
import type { BackoffPolicy } from '../../src/shared/backoff.ts';
import type { FetchLike } from '../../src/runtime/fetch-like.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { assertionHeader } from '../../src/worker/auth/access-assertion.ts';
import { createApp } from '../../src/worker/app.ts';
import { createIdentify } from '../../src/worker/auth/identity.ts';
import { describeApi } from '../../src/worker/http/describe.ts';
import { AccessTeam } from './access-team.ts';
import { DescribedAnswers } from './described-answers.ts';
import { hooks } from './hooks.ts';

export class MailGate extends RealGate {
  protected override settings(): Env {
    return { ...super.settings(), ...hooks.env };
  }

  protected override now(): number {
    return hooks.now === null ? super.now() : hooks.now();
  }
}

export class WebhookEndpoint extends RealEndpoint {
  protected override now(): number {
    return hooks.now === null ? super.now() : hooks.now();
  }

  protected override backoff(): BackoffPolicy {
    return hooks.eventBackoff ?? super.backoff();
  }

  protected override settings(): Env {
    return { ...super.settings(), ...hooks.env };
  }

  protected override fetchOut: FetchLike = (url, init) =>
    hooks.receive === null ? fetch(url, init) : hooks.receive(new Request(url, init));
}

/**
 * The sender of a test request. The header has the e-mail address of a person who may do everything, `none` for
 * nobody, or the claims of an assertion as JSON, whose role the lists decide. Without the header it is Ana, who may
 * do everything.
 */
export const identityHeader = 'test-identity';

let team: Promise<AccessTeam> | null = null;
/** By the value of the identity header and the time of signing. */
const assertions = new Map<string, Promise<string>>();
const signedEachMs = 43_200_000;

const app = createApp(
  createIdentify({
    // The team's domain answers every request with its keys.
    fetch: async () => Response.json((await testTeam()).jwks()),
    now: () => Date.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  }),
);

let described: DescribedAnswers | null = null;

// A Worker cannot make random numbers before its first request.
function testTeam(): Promise<AccessTeam> {
  return (team ??= AccessTeam.create());
}

/** The assertion that Access would send for the person in the header. */
async function assertionOf(header: string, signedAt: number): Promise<string> {
  const signer = await testTeam();
  const named = header.startsWith('{') ? (JSON.parse(header) as object) : { email: header };
  return signer.sign({ ...signer.personClaims('', signedAt, 2 * signedEachMs), email: undefined, ...named });
}

/**
 * The real app, with Cloudflare Access in front: each request carries the assertion of the person in the header,
 * signed by the test's own team. An answer that /openapi.json does not describe fails the test that asked for it.
 */
export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const response = await answer(request, env, ctx);
    described ??= new DescribedAnswers(describeApi(app));
    if (hooks.checkAnswers) await described.check(request, response);
    return response;
  },
};

async function answer(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const header = request.headers.get(identityHeader) ?? 'ana@example.com';
  const { issuer, audience } = await testTeam();
  const settings: Env = { ...env, ACCESS_TEAM_DOMAIN: issuer, ACCESS_AUD: audience, ...hooks.env };
  if (header === 'none') return app.fetch(request, settings, ctx);
  if (!header.startsWith('{')) settings.ROLE_ADMIN = `${settings.ROLE_ADMIN},${header}`;
  // Signed anew where a test has moved the clock on, and as it was where the clock is back.
  const signedAt = Math.floor(Date.now() / signedEachMs) * signedEachMs;
  const key = `${signedAt} ${header}`;
  if (!assertions.has(key)) assertions.set(key, assertionOf(header, signedAt));
  const headers = new Headers(request.headers);
  headers.set(assertionHeader, (await assertions.get(key)) ?? '');
  return app.fetch(new Request(request, { headers }), settings, ctx);
}

export class ActivationSession extends RealSession {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, { ...env, DB: watchedDatabase(env.DB, () => ctx.abort('crash')) });
  }

  /** The view of a reader, without the check of the alarm that a read makes. */
  view(): Progress | null {
    const session = this.rows().load();
    return session === null ? null : toProgress(session, this.now());
  }

  /** A separate store over the same rows: it shows what is really on disk, without any cache. */
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

/** `db` with a hook before and after each statement or batch; `crash` ends the object there. */
function watchedDatabase(db: D1Database, crash: () => void): D1Database {
  const look = (edge: 'before' | 'after', call: { method: string; send: () => unknown }): void => {
    if (hooks.onCrmCall?.(edge, call) !== true) return;
    crash();
    throw new Error('crashed');
  };
  const watch = <Watched extends object>(watched: Watched): Watched =>
    new Proxy(watched, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          // Makes a statement that has the hooks too.
          if (name === 'prepare' || name === 'bind')
            return watch(Reflect.apply(member, target, args) as object);
          const send = (): unknown => Reflect.apply(member, target, args);
          const call = { method: String(name), send };
          look('before', call);
          return (send() as Promise<unknown>).then((result) => {
            look('after', call);
            return result;
          });
        };
      },
    });
  return watch(db);
}

/** Verbs that return a promise, so that a test can delay them. */
const slowVerbs: ReadonlySet<string> = new Set([
  'plan',
  'permit',
  'flip',
  'reserve',
  'pushPermit',
  'push',
  'prepare',
  'deliver',
  'sleepUntil',
]);

/** Verbs that read memory: a crash there is one at the verb before or after. */
const quietVerbs: ReadonlySet<string> = new Set(['now', 'hasSlot', 'pushes']);

/** `verbs` with a hook before and after each call; `crash` ends the object there. */
function watched(verbs: SliceVerbs, onVerb: NonNullable<typeof hooks.onVerb>, crash: () => void): SliceVerbs {
  const look = (verb: string, edge: 'before' | 'after'): void => {
    if (onVerb(verb, edge)) {
      crash();
      throw new Error('crashed');
    }
  };
  return new Proxy(verbs, {
    get(target, name: keyof SliceVerbs & string) {
      if (quietVerbs.has(name)) return (target[name] as () => unknown).bind(target);
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
