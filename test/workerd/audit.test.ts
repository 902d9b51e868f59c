import { env, exports } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AuditEntry, AuditPage } from '../../src/shared/schemas/audit.ts';
import { appendAudit } from '../../src/crm/audit.ts';
import { routeRules } from '../../src/worker/auth/route-permissions.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { identityOf, requestAs, roleSettings } from '../support/routes.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import { freshSessionId, waitForEnd } from '../support/session-driver.ts';

let db: D1Database;
/** Entries are never removed, so a test reads those that came after its start. */
let startedAfter = 0;

beforeEach(async () => {
  resetHooks();
  Object.assign(hooks.env, roleSettings);
  db = await emptyCrm();
  new FakeMailApi().install();
  startedAfter = (await db.prepare('SELECT max(id) AS id FROM audit').first<number>('id')) ?? 0;
});

afterEach(() => vi.unstubAllGlobals());

const admin = identityOf('admin');

function send(method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<Response> {
  const headers = { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...init.headers };
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  return exports.default.fetch(requestAs(admin, method, path, { ...init, ...content, headers }));
}

async function entries(query = ''): Promise<AuditEntry[]> {
  const page: AuditPage = await (await send('GET', `/crm/audit${query}`)).json();
  return page.entries.filter(({ id }) => id > startedAfter);
}

/** The database, in which statements with these words fail. */
function failingAt(words: string): D1Database {
  return new Proxy(env.DB, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'prepare' && String(args[0]).includes(words)) throw new Error('D1 is away');
        return Reflect.apply(value, target, args);
      };
    },
  });
}

async function startSession(): Promise<string> {
  const sessionId = freshSessionId();
  const body = { sessionId, audience: { filter: {} }, templateId: 'welcome' };
  expect((await send('POST', '/crm/activation', body)).status).toBe(201);
  return sessionId;
}

