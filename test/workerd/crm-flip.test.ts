import { beforeEach, describe, expect, it } from 'vitest';
import { erasedRecipient } from '../../src/shared/recipient.ts';
import { dropOldFences } from '../../src/crm/fence.ts';
import { flipLeads, unflipLeads } from '../../src/crm/flip.ts';
import { updateLead } from '../../src/crm/leads/lead.ts';
import { classifyFault } from '../../src/runtime/faults.ts';
import {
  addLeads,
  countsAndRecount,
  emptyCrm,
  hashEmail,
  statuses,
  suppress,
} from '../support/crm-database.ts';

const mine = 'activation_1700000000000_mine00000';
const theirs = 'activation_1700000000000_theirs000';
let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

describe('flipLeads', () => {
  it('activates new leads and returns them in the order of the request', async () => {
    await addLeads(db, [{ firstName: 'Ann', email: 'Ann@example.com' }, {}, {}]);
    const result = await flipLeads(db, { sessionId: mine, number: 1, leadIds: [3, 1, 2], nowMs: 1_000 });
    expect(result.activated.map((recipient) => recipient.leadId)).toEqual([3, 1, 2]);
    expect(result.skipped).toEqual([]);
    expect(result.activated[1]).toEqual({
      ...erasedRecipient(1),
      email: 'Ann@example.com',
      firstName: 'Ann',
      lastName: 'Name1',
      company: 'Example Ltd',
    });
    expect(await statuses(db)).toEqual(
      [1, 2, 3].map((id) => ({ id, status: 'active', activated_by: mine, updated_at: 0 })),
    );
  });

  it('names the reason for every lead that it skips', async () => {
    await addLeads(db, [
      { id: 1, email: 'out@example.com' },
      { id: 2, emailValid: false },
      { id: 3, status: 'active' },
      { id: 5 },
    ]);
    await suppress(db, 'OUT@example.com');
    const result = await flipLeads(db, {
      sessionId: mine,
      number: 1,
      leadIds: [1, 2, 3, 4, 5, 5],
      nowMs: 1_000,
    });
    expect(result.skipped).toEqual([
      { leadId: 1, reason: 'suppressed' },
      { leadId: 2, reason: 'invalid_address' },
      { leadId: 3, reason: 'already_active' },
      { leadId: 4, reason: 'erased' },
    ]);
    expect(result.activated.map((recipient) => recipient.leadId)).toEqual([5]);
  });

  it('gives a repeat the same answer, and keeps the time of the first flip', async () => {
    await addLeads(db, [{}, {}, { status: 'active' }]);
    const flip = { sessionId: mine, number: 1, leadIds: [1, 2, 3] };
    const first = await flipLeads(db, { ...flip, nowMs: 1_000 });
    const again = await flipLeads(db, { ...flip, nowMs: 2_000 });
    expect(again).toEqual(first);
    const { results } = await db.prepare('SELECT activated_at FROM leads WHERE id < 3').all();
    expect(results).toEqual([{ activated_at: 1_000 }, { activated_at: 1_000 }]);
  });

  it('answers a repeat after a lead was edited, with the lead as it is now', async () => {
    await addLeads(db, [{ email: 'old@example.com' }]);
    await flipLeads(db, { sessionId: mine, number: 1, leadIds: [1], nowMs: 1_000 });
    await updateLead(db, { leadId: 1, patch: { email: 'new@example.com' }, nowMs: 1_500, hashEmail });
    const again = await flipLeads(db, { sessionId: mine, number: 1, leadIds: [1], nowMs: 2_000 });
    expect(again.activated.map((recipient) => recipient.email)).toEqual(['new@example.com']);
  });

  it('skips at a repeat a lead that was suppressed since, and makes it new again', async () => {
    await addLeads(db, [{}, { email: 'out@example.com' }]);
    const flip = { sessionId: mine, number: 1, leadIds: [1, 2] };
    await flipLeads(db, { ...flip, nowMs: 1_000 });
    await suppress(db, 'out@example.com');
    for (const nowMs of [2_000, 3_000]) {
      const again = await flipLeads(db, { ...flip, nowMs });
      expect(again.activated.map((recipient) => recipient.leadId)).toEqual([1]);
      expect(again.skipped).toEqual([{ leadId: 2, reason: 'suppressed' }]);
    }
    expect((await statuses(db)).map((lead) => lead.status)).toEqual(['active', 'new']);
    const { kept, recount } = await countsAndRecount(db);
    expect(recount).toEqual(kept);
  });

  it('gives a lead to only one of two sessions', async () => {
    await addLeads(
      db,
      Array.from({ length: 20 }, () => ({})),
    );
    const leadIds = Array.from({ length: 20 }, (_, index) => index + 1);
    const [a, b] = await Promise.all([
      flipLeads(db, { sessionId: mine, number: 1, leadIds: leadIds.slice(0, 15), nowMs: 1_000 }),
      flipLeads(db, { sessionId: theirs, number: 1, leadIds: leadIds.slice(5), nowMs: 1_000 }),
    ]);
    const activated = [...a.activated, ...b.activated].map((recipient) => recipient.leadId);
    expect(activated.toSorted((x, y) => x - y)).toEqual(leadIds);
    expect([...a.skipped, ...b.skipped]).toHaveLength(10);
    expect(new Set([...a.skipped, ...b.skipped].map((lead) => lead.reason))).toEqual(
      new Set(['already_active']),
    );
  });

  it('stays within 3 D1 rows written per lead', async () => {
    await addLeads(
      db,
      Array.from({ length: 100 }, () => ({})),
    );
    let rowsWritten = 0;
    const counting = countRowsWritten(db, (rows) => (rowsWritten += rows));
    const leadIds = Array.from({ length: 100 }, (_, index) => index + 1);
    const result = await flipLeads(counting, { sessionId: mine, number: 1, leadIds, nowMs: 1_000 });
    expect(result.activated).toHaveLength(100);
    expect(rowsWritten).toBeGreaterThan(0);
    expect(rowsWritten).toBeLessThanOrEqual(300);

    rowsWritten = 0;
    await flipLeads(counting, { sessionId: mine, number: 1, leadIds, nowMs: 1_000 });
    expect(rowsWritten).toBe(0);

    // The first flip of a later slice.
    await flipLeads(counting, { sessionId: mine, number: 2, mustRaise: true, leadIds, nowMs: 1_000 });
    expect(rowsWritten).toBe(1);
  });
});

