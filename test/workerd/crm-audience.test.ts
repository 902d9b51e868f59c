import { beforeEach, describe, expect, it } from 'vitest';
import type { Audience } from '../../src/shared/schemas/activation.ts';
import {
  countAudience,
  planPage,
  resolveAudience,
  sampleAcross,
  sampleAudience,
} from '../../src/crm/audience.ts';
import { flipLeads, unflipLeads } from '../../src/crm/flip.ts';
import { eraseLead, updateLead } from '../../src/crm/leads/lead.ts';
import { addLeads, emptyCrm, hashEmail, suppress } from '../support/crm-database.ts';

const mine = 'activation_1700000000000_mine00000';
const theirs = 'activation_1700000000000_theirs000';
const startedAt = 1_000;
let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

/** All the leads of a frozen audience, page by page, with `between` after each page. */
async function planAll(
  audience: Audience,
  maxLeadId: number,
  { limit = 2, revision = 0, between = async (): Promise<void> => {} } = {},
): Promise<number[]> {
  const planned: number[] = [];
  for (let pageCount = 0; pageCount < 100; pageCount += 1) {
    const afterLeadId = planned.at(-1) ?? 0;
    const page = await planPage(db, { audience, afterLeadId, maxLeadId, revision, limit });
    planned.push(...page.leadIds);
    if (page.done) return planned;
    await between();
  }
  throw new Error('The plan did not come to its end.');
}

describe('resolveAudience', () => {
  it('counts the leads that match and freezes the last id', async () => {
    await addLeads(db, [{ source: 'Fair' }, { source: 'Web' }, { source: 'Fair' }, { source: 'Web' }]);
    expect(await resolveAudience(db, { filter: { source: 'Fair' } })).toMatchObject({
      kind: 'ok',
      maxLeadId: 3,
      total: 2,
    });
    expect(await resolveAudience(db, { filter: {}, excludedIds: [4, 99] })).toMatchObject({
      kind: 'ok',
      maxLeadId: 3,
      total: 3,
    });
  });

  it('counts leads that are edited at the moment of the start, and planning leaves them out', async () => {
    await addLeads(db, [{ importId: 'i1' }, { importId: 'i1' }, { importId: 'i1' }]);
    await updateLead(db, { leadId: 2, patch: { company: 'Acme' }, nowMs: startedAt + 1, hashEmail });
    const audience: Audience = { filter: { importId: 'i1' } };
    expect(await resolveAudience(db, audience)).toMatchObject({ kind: 'ok', maxLeadId: 3, total: 3 });
    expect(await planAll(audience, 3)).toEqual([1, 3]);
  });

  it('is empty when no lead matches', async () => {
    await addLeads(db, [{}]);
    expect(await resolveAudience(db, { filter: { status: 'active' } })).toEqual({ kind: 'empty' });
    expect(await resolveAudience(db, { filter: {}, excludedIds: [1] })).toEqual({ kind: 'empty' });
  });

  it('counts chosen ids once each, and names those that do not exist', async () => {
    await addLeads(db, [{}, {}, {}]);
    expect(await resolveAudience(db, { leadIds: [3, 1, 3] })).toMatchObject({
      kind: 'ok',
      maxLeadId: 3,
      total: 2,
    });
    expect(await resolveAudience(db, { leadIds: [9, 1, 7, 9] })).toEqual({
      kind: 'unknown_leads',
      leadIds: [7, 9],
    });
  });

  it('accepts as many ids as a request may have', async () => {
    await addLeads(
      db,
      Array.from({ length: 10_000 }, () => ({})),
    );
    const leadIds = Array.from({ length: 10_000 }, (_, index) => 10_000 - index);
    expect(await resolveAudience(db, { leadIds })).toMatchObject({
      kind: 'ok',
      maxLeadId: 10_000,
      total: 10_000,
    });
    expect(await resolveAudience(db, { filter: {}, excludedIds: leadIds.slice(1) })).toMatchObject({
      kind: 'ok',
      maxLeadId: 10_000,
      total: 1,
    });
  });
});

