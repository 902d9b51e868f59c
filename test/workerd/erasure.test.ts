import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PersonExport } from '../../src/shared/schemas/audit.ts';
import type { LeadResultPage } from '../../src/shared/schemas/activation.ts';
import { emailHash } from '../../src/crm/email.ts';
import { addLeads, countsAndRecount } from '../support/crm-database.ts';
import { databaseContent } from '../support/routes.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  freshSessionId,
  readProgress,
  readRows,
  request,
  send,
  sessionContent,
  startSession,
  stubOf,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';

const person = 'ivy.erased@leads.example';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  ({ db, mail } = await setUpSession({ isRealTime: true }));
});

afterEach(tearDownSession);

/** Three leads, of which the second will be erased. */
async function addThree(): Promise<void> {
  await addLeads(db, [{}, { email: person, firstName: 'Ivy', lastName: 'Erasmus' }, {}]);
}

async function openImportOf(importId: string, columns: readonly string[]): Promise<void> {
  const response = await send('POST', '/crm/imports', {
    importId,
    fileName: 'people.csv',
    columns,
    mapping: { email: [0], lastName: [1] },
  });
  expect(response.status).toBe(201);
}

const erase = (id: number): Promise<Response> => send('DELETE', `/crm/leads/${id}`);

async function expectForgotten(sessionId: string): Promise<void> {
  const kept = `${await sessionContent(sessionId)}${await databaseContent()}`;
  expect(/.{0,80}(?:ivy|erasmus).{0,80}/i.exec(kept)?.[0] ?? 'forgotten').toBe('forgotten');
}

