/**
 * A Progress for the tests of code that shows or stores one.
 *
 * @module
 */
import type { Progress } from '../../src/shared/progress.ts';

/** A session of fifty leads that has just begun, with `change` applied. */
export function progressOf(change: Partial<Progress> = {}): Progress {
  return {
    sessionId: 'activation_1704123456789_a7bc3d2f1',
    name: 'March sign-ups',
    owner: 'ana@example.com',
    state: 'running',
    reason: null,
    rev: 1,
    total: 50,
    processed: 0,
    activation: { activated: 0, skipped: 0, failed: 0 },
    email: { sent: 0, failed: 0, unknown: 0, delivered: 0, bounced: 0, complained: 0 },
    ratePerSecond: 0,
    etaSeconds: null,
    createdAt: 0,
    startedAt: 0,
    updatedAt: 0,
    finishedAt: null,
    waitingUntil: null,
    checkableUntil: null,
    waitingFor: null,
    stalledSince: null,
    lastError: null,
    ...change,
  };
}