describe('the audit', () => {
  it('has an action name for every route that changes something', () => {
    // These routes store nothing that they read or render. A chunk belongs to an import whose opening is audited. A
    // webhook and an unsubscribe link are not actions of a user.
    const changesNothing = [
      'POST /crm/activation/:sessionId/take-back/manifest',
      'POST /crm/activation/manifest',
      'POST /crm/activation/preview',
      'POST /crm/imports/check',
      'POST /crm/leads/results',
      'POST /crm/leads/skipped',
      'POST /crm/suppressions/search',
      'POST /crm/templates/preview',
      'POST /crm/templates/check',
      'PUT /crm/imports/:importId/chunks/:seq',
      'POST /unsubscribe/:token',
      'POST /webhooks/mailgun',
      'POST /webhooks/postmark',
      'POST /webhooks/resend',
      'POST /webhooks/sendgrid',
      'POST /webhooks/ses',
    ];
    const silent = Object.entries(routeRules)
      .filter(([name, rule]) => !name.startsWith('GET ') && rule.action === null)
      .map(([name]) => name);
    expect(silent.sort()).toEqual(changesNothing.sort());
  });

  it('says who did what to which activation, from where, and by which request', async () => {
    await addLeads(db, [{}, {}]);
    const sessionId = freshSessionId();
    const request = requestAs(admin, 'POST', '/crm/activation', {
      headers: { 'content-type': 'application/json', 'x-request-id': 'the-start' },
      body: JSON.stringify({ sessionId, audience: { filter: {} }, templateId: 'welcome' }),
    });
    const before = Date.now();
    const answer = await exports.default.fetch(new Request(request, { cf: { country: 'PT' } }));
    await waitForEnd(sessionId);

    const [entry, ...others] = await entries();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      actor: 'admin@staff.example',
      role: 'admin',
      action: 'activation.start',
      target: sessionId,
      country: 'PT',
      requestId: answer.headers.get('x-request-id'),
      detail: { total: 2, template: 'welcome' },
    });
    expect(entry?.at).toBeGreaterThanOrEqual(before);
  });

  it('has one entry for a start, however often it is repeated, and none for a refusal', async () => {
    await addLeads(db, [{}]);
    const sessionId = await startSession();
    await waitForEnd(sessionId);
    const body = { sessionId, audience: { filter: {} }, templateId: 'welcome' };
    expect((await send('POST', '/crm/activation', body)).status).toBe(200);
    expect((await send('POST', `/crm/activation/${sessionId}/pause`)).status).toBe(409);
    expect((await send('POST', '/crm/activation', { ...body, templateId: 'no-such' })).status).toBe(409);
    expect((await send('DELETE', '/crm/leads/4711')).status).toBe(404);
    expect((await entries()).map(({ action }) => action)).toEqual(['activation.start']);
  });

  it('says which fields of a lead were edited, and never an address', async () => {
    await addLeads(db, [{ email: 'old-address@leads.example' }]);
    await send('PATCH', '/crm/leads/1', { email: 'new-address@leads.example', firstName: 'Nova' });
    await send('POST', '/crm/leads/export', { email: 'new-address@leads.example' });
    await send('DELETE', '/crm/leads/1');
    const found = await entries();
    expect(found.map(({ action, target }) => [action, target])).toEqual([
      ['lead.erase', 'lead:1'],
      ['person.export', 'lead:1'],
      ['lead.edit', 'lead:1'],
    ]);
    expect(found.at(-1)?.detail).toEqual({ fields: ['email', 'firstName'] });
    expect(JSON.stringify(found)).not.toContain('leads.example');
  });

  it('says which import was opened, without the name of its file, and how many leads its undoing removed', async () => {
    const open = (importId: string, fileName: string) =>
      send('POST', '/crm/imports', { importId, fileName, columns: ['Email'], mapping: { email: [0] } });
    expect((await open('fair', 'Fair of May.csv')).status).toBe(201);
    const rows = [
      { line: 2, cells: ['one@leads.example'] },
      { line: 3, cells: ['two@leads.example'] },
    ];
    expect((await send('PUT', '/crm/imports/fair/chunks/0', { rows })).status).toBe(200);
    expect((await send('POST', '/crm/imports/fair/undo')).status).toBe(200);
    expect((await open('hers', 'from ivy@leads.example.csv')).status).toBe(201);
    const found = await entries();
    expect(found.map(({ action, target, detail }) => [action, target, detail])).toEqual([
      ['import.open', 'hers', null],
      ['import.undo', 'fair', { removedCount: 2, state: 'undone' }],
      ['import.open', 'fair', null],
    ]);
  });

  it('is never changed, and never loses an entry', async () => {
    await appendAudit(db, {
      at: 1,
      actor: 'ana@example.com',
      role: 'admin',
      action: 'test.action',
      target: null,
      country: null,
      requestId: 'r',
      detail: null,
    });
    const id = await db.prepare('SELECT max(id) AS id FROM audit').first<number>('id');
    for (const sql of [
      "UPDATE audit SET actor = 'somebody else'",
      'DELETE FROM audit',
      `DELETE FROM audit WHERE id = ${id}`,
      `INSERT OR REPLACE INTO audit (id, at, actor, action, request_id) VALUES (${id}, 2, 'x', 'y', 'z')`,
      `REPLACE INTO audit (id, at, actor, action, request_id) VALUES (${id}, 2, 'x', 'y', 'z')`,
    ]) {
      await expect(db.prepare(sql).run()).rejects.toThrow(/append-only/);
    }
    expect(await db.prepare('SELECT actor FROM audit WHERE id = ?').bind(id).first('actor')).toBe(
      'ana@example.com',
    );
  });

  it('logs the whole entry when the database does not store it, and the action succeeds', async () => {
    await addLeads(db, [{}]);
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    hooks.env.DB = failingAt('INSERT INTO audit');
    expect((await send('DELETE', '/crm/leads/1')).status).toBe(204);
    const line = logged.mock.calls
      .map(([text]) => String(text))
      .find((text) => text.includes('audit_not_stored'));
    logged.mockRestore();
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      actor: 'admin@staff.example',
      action: 'lead.erase',
      target: 'lead:1',
    });
    expect(await db.prepare('SELECT count(*) AS n FROM leads').first('n')).toBe(0);
  });
});

