/**
 * What the workerd tests of sessions begin and end with: an empty CRM with leads, a fake mail API, a clock and a
 * log that is kept out of the output.
 *
 * @module
 */
import { expect, vi } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import { addLeads, emptyCrm } from './crm-database.ts';
import { FakeMailApi } from './fake-mail-api.ts';
import { hooks, resetHooks } from './hooks.ts';
import { command, DrivenClock, freshSessionId, quietLog, readRows, type LogLine } from './session-driver.ts';

export interface SessionSetup {
  db: D1Database;
  mail: FakeMailApi;
  /** Moves only when the test moves it; not installed where the setup asks for real time. */
  clock: DrivenClock;
  /** An id that no session has. */
  sessionId: string;
  log: readonly LogLine[];
}

/**
 * Call it in `beforeEach`, with {@link tearDownSession} in `afterEach`.
 *
 * @param options.leadCount - new leads of the CRM, with the ids 1, 2, …
 * @param options.batchSize - leads of one batch; not set: as many as the provider takes
 * @param options.isRealTime - sessions and gate keep the real clock, and alarms fire by themselves
 */
export async function setUpSession(
  options: { leadCount?: number; batchSize?: number; isRealTime?: boolean } = {},
): Promise<SessionSetup> {
  const { leadCount = 0, batchSize, isRealTime = false } = options;
  resetHooks();
  const log = quietLog();
  const db = await emptyCrm();
  if (leadCount > 0) await addLeads(db, blankLeads(leadCount));
  const mail = new FakeMailApi().install();
  const clock = new DrivenClock();
  if (!isRealTime) {
    clock.install();
    mail.now = () => clock.now();
  }
  if (batchSize !== undefined) hooks.env = { MAIL_BATCH_MAX: String(batchSize) };
  return { db, mail, clock, sessionId: freshSessionId(), log };
}

export function tearDownSession(): void {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
}

/** Leads of which nothing matters but that they are new. */
export const blankLeads = (count: number): object[] => Array.from({ length: count }, () => ({}));

/** The last view of a driven session. */
export function last(views: readonly Progress[]): Progress {
  const view = views.at(-1);
  if (view === undefined) throw new Error('There was no view.');
  return view;
}

/** How often the address was mailed that was mailed most. */
export const mostMails = (mail: FakeMailApi): number => Math.max(0, ...mail.countByAddress().values());

/** Gives a command that must be accepted, and returns the view that it answers with. */
export async function accepted(sessionId: string, name: string, body?: unknown): Promise<Progress> {
  const answer = await command(sessionId, name, body);
  expect(answer.status, name).toBe(200);
  return answer.json();
}

/** The counters of the session are the sum over its rows, and nobody was mailed twice. */
export async function expectSound(sessionId: string, mail: FakeMailApi): Promise<void> {
  const { session, recount } = await readRows(sessionId);
  expect(recount).toEqual(session.counts);
  expect(mostMails(mail)).toBeLessThanOrEqual(1);
}