describe('the counts of an audience', () => {
  const mailedAfter = 700;
  const audiences: [string, Audience][] = [
    ['everyone', { filter: {} }],
    ['a status', { filter: { status: 'new' } }],
    ['a search', { filter: { search: 'ann' } }],
    ['exclusions', { filter: {}, excludedIds: [1, 2] }],
    ['chosen ids', { leadIds: [6, 5, 4, 3, 2, 1, 1, 9, 10, 12] }],
    ['who was not mailed lately', { filter: { notMailedSince: mailedAfter } }],
  ];

  it.each(audiences)('predicts exactly what an activation over %s does', async (_, audience) => {
    await addLeads(db, [
      {},
      { firstName: 'Bob' },
      { email: 'out@example.com' },
      { email: 'bad@', emailValid: false },
      { status: 'active' },
      { status: 'active', email: 'both@example.com' },
      { emailValid: false, status: 'active' },
      {},
      { mailedAt: mailedAfter + 1 },
      { mailedAt: mailedAfter },
      { mailedAt: mailedAfter + 1, status: 'active' },
      { mailedAt: mailedAfter + 1, email: 'late@example.com' },
    ]);
    await suppress(db, 'out@example.com');
    await suppress(db, 'both@example.com');
    await suppress(db, 'late@example.com');
    const resolved = await countAudience(db, audience, mailedAfter);
    if (resolved.kind !== 'ok') throw new Error(resolved.kind);
    expect(await resolveAudience(db, audience)).toEqual({ ...resolved, outcomes: null });

    const leadIds = await planAll(audience, resolved.maxLeadId);
    const result = await flipLeads(db, {
      sessionId: mine,
      number: 1,
      leadIds,
      nowMs: startedAt,
      mailedAfter,
    });
    const skipped = (reason: string): number =>
      result.skipped.filter((lead) => lead.reason === reason).length;
    expect(resolved.total).toBe(leadIds.length);
    expect(resolved.outcomes).toMatchObject({
      willActivate: result.activated.length,
      alreadyActive: skipped('already_active'),
      suppressed: skipped('suppressed'),
      invalidAddress: skipped('invalid_address'),
      recentlyMailed: skipped('recently_mailed'),
    });
  });
});

describe('the members of an audience', () => {
  const membersOf = async (audience: Audience): Promise<string> => {
    const resolved = await resolveAudience(db, audience);
    return resolved.kind === 'ok' ? resolved.members : resolved.kind;
  };

  it('are the same for the same leads, however they were selected', async () => {
    await addLeads(db, [{ source: 'Fair' }, { source: 'Web' }, { source: 'Fair' }]);
    const picked = await membersOf({ leadIds: [3, 1, 3] });
    expect(await membersOf({ filter: { source: 'Fair' } })).toBe(picked);
    expect(await membersOf({ filter: {}, excludedIds: [2] })).toBe(picked);
    expect(await membersOf({ filter: { search: 'name' }, excludedIds: [2] })).toBe(picked);
  });

  it('are others for any other leads of the same number and the same sum of ids', async () => {
    await addLeads(
      db,
      Array.from({ length: 400 }, () => ({})),
    );
    const all = new Set<string>();
    for (let offset = 0; offset < 50; offset += 1) {
      all.add(await membersOf({ leadIds: [1 + offset, 200, 399 - offset] }));
    }
    // Sets with the same sums of ids and of their squares.
    all.add(await membersOf({ leadIds: [1, 5, 6, 391] }));
    all.add(await membersOf({ leadIds: [2, 3, 7, 391] }));
    expect(all.size).toBe(52);
  });

  it('are others where other ones of the same leads would get the mail', async () => {
    await addLeads(db, [{}, {}, {}]);
    await suppress(db, 'lead1@example.com');
    const before = await countAudience(db, { filter: {} });
    await db.prepare('DELETE FROM suppressions').run();
    await suppress(db, 'lead2@example.com');
    const after = await countAudience(db, { filter: {} });
    expect(after).toMatchObject({ total: 3, outcomes: { willActivate: 2, suppressed: 1 } });
    expect(after).not.toEqual(before);
  });
});