describe('erasing a lead', () => {
  it('deletes it in the CRM and in the session that mailed it; the numbers stay', async () => {
    await addThree();
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const before = await waitForEnd(sessionId);
    expect(await sessionContent(sessionId)).toContain(person);

    expect((await erase(2)).status).toBe(204);
    await expectForgotten(sessionId);
    expect(await readProgress(sessionId)).toMatchObject({ total: 3, email: before.email });
    const page: LeadResultPage = await (await request(`/crm/activation/${sessionId}/leads`)).json();
    expect(page.leads.find(({ leadId }) => leadId === 2)).toMatchObject({
      email: null,
      name: '',
      emailState: 'sent',
      messageId: null,
    });
    const csv = await (await request(`/crm/activation/${sessionId}/leads.csv`)).text();
    expect(csv).not.toContain('ivy');
    expect((await erase(2)).status).toBe(404);
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
  });

  it('leaves only the hash of a suppression and the place of a rejected row', async () => {
    await addThree();
    await send('POST', '/crm/suppressions', {
      addresses: [person],
      reason: 'manual',
      note: 'asked by phone',
    });
    await send('POST', '/crm/imports', {
      importId: 'with-rejects',
      fileName: 'people.csv',
      columns: ['Email', 'Name'],
      mapping: { email: [0], lastName: [1] },
    });
    const rows = [
      { line: 2, cells: ['other@leads.example', 'Other'] },
      { line: 3, cells: [person.toUpperCase(), 'Erasmus'] },
      { line: 4, cells: [person, 'Erasmus, again'] },
      { line: 5, cells: ['other@leads.example', 'Other, again'] },
    ];
    expect((await send('PUT', '/crm/imports/with-rejects/chunks/0', { rows })).status).toBe(200);
    expect((await databaseContent()).toLowerCase()).toContain('erasmus, again');

    expect((await erase(2)).status).toBe(204);
    const kept = (await databaseContent()).toLowerCase();
    expect(kept).not.toContain('ivy');
    expect(kept).not.toContain('erasmus');
    expect(kept).toContain('other, again');
    const hash = emailHash(env.ADDRESS_HASH_KEY, person);
    expect(
      await db.prepare('SELECT label FROM suppressions WHERE email_hash = ?').bind(hash).first(),
    ).toEqual({
      label: null,
    });
    const csv = await (
      await request('/crm/imports/with-rejects/rejected.csv?outcome=duplicate_in_file')
    ).text();
    expect(csv).not.toContain('ivy');
  });

  it('erases two leads of one chunk at the same time without mixing them up', async () => {
    const others = Array.from({ length: 6 }, (_, index) => `side-by-side${index}@leads.example`);
    await addLeads(
      db,
      others.map((email) => ({ email })),
    );
    await openImportOf('people', ['Email', 'Name']);
    const rows = others.flatMap((email, index) => [
      { line: 2 * index + 2, cells: [email, 'First'] },
      { line: 2 * index + 3, cells: [email.toUpperCase(), `Secret “${index}”`] },
    ]);
    rows.push({ line: 90, cells: ['nobody', 'Stays "as it is"'] });
    expect((await send('PUT', '/crm/imports/people/chunks/0', { rows })).status).toBe(200);

    const answers = await Promise.all(others.map((_, index) => erase(index + 1)));
    expect(answers.map(({ status }) => status)).toEqual(others.map(() => 204));
    const kept = await databaseContent();
    expect(kept.toLowerCase()).not.toContain('side-by-side');
    expect(kept).not.toContain('Secret');
    const stored = await db.prepare('SELECT issues FROM import_chunks').first<string>('issues');
    expect(JSON.parse(stored ?? '')).toEqual([
      ...others.map((_, index) => [
        2 * index + 3,
        'duplicate_in_file',
        `the same address as in line ${2 * index + 2}`,
        [],
      ]),
      [90, 'rejected', 'the email cell holds no address', ['nobody', 'Stays "as it is"']],
    ]);
  });

  it('finds and empties every row of a person, in any number of chunks', async () => {
    const rowsOf = (seq: number) =>
      Array.from({ length: 60 }, (_, index) => ({ line: seq * 60 + index + 1, cells: [person, 'Erasmus'] }));
    await openImportOf('many', ['Email', 'Name']);
    for (let seq = 0; seq < 22; seq++) {
      expect((await send('PUT', `/crm/imports/many/chunks/${seq}`, { rows: rowsOf(seq) })).status).toBe(200);
    }
    const held: PersonExport = await (await send('POST', '/crm/leads/export', { email: person })).json();
    expect(held.imports.map(({ line }) => line).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 22 * 60 }, (_, index) => index + 1),
    );
    expect((await erase(held.lead?.id ?? 0)).status).toBe(204);
    expect(/ivy|erasmus/i.exec(await databaseContent())?.[0] ?? 'forgotten').toBe('forgotten');
  });

  it('sends nothing to it in a session that has planned it but not set it active', async () => {
    await addThree();
    const sessionId = freshSessionId();
    let isErased = false;
    hooks.onVerb = (verb, edge) => {
      if (verb === 'flip' && edge === 'before' && !isErased) {
        isErased = true;
        void erase(2);
      }
      return false;
    };
    await startSession(sessionId, { leadIds: [1, 2, 3] });
    const end = await waitForEnd(sessionId);
    expect(end.activation.activated + end.activation.skipped).toBe(3);
    if (end.activation.skipped === 1) expect(mail.countByAddress().has(person)).toBe(false);
    await waitUntilGone(2);
    await expectForgotten(sessionId);
  });

  it.each(['flip', 'settleFlip', 'prepare', 'intend'])(
    'sends nothing to it when it is erased during %s, and mails the others once',
    async (moment) => {
      await addThree();
      const sessionId = freshSessionId();
      await db
        .prepare("UPDATE leads SET status = 'active', activated_at = 1, activated_by = ? WHERE id = 2")
        .bind(sessionId)
        .run();
      await db.prepare('UPDATE lead_counts SET new_count = 2, active_count = 1').run();
      let calls = 0;
      hooks.onVerb = (verb, edge) => {
        // The object erases the lead while a batch with it is in memory.
        if (verb === moment && edge === 'before' && calls++ === 0) {
          void runInDurableObject(stubOf(sessionId), (instance) => instance.eraseLead(2));
        }
        return false;
      };
      await startSession(sessionId, { leadIds: [1, 2, 3] });
      const end = await waitForEnd(sessionId);
      expect(calls).toBeGreaterThan(0);
      const counts = mail.countByAddress();
      const mailed = counts.get(person) ?? 0;
      // Either the mail had left before the erasure, or it never leaves. The others are mailed once.
      expect(mailed).toBe(end.email.sent - 2);
      expect(counts.get('lead1@example.com')).toBe(1);
      expect(counts.get('lead3@example.com')).toBe(1);
      await erase(2);
      await expectForgotten(sessionId);
      const rows = await readRows(sessionId);
      expect(rows.recount).toEqual(rows.session.counts);
    },
  );

  it('repeats a batch in doubt that was taken under its key: its mail is unknown, and nobody is mailed twice', async () => {
    await addThree();
    const sessionId = freshSessionId();
    mail.fault = ({ callCount }) => {
      if (callCount > 1) return { kind: 'none' };
      return { kind: 'loseAfter' };
    };
    await startSession(sessionId);
    await waitUntilWaiting(sessionId);
    expect((await erase(2)).status).toBe(204);
    await expectForgotten(sessionId);

    const end = await waitForEnd(sessionId);
    // Another payload under the key gets an answer that does not say whether the first one was taken.
    expect([...mail.countByAddress().values()]).toEqual([1, 1, 1]);
    expect(end.email).toMatchObject({ sent: 0, failed: 0, unknown: 3 });
    expect(mail.mails.every(({ key }) => key === `${sessionId}/1`)).toBe(true);
    await expectForgotten(sessionId);
    const rows = await readRows(sessionId);
    expect(rows.recount).toEqual(rows.session.counts);
  });

  it('mails the others when a batch in doubt had not been taken', async () => {
    await addThree();
    const sessionId = freshSessionId();
    mail.fault = ({ callCount }) => ({ kind: callCount === 1 ? 'loseBefore' : 'none' });
    await startSession(sessionId);
    await waitUntilWaiting(sessionId);
    expect((await erase(2)).status).toBe(204);
    const end = await waitForEnd(sessionId);
    expect(mail.countByAddress()).toEqual(
      new Map([
        ['lead1@example.com', 1],
        ['lead3@example.com', 1],
      ]),
    );
    // It is not known whether the first call reached the provider.
    expect(end.email).toMatchObject({ sent: 2, failed: 0, unknown: 1 });
    const page: LeadResultPage = await (
      await request(`/crm/activation/${sessionId}/leads?email=unknown`)
    ).json();
    expect(page.leads).toMatchObject([{ leadId: 2, email: null }]);

    // A retry finds no lead to mail, and has the same result.
    expect((await command(sessionId, 'retry', { outcome: 'unknown' })).status).toBe(200);
    const again = await waitForEnd(sessionId);
    expect(again.email).toMatchObject({ sent: 2, failed: 0, unknown: 1 });
    expect(mail.mails).toHaveLength(2);
    await expectForgotten(sessionId);
  });

  it('settles a mail that was on its way when its lead was erased', async () => {
    await addThree();
    const sessionId = freshSessionId();
    hooks.onVerb = (verb, edge) => {
      if (verb === 'deliver' && edge === 'before') void erase(2);
      return false;
    };
    await startSession(sessionId);
    const end = await waitForEnd(sessionId);
    expect(end.email.sent).toBe(3);
    await waitUntilGone(2);
    await expectForgotten(sessionId);
  });

  it('writes nothing to an object without a session', async () => {
    await addLeads(db, [{ status: 'active', activatedBy: 'activation_0000000000001_other0000' }]);
    expect((await erase(1)).status).toBe(204);
    const tables = await runInDurableObject(stubOf('activation_0000000000001_other0000'), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT GLOB '_cf*'").toArray(),
    );
    expect(tables).toEqual([]);
  });
});