describe('leads that a person was shown', () => {
  const hourMs = 3_600_000;
  const shown = async (): Promise<AuditEntry[]> =>
    (await entries('?action=lead.read')).sort((a, b) => a.at - b.at);
  /** Moves the counts into a past hour. */
  const anHourLater = (): Promise<unknown> =>
    db.prepare('UPDATE lead_reads SET hour_at = hour_at - ?1, last_at = last_at - ?1').bind(hourMs).run();

  beforeEach(async () => {
    await addLeads(db, [{}, {}, {}]);
  });

  it('are one entry for each person and hour, with the number of leads and requests', async () => {
    const operator = identityOf('operator');
    const read = async (who: object, path: string): Promise<void> => {
      const response = await exports.default.fetch(requestAs(who, 'GET', path));
      expect(response.status).toBe(200);
      await response.body?.cancel();
    };
    await read(admin, '/crm/leads?limit=2');
    await read(admin, '/crm/leads');
    await read(admin, '/crm/leads/2');
    await read(operator, '/crm/leads?limit=1');
    expect(await shown()).toEqual([]);
    await anHourLater();
    expect((await shown()).map(({ actor, detail, target }) => [actor, detail, target])).toEqual([
      ['admin@staff.example', { leadCount: 6, requestCount: 3 }, null],
      ['operator@staff.example', { leadCount: 1, requestCount: 1 }, null],
    ]);
    // A repeat, also by the first request of the next hour, makes no second entry.
    await read(admin, '/crm/leads?limit=1');
    expect(await shown()).toHaveLength(2);
  });

  it('count in pages of results and in previews, but not when none is shown or the request is refused', async () => {
    const sessionId = await startSession();
    await waitForEnd(sessionId);
    expect((await send('GET', `/crm/activation/${sessionId}/leads`)).status).toBe(200);
    const preview = { audience: { leadIds: [1, 2, 3] }, templateId: 'welcome' };
    const previewed = await send('POST', '/crm/activation/preview', preview);
    const { sample } = await previewed.json<{ sample: unknown[] }>();
    for (const path of [
      '/crm/leads?search=nobody',
      '/crm/leads/99',
      '/crm/leads?limit=9999',
      '/crm/activation',
    ]) {
      await (await send('GET', path)).body?.cancel();
    }
    await anHourLater();
    expect((await shown()).map(({ detail }) => detail)).toEqual([
      { leadCount: 3 + sample.length, requestCount: sample.length === 0 ? 1 : 2 },
    ]);
  });

  it('are counted in the log when the database does not store the count, and the page is answered', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => logged.mockRestore());
    hooks.env.DB = failingAt('INSERT INTO lead_reads');
    expect((await send('GET', '/crm/leads')).status).toBe(200);
    const lines = logged.mock.calls.map(([text]) => JSON.parse(String(text)) as object);
    expect(lines).toContainEqual(
      expect.objectContaining({ event: 'audit_not_stored', action: 'lead.read', leadCount: 3 }),
    );
  });
});

describe('reading the audit', () => {
  const at = (index: number): number => 1_700_000_000_000 + index * 1_000;

  beforeEach(async () => {
    for (let index = 0; index < 7; index++) {
      await appendAudit(db, {
        at: at(index),
        actor: index % 2 === 0 ? 'even@example.com' : '=cmd|calc!A1',
        role: 'operator',
        action: index < 4 ? 'activation.pause' : 'lead.edit',
        target: `thing-${index}`,
        country: 'DE',
        requestId: `r${index}`,
        detail: { note: 'has, a "comma"\nand a line' },
      });
    }
  });

  it('comes in pages, newest first, each entry once', async () => {
    const seen: (string | null)[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page: AuditPage = await (await send('GET', `/crm/audit?limit=3${query}`)).json();
      seen.push(...page.entries.filter(({ id }) => id > startedAfter).map(({ target }) => target));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((index) => `thing-${index}`));
  });

  it.each([
    ['?actor=even@example.com', [6, 4, 2, 0]],
    ['?action=lead.edit', [6, 5, 4]],
    ['?action=activation.', [3, 2, 1, 0]],
    ['?target=thing-5', [5]],
    [`?fromAt=${at(2)}&toAt=${at(3)}`, [3, 2]],
    ['?actor=nobody', []],
  ])('filters by %s', async (query, indexes) => {
    expect((await entries(query)).map(({ target }) => target)).toEqual(
      indexes.map((index) => `thing-${index}`),
    );
  });

  it('refuses a foreign cursor', async () => {
    for (const cursor of ['x', btoa('["a"]').replaceAll('=', ''), btoa('[1,2]')]) {
      const response = await send('GET', `/crm/audit?cursor=${encodeURIComponent(cursor)}`);
      expect(response.status).toBe(422);
      await response.body?.cancel();
    }
  });

  it('comes as a CSV file in which no cell is a formula', async () => {
    const response = await send('GET', '/crm/audit.csv?action=activation.pause');
    expect(response.headers.get('content-type')).toContain('text/csv');
    expect(response.headers.get('content-disposition')).toContain('attachment');
    const text = await response.text();
    expect(text).toContain('even@example.com');
    expect(text).toContain("'=cmd|calc!A1");
    expect(text).not.toMatch(/(^|,)=cmd/m);
    expect((await entries())[0]?.action).toBe('audit.download');
  });
});
