/**
 * Slices that follow each other: each slot of the account is used, also at the boundary of two slices.
 *
 * The clock stands while anybody works and jumps to the next moment at which somebody wakes, so that neither the
 * machine's speed nor its load changes when a call leaves.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { drive, startSession, type DrivenClock } from '../support/session-driver.ts';
import { last, setUpSession, tearDownSession } from '../support/session-setup.ts';

let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;
let pump: ReturnType<typeof setInterval>;

beforeEach(async () => {
  ({ mail, clock, sessionId } = await setUpSession({ leadCount: 140, batchSize: 1 }));
  // One call a second, as the provider says.
  mail.headers = { 'ratelimit-limit': '1', 'ratelimit-remaining': '0', 'ratelimit-reset': '1' };
  const frozenAt = Date.now();
  const drift = (): number => Date.now() - frozenAt;
  const now = (): number => clock.now() - drift();
  hooks.now = now;
  mail.now = now;
  let workingCount = 0;
  let quietCount = 0;
  hooks.onVerb = (verb, edge) => {
    if (verb !== 'sleepUntil') workingCount += edge === 'before' ? 1 : -1;
    quietCount = 0;
    return false;
  };
  const sleepers = new Set<number>();
  // Each sleeper waits on timers of its own object: what another's timer wakes may not touch that object's storage.
  hooks.sleep = async (ms) => {
    const at = now() + ms;
    quietCount = 0;
    sleepers.add(at);
    while (now() < at) await new Promise((resolve) => setTimeout(resolve, 1));
    sleepers.delete(at);
  };
  pump = setInterval(() => {
    // A few turns of quiet: what was just woken has begun its next verb by then.
    if (workingCount > 0 || ++quietCount < 4) return;
    const next = Math.min(...sleepers);
    if (next < Infinity) clock.advance(Math.max(0, next - now()));
  }, 1);
});

afterEach(() => {
  clearInterval(pump);
  tearDownSession();
});

describe('two slices at one call a second', () => {
  it('leave no second out between them', { timeout: 180_000 }, async () => {
    await startSession(sessionId);
    const views = await drive(sessionId, clock);
    expect(last(views)).toMatchObject({ state: 'completed', processed: 140 });
    // The first alarm ends after two minutes; the second goes on.
    expect(views.length).toBeGreaterThan(1);
    // The first calls leave before the first answer has said the limit.
    const times = mail.callTimes.slice(20);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(times).toHaveLength(120);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1_300);
    expect(((times.at(-1) ?? 0) - (times[0] ?? 0)) / (1_000 * gaps.length)).toBeLessThanOrEqual(1.03);
  });
});