async function waitUntilGone(leadId: number): Promise<void> {
  await vi.waitUntil(
    async () => (await db.prepare('SELECT 1 FROM leads WHERE id = ?').bind(leadId).first()) === null,
    { timeout: 10_000, interval: 20 },
  );
}

/** The batch is in doubt and waits for its repeat. */
async function waitUntilWaiting(sessionId: string): Promise<void> {
  await vi.waitUntil(
    async () => (await readRows(sessionId)).batches.some(({ state }) => state === 'waiting'),
    { timeout: 10_000, interval: 10 },
  );
}

describe('the export about one address', () => {
  it('has the lead, its session results, its imports and its suppression', async () => {
    await addThree();
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    await send('POST', '/crm/suppressions', { addresses: [person], reason: 'manual' });
    const response = await send('POST', '/crm/leads/export', { email: ` ${person.toUpperCase()} ` });
    expect(response.status).toBe(200);
    const held: PersonExport = await response.json();
    expect(held.lead).toMatchObject({ id: 2, email: person, lastName: 'Erasmus', activatedBy: sessionId });
    expect(held.activations).toMatchObject([
      { sessionId, result: { leadId: 2, email: person, emailState: 'sent' } },
    ]);
    expect(held.suppression).toMatchObject({ reason: 'manual' });
  });

  it('is empty for an address that nobody has', async () => {
    const held: PersonExport = await (
      await send('POST', '/crm/leads/export', { email: 'no@body.example' })
    ).json();
    expect(held).toMatchObject({ lead: null, activations: [], imports: [], suppression: null, views: [] });
  });
});