describe('a request that arrives late', () => {
  const name = 'SupersededFlip';

  it('sets no lead active after its session has given leads back, and tells its sender to stop', async () => {
    await addLeads(db, [{}, {}]);
    await unflipLeads(db, { sessionId: mine, number: 2, leadIds: [1] });
    // Of both leads: it is not known which ones the request is for.
    for (const leadIds of [[1], [2]]) {
      const late = await flipLeads(db, { sessionId: mine, number: 1, leadIds, nowMs: 1_000 }).catch(
        (error: unknown) => error,
      );
      expect(late).toMatchObject({ name });
      expect(classifyFault(late)).toEqual({ kind: 'superseded' });
    }
    expect((await statuses(db)).map(({ status }) => status)).toEqual(['new', 'new']);
    const { kept, recount } = await countsAndRecount(db);
    expect(recount).toEqual(kept);
    const { activated } = await flipLeads(db, { sessionId: mine, number: 3, leadIds: [1, 2], nowMs: 1_000 });
    expect(activated).toHaveLength(2);
  });

  it('sets no lead active after a later slice has flipped any', async () => {
    await addLeads(db, [{}, {}]);
    await flipLeads(db, { sessionId: mine, number: 2, mustRaise: true, leadIds: [1], nowMs: 1_000 });
    await expect(
      flipLeads(db, { sessionId: mine, number: 1, leadIds: [2], nowMs: 1_000 }),
    ).rejects.toMatchObject({ name });
    expect((await statuses(db)).map(({ status }) => status)).toEqual(['active', 'new']);
  });

  it('gives no lead back after a later slice has flipped any', async () => {
    await addLeads(db, [{}]);
    await flipLeads(db, { sessionId: mine, number: 2, mustRaise: true, leadIds: [1], nowMs: 1_000 });
    await expect(unflipLeads(db, { sessionId: mine, number: 1, leadIds: [1] })).rejects.toMatchObject({
      name,
    });
    expect((await statuses(db)).map(({ status }) => status)).toEqual(['active']);
    const { kept, recount } = await countsAndRecount(db);
    expect(recount).toEqual(kept);
  });

  it('is one of its own session: others go on', async () => {
    await addLeads(db, [{}]);
    await unflipLeads(db, { sessionId: theirs, number: 2, leadIds: [1] });
    const { activated } = await flipLeads(db, { sessionId: mine, number: 1, leadIds: [1], nowMs: 1_000 });
    expect(activated).toHaveLength(1);
  });

  it('is kept out for a day; then nothing is on its way any more', async () => {
    const dayMs = 86_400_000;
    for (const number of [dayMs, dayMs + 1]) {
      await unflipLeads(db, { sessionId: `activation_1700000000000_${number}`, number, leadIds: [] });
    }
    await dropOldFences(db, 2 * dayMs + 1);
    const { results } = await db.prepare('SELECT fence FROM flip_fences').all();
    expect(results).toEqual([{ fence: dayMs + 1 }]);
  });
});

