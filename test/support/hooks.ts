/**
 * The changes that a workerd test makes to the session objects and the gate; call {@link resetHooks} before each
 * test.
 *
 * @module
 */
import type { Batch } from '../../src/core/batch/batch.ts';
import type { BackoffPolicy } from '../../src/shared/backoff.ts';
import type { Session } from '../../src/core/session/session.ts';
import { seededRandom } from './random.ts';

export interface Hooks {
  now: (() => number) | null;
  /** The random source of backoffs: the same sequence in each test. */
  random: () => number;
  /** Replaces waiting. */
  sleep: ((ms: number) => Promise<void>) | null;
  /** Called around every verb of every slice; true kills the object there. */
  onVerb: ((verb: string, edge: 'before' | 'after') => boolean) | null;
  /**
   * Called around every statement or batch that a session object sends to the CRM; true kills the object there.
   * `send` carries it out all the same, as often as it is called.
   */
  onCrmCall: ((edge: 'before' | 'after', call: { method: string; send: () => unknown }) => boolean) | null;
  /** Called before a verb that takes time; the verb waits for what is returned. */
  hold: ((verb: string) => Promise<unknown> | null) | null;
  keyOf: ((session: Session, batch: Batch) => string) | null;
  deliveryTimeoutMs: number | null;
  /** Takes the requests of endpoints, name look-ups included, in place of the network. */
  receive: ((request: Request) => Promise<Response>) | null;
  /** The waits between two attempts to send an event. */
  eventBackoff: BackoffPolicy | null;
  /** False: answers may be otherwise than /openapi.json says, because a test damages what they are made from. */
  checkAnswers: boolean;
  /** Bindings that the Worker and the session objects see instead of the configured ones. */
  env: Partial<Env>;
}

const untouched: Hooks = {
  now: null,
  random: seededRandom(1),
  sleep: null,
  onVerb: null,
  onCrmCall: null,
  hold: null,
  keyOf: null,
  deliveryTimeoutMs: null,
  receive: null,
  eventBackoff: null,
  checkAnswers: true,
  env: {},
};

export const hooks: Hooks = { ...untouched, env: {} };

export function resetHooks(): void {
  // A copy: a test that adds a binding must not change the original ones.
  Object.assign(hooks, untouched, { env: {}, random: seededRandom(1) });
}
