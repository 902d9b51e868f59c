/**
 * Drives sessions in workerd tests: starts them through the Worker, waits for what a test waits for,
 * and counts again from the rows.
 *
 * @module
 */
import { runInDurableObject } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import type { Batch, BatchCounts } from '../../src/core/batch.ts';
import type { Session } from '../../src/core/session.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { isTerminal } from '../../src/shared/progress.ts';
import type { Audience } from '../../src/shared/schemas.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
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

export async function readProgress(sessionId: string): Promise<Progress> {
  const response = await request(`/crm/activation/progress/${sessionId}`);
  if (!response.ok) throw new Error(`progress: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Polls until the session's progress is as wanted; each view is handed to `onView`. */
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

export interface Rows {
  session: Session;
  batches: Batch[];
  recount: BatchCounts;
}

/** What is on disk, past every cache. */
export function readRows(sessionId: string): Promise<Rows> {
  return runInDurableObject(stubOf(sessionId), (instance) => {
    const store = instance.rows();
    const session = store.load();
    if (session === null) throw new Error('There is no session.');
    return {
      session,
      batches: store.page(0, { marks: '*', hasSkipped: true, isUndecided: true }, 10_000),
      recount: store.recount(),
    };
  });
}