describe('sampleAudience', () => {
  it('gives the first leads that would get mail', async () => {
    await addLeads(db, [
      { status: 'active' },
      { emailValid: false },
      { email: 'out@example.com' },
      {},
      {},
      {},
    ]);
    await suppress(db, 'out@example.com');
    const ids = async (audience: Audience): Promise<number[]> =>
      (await sampleAudience(db, audience, 2)).map((recipient) => recipient.leadId);
    expect(await ids({ filter: {} })).toEqual([4, 5]);
    expect(await ids({ leadIds: [6, 1, 5] })).toEqual([5, 6]);
    expect(await ids({ filter: { search: 'name6' } })).toEqual([6]);
  });
});

describe('planPage', () => {
  it('does not use the clock: leads with a future date and a clock that is set back change nothing', async () => {
    const ahead = Date.now() + 86_400_000;
    await addLeads(db, [{ importId: 'file', createdAt: ahead }, { importId: 'file', createdAt: ahead }, {}]);
    for (const audience of [{ filter: {} }, { filter: { importId: 'file' } }] as const) {
      const resolved = await resolveAudience(db, audience);
      if (resolved.kind !== 'ok') throw new Error(resolved.kind);
      const { maxLeadId, revision, total } = resolved;
      expect(await planAll(audience, maxLeadId, { revision })).toHaveLength(total);
    }
    const { revision } = (await resolveAudience(db, { filter: {} })) as { revision: number };
    await updateLead(db, { leadId: 2, patch: { company: 'Later' }, nowMs: 1, hashEmail });
    await flipLeads(db, { sessionId: theirs, number: 1, leadIds: [3], nowMs: 1 });
    expect(await planAll({ filter: { status: 'new' } }, 3, { revision })).toEqual([1, 3]);
    expect(await planAll({ filter: { importId: 'file' } }, 3, { revision })).toEqual([1]);
    expect(await planAll({ filter: { status: 'active' } }, 3, { revision })).toEqual([]);
  });

  it('returns every lead of the audience once, whatever the size of the page', async () => {
    await addLeads(
      db,
      Array.from({ length: 7 }, () => ({})),
    );
    for (const limit of [1, 2, 3, 7, 8]) {
      expect(await planAll({ filter: {} }, 7, { limit })).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(await planAll({ filter: { search: 'example' }, excludedIds: [2, 7] }, 7, { limit })).toEqual([
        1, 3, 4, 5, 6,
      ]);
      expect(await planAll({ leadIds: [5, 1, 5, 3] }, 5, { limit })).toEqual([1, 3, 5]);
    }
  });

  it('leaves out leads that came after the start', async () => {
    await addLeads(db, [{}, {}, {}]);
    const planned = await planAll({ filter: {} }, 3, {
      between: () => addLeads(db, [{ id: 4, createdAt: startedAt + 1 }]),
    });
    expect(planned).toEqual([1, 2, 3]);
  });

  it('does not include leads that match only because of an edit after the start', async () => {
    await addLeads(db, [{ company: 'Acme' }, {}, { company: 'Acme' }]);
    const edited = { leadId: 2, patch: { company: 'Acme' }, nowMs: startedAt + 1, hashEmail };
    await updateLead(db, edited);
    expect(await planAll({ filter: { search: 'acme' } }, 3)).toEqual([1, 3]);
  });

  it('who was not mailed at the start is still meant when another session mails or takes back since', async () => {
    await addLeads(db, [
      {},
      { mailedAt: 900 },
      {},
      { mailedAt: 300 },
      { status: 'active', activatedAt: 950 },
    ]);
    const audience: Audience = { filter: { notMailedSince: 800 } };
    const resolved = await resolveAudience(db, audience);
    expect(resolved).toMatchObject({ total: 3 });
    const { revision = 0 } = resolved as { revision?: number };
    await flipLeads(db, { sessionId: theirs, number: 1, leadIds: [1, 2, 3, 4], nowMs: startedAt + 1 });
    await unflipLeads(db, { sessionId: theirs, number: 1, leadIds: [2, 3] });
    expect(await planAll(audience, 5, { revision })).toEqual([1, 3, 4]);
    // By now two of them were mailed since.
    expect(await resolveAudience(db, audience)).toMatchObject({ total: 1 });
  });

  it('still includes leads that another session activated after the start', async () => {
    await addLeads(db, [{}, {}, { status: 'active', activatedAt: startedAt }, {}]);
    const audience: Audience = { filter: { status: 'new' } };
    expect(await resolveAudience(db, audience)).toMatchObject({ total: 3 });
    await flipLeads(db, { sessionId: theirs, number: 1, leadIds: [2, 4], nowMs: startedAt + 1 });
    const leadIds = await planAll(audience, 4);
    expect(leadIds).toEqual([1, 2, 4]);
    const result = await flipLeads(db, { sessionId: mine, number: 1, leadIds, nowMs: startedAt + 2 });
    expect(result.skipped).toEqual([
      { leadId: 2, reason: 'already_active' },
      { leadId: 4, reason: 'already_active' },
    ]);
  });

  it('includes for a filter on active leads only those that were active at the start', async () => {
    await addLeads(db, [{ status: 'active', activatedAt: 10 }, {}, {}]);
    await flipLeads(db, { sessionId: theirs, number: 1, leadIds: [2], nowMs: startedAt + 1 });
    expect(await planAll({ filter: { status: 'active' } }, 3)).toEqual([1]);
    expect(await planAll({ filter: { activatedFrom: 5 } }, 3)).toEqual([1]);
  });

  it('leaves out erased leads, and never takes a later lead for one of them', async () => {
    await addLeads(db, [{}, {}, {}]);
    await eraseLead(db, 3);
    await db
      .prepare(
        "INSERT INTO leads (email, email_hash, created_at, updated_at) VALUES ('late@example.com', 'h', 0, 0)",
      )
      .run();
    expect(await planAll({ filter: {} }, 3)).toEqual([1, 2]);
    const result = await flipLeads(db, { sessionId: mine, number: 1, leadIds: [3], nowMs: startedAt });
    expect(result.skipped).toEqual([{ leadId: 3, reason: 'erased' }]);
  });

  it('continues where a page ended, even if the last lead of the page is erased', async () => {
    await addLeads(db, [{}, {}, {}, {}]);
    const page = await planPage(db, {
      audience: { filter: {} },
      afterLeadId: 0,
      maxLeadId: 4,
      revision: 0,
      limit: 2,
    });
    expect(page).toEqual({ leadIds: [1, 2], done: false });
    await eraseLead(db, 2);
    expect(
      await planPage(db, { audience: { filter: {} }, afterLeadId: 2, maxLeadId: 4, revision: 0, limit: 2 }),
    ).toEqual({ leadIds: [3, 4], done: false });
    expect(
      await planPage(db, { audience: { filter: {} }, afterLeadId: 4, maxLeadId: 4, revision: 0, limit: 2 }),
    ).toEqual({ leadIds: [], done: true });
  });
});

