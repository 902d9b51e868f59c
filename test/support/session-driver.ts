/**
 * Drives sessions in workerd tests: starts them through the Worker, waits for conditions, and recounts the rows.
 *
 * @module
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { vi } from 'vitest';
import type { Batch, BatchCounts } from '../../src/core/batch/batch.ts';
import type { Session } from '../../src/core/session/session.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { isTerminal } from '../../src/shared/progress.ts';
import type { Audience } from '../../src/shared/schemas/activation.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import { hooks } from './hooks.ts';
import type { ActivationSession } from './worker.ts';

export const origin = 'http://app.test';

/** A session id that no other test has. */
export function freshSessionId(): string {
  return newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
}

/** One request to the Worker. */
export function request(path: string, init?: RequestInit): Promise<Response> {
  return exports.default.fetch(new Request(`${origin}${path}`, init));
}

/** One JSON request to the Worker. */
export function send(method: string, path: string, body?: unknown): Promise<Response> {
  return request(path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
}

export async function startSession(
  sessionId: string,
  audience: Audience = { filter: {} },
  templateId = 'welcome',
): Promise<Progress> {
  const response = await send('POST', '/crm/activation', { sessionId, audience, templateId });
  if (!response.ok) throw new Error(`start: ${response.status} ${await response.text()}`);
  return response.json();
}

/** A person's command to a session. */
export const command = (sessionId: string, name: string, body?: unknown): Promise<Response> =>
  send('POST', `/crm/activation/${sessionId}/${name}`, body);

export async function readProgress(sessionId: string): Promise<Progress> {
  const response = await request(`/crm/activation/progress/${sessionId}`);
  if (!response.ok) throw new Error(`progress: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Polls until the session's progress fits the condition; passes each view to `onView`. */
export async function waitFor(
  sessionId: string,
  isWanted: (progress: Progress) => boolean,
  onView: (progress: Progress) => void = () => {},
): Promise<Progress> {
  const deadline = Date.now() + 25_000;
  for (;;) {
    // An object that was just killed may refuse one call.
    const progress = await readProgress(sessionId).catch(() => null);
    if (progress !== null) {
      onView(progress);
      if (isWanted(progress)) return progress;
    }
    if (Date.now() > deadline) throw new Error(`Waited in vain: ${JSON.stringify(progress)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const waitForEnd = (sessionId: string, onView?: (progress: Progress) => void): Promise<Progress> =>
  waitFor(sessionId, isTerminal, onView);

export function stubOf(sessionId: string): DurableObjectStub<ActivationSession> {
  return env.ACTIVATION_SESSION.getByName(sessionId) as unknown as DurableObjectStub<ActivationSession>;
}

/** Everything that a session object has on disk, as text. */
export function sessionContent(sessionId: string): Promise<string> {
  return runInDurableObject(stubOf(sessionId), (_, state) => {
    const { sql } = state.storage;
    const tables = sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf*'")
      .toArray();
    return JSON.stringify(tables.map(({ name }) => sql.exec(`SELECT * FROM ${name}`).toArray()));
  });
}

/**
 * The clock of a driven test. It begins an hour ahead of real time, so that no alarm fires by itself, and moves when
 * the test moves it. A sleep moves it too, instead of waiting.
 */
export class DrivenClock {
  // Shared by all tests of a file: the gate outlives a test, and its time line must not be in the future.
  static #offsetMs = 3_600_000;

  /** Makes it the clock of sessions and gate. */
  install(): this {
    hooks.now = () => this.now();
    hooks.sleep = (ms) => {
      this.advance(ms);
      return Promise.resolve();
    };
    return this;
  }

  now(): number {
    // The slots of a slowed gate are fractions of milliseconds; the clock has whole ones.
    return Math.ceil(Date.now() + DrivenClock.#offsetMs);
  }

  advance(ms: number): void {
    DrivenClock.#offsetMs += ms;
  }
}

/** A line of the objects' log. */
export interface LogLine {
  level: 'info' | 'warn' | 'error';
  event: string;
  [field: string]: unknown;
}

/**
 * Keeps the objects' log, which may have thousands of lines, out of the output.
 *
 * @returns its lines from now on
 */
export function quietLog(): readonly LogLine[] {
  const lines: LogLine[] = [];
  for (const level of ['info', 'warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation((line: unknown) => {
      if (typeof line === 'string' && line.startsWith('{'))
        lines.push({ ...(JSON.parse(line) as { event: string }), level });
    });
  }
  return lines;
}

/** The state of a driven session after an alarm. */
export interface Look {
  progress: Progress;
  /** Its next alarm, by the driven clock; null when it has none. */
  alarmAt: number | null;
}

/** Reads a session without the caches of the Worker; null while the object is being destroyed. */
export async function look(sessionId: string): Promise<Look | null> {
  return runInDurableObject(stubOf(sessionId), async (instance, { storage }) => {
    const alarmAt = await storage.getAlarm();
    const progress = instance.view();
    return progress === null ? null : { progress, alarmAt };
  }).catch(() => null);
}

/**
 * Fires alarms one after the other, each at its time, until the session fits the condition.
 *
 * @returns every view between two alarms
 */
export async function drive(
  sessionId: string,
  clock: DrivenClock,
  isWanted: (progress: Progress) => boolean = isTerminal,
  betweenAlarms: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Progress[]> {
  const views: Progress[] = [];
  for (let alarmCount = 0; alarmCount < 5_000; alarmCount++) {
    // Some tests make it crash.
    await runDurableObjectAlarm(stubOf(sessionId)).catch(() => false);
    const seen = await look(sessionId);
    if (seen === null) continue;
    views.push(seen.progress);
    if (isWanted(seen.progress)) return views;
    if (seen.alarmAt === null)
      throw new Error(`Nothing will happen any more: ${JSON.stringify(seen.progress)}`);
    clock.advance(Math.max(1, seen.alarmAt - clock.now()));
    await betweenAlarms();
  }
  throw new Error(`Driven in vain: ${JSON.stringify(views.at(-1))}`);
}

export interface Rows {
  session: Session;
  batches: Batch[];
  recount: BatchCounts;
}

/** The rows on disk, without any cache. */
export function readRows(sessionId: string): Promise<Rows> {
  return runInDurableObject(stubOf(sessionId), (instance) => {
    const store = instance.rows();
    return {
      session: store.session(),
      batches: store.results.page(0, { recipientStates: '*', hasSkipped: true, isUndecided: true }, 10_000),
      recount: store.recount(),
    };
  });
}
