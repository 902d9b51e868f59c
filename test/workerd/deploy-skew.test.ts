/**
 * A Worker that meets objects of the version before, which do not have its newest methods. A test takes a method away
 * from the real class.
 */
import { RpcStub, RpcTarget } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeliveryEvent } from '../../src/core/batch/delivery-status.ts';
import { ActivationSession as Session } from '../../src/durable/activation-session.ts';
import { isMissingMethod } from '../../src/runtime/faults.ts';
import { addLeads } from '../support/crm-database.ts';
import {
  freshSessionId,
  readProgress,
  request,
  send,
  startSession,
  waitFor,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';
import { tell } from '../support/webhook-sender.ts';

let sessionId: string;

beforeEach(async () => {
  const { db } = await setUpSession({ isRealTime: true });
  await addLeads(db, blankLeads(3));
  sessionId = freshSessionId();
  await startSession(sessionId);
  await waitFor(sessionId, ({ finishedAt }) => finishedAt !== null);
});

const replaced = new Map<string, PropertyDescriptor>();

/** Replaces a method of the object's class, or takes it away, until the end of the test. */
function replace(method: keyof Session, value?: (this: Session, ...args: never[]) => unknown): void {
  const real = Object.getOwnPropertyDescriptor(Session.prototype, method);
  if (real === undefined) throw new Error(`There is no method ${method}.`);
  if (!replaced.has(method)) replaced.set(method, real);
  if (value === undefined) Reflect.deleteProperty(Session.prototype, method);
  else Object.defineProperty(Session.prototype, method, { ...real, value });
}

function restore(): void {
  for (const [method, real] of replaced) Object.defineProperty(Session.prototype, method, real);
  replaced.clear();
}

afterEach(() => {
  restore();
  tearDownSession();
});

it('the runtime says in these words that an object has no such method', async () => {
  const stub = new RpcStub(new (class extends RpcTarget {})()) as unknown as { poll(): Promise<void> };
  const error: unknown = await stub.poll().catch((thrown: unknown) => thrown);
  expect(String(error)).toBe('TypeError: The RPC receiver does not implement the method "poll".');
  expect(isMissingMethod(error)).toBe(true);
});

describe('an object of the version before', () => {
  it('answers a poll without `poll`, with the same body and tag', async () => {
    const path = `/crm/activation/progress/${sessionId}`;
    const now = await request(path);
    const [etag, body] = [now.headers.get('etag') ?? '', await now.text()];
    replace('poll');
    const before = await request(path);
    expect(before.status).toBe(200);
    expect(before.headers.get('content-type')).toBe('application/json');
    expect([before.headers.get('etag'), await before.text()]).toEqual([etag, body]);
    expect((await request(path, { headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await request(`/crm/activation/progress/${freshSessionId()}`)).status).toBe(404);
  });

  it('takes an event under its earlier name', async () => {
    // The object of version 0.1 had the method with this name.
    replace('fates', async function (this: Session, reports: { leadId: number; fate: DeliveryEvent }[]) {
      return realAdd.call(
        this,
        reports.map(({ leadId, fate }) => ({ leadId, event: fate })),
      );
    });
    const realAdd = Session.prototype.addDeliveryEvents;
    replace('addDeliveryEvents');
    expect(await tell({ type: 'email.delivered', sessionId, leadId: 2 })).toBe(200);
    expect((await readProgress(sessionId)).email.delivered).toBe(1);
  });

  it('is not asked to erase a person in part: 503, and the same request does it later', async () => {
    replace('forgetPerson');
    const refused = await send('DELETE', '/crm/leads/2');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect((await request('/crm/leads/2')).status).toBe(200);
    restore();
    expect((await send('DELETE', '/crm/leads/2')).status).toBe(204);
    expect((await request('/crm/leads/2')).status).toBe(404);
  });

  it('is not what an error of the method itself means', async () => {
    replace('poll', () => {
      throw new Error('broken');
    });
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(500);
    replace('poll');
    await readProgress(sessionId);
  });
});
