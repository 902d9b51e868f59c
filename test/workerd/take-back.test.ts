/**
 * Taking back an activation: whose leads become new again, what stays, and that neither crashes nor late requests
 * change that.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { flipLeads } from '../../src/crm/flip.ts';
import { takeBackLeads } from '../../src/crm/take-back.ts';
import { manifestHash } from '../../src/shared/manifest.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { HashedTakeBackManifest } from '../../src/shared/schemas/take-back.ts';
import type { TakeBackChoice } from '../../src/shared/take-back.ts';
import { addLeads, countsAndRecount, statuses } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import {
  command,
  drive,
  freshSessionId,
  look,
  readProgress,
  readRows,
  request,
  send,
  startSession,
  stubOf,
  type DrivenClock,
} from '../support/session-driver.ts';
import { accepted, last, mostMails, setUpSession, tearDownSession } from '../support/session-setup.ts';

let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;

beforeEach(async () => {
  ({ db, mail, clock, sessionId } = await setUpSession({ leadCount: 12, batchSize: 3 }));
});

afterEach(tearDownSession);

const addressOf = (leadId: number): string => `lead${leadId}@example.com`;

/** Activates all leads; the mails to these fail, and those of others stay unknown. */
async function ended(outcome: { failed?: number[]; unknown?: number[] } = {}): Promise<Progress> {
  for (const leadId of outcome.failed ?? []) mail.refused.add(addressOf(leadId));
  const unknown = new Set((outcome.unknown ?? []).map(addressOf));
  mail.fault = ({ to }) =>
    to.some((address) => unknown.has(address)) ? { kind: 'loseAfter' } : { kind: 'none' };
  await startSession(sessionId);
  if (unknown.size === 0) return last(await drive(sessionId, clock));
  await drive(sessionId, clock, ({ email }) => email.sent + email.failed >= 12 - 3);
  await accepted(sessionId, 'cancel');
  return last(await drive(sessionId, clock));
}

async function preview(choice: TakeBackChoice, id = sessionId): Promise<HashedTakeBackManifest> {
  const answer = await command(id, 'take-back/manifest', { choice });
  expect(answer.status).toBe(200);
  return answer.json();
}

/** Takes it back as it is shown now. */
async function takeBack(choice: TakeBackChoice, id = sessionId): Promise<Progress> {
  const { hash } = await preview(choice, id);
  return accepted(id, 'take-back', { choice, manifestHash: hash });
}

const isDone = ({ takeBack: its }: Progress): boolean => its?.endedAt != null;

async function takenBack(choice: TakeBackChoice, id = sessionId): Promise<NonNullable<Progress['takeBack']>> {
  await takeBack(choice, id);
  const { takeBack: its } = last(await drive(id, clock, isDone));
  if (its === undefined) throw new Error('It was not taken back.');
  return its;
}

async function newIds(): Promise<number[]> {
  return (await statuses(db)).filter(({ status }) => status === 'new').map(({ id }) => id);
}

async function problemOf(answer: Response): Promise<string> {
  return (await answer.json<{ code: string }>()).code;
}

const mailTimes = async (leadId: number): Promise<unknown> =>
  db.prepare('SELECT mailed_at AS at, mailed_before AS before FROM leads WHERE id = ?').bind(leadId).first();