describe('saved views with the address of a person', () => {
  it('are in the export, and are deleted with the lead; all others stay', async () => {
    await addThree();
    const views: [name: string, query: string][] = [
      ['Her', `search=${encodeURIComponent(person.toUpperCase())}&sort=-id`],
      ['Spelt otherwise', `search=ivy%2Eerased@leads.example`],
      [`About ${person}`, 'stage=customer'],
      ['Another', 'search=joe%40leads.example'],
    ];
    for (const [name, query] of views) {
      expect((await send('POST', '/crm/views', { name, query })).status).toBe(200);
    }
    const held: PersonExport = await (await send('POST', '/crm/leads/export', { email: person })).json();
    expect(held.views.map(({ name, owner }) => [name, owner])).toEqual(
      views.slice(0, 3).map(([name]) => [name, 'ana@example.com']),
    );
    expect((await erase(2)).status).toBe(204);
    const { results } = await db.prepare('SELECT name, query FROM views').all();
    expect(results).toEqual([{ name: 'Another', query: 'search=joe%40leads.example' }]);
  });
});

describe('an external id', () => {
  it('of an erased lead is taken out of the rejected rows of its system, as a whole cell', async () => {
    const externalId = { source: 'hubspot', id: 'Ivy-7' };
    expect((await send('PUT', '/crm/leads', { email: person, externalId })).status).toBe(201);
    const imported = async (importId: string, externalSource: string, cells: string[][]): Promise<void> => {
      const mapping = { email: [0], externalId: [1] };
      const opened = { importId, fileName: 'a.csv', columns: ['Email', 'ID'], mapping, externalSource };
      expect((await send('POST', '/crm/imports', opened)).status).toBe(201);
      const rows = cells.map((row, index) => ({ line: index + 2, cells: row }));
      expect((await send('PUT', `/crm/imports/${importId}/chunks/0`, { rows })).status).toBe(200);
    };
    await imported('hers', 'hubspot', [
      ['other@leads.example', ' Ivy-7'],
      ['nobody', 'Ivy-77'],
    ]);
    await imported('elsewhere', 'salesforce', [['nobody', 'Ivy-7']]);
    const exported = await send('POST', '/crm/leads/export', { email: person });
    expect((await exported.json<PersonExport>()).imports).toMatchObject([{ importId: 'hers', line: 2 }]);
    const id = await db.prepare('SELECT id FROM leads WHERE email = ?').bind(person).first<number>('id');
    expect((await erase(id ?? 0)).status).toBe(204);
    const { results } = await db.prepare('SELECT issues FROM import_chunks ORDER BY rowid').all();
    expect(
      results.map(({ issues }) => (JSON.parse(issues as string) as unknown[][]).map((it) => it[3])),
    ).toEqual([[[], ['nobody', 'Ivy-77']], [['nobody', 'Ivy-7']]]);
  });
});

describe('erasing by address', () => {
  const eraseByAddress = (email: string): Promise<Response> => send('POST', '/crm/leads/erase', { email });

  it('deletes a person who is only in rejected rows, and names them in the audit by a hash', async () => {
    await openImportOf('rejects', ['Email', 'Name']);
    const rows = [
      { line: 2, cells: ['her old one', `Erasmus <${person}>`] },
      { line: 3, cells: ['nobody', 'Stays'] },
    ];
    expect((await send('PUT', '/crm/imports/rejects/chunks/0', { rows })).status).toBe(200);
    const exported = async (): Promise<PersonExport> =>
      (await send('POST', '/crm/leads/export', { email: person })).json();
    expect((await exported()).imports).toMatchObject([{ line: 2, outcome: 'rejected' }]);

    expect((await eraseByAddress(` ${person.toUpperCase()} `)).status).toBe(204);
    expect(/ivy|erasmus/i.exec(await databaseContent())?.[0] ?? 'forgotten').toBe('forgotten');
    expect(await exported()).toMatchObject({ lead: null, imports: [] });
    expect(
      await db.prepare("SELECT count(*) AS n FROM import_chunks WHERE issues LIKE '%Stays%'").first('n'),
    ).toBe(1);
    expect((await eraseByAddress(person)).status).toBe(204);
    const { results } = await db
      .prepare("SELECT target, detail FROM audit WHERE action = 'person.erase'")
      .all();
    const target = `address:${emailHash(env.ADDRESS_HASH_KEY, person)}`;
    expect(results.slice(-2)).toEqual([
      { target, detail: null },
      { target, detail: null },
    ]);
  });

  it('erases the lead that has it, also in its session', async () => {
    await addThree();
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    expect((await eraseByAddress(person.toUpperCase())).status).toBe(204);
    await expectForgotten(sessionId);
    expect((await request('/crm/leads/2')).status).toBe(404);
    const target = await db.prepare('SELECT target FROM audit ORDER BY id DESC LIMIT 1').first('target');
    expect(target).toBe('lead:2');
  });
});

