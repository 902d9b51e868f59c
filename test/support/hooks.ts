/**
 * What a workerd test changes in the session objects; {@link resetHooks} before each test.
 *
 * @module
 */
import type { Batch } from '../../src/core/batch.ts';
import type { Session } from '../../src/core/session.ts';

export interface Hooks {
  now: (() => number) | null;
  /** Called around every verb of every slice; true kills the object there. */
  onVerb: ((verb: string, edge: 'before' | 'after') => boolean) | null;
  keyOf: ((session: Session, batch: Batch) => string) | null;
  /** Bindings that the Worker sees instead of the configured ones. */
  env: Partial<Env>;
}

export const hooks: Hooks = { now: null, onVerb: null, keyOf: null, env: {} };

export function resetHooks(): void {
  hooks.now = null;
  hooks.onVerb = null;
  hooks.keyOf = null;
  hooks.env = {};
}