describe('taking an activation back', () => {
  it('makes only the leads new again that were not mailed, unless all are chosen', async () => {
    await ended({ failed: [2, 7] });
    const { manifest, hash } = await preview('unmailed');
    expect(manifest).toMatchObject({ sessionId, reverted: { count: 2 }, alreadyTakenBack: 0, kept: 0 });
    expect(hash).toBe(await manifestHash({ ...manifest }));
    expect(await takenBack('unmailed')).toMatchObject({ leads: 2, reverted: 2, kept: 0, failed: 0 });
    expect(await newIds()).toEqual([2, 7]);
    expect(await preview('all')).toMatchObject({
      manifest: { reverted: { count: 10 }, alreadyTakenBack: 2, kept: 0 },
    });
    // The counts are of all that the choice is about, also of what was taken back before.
    expect(await takenBack('all')).toMatchObject({ leads: 12, reverted: 12, kept: 0, failed: 0 });
    expect(await newIds()).toHaveLength(12);
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
  });

  it('leaves the results and the mail as they are, and none is sent again', async () => {
    const before = await ended({ failed: [2] });
    await takenBack('all');
    const after = await readProgress(sessionId);
    expect(after).toMatchObject({ state: 'completed', activation: before.activation, email: before.email });
    for (const [name, body] of [
      ['retry', { outcome: 'failed' }],
      ['check', undefined],
    ] as const) {
      const refused = await command(sessionId, name, body);
      expect([refused.status, await problemOf(refused)]).toEqual([409, 'illegal_transition']);
    }
    expect(mail.mails).toHaveLength(11);
  });

  it('takes unknown mail for mail', async () => {
    await ended({ failed: [2], unknown: [12] });
    const { counts } = (await readRows(sessionId)).session;
    expect(counts.unknown).toBeGreaterThan(0);
    await takenBack('unmailed');
    expect(await newIds()).not.toContain(12);
    await takenBack('all');
    expect(await newIds()).toContain(12);
  });

  it('keeps the time of a mail that went, and restores that of one that did not', async () => {
    await db.prepare('UPDATE leads SET mailed_at = 77 WHERE id = 2').run();
    await ended({ failed: [2] });
    await takenBack('all');
    expect(await mailTimes(2)).toEqual({ at: 77, before: null });
    const { at } = (await mailTimes(1)) as { at: number };
    expect(at).toBeGreaterThan(77);
    // The frequency guard still knows it.
    hooks.env = { ...hooks.env, MAIL_MIN_DAYS_BETWEEN: '30' };
    const again = freshSessionId();
    await startSession(again);
    const end = last(await drive(again, clock));
    expect(end.activation).toMatchObject({ activated: 1, skipped: 11 });
    expect(mostMails(mail)).toBe(1);
  });

  it('keeps what something else has changed since: an edit, an import, an erasure, another activation', async () => {
    await ended();
    await send('PATCH', '/crm/leads/1', { firstName: 'Bea' });
    await send('DELETE', '/crm/leads/2');
    // As an import does.
    await db.batch([
      db.prepare(
        "UPDATE leads SET phone = '1', updated_at = 9, revision = (SELECT revision + 1 FROM lead_counts) WHERE id = 3",
      ),
      db.prepare('UPDATE lead_counts SET revision = revision + 1'),
    ]);
    await db
      .prepare("UPDATE leads SET activated_by = 'activation_0000000000001_other0000' WHERE id = 4")
      .run();
    expect(await preview('all')).toMatchObject({ manifest: { reverted: { count: 8 }, kept: 4 } });
    expect(await takenBack('all')).toMatchObject({ leads: 12, reverted: 8, kept: 4, failed: 0 });
    expect(await newIds()).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
    const lead = await (await request('/crm/leads/1')).json<{ status: string; firstName: string }>();
    expect(lead).toMatchObject({ status: 'active', firstName: 'Bea' });
  });

  it('is no start of its leads for an activation that was running', async () => {
    await ended({ failed: [2] });
    await addLeads(db, [{ id: 20 }, { id: 21 }]);
    const running = freshSessionId();
    // Waits before its first lead.
    hooks.env = { ...hooks.env, ACTIVATE_UNDO_SECONDS: '600' };
    await startSession(running, { filter: {} });
    await takenBack('all');
    const end = last(await drive(running, clock));
    expect(end.email.sent).toBe(2);
    expect(mostMails(mail)).toBe(1);
  });

  it('is no start of its leads for an activation that has drawn them before, or that names them', async () => {
    await ended({ failed: [2] });
    const drawn = freshSessionId();
    const picked = freshSessionId();
    hooks.onVerb = (verb, edge) => verb === 'flip' && edge === 'before';
    await startSession(drawn);
    await startSession(picked, { leadIds: [1, 2, 3] });
    for (const id of [drawn, picked]) await runDurableObjectAlarm(stubOf(id)).catch(() => false);
    expect((await readRows(drawn)).batches.length).toBeGreaterThan(0);
    hooks.onVerb = null;
    await takenBack('all');
    for (const id of [drawn, picked]) {
      const end = last(await drive(id, clock));
      expect(end.activation).toMatchObject({ activated: 0, skipped: end.total });
    }
    expect(mostMails(mail)).toBe(1);
    // One that is started now does mail them.
    const later = freshSessionId();
    await startSession(later, { leadIds: [1, 2, 3] });
    expect(last(await drive(later, clock)).email.sent).toBe(2);
  });

  it('shows in the timeline, the audit, the receipt and the history of the lead', async () => {
    await ended({ failed: [2] });
    const { manifestHash: hash } = await takenBack('unmailed');
    const timeline = await (
      await request(`/crm/activation/${sessionId}/timeline`)
    ).json<{
      events: { kind: string; by: string | null; count: number; message: string }[];
    }>();
    const [begun, done] = timeline.events.slice(-2);
    expect(begun).toMatchObject({ kind: 'take_back_started', by: 'ana@example.com', count: 1 });
    expect(begun?.message).toContain(hash);
    expect(done).toMatchObject({ kind: 'take_back_ended', count: 1 });
    const receipt = await (await request(`/crm/activation/${sessionId}/receipt`)).text();
    expect(receipt).toContain('take_back_started');
    const history = await (await request('/crm/leads/2/history')).json();
    expect(history).toMatchObject({ activation: null, takenBack: { sessionId, by: 'ana@example.com' } });
    const audit = await (
      await request('/crm/audit')
    ).json<{ entries: { action: string; detail: object }[] }>();
    expect(audit.entries.find(({ action }) => action === 'activation.takeBack')).toMatchObject({
      detail: { choice: 'unmailed', manifestHash: hash, leads: 1 },
    });
  });
});