describe('erasing a session', () => {
  const eraseRun = (sessionId: string): Promise<Response> => send('DELETE', `/crm/activation/${sessionId}`);

  it('deletes all of it, and does not change its leads', async () => {
    await addThree();
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    expect((await eraseRun(sessionId)).status).toBe(204);
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(404);
    expect(await db.prepare('SELECT count(*) AS n FROM activations').first('n')).toBe(0);
    expect(await db.prepare("SELECT count(*) AS n FROM leads WHERE status = 'active'").first('n')).toBe(3);
    const left = await runInDurableObject(stubOf(sessionId), async (_, state) => ({
      tables: state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT GLOB '_cf*'").toArray(),
      alarm: await state.storage.getAlarm(),
    }));
    // Only the fact that its id was used.
    expect(left).toEqual({ tables: [{ name: 'erased' }], alarm: null });
    expect((await eraseRun(sessionId)).status).toBe(404);
  });

  it('prevents another start with its id, with the same request or another', async () => {
    await addThree();
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1, 2] });
    await waitForEnd(sessionId);
    expect((await eraseRun(sessionId)).status).toBe(204);
    const mailCount = mail.mails.length;
    for (const leadIds of [[1, 2], [3]]) {
      // Checked in the object too, because it must know this after a restart.
      await evictDurableObject(stubOf(sessionId));
      const answer = await send('POST', '/crm/activation', {
        sessionId,
        audience: { leadIds },
        templateId: 'welcome',
      });
      expect(answer.status).toBe(409);
      expect(await answer.json()).toMatchObject({ code: 'session_erased' });
    }
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(404);
    expect((await request(`/crm/activation/stream/${sessionId}`)).status).toBe(404);
    expect(mail.mails).toHaveLength(mailCount);
  });

  it('prevents another start with its id also when the object died before it wrote its own mark', async () => {
    await addThree();
    const sessionId = freshSessionId();
    await startSession(sessionId, { leadIds: [1, 2] });
    await waitForEnd(sessionId);
    expect((await eraseRun(sessionId)).status).toBe(204);
    const mailCount = mail.mails.length;
    await runInDurableObject(stubOf(sessionId), (_, state) => state.storage.deleteAll());
    await evictDurableObject(stubOf(sessionId));
    const audience = { leadIds: [1, 2] };
    const answer = await send('POST', '/crm/activation', { sessionId, audience, templateId: 'welcome' });
    expect(answer.status).toBe(409);
    expect(await answer.json()).toMatchObject({ code: 'session_erased' });
    expect(mail.mails).toHaveLength(mailCount);
  });

  it('is refused while the session runs', async () => {
    await addThree();
    const sessionId = freshSessionId();
    mail.fault = () => ({ kind: 'hang' });
    hooks.deliveryTimeoutMs = 500;
    await startSession(sessionId);
    await waitFor(sessionId, ({ state }) => state === 'running');
    const refused = await eraseRun(sessionId);
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ code: 'illegal_transition' });
    mail.fault = () => ({ kind: 'none' });
    expect((await waitForEnd(sessionId)).email.sent).toBe(3);
  });

  it('ends its streams with `deleted`', async () => {
    await addThree();
    const sessionId = freshSessionId();
    mail.fault = () => ({ kind: 'answer', status: 401, body: { name: 'invalid_api_key', message: 'No.' } });
    await startSession(sessionId);
    await waitFor(sessionId, ({ state }) => state === 'paused');
    const stream = await exports.default.fetch(
      new Request(`http://app.test/crm/activation/stream/${sessionId}`, {
        headers: { accept: 'text/event-stream' },
      }),
    );
    expect(stream.status).toBe(200);
    const reading = stream.text();
    expect((await eraseRun(sessionId)).status).toBe(204);
    const text = await reading;
    expect(text.trimEnd().endsWith(`event: deleted\ndata: {"sessionId":"${sessionId}"}`)).toBe(true);
  });
});

