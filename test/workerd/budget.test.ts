/**
 * Budgets (docs/PERFORMANCE.md) for what Cloudflare bills, and never for time: a change that makes a session more
 * expensive fails here. The figures are the platform's own (test/support/meter.ts).
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { resetHooks } from '../support/hooks.ts';
import { billedRowsWritten } from '../support/bill.ts';
import { meter, meterDatabase, meterStorage, resetMeter } from '../support/meter.ts';
import {
  freshSessionId,
  quietLog,
  request,
  startSession,
  stubOf,
  waitForEnd,
} from '../support/session-driver.ts';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  resetHooks();
  quietLog();
  db = await emptyCrm();
  mail = new FakeMailApi().install();
  // Any object's storage serves: the meter wraps the prototypes that all of them share.
  await runInDurableObject(stubOf(freshSessionId()), (_, { storage }) => meterStorage(storage));
  meterDatabase(env.DB);
  resetMeter();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Runs a session over `leadCount` leads and returns its bill. */
async function billOf(leadCount: number): Promise<{ sessionId: string; bill: typeof meter }> {
  await addLeads(
    db,
    Array.from({ length: leadCount }, () => ({})),
  );
  resetMeter();
  const sessionId = freshSessionId();
  await startSession(sessionId);
  await waitForEnd(sessionId);
  expect(mail.mails).toHaveLength(leadCount);
  return { sessionId, bill: { ...meter } };
}

describe('a session of 5,000 leads', () => {
  it('writes at most 0.06 rows a lead in session and gate, alarms included', async () => {
    const { bill } = await billOf(5_000);
    // This shows that the meter works: a plan, an intent and an outcome for each of 50 batches, and the session row.
    expect(bill.sessionRowsWritten).toBeGreaterThan(5 * 50);
    expect(bill.gateRowsWritten).toBeGreaterThan(0);
    expect(bill.alarmWriteCount).toBeGreaterThan(0);
    expect(billedRowsWritten(bill)).toBeLessThanOrEqual(0.06 * 5_000);
  });

  it('writes no row for events without an endpoint, and one for each batch with one', async () => {
    const { bill } = await billOf(5_000);
    db = await emptyCrm();
    mail = new FakeMailApi().install();
    // Its object does not exist, so that only what the session writes is counted.
    const endpoint = db.prepare(
      `INSERT INTO event_endpoints (endpoint_id, kind, target, description, types, created_at, created_by)
       VALUES ('we_none', 'webhook', 'https://crm.acme.com/', '', '[]', 0, 'ana@example.com')`,
    );
    await endpoint.run();
    const { bill: withEvents } = await billOf(5_000);
    await db.prepare('DELETE FROM event_endpoints').run();
    const eventRowCount = billedRowsWritten(withEvents) - billedRowsWritten(bill);
    // Slices and alarms differ a little from run to run.
    expect(eventRowCount).toBeGreaterThan(40);
    expect(eventRowCount).toBeLessThanOrEqual(50 + 20);
    // Who asks for events pays for them: the budget without them is 0.06.
    expect(billedRowsWritten(withEvents)).toBeLessThanOrEqual(0.075 * 5_000);
  });

  it('writes at most 3 rows per lead in D1, with one round trip for several batches and a few others', async () => {
    const { bill } = await billOf(5_000);
    expect(bill.d1RowsWritten).toBeGreaterThan(5_000);
    expect(bill.d1RowsWritten).toBeLessThanOrEqual(3 * 5_000);
    // Flips of up to 5 of 50 batches, a few pages, the count at the start and the list of activations. Polls make none.
    expect(bill.d1CallCount).toBeLessThanOrEqual(50 / 2 + 15);
  });

  it('calls the mail API once per hundred leads', async () => {
    await billOf(5_000);
    expect(mail.callCount).toBe(50);
  });
});

describe('a progress request', () => {
  it.each([100, 5_000])(
    'reads at most 5 rows of a session of %i leads that the object has in memory',
    async (leadCount) => {
      const { sessionId } = await billOf(leadCount);
      resetMeter();
      expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(200);
      await Promise.resolve();
      expect(meter.sessionRowsRead + meter.d1RowsRead).toBeLessThanOrEqual(5);
      expect(billedRowsWritten(meter)).toBe(0);
    },
  );

  it.each([100, 5_000])(
    'reads at most 5 rows of a session of %i leads after an eviction',
    async (leadCount) => {
      const { sessionId } = await billOf(leadCount);
      await evictDurableObject(stubOf(sessionId));
      resetMeter();
      expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(200);
      await Promise.resolve();
      expect(meter.sessionRowsRead).toBeGreaterThan(0);
      expect(meter.sessionRowsRead + meter.d1RowsRead).toBeLessThanOrEqual(5);
      expect(billedRowsWritten(meter)).toBe(0);
    },
  );

  it('of an unknown id reads next to nothing and writes nothing', async () => {
    resetMeter();
    expect((await request(`/crm/activation/progress/${freshSessionId()}`)).status).toBe(404);
    await Promise.resolve();
    expect(meter.sessionRowsRead).toBeLessThanOrEqual(5);
    expect(billedRowsWritten(meter)).toBe(0);
  });
});