describe('a request to take back', () => {
  it('is refused when by now something else would be done, and nothing is changed', async () => {
    await ended({ failed: [2] });
    const { hash } = await preview('all');
    await send('PATCH', '/crm/leads/5', { firstName: 'Bea' });
    const refused = await command(sessionId, 'take-back', { choice: 'all', manifestHash: hash });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({
      code: 'take_back_changed',
      detail: expect.stringContaining('11 leads would become new again, and 1 would stay') as string,
    });
    expect(await newIds()).toEqual([]);
    expect(await readProgress(sessionId)).not.toHaveProperty('takeBack');
  });

  it('finds itself when it comes again, also after the end, and two at once are one', async () => {
    await ended({ failed: [2] });
    const { hash } = await preview('all');
    const body = { choice: 'all', manifestHash: hash };
    const answers = await Promise.all([1, 2].map(() => command(sessionId, 'take-back', body)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    await drive(sessionId, clock, isDone);
    const again = await accepted(sessionId, 'take-back', body);
    expect(again.takeBack).toMatchObject({ reverted: 12, kept: 0 });
    const { events } = await (
      await request(`/crm/activation/${sessionId}/timeline`)
    ).json<{
      events: { kind: string }[];
    }>();
    expect(events.filter(({ kind }) => kind === 'take_back_started')).toHaveLength(1);
  });

  it.each([
    [{}, 'invalid_request', 422],
    [{ choice: 'some' }, 'invalid_request', 422],
    [{ choice: 'all', manifestHash: 'no' }, 'invalid_request', 422],
    [{ choice: 'all', manifestHash: 'a'.repeat(64), more: 1 }, 'invalid_request', 422],
    [{ choice: 'all', manifestHash: 'a'.repeat(64) }, 'take_back_changed', 409],
  ])('%j is refused as %s and writes nothing', async (body, code, status) => {
    await ended({ failed: [2] });
    const { rev } = await readProgress(sessionId);
    const refused = await command(sessionId, 'take-back', body);
    expect([refused.status, await problemOf(refused)]).toEqual([status, code]);
    expect((await readProgress(sessionId)).rev).toBe(rev);
    expect(await newIds()).toEqual([]);
  });

  it('is refused for an unknown activation, one that has not ended, and one without such leads', async () => {
    const body = { choice: 'unmailed', manifestHash: 'a'.repeat(64) };
    expect(await problemOf(await command(freshSessionId(), 'take-back', body))).toBe('session_not_found');
    hooks.env = { ...hooks.env, ACTIVATE_UNDO_SECONDS: '600' };
    await startSession(sessionId);
    expect(await problemOf(await command(sessionId, 'take-back', body))).toBe('session_not_ended');
    expect(await problemOf(await command(sessionId, 'take-back/manifest', { choice: 'all' }))).toBe(
      'session_not_ended',
    );
    await drive(sessionId, clock);
    const { hash } = await preview('unmailed');
    const nothing = await command(sessionId, 'take-back', { choice: 'unmailed', manifestHash: hash });
    expect(await problemOf(nothing)).toBe('illegal_transition');
  });

  it('is refused once its days are over', async () => {
    hooks.env = { ...hooks.env, TAKE_BACK_DAYS: '2' };
    await ended({ failed: [2] });
    const { hash } = await preview('all');
    clock.advance(3 * 86_400_000);
    const late = await command(sessionId, 'take-back', { choice: 'all', manifestHash: hash });
    expect(await problemOf(late)).toBe('take_back_too_late');
    hooks.env = { ...hooks.env, TAKE_BACK_DAYS: '400' };
    clock.advance(40 * 86_400_000);
    expect(await problemOf(await command(sessionId, 'take-back/manifest', { choice: 'all' }))).toMatch(
      /take_back_too_late|session_anonymized/,
    );
    expect(await newIds()).toEqual([]);
  });

  it('begins when it is asked for again after storage had refused its alarm', async () => {
    await ended({ failed: [2] });
    const { hash } = await preview('all');
    const body = { choice: 'all', manifestHash: hash };
    await runInDurableObject(stubOf(sessionId), async (object, { storage }) => {
      const setAlarm = storage.setAlarm.bind(storage);
      storage.setAlarm = () => Promise.reject(new Error('internal error'));
      await expect(object.takeBack({ choice: 'all', manifestHash: hash, by: 'ana' })).rejects.toThrow();
      storage.setAlarm = setAlarm;
    });
    await accepted(sessionId, 'take-back', body);
    const alarmAt = await runInDurableObject(stubOf(sessionId), (_, { storage }) => storage.getAlarm());
    expect(alarmAt).toBeLessThan(clock.now() + 60_000);
    expect(last(await drive(sessionId, clock, isDone)).takeBack).toMatchObject({ reverted: 12 });
  });

  it('keeps an erasure and the retention out until it has ended', async () => {
    await ended({ failed: [2] });
    await takeBack('all');
    hooks.onCrmCall = () => {
      throw new Error('D1_ERROR: Network connection lost.');
    };
    clock.advance(60 * 86_400_000);
    await runDurableObjectAlarm(stubOf(sessionId));
    hooks.onCrmCall = null;
    const erase = await request(`/crm/activation/${sessionId}`, { method: 'DELETE' });
    expect(await problemOf(erase)).toBe('illegal_transition');
    expect(last(await drive(sessionId, clock, isDone)).takeBack).toMatchObject({ reverted: 12 });
  });
});

describe('under faults', () => {
  it('a crash before or after each call of the CRM changes nothing but the time', async () => {
    await ended({ failed: [2, 7] });
    await send('PATCH', '/crm/leads/5', { firstName: 'Bea' });
    const before = await db.prepare('SELECT * FROM leads').all<{ id: number }>();
    let crashes = 0;
    for (let crashAt = 1; ; crashAt++) {
      await restore(before.results);
      await forgetTakeBack();
      await takeBack('all');
      let edge = 0;
      const crash = { came: false };
      hooks.onCrmCall = () => {
        if (crash.came || ++edge !== crashAt) return false;
        crash.came = true;
        return true;
      };
      const { takeBack: its } = last(await drive(sessionId, clock, isDone));
      hooks.onCrmCall = null;
      expect(its).toMatchObject({ leads: 12, reverted: 11, kept: 1, failed: 0 });
      expect(await newIds()).toHaveLength(11);
      const { kept, recount } = await countsAndRecount(db);
      expect(kept).toEqual(recount);
      if (!crash.came) break;
      crashes++;
    }
    expect(crashes).toBeGreaterThan(4);
  });

  it('an outage of the CRM puts it off, and it goes on by itself', async () => {
    await ended({ failed: [2] });
    await takeBack('all');
    let faults = 6;
    hooks.onCrmCall = (edge) => {
      if (edge === 'before' && faults-- > 0) throw new Error('D1_ERROR: Network connection lost.');
      return false;
    };
    const views = await drive(sessionId, clock, isDone);
    expect(last(views).takeBack).toMatchObject({ reverted: 12, kept: 0, failed: 0 });
    expect(views.length).toBeGreaterThan(3);
  });

  it('what the CRM refuses is counted as failed, and the rest is taken back', async () => {
    await ended();
    await db
      .prepare(
        `CREATE TRIGGER no_lead_5 BEFORE UPDATE OF status ON leads WHEN old.id = 5 AND new.status = 'new'
         BEGIN SELECT raise(ABORT, 'no'); END`,
      )
      .run();
    try {
      const its = await takenBack('all');
      expect(its).toMatchObject({ leads: 12, kept: 0 });
      expect(its.failed).toBe(3);
      expect(its.reverted).toBe(9);
    } finally {
      await db.prepare('DROP TRIGGER no_lead_5').run();
    }
    // Again, once nothing is in the way.
    expect(await takenBack('all')).toMatchObject({ leads: 12, reverted: 12, failed: 0 });
  });

  it('a flip of the session that arrives late sets nothing active again', async () => {
    await ended({ failed: [2] });
    const { fence } = (await readRows(sessionId)).session;
    await takenBack('all');
    const late = flipLeads(db, { sessionId, number: fence, leadIds: [1, 2, 3], nowMs: clock.now() });
    await expect(late).rejects.toThrow('A later slice');
    expect(await newIds()).toHaveLength(12);
  });

  it('a page that arrives late does not take back a later activation', async () => {
    await ended({ failed: [2] });
    await takenBack('all');
    const later = freshSessionId();
    await startSession(later);
    await drive(later, clock);
    const leadIds = [1, 2, 3];
    const page = { sessionId, number: clock.now(), unmailed: [], mailed: leadIds, nowMs: clock.now() };
    expect(await takeBackLeads(db, page)).toBe(3);
    const owners = (await statuses(db)).filter(({ id }) => leadIds.includes(id));
    expect(owners.every(({ activated_by }) => activated_by === later)).toBe(true);
  });

  it('an eviction between two pages changes nothing, and every reader sees the same', async () => {
    await ended();
    await takeBack('all');
    await evictDurableObject(stubOf(sessionId));
    expect((await look(sessionId))?.progress.takeBack).toMatchObject({ leads: 12, reverted: 0 });
    expect(last(await drive(sessionId, clock, isDone)).takeBack).toMatchObject({ reverted: 12 });
    const { activations } = await (await request('/crm/activation')).json<{ activations: Progress[] }>();
    await vi.waitUntil(() => activations.length === 1);
    expect(activations[0]?.takeBack).toMatchObject({ reverted: 12 });
  });
});

it('1,000 leads are taken back by pages through a crash, and a second time says what it did', async () => {
  tearDownSession();
  const leadCount = 1_000;
  ({ db, mail, clock, sessionId } = await setUpSession({ leadCount, batchSize: 100 }));
  const failed = [150, 450, 750];
  for (const leadId of failed) mail.refused.add(addressOf(leadId));
  await startSession(sessionId);
  await drive(sessionId, clock);
  // 20 are edited since. One cannot be written, and with it its batch.
  const edited = Array.from({ length: 20 }, (_, at) => 200 + at);
  for (const id of edited) await send('PATCH', `/crm/leads/${String(id)}`, { firstName: 'Bea' });
  const trigger = `CREATE TRIGGER kept_out BEFORE UPDATE OF status ON leads
    WHEN old.id = 950 AND new.status = 'new' BEGIN SELECT raise(ABORT, 'no'); END`;
  await db.prepare(trigger).run();
  let calls = 0;
  let hasCrashed = false;
  hooks.onCrmCall = (edge) => {
    if (hasCrashed || edge === 'before' || ++calls !== 3) return false;
    hasCrashed = true;
    return true;
  };
  try {
    const its = await takenBack('all');
    expect(hasCrashed).toBe(true);
    expect(its.leads).toBe(leadCount);
    expect(its.kept).toBe(edited.length);
    expect(its.failed).toBeGreaterThan(0);
    expect(its.reverted + its.kept + its.failed).toBe(leadCount);
    expect(await newIds()).toHaveLength(its.reverted);
  } finally {
    hooks.onCrmCall = null;
    await db.prepare('DROP TRIGGER kept_out').run();
  }
  const again = await takenBack('all');
  expect(again).toMatchObject({ leads: leadCount, reverted: leadCount - edited.length, kept: 20, failed: 0 });
  const { kept, recount } = await countsAndRecount(db);
  expect(kept).toEqual(recount);
  expect(mostMails(mail)).toBe(1);
}, 60_000);

it('20 random histories of edits, crashes and other activations keep the sums and every changed lead', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    tearDownSession();
    ({ db, mail, clock, sessionId } = await setUpSession({ leadCount: 12, batchSize: 2 }));
    const random = seededRandom(seed);
    const pick = (): number => 1 + Math.floor(random() * 12);
    // An account that takes none of the first mails pauses.
    await ended({ failed: [pick(), pick(), pick()].map((leadId) => Math.max(5, leadId)) });
    const changed = new Set<number>();
    const change = async (): Promise<void> => {
      const leadId = pick();
      const lead = (await statuses(db)).find(({ id }) => id === leadId);
      if (lead === undefined) return;
      if (lead.activated_by === sessionId) changed.add(leadId);
      if (random() < 0.2) await send('DELETE', `/crm/leads/${leadId}`);
      else await send('PATCH', `/crm/leads/${leadId}`, { firstName: `Bea ${random()}` });
    };
    for (let count = 0; count < random() * 4; count++) await change();
    const choice: TakeBackChoice = random() < 0.5 ? 'all' : 'unmailed';
    const concerned = (await preview(choice)).manifest;
    if (concerned.reverted.count === 0) continue;
    await takeBack(choice);
    const other = freshSessionId();
    let isOtherStarted = false;
    hooks.onCrmCall = () => random() < 0.15;
    const views = await drive(sessionId, clock, isDone, async () => {
      const crash = hooks.onCrmCall;
      hooks.onCrmCall = null;
      if (random() < 0.5) await change();
      if (random() < 0.2 && !isOtherStarted) {
        isOtherStarted = true;
        await startSession(other);
        await drive(other, clock);
      }
      hooks.onCrmCall = crash;
    });
    hooks.onCrmCall = null;
    const its = last(views).takeBack;
    const session = (await readRows(sessionId)).session;
    expect(its?.leads).toBe(choice === 'all' ? 12 : session.counts.failed);
    expect((its?.reverted ?? 0) + (its?.kept ?? 0) + (its?.failed ?? 0)).toBe(its?.leads);
    for (const { id, status, activated_by } of await statuses(db)) {
      if (changed.has(id)) expect([id, status, activated_by]).toEqual([id, 'active', sessionId]);
    }
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
    // A second mail is one that a person has started, after the lead was taken back.
    const twice = [...mail.countByAddress()].filter(([, count]) => count > 1);
    for (const [address] of twice) expect(await takenBackBy(address)).toBe(sessionId);
  }
}, 120_000);

const takenBackBy = (email: string): Promise<string | null> =>
  db.prepare('SELECT taken_back_by AS by FROM leads WHERE email = ?').bind(email).first<string>('by');

/** Puts the leads back as they were. */
async function restore(leads: readonly { id: number }[]): Promise<void> {
  const columns = [
    'status',
    'activated_at',
    'activated_by',
    'mailed_at',
    'mailed_before',
    'revision',
    'taken_back_by',
  ];
  await db.batch([
    ...leads.map((lead) =>
      db
        .prepare(`UPDATE leads SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE id = ?`)
        .bind(...columns.map((column) => lead[column as 'id']), lead.id),
    ),
    db.prepare(
      `UPDATE lead_counts SET new_count = (SELECT count(*) FROM leads WHERE status = 'new'),
         active_count = (SELECT count(*) FROM leads WHERE status = 'active')`,
    ),
  ]);
}

/** The session as it was before it was taken back. */
async function forgetTakeBack(): Promise<void> {
  await runInDurableObject(stubOf(sessionId), (instance) => {
    const store = instance.rows();
    store.transact(() => store.save({ ...store.session(), takeBack: null }));
  });
  await evictDurableObject(stubOf(sessionId));
}
