/** What the Settings page and the test inbox read: every setting without its secrets, and the stand-in's emails. */
import { exports } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SettingValues } from '../../src/shared/schemas/common.ts';
import type { TestInbox } from '../../src/shared/schemas/mail.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import { request } from '../support/session-driver.ts';

/** Under this machine's name, as local development asks for. */
const local = (path: string): Promise<Response> =>
  exports.default.fetch(new Request(`http://localhost${path}`));

beforeEach(() => resetHooks());
afterEach(() => vi.unstubAllGlobals());

describe('the values of all settings', () => {
  it('say of a secret only whether it is set, and of a bad value what is wrong', async () => {
    Object.assign(hooks.env, {
      MAIL_API_KEY: 're_do_not_show_this',
      RETENTION_DAYS: 'soon',
      MAIL_REPLY_TO: 'help@acme.test',
    });
    const response = await request('/crm/settings/values');
    const text = await response.text();
    expect(text).not.toContain('re_do_not_show_this');
    const { settings } = JSON.parse(text) as SettingValues;
    const byName = new Map(settings.map((setting) => [setting.name, setting]));
    expect(byName.get('MAIL_API_KEY')).toMatchObject({ isSecret: true, isSet: true, value: null });
    expect(byName.get('MAIL_REPLY_TO')).toMatchObject({ value: 'help@acme.test', problem: null });
    expect(byName.get('RETENTION_DAYS')?.problem).toMatch(/^is a number/);
    expect(byName.get('ADDRESS_HASH_KEY')?.value ?? null).toBeNull();
  });
});

describe('the test inbox', () => {
  const mail = {
    id: 'mail-1',
    to: ['ana@example.com'],
    from: 'Acme <hello@acme.test>',
    subject: 'Welcome',
    html: '<p>Hello</p>',
    text: 'Hello',
    created_at: '2026-11-28T17:00:00.000Z',
  };
  let asked: string[] = [];

  beforeEach(() => {
    asked = [];
    vi.stubGlobal('fetch', (input: RequestInfo | URL) => {
      const { href, pathname } = new URL(new Request(input).url);
      asked.push(href);
      return Promise.resolve(Response.json(pathname === '/emails' ? { data: [mail] } : mail));
    });
  });

  it('shows what the stand-in of local development took', async () => {
    Object.assign(hooks.env, {
      LOCAL_PERSON: 'ana@example.com',
      MAIL_INBOX_URL: 'http://127.0.0.1:99/inbox',
    });
    const inbox = await (await local('/crm/test-inbox')).json<TestInbox>();
    expect(inbox).toEqual({
      mails: [
        {
          id: 'mail-1',
          to: ['ana@example.com'],
          from: 'Acme <hello@acme.test>',
          subject: 'Welcome',
          sentAt: Date.UTC(2026, 10, 28, 17),
        },
      ],
      total: 1,
    });
    expect(await (await local('/crm/test-inbox/mail-1')).json()).toMatchObject({ html: '<p>Hello</p>' });
    expect(asked).toEqual(['http://127.0.0.1:99/emails', 'http://127.0.0.1:99/emails/mail-1']);
  });

  it('does not exist in production, whatever MAIL_INBOX_URL says, nor for an inbox of another machine', async () => {
    for (const env of [
      { LOCAL_PERSON: '', MAIL_INBOX_URL: 'http://127.0.0.1:99/inbox' },
      { LOCAL_PERSON: 'ana@example.com', MAIL_INBOX_URL: 'https://mail.evil.test/inbox' },
      { LOCAL_PERSON: 'ana@example.com', MAIL_INBOX_URL: '' },
    ]) {
      Object.assign(hooks.env, env);
      for (const path of ['/crm/test-inbox', '/crm/test-inbox/mail-1']) {
        const ask = env.LOCAL_PERSON === '' ? request : local;
        expect((await ask(path)).status, JSON.stringify(env)).toBe(404);
      }
    }
    expect(asked).toEqual([]);
  });
});