describe('unflipLeads', () => {
  it('makes the leads of its own session new again, and no others', async () => {
    await addLeads(db, [{}, {}, {}]);
    await flipLeads(db, { sessionId: mine, number: 1, leadIds: [1, 2], nowMs: 1_000 });
    await flipLeads(db, { sessionId: theirs, number: 1, leadIds: [3], nowMs: 1_000 });
    expect(await unflipLeads(db, { sessionId: mine, number: 1, leadIds: [1, 3] })).toBe(1);
    expect((await statuses(db)).map((lead) => lead.activated_by)).toEqual([null, mine, theirs]);
    expect(await unflipLeads(db, { sessionId: mine, number: 1, leadIds: [1, 3] })).toBe(0);
  });
});

describe('the frequency guard', () => {
  const times = async (): Promise<unknown[]> => {
    const { results } = await db
      .prepare('SELECT status, mailed_at AS at, mailed_before AS before FROM leads ORDER BY id')
      .all();
    return results;
  };
  /** As an undo, or a CRM of somebody else, makes an active lead new again. */
  const makeNew = (id: number): Promise<unknown> =>
    db
      .prepare("UPDATE leads SET status = 'new', activated_at = NULL, activated_by = NULL WHERE id = ?")
      .bind(id)
      .run();

  it('skips a lead that is new again and was mailed after the time, and no other', async () => {
    await addLeads(db, [{}, {}, {}]);
    await flipLeads(db, { sessionId: mine, number: 1, leadIds: [1], nowMs: 1_000 });
    await flipLeads(db, { sessionId: mine, number: 1, leadIds: [2], nowMs: 2_000 });
    await makeNew(1);
    await makeNew(2);
    const flip = { sessionId: theirs, number: 1, leadIds: [1, 2, 3], nowMs: 5_000 };
    const result = await flipLeads(db, { ...flip, mailedAfter: 1_000 });
    expect(result.skipped).toEqual([{ leadId: 2, reason: 'recently_mailed' }]);
    expect(result.activated.map(({ leadId }) => leadId)).toEqual([1, 3]);
    expect((await flipLeads(db, { ...flip, mailedAfter: null })).activated).toHaveLength(3);
  });

  it('a repeat of a flip does not take its own leads for mailed', async () => {
    await addLeads(db, [{}]);
    const flip = { sessionId: mine, number: 1, leadIds: [1], nowMs: 5_000, mailedAfter: 1_000 };
    await flipLeads(db, flip);
    expect((await flipLeads(db, { ...flip, nowMs: 6_000 })).activated).toHaveLength(1);
    expect(await times()).toEqual([{ status: 'active', at: 5_000, before: null }]);
  });

  it('a flip that is taken back before its mail left restores the time of the mail before', async () => {
    await addLeads(db, [{ mailedAt: 700 }, {}]);
    await flipLeads(db, { sessionId: mine, number: 1, leadIds: [1, 2], nowMs: 5_000, mailedAfter: 1_000 });
    expect(await times()).toMatchObject([
      { at: 5_000, before: 700 },
      { at: 5_000, before: null },
    ]);
    await unflipLeads(db, { sessionId: mine, number: 1, leadIds: [1, 2] });
    expect(await times()).toEqual([
      { status: 'new', at: 700, before: null },
      { status: 'new', at: null, before: null },
    ]);
  });
});

it('the counts of new and active leads stay correct through flips and their repeats', async () => {
  await addLeads(db, [{}, {}, { status: 'active' }, { emailValid: false }]);
  await flipLeads(db, { sessionId: mine, number: 1, leadIds: [1, 2, 3, 4], nowMs: 1_000 });
  await flipLeads(db, { sessionId: mine, number: 1, leadIds: [1, 2, 3, 4], nowMs: 1_000 });
  await unflipLeads(db, { sessionId: mine, number: 1, leadIds: [1] });
  const { kept, recount } = await countsAndRecount(db);
  expect(kept).toEqual({ new: 2, active: 2 });
  expect(recount).toEqual(kept);
});

/** The same database; reports the billed rows written of every batch. */
function countRowsWritten(real: D1Database, report: (rows: number) => void): D1Database {
  return new Proxy(real, {
    get(target, property) {
      if (property === 'batch') {
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements);
          for (const result of results) report(result.meta.rows_written);
          return results;
        };
      }
      const value: unknown = Reflect.get(target, property);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
