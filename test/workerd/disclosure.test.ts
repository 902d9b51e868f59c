import { exports } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { examplePath, identityOf, registeredRoutes, requestAs, roleSettings } from '../support/routes.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import { freshSessionId, waitForEnd } from '../support/session-driver.ts';

const secrets = {
  MAIL_API_KEY: 're_Zq81xx_SecretOfThisTest',
  ADDRESS_HASH_KEY: 'hash-key-Zq81xx-of-this-test',
  RESEND_WEBHOOK_SECRET: 'whsec_WnE4MXh4LXdlYmhvb2stc2VjcmV0',
  POSTMARK_WEBHOOK_CREDENTIALS: 'postmark:Zq81xx-password',
  MAILGUN_WEBHOOK_SIGNING_KEY: 'Zq81xx-mailgun-signing-key',
} as const satisfies Partial<Env>;

let logged: string[];
let mail: FakeMailApi;
let db: D1Database;

beforeEach(async () => {
  resetHooks();
  Object.assign(hooks.env, roleSettings, secrets);
  logged = [];
  for (const level of ['log', 'info', 'warn', 'error'] as const) {
    vi.spyOn(console, level).mockImplementation(
      (...parts: unknown[]) => void logged.push(parts.map(String).join(' ')),
    );
  }
  db = await emptyCrm();
  mail = new FakeMailApi().install();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const admin = identityOf('admin');
const json = { 'content-type': 'application/json' };

function send(method: string, path: string, body?: unknown): Promise<Response> {
  return exports.default.fetch(
    requestAs(admin, method, path, body === undefined ? {} : { body: JSON.stringify(body), headers: json }),
  );
}

describe('a secret', () => {
  it('is in no answer, header or log line, for any caller and request', async () => {
    const said: string[] = [];
    for (const { method, path } of registeredRoutes()) {
      for (const who of [admin, 'none'] as const) {
        for (const body of [undefined, '{', '{}']) {
          if (method === 'GET' && body !== undefined) continue;
          const init = body === undefined ? {} : { body, headers: json };
          const response = await exports.default.fetch(requestAs(who, method, examplePath(path), init));
          said.push(JSON.stringify([...response.headers]), await response.text());
        }
      }
    }
    const all = [...said, ...logged].join('\n');
    for (const secret of Object.values(secrets)) {
      expect(all.includes(secret)).toBe(false);
      expect(all.includes('Zq81xx')).toBe(false);
    }
    expect(said.length).toBeGreaterThan(100);
  });

  it('is in no answer after an internal fault, and neither is the reason', async () => {
    hooks.env.DB = {
      prepare: () => {
        throw new Error(`cannot connect with ${secrets.ADDRESS_HASH_KEY} at /srv/db.ts:42`);
      },
    } as unknown as D1Database;
    const response = await send('GET', '/crm/leads');
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', detail: 'Something broke on our side.' });
    expect(text).not.toMatch(/cannot connect|db\.ts|Zq81xx/);
  });
});

describe('the log of a session', () => {
  it('contains no address, even when mails fail, and has one JSON object per line', async () => {
    await addLeads(db, [
      { email: 'quiet-one@leads.example', firstName: 'Quietname' },
      { email: 'quiet-two@leads.example', lastName: 'Quietname' },
      { email: 'quiet-three@leads.example' },
    ]);
    mail.refused.add('quiet-two@leads.example');
    const sessionId = freshSessionId();
    await send('POST', '/crm/activation', { sessionId, audience: { filter: {} }, templateId: 'welcome' });
    await waitForEnd(sessionId);
    await send('PATCH', '/crm/leads/1', { email: 'quiet-four@leads.example' });
    await send('GET', '/crm/leads?search=quiet-four@leads.example&limit=9999');
    await send('POST', '/crm/leads/export', { email: 'quiet-three@leads.example' });
    await send('DELETE', '/crm/leads/3');
    expect(logged.length).toBeGreaterThan(4);
    const all = logged.join('\n').toLowerCase();
    expect(/.{0,60}(?:quiet|leads\.example).{0,60}/.exec(all)?.[0] ?? 'nothing').toBe('nothing');
    for (const line of logged) expect(JSON.parse(line)).toHaveProperty('event');
    for (const line of logged.filter((text) => text.includes('"event":"request"'))) {
      expect(JSON.parse(line)).toMatchObject({ requestId: expect.any(String) as unknown });
    }
  });
});

describe('hostile text', () => {
  const payloads = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://evil.test")',
    '+1',
    '-1',
    '@x',
    '\t=1',
    '\r=1',
  ];

  it.each(payloads)(
    '%j in every field of a lead, a file, a template and the name of an activation stays text',
    async (payload) => {
      // Through the file, the edit and the list.
      await send('POST', '/crm/imports', {
        importId: 'hostile',
        fileName: payload,
        columns: ['Email', payload],
        mapping: { email: [0], firstName: [1] },
      });
      const rows = [
        { line: 2, cells: ['one@leads.example', payload] },
        { line: 3, cells: ['one@leads.example', payload] },
        { line: 4, cells: ['no address', payload] },
      ];
      expect((await send('PUT', '/crm/imports/hostile/chunks/0', { rows })).status).toBe(200);
      const leads = await (await send('GET', '/crm/leads')).json<{ leads: { id: number }[] }>();
      const id = leads.leads[0]?.id ?? 0;
      const fields = [
        'firstName',
        'lastName',
        'company',
        'phone',
        'source',
        'stage',
        'notes',
        'consentSource',
      ];
      const patch = Object.fromEntries(fields.map((field) => [field, payload]));
      expect((await send('PATCH', `/crm/leads/${id}`, patch)).status).toBe(200);
      const template = {
        name: payload,
        subject: 'Hi {{ firstName }}',
        html: '<p>{{ company }}</p>',
        text: '',
      };
      const created = await send('POST', '/crm/templates', template);
      expect(created.status).toBe(201);
      const { id: templateId } = await created.json<{ id: string }>();
      expect(templateId).toMatch(/^[a-z0-9-]+$/);

      const sessionId = freshSessionId();
      const started = await send('POST', '/crm/activation', {
        sessionId,
        name: payload.trim() === '' ? 'run' : payload,
        audience: { filter: {} },
        templateId,
      });
      expect(started.status).toBe(201);
      await waitForEnd(sessionId);

      // The content type is JSON, and a browser may not guess another one.
      for (const path of ['/crm/leads', '/crm/activation', '/crm/imports', '/crm/templates', '/crm/audit']) {
        const response = await send('GET', path);
        expect(response.headers.get('content-type')).toMatch(/^application\/json/);
        expect(response.headers.get('x-content-type-options')).toBe('nosniff');
        await response.body?.cancel();
      }
      // In the mail it is escaped.
      const { subject, html, text } = template;
      const preview = await send('POST', '/crm/templates/preview', { leadId: id, subject, html, text });
      expect(preview.status).toBe(200);
      const { mail: rendered } = await preview.json<{ mail: { html: string } }>();
      expect(rendered.html).not.toMatch(/<script>alert|<img src=x/);
      // In a file for spreadsheets it is not a formula, in any column.
      for (const path of [
        `/crm/activation/${sessionId}/leads.csv`,
        '/crm/imports/hostile/rejected.csv?outcome=rejected',
        '/crm/imports/hostile/rejected.csv?outcome=duplicate_in_file',
        '/crm/audit.csv',
      ]) {
        const response = await send('GET', path);
        expect(response.headers.get('content-disposition')).toMatch(
          /^attachment; filename="[\w.-]+"(?:; filename\*=UTF-8''[\w.%-]+)?$/,
        );
        const cells = (await response.text())
          .replace(/^\uFEFF/, '')
          .split(/\r\n|,(?=(?:[^"]*"[^"]*")*[^"]*$)/);
        for (const cell of cells) expect(cell, path).not.toMatch(/^"?[=+\-@\t\r]/);
      }
    },
  );
});