describe('leads from all over an audience', () => {
  const idsOf = async (audience: Audience, chances: readonly number[], upTo: number): Promise<number[]> =>
    (await sampleAcross(db, audience, { upTo, chances })).map(({ leadId }) => leadId);

  it('are as many as are asked for, wherever chance falls', async () => {
    await addLeads(
      db,
      Array.from({ length: 25 }, () => ({})),
    );
    for (const chances of [
      [0, 0, 0],
      [0.99, 0.99, 0.99],
      [0.5, 0.5, 0.96],
    ]) {
      const ids = await idsOf({ filter: {} }, chances, 25);
      expect(ids, chances.join()).toHaveLength(5);
      expect([ids.at(0), ids.at(-1)]).toEqual([1, 25]);
    }
    expect(await idsOf({ leadIds: [7, 9] }, [0.1, 0.5, 0.9], 9)).toEqual([7, 9]);
  });

  it('are among its own, also where all of them are older than the others', async () => {
    await addLeads(
      db,
      Array.from({ length: 60 }, (_, index) => ({ source: index < 20 ? 'Fair' : 'Web' })),
    );
    expect(await idsOf({ filter: { source: 'Fair' } }, [0.25, 0.5, 0.75], 60)).toEqual([1, 6, 11, 16, 20]);
  });
});
