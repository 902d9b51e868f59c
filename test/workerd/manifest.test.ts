/** The manifest: a preview makes it and writes nothing, a start holds to it, and the session keeps it. */
import { env } from 'cloudflare:workers';
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countAudience } from '../../src/crm/audience.ts';
import { manifestHash, type HashedManifest } from '../../src/shared/manifest.ts';
import type { Problem } from '../../src/shared/problem.ts';
import type {
  ActivationPreview,
  ActivationStartRequest,
  Audience,
} from '../../src/shared/schemas/activation.ts';
import type { SessionManifest } from '../../src/shared/schemas/manifest.ts';
import { addLeads, statuses, suppress } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import {
  command,
  freshSessionId,
  request,
  send,
  sessionContent,
  startSession,
  stubOf,
  waitForEnd,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';
import { holdTo } from '../../web/src/lib/leads/activate/start-request.ts';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  ({ db, mail } = await setUpSession({ isRealTime: true }));
  await addLeads(
    db,
    ['Fair', 'Fair', 'Web', 'Fair', 'Fair'].map((source, at) => ({ source, lastName: `Jansen${at}` })),
  );
});
/** Sessions that a test started; they end before the next test, whose leads they would mail. */
const started: string[] = [];
afterEach(async () => {
  for (const sessionId of started.splice(0)) {
    const isThere = (await request(`/crm/activation/progress/${sessionId}`)).status === 200;
    if (isThere) await waitForEnd(sessionId);
  }
  tearDownSession();
});

const fair: Audience = { filter: { source: 'Fair', search: 'jansen' }, excludedIds: [5] };
const wanted = { audience: fair, templateId: 'welcome' };

async function makeManifest(body: object = wanted): Promise<HashedManifest> {
  const response = await send('POST', '/crm/activation/manifest', body);
  expect(response.status).toBe(200);
  return response.json();
}

async function startWith(extra: object, sessionId = freshSessionId()): Promise<Response> {
  const response = await send('POST', '/crm/activation', { sessionId, ...wanted, ...extra });
  if (response.status === 201) started.push(sessionId);
  return response;
}

async function keptManifest(sessionId: string): Promise<SessionManifest> {
  const response = await request(`/crm/activation/${sessionId}/manifest`);
  expect(response.status).toBe(200);
  return response.json();
}

describe('a manifest', () => {
  it('says what would be done, writes nothing, and is the one that the preview shows', async () => {
    await suppress(db, 'lead2@example.com');
    const before = await contentOfCrm();
    const made = await makeManifest();
    expect(made.manifest).toMatchObject({
      madeBy: 'ana@example.com',
      audience: {
        words: 'all leads, that a search found, with the source “Fair”, minus 1',
        filter: { source: 'Fair' },
        excluded: { count: 1 },
        maxLeadId: 4,
        total: 3,
        outcomes: { willActivate: 2, suppressed: 1 },
      },
      template: { id: 'welcome' },
      mail: { provider: 'resend' },
    });
    expect(made.hash).toBe(await manifestHash(made.manifest));
    const preview = await send('POST', '/crm/activation/preview', wanted);
    expect((await preview.json<ActivationPreview>()).manifest).toEqual(made);
    expect(await contentOfCrm()).toBe(before);
    expect(mail.mails).toHaveLength(0);
  });

  it('has no words of a search, and another hash for another search', async () => {
    const text = JSON.stringify(await makeManifest());
    expect(text).not.toContain('jansen');
    const other = await makeManifest({
      ...wanted,
      audience: { ...fair, filter: { source: 'Fair', search: 'jan' } },
    });
    expect(other.hash).not.toBe((JSON.parse(text) as HashedManifest).hash);
  });

  it.each([
    ['no lead', { audience: { filter: { source: 'Nobody' } } }, 422, 'empty_audience'],
    ['ids of no lead', { audience: { leadIds: [77] } }, 422, 'unknown_leads'],
    ['no template', { templateId: 'nothing' }, 422, 'unknown_template'],
    [
      'a search of nine words',
      { audience: { filter: { search: 'a b c d e f g h i' } } },
      422,
      'filter_too_complex',
    ],
    ['an unknown key', { sessionId: 'x' }, 422, 'invalid_request'],
  ])('of %s is refused as a start is', async (_, change, status, code) => {
    const response = await send('POST', '/crm/activation/manifest', { ...wanted, ...change });
    expect([response.status, (await response.json<Problem>()).code]).toEqual([status, code]);
  });

  it('is refused while no mail can be sent, and the preview then has none', async () => {
    hooks.env = { MAIL_PROVIDER: 'pigeon' };
    const response = await send('POST', '/crm/activation/manifest', wanted);
    expect((await response.json<Problem>()).code).toBe('mail_not_configured');
    const preview = await send('POST', '/crm/activation/preview', wanted);
    expect(await preview.json()).toMatchObject({ willActivate: 3, manifest: null });
  });
});