describe('erasing a person from a session of more batches than one part reads', () => {
  /** 450 batches of one lead; the person is in the first, by another address in the last, and nowhere else. */
  async function sentSession(): Promise<string> {
    hooks.env = { MAIL_BATCH_MAX: '1' };
    await addLeads(db, [
      { email: person, firstName: 'Ivy', lastName: 'Erasmus' },
      ...Array.from({ length: 448 }, () => ({})),
      { email: 'ivy.old@leads.example', firstName: 'Ivy', lastName: 'Erasmus' },
    ]);
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    return sessionId;
  }
  const forgotten = { leadId: 1, emails: [person, 'ivy.old@leads.example'], names: [] };

  it('answers other calls in between', async () => {
    const sessionId = await sentSession();
    const order = await runInDurableObject(stubOf(sessionId), async (instance) => {
      const done: string[] = [];
      const erasure = instance.forgetPerson(forgotten).then(() => done.push('erased'));
      const read = new Promise((resolve) => setTimeout(resolve, 0)).then(() => {
        expect(instance.view()?.total).toBe(450);
        done.push('read');
      });
      await Promise.all([erasure, read]);
      return done;
    });
    expect(order).toEqual(['read', 'erased']);
    expect(await sessionContent(sessionId)).not.toMatch(/ivy|erasmus/i);
    const { session, recount } = await readRows(sessionId);
    expect(recount).toEqual(session.counts);
  }, 60_000);

  it('does not mail the person when a retry comes between two parts', async () => {
    hooks.env = { MAIL_BATCH_MAX: '1' };
    await addLeads(db, [{ email: person, firstName: 'Ivy' }, ...Array.from({ length: 249 }, () => ({}))]);
    mail.refused.add(person);
    const sessionId = freshSessionId();
    await startSession(sessionId);
    expect((await waitForEnd(sessionId)).email).toMatchObject({ sent: 249, failed: 1 });
    mail.refused.delete(person);
    await runInDurableObject(stubOf(sessionId), async (instance) => {
      const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
      let partCount = 0;
      vi.spyOn(instance as unknown as { sleep(ms: number): Promise<void> }, 'sleep').mockImplementation(
        async (ms) => {
          // The others are those of the slice.
          if (ms > 0) return pause(ms);
          partCount++;
          if (partCount === 1) {
            expect((await instance.command({ kind: 'retry', outcome: 'failed' })).kind).toBe('ok');
          }
          // The slice of the retry does all that it will do before the next part.
          while (partCount === 2 && instance.view()?.finishedAt === null) await pause(10);
        },
      );
      await instance.forgetPerson(forgotten);
      expect(partCount).toBeGreaterThan(2);
    });
    expect(mail.countByAddress().has(person)).toBe(false);
    expect(mail.mails).toHaveLength(249);
    expect(await sessionContent(sessionId)).not.toMatch(/ivy|erasmus/i);
    const { session, recount } = await readRows(sessionId);
    expect(recount).toEqual(session.counts);
  }, 60_000);

  it.each([1, 2, 3, 4, 5])(
    'that crashes after part %i loses nothing: the same call again does the rest',
    async (crashAfter) => {
      const sessionId = await sentSession();
      const failed = await runInDurableObject(stubOf(sessionId), async (instance) => {
        let partCount = 0;
        vi.spyOn(instance as unknown as { sleep(ms: number): Promise<void> }, 'sleep').mockImplementation(
          () => (++partCount === crashAfter ? Promise.reject(new Error('crashed')) : Promise.resolve()),
        );
        return instance.forgetPerson(forgotten).then(
          () => false,
          () => true,
        );
      });
      expect(failed).toBe(true);
      expect(await sessionContent(sessionId)).toMatch(/ivy/i);
      await evictDurableObject(stubOf(sessionId));
      await stubOf(sessionId).forgetPerson(forgotten);
      expect(await sessionContent(sessionId)).not.toMatch(/ivy|erasmus/i);
      const { session, recount } = await readRows(sessionId);
      expect(recount).toEqual(session.counts);
    },
    60_000,
  );
});