describe('a start', () => {
  it('with the hash of what would come out starts, and its answer and its session have the manifest', async () => {
    const made = await makeManifest();
    const sessionId = freshSessionId();
    const response = await startWith({ manifestHash: made.hash, manifest: made.manifest }, sessionId);
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ manifestHash: made.hash, total: 3 });
    await waitForEnd(sessionId);
    expect(await keptManifest(sessionId)).toEqual(made);
  });

  it('without a hash starts as before, and its answer has the hash', async () => {
    const { manifest } = await makeManifest();
    const sessionId = freshSessionId();
    const first = await startWith({}, sessionId);
    const { manifestHash: hash } = await first.json<{ manifestHash: string }>();
    expect(first.status).toBe(201);
    // It is held to no counts, so it does not wait for them.
    const uncounted = { ...manifest, audience: { ...manifest.audience, outcomes: null } };
    expect(await keptManifest(sessionId)).toEqual({ hash, manifest: uncounted });
    expect(await manifestHash(uncounted)).toBe(hash);
  });

  it('is not refused for its name or its id', async () => {
    const { hash } = await makeManifest({ ...wanted, name: 'One name' });
    expect((await startWith({ name: 'Another name', manifestHash: hash })).status).toBe(201);
  });

  it('is refused when the world has moved, in words and as data, and writes nothing', async () => {
    const { hash, manifest } = await makeManifest();
    await suppress(db, 'lead1@example.com');
    hooks.env = { MAIL_DAILY_CAP: '500' };
    const before = await contentOfCrm();
    const sessionId = freshSessionId();
    const refused = await startWith({ manifestHash: hash, manifest }, sessionId);
    const problem = await refused.json<Problem>();
    expect([refused.status, problem.code]).toEqual([409, 'manifest_changed']);
    expect(problem.detail).toBe(
      'Nothing was started. 2 leads would get the email, 3 before. 1 lead suppressed, 0 before. The daily cap is now 500; it was none.',
    );
    expect(problem.differences).toMatchObject([
      { path: '/audience/outcomes/willActivate', was: 3, now: 2 },
      { path: '/audience/outcomes/suppressed', was: 0, now: 1 },
      { path: '/dailyCap', was: null, now: 500 },
    ]);
    expect(problem.manifest).toEqual(await makeManifest());
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(404);
    expect(await contentOfCrm()).toBe(before);
    // The hash of the present one starts, under the same id.
    const again = await startWith({ manifestHash: problem.manifest?.hash }, sessionId);
    expect(again.status).toBe(201);
  });

  it('with the hash alone is refused too, and the answer has the present manifest', async () => {
    const { hash } = await makeManifest({ ...wanted, audience: { leadIds: [1] } });
    const problem = await (await startWith({ manifestHash: hash })).json<Problem>();
    expect(problem).toMatchObject({ code: 'manifest_changed', differences: [] });
    expect(problem.manifest).toEqual(await makeManifest());
  });

  it('of another person’s manifest is refused', async () => {
    const { manifest } = await makeManifest();
    const foreign = { ...manifest, madeBy: 'ben@example.com' };
    const body = { manifestHash: await manifestHash(foreign), manifest: foreign };
    expect(await (await startWith(body)).json()).toMatchObject({
      code: 'manifest_changed',
      differences: [{ path: '/madeBy', was: 'ben@example.com', now: 'ana@example.com' }],
    });
  });

  it('that was taken is found by its repeat, whatever has moved since', async () => {
    const { hash } = await makeManifest();
    const sessionId = freshSessionId();
    expect((await startWith({ manifestHash: hash }, sessionId)).status).toBe(201);
    await suppress(db, 'lead1@example.com');
    const repeat = await startWith({ manifestHash: hash }, sessionId);
    expect([repeat.status, (await repeat.json<{ manifestHash: string }>()).manifestHash]).toEqual([
      200,
      hash,
    ]);
    // The condition of a start is no part of what is started.
    expect((await startWith({}, sessionId)).status).toBe(200);
  });

  it.each([
    ['no hash', { manifestHash: 'abc' }, 'invalid_request'],
    [
      'a manifest with another hash',
      { manifestHash: 'a'.repeat(64), manifest: { a: 1 } },
      'manifest_mismatch',
    ],
    ['a manifest without a hash', { manifest: { a: 1 } }, 'manifest_mismatch'],
    ['no object', { manifestHash: 'a'.repeat(64), manifest: [1] }, 'invalid_request'],
    [
      'a manifest that is too deep',
      {
        manifestHash: 'a'.repeat(64),
        manifest: { a: JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`) as unknown },
      },
      'invalid_request',
    ],
  ])('with %s is refused, and nothing is written', async (_, extra, code) => {
    const sessionId = freshSessionId();
    const response = await startWith(extra, sessionId);
    expect([response.status, (await response.json<Problem>()).code]).toEqual([422, code]);
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(404);
  });

  it('after 2,000 edits starts if and only if the manifest is still the same', async () => {
    hooks.env = { ACTIVATE_UNDO_SECONDS: '600' };
    const leads = Array.from({ length: 20 }, (_, at) => ({
      ...{ id: 100 + at, source: at % 2 === 0 ? 'Fair' : 'Web', isValid: true, isSuppressed: false },
    }));
    await addLeads(db, leads);
    /** Who of the source Fair there is, and what would happen to each. */
    const meant = (): string =>
      JSON.stringify(
        leads
          .filter(({ source }) => source === 'Fair')
          .map(({ id, isValid, isSuppressed }) => [id, isSuppressed ? 's' : isValid ? 'm' : 'i']),
      );
    const audience = { filter: { source: 'Fair' } };
    const body = { audience, templateId: 'welcome' };
    /** What a manifest has of the audience. */
    const counted = async (): Promise<string> =>
      JSON.stringify({ ...(await countAudience(db, audience)), revision: null });
    const random = seededRandom(16);
    const wrong = { same: 0, other: 0, started: 0, refused: 0 };
    const seen = { same: 0, other: 0, started: 0, refused: 0 };
    let known = { meant: meant(), counted: await counted(), made: await makeManifest(body) };
    for (let edit = 1; edit <= 2_000; edit += 1) {
      await editOne(leads, random);
      const now = { meant: meant(), counted: await counted() };
      const isSame = now.meant === known.meant;
      seen[isSame ? 'same' : 'other'] += 1;
      if ((now.counted === known.counted) !== isSame) wrong[isSame ? 'same' : 'other'] += 1;
      if (edit % 40 !== 0) {
        // Compared with the edit before; a start is tried with the manifest of one edit ago.
        if (edit % 40 === 39) known = { ...now, made: await makeManifest(body) };
        else known = { ...known, ...now };
        continue;
      }
      const sessionId = freshSessionId();
      const response = await send('POST', '/crm/activation', {
        ...{ sessionId, ...body, manifestHash: known.made.hash },
      });
      const isStarted = response.status === 201;
      seen[isStarted ? 'started' : 'refused'] += 1;
      if (isStarted !== isSame) wrong[isStarted ? 'started' : 'refused'] += 1;
      if (isStarted) await command(sessionId, 'undo');
      known = { ...known, ...now };
    }
    expect(wrong).toEqual({ same: 0, other: 0, started: 0, refused: 0 });
    expect(Math.min(seen.same, seen.other)).toBeGreaterThan(300);
    expect(Math.min(seen.started, seen.refused)).toBeGreaterThan(5);
  }, 240_000);
});

describe('the manifest of a scheduled activation', () => {
  /** A local time so many days ahead. */
  const inDays = (days: number): string =>
    new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 16);
  const schedule = { at: inDays(3), zone: 'Europe/Berlin', freezeAt: 'start' };
  const window = { zone: 'Europe/Berlin', days: [1, 2, 3, 4, 5], from: '09:00', until: '17:00' };
  const timed = { ...wanted, schedule, window };

  /** Schedules it; it never begins, so nobody waits for its end. */
  async function scheduleWith(extra: object, sessionId = freshSessionId()): Promise<Response> {
    return send('POST', '/crm/activation', { sessionId, ...timed, ...extra });
  }
  const changeTimes = (sessionId: string, change: object): Promise<Response> =>
    send('POST', `/crm/activation/${sessionId}/schedule`, change);

  it('has its time and its window, and no other time can be started with its hash', async () => {
    const made = await makeManifest(timed);
    expect(made.manifest.when).toEqual({ schedule, window, waves: null });
    expect((await makeManifest()).hash).not.toBe(made.hash);
    const held = { manifestHash: made.hash, manifest: made.manifest };
    const later = await scheduleWith({ ...held, schedule: { ...schedule, at: inDays(4) } });
    expect(await later.json()).toMatchObject({
      code: 'manifest_changed',
      differences: [{ path: '/when/schedule', was: schedule }],
    });
    expect((await startWith(held)).status).toBe(409);
    const sessionId = freshSessionId();
    const response = await scheduleWith(held, sessionId);
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ state: 'scheduled', manifestHash: made.hash });
    expect(await keptManifest(sessionId)).toEqual(made);
    await command(sessionId, 'cancel');
  });

  it('is the one that a client makes from the preview and the times', async () => {
    const preview = await send('POST', '/crm/activation/preview', wanted);
    const { manifest } = await preview.json<ActivationPreview>();
    const request = { sessionId: freshSessionId(), ...wanted, schedule, window } as ActivationStartRequest;
    const held = await holdTo(request, manifest);
    expect(held.manifestHash).toBe((await makeManifest(timed)).hash);
    expect((await send('POST', '/crm/activation', held)).status).toBe(201);
    await command(request.sessionId, 'cancel');
  });

  it('is made anew when its times are changed, and keeps the hash of the start', async () => {
    const made = await makeManifest(timed);
    const sessionId = freshSessionId();
    await scheduleWith({ manifestHash: made.hash }, sessionId);
    const at = inDays(5);
    const moved = { ...made.manifest, when: { schedule: { ...schedule, at }, window, waves: null } };
    expect((await changeTimes(sessionId, { schedule: { at, zone: schedule.zone } })).status).toBe(200);
    expect(await keptManifest(sessionId)).toEqual({
      manifest: moved,
      hash: await manifestHash(moved),
      startedHash: made.hash,
    });
    await changeTimes(sessionId, { window: null });
    const open = { ...moved, when: { ...moved.when, window: null } };
    await evictDurableObject(stubOf(sessionId));
    expect(await keptManifest(sessionId)).toEqual({
      manifest: open,
      hash: await manifestHash(open),
      startedHash: made.hash,
    });
    // A repeat of the start finds what it started.
    const repeat = await scheduleWith({ manifestHash: made.hash }, sessionId);
    expect([repeat.status, (await repeat.json<{ manifestHash: string }>()).manifestHash]).toEqual([
      200,
      made.hash,
    ]);
    const { results } = await db
      .prepare(
        "SELECT detail ->> 'manifestHash' AS hash FROM audit WHERE target = ? AND action = 'activation.schedule' ORDER BY id",
      )
      .bind(sessionId)
      .all<{ hash: string }>();
    expect(results.map(({ hash }) => hash)).toEqual([await manifestHash(moved), await manifestHash(open)]);
    await command(sessionId, 'cancel');
  });

  it('stays as it is with the same times again, and with a start before its time', async () => {
    hooks.env = { ACTIVATE_UNDO_SECONDS: '600' };
    const made = await makeManifest(timed);
    const sessionId = freshSessionId();
    await scheduleWith({ manifestHash: made.hash }, sessionId);
    await changeTimes(sessionId, { schedule: { at: schedule.at, zone: schedule.zone }, window });
    await command(sessionId, 'start-now');
    expect(await keptManifest(sessionId)).toEqual(made);
    await command(sessionId, 'cancel');
  });

  it('cannot be of a time that is over or of an unknown zone', async () => {
    const codeOf = async (change: object): Promise<string> => {
      const response = await send('POST', '/crm/activation/manifest', { ...timed, ...change });
      return (await response.json<Problem>()).code;
    };
    expect(await codeOf({ schedule: { ...schedule, at: inDays(-1) } })).toBe('start_in_past');
    expect(await codeOf({ window: { ...window, zone: 'Mars/Olympus' } })).toBe('unknown_zone');
  });
});

describe('the manifest of a session', () => {
  it('stays whole when the search words and whom it was for are deleted', async () => {
    const made = await makeManifest();
    const sessionId = freshSessionId();
    await startWith({ manifestHash: made.hash }, sessionId);
    await waitForEnd(sessionId);
    expect(await sessionContent(sessionId)).not.toContain('jansen');
    await runInDurableObject(stubOf(sessionId), (instance) => {
      const store = instance.rows();
      store.transact(() => store.anonymize(1));
    });
    await evictDurableObject(stubOf(sessionId));
    const kept = await keptManifest(sessionId);
    expect(kept).toEqual(made);
    expect(kept.manifest === null ? '' : await manifestHash(kept.manifest)).toBe(made.hash);
  });

  it('is erased with the session, and an unknown id has none', async () => {
    const sessionId = freshSessionId();
    await startWith({}, sessionId);
    await waitForEnd(sessionId);
    expect((await request(`/crm/activation/${sessionId}`, deletion)).status).toBe(204);
    expect((await request(`/crm/activation/${sessionId}/manifest`)).status).toBe(404);
    expect((await request(`/crm/activation/${freshSessionId()}/manifest`)).status).toBe(404);
  });

  it('is missing in a session that version 0.1 started, and that is said', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1] });
    await waitForEnd(sessionId);
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => {
      storage.sql.exec("UPDATE spec SET json = json_remove(json, '$.manifest')");
    });
    await evictDurableObject(stubOf(sessionId));
    expect(await keptManifest(sessionId)).toEqual({ hash: null, manifest: null });
  });

  it('is in the audit by its hash', async () => {
    const { hash } = await makeManifest();
    const sessionId = freshSessionId();
    await startWith({ manifestHash: hash }, sessionId);
    const row = await db
      .prepare("SELECT detail ->> 'manifestHash' AS hash FROM audit WHERE target = ?")
      .bind(sessionId)
      .first<{ hash: string }>();
    expect(row?.hash).toBe(hash);
  });
});

describe('the frequency guard', () => {
  /** As an undo, or a CRM of somebody else, makes an active lead new again. */
  const makeNew = (): Promise<unknown> =>
    db.prepare("UPDATE leads SET status = 'new', activated_at = NULL, activated_by = NULL").run();

  it('skips whom an activation mailed within the days of its start, and says so everywhere', async () => {
    const first = freshSessionId();
    await startSession(first, { leadIds: [1, 2] });
    await waitForEnd(first);
    await makeNew();
    hooks.env = { MAIL_MIN_DAYS_BETWEEN: '30' };
    const body = { audience: { leadIds: [1, 2, 3] }, templateId: 'welcome' };
    const made = await makeManifest(body);
    expect(made.manifest).toMatchObject({
      minDaysBetween: 30,
      audience: { outcomes: { willActivate: 1, recentlyMailed: 2 } },
    });
    const preview = await send('POST', '/crm/activation/preview', body);
    const shown = await preview.json<ActivationPreview>();
    expect(shown).toMatchObject({ willActivate: 1, recentlyMailed: 2, sample: [{ leadId: 3 }] });
    const skipped = { audience: body.audience, reason: 'recently_mailed' };
    expect(await (await send('POST', '/crm/leads/skipped', skipped)).json()).toMatchObject({
      leads: [{ id: 1 }, { id: 2 }],
    });

    const sessionId = freshSessionId();
    await send('POST', '/crm/activation', { sessionId, ...body, manifestHash: made.hash });
    // The setting of the start holds.
    hooks.env = {};
    expect(await waitForEnd(sessionId)).toMatchObject({
      state: 'completed',
      activation: { activated: 1, skipped: 2 },
    });
    expect([...mail.countByAddress().values()]).toEqual([1, 1, 1]);
    const issues = await request(`/crm/activation/${sessionId}/issues`);
    expect(await issues.json()).toMatchObject({ issues: [{ code: 'recently_mailed', count: 2 }] });
    const csv = await request(`/crm/activation/${sessionId}/leads.csv`);
    expect((await csv.text()).match(/recently_mailed/g)).toHaveLength(2);
  });

  it('mails them again after these days', async () => {
    const first = freshSessionId();
    await startSession(first, { leadIds: [1] });
    await waitForEnd(first);
    await makeNew();
    await db
      .prepare('UPDATE leads SET mailed_at = ? WHERE id = 1')
      .bind(Date.now() - 31 * 86_400_000)
      .run();
    hooks.env = { MAIL_MIN_DAYS_BETWEEN: '30' };
    const again = freshSessionId();
    await startSession(again, { leadIds: [1] });
    expect(await waitForEnd(again)).toMatchObject({ email: { sent: 1 } });
  });

  it('that cannot be read keeps every activation from starting', async () => {
    hooks.env = { MAIL_MIN_DAYS_BETWEEN: 'a month' };
    const refused = await startWith({});
    const problem = await refused.json<Problem>();
    expect([refused.status, problem.code]).toEqual([409, 'mail_not_configured']);
    expect(problem.detail).toContain('MAIL_MIN_DAYS_BETWEEN');
  });

  it('is a filter of the list, alone and with others, with its count', async () => {
    await db.prepare('UPDATE leads SET mailed_at = 5000 WHERE id IN (2, 3)').run();
    const list = async (query: string): Promise<unknown> => {
      const { leads, total } = await (
        await request(`/crm/leads?${query}`)
      ).json<{ leads: { id: number }[]; total: number }>();
      return [leads.map(({ id }) => id), total];
    };
    expect(await list('notMailedSince=5000&sort=id')).toEqual([[1, 4, 5], 3]);
    expect(await list('notMailedSince=5001&sort=id')).toEqual([[1, 2, 3, 4, 5], 5]);
    expect(await list('notMailedSince=5000&source=Fair&sort=id&limit=2')).toEqual([[1, 4], 3]);
    expect(await list('notMailedSince=5000&status=new&search=jansen&sort=id')).toEqual([[1, 4, 5], 3]);
  });
});

const deletion = { method: 'DELETE', headers: { 'content-type': 'application/json' } };

async function contentOfCrm(): Promise<string> {
  const tables = ['leads', 'activations', 'suppressions', 'lead_counts', 'audit'];
  const rows = await env.DB.batch(tables.map((table) => env.DB.prepare(`SELECT * FROM ${table}`)));
  return JSON.stringify([rows.map(({ results }) => results), await statuses(db)]);
}

interface EditedLead {
  id: number;
  source: string;
  isValid: boolean;
  isSuppressed: boolean;
}

/** One change of the CRM: of who matches, of who may be mailed, or of nothing that matters. */
async function editOne(leads: readonly EditedLead[], random: () => number): Promise<void> {
  const lead = leads[Math.floor(random() * leads.length)];
  if (lead === undefined) return;
  const update = (set: string): Promise<unknown> =>
    db.prepare(`UPDATE leads SET ${set} WHERE id = ?`).bind(lead.id).run();
  switch (Math.floor(random() * 5)) {
    case 0:
      await update("company = company || '.'");
      return;
    case 1:
      lead.source = lead.source === 'Fair' ? 'Web' : 'Fair';
      await update(`source = '${lead.source}'`);
      return;
    case 2:
      lead.isValid = !lead.isValid;
      await update('email_valid = 1 - email_valid');
      return;
    case 3:
      if (!lead.isSuppressed) await suppress(db, `lead${lead.id}@example.com`);
      lead.isSuppressed = true;
      return;
    default:
      for (const each of leads) each.isSuppressed = false;
      await db.prepare('DELETE FROM suppressions').run();
  }
}
