import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hooks, resetHooks } from '../support/hooks.ts';
import { send } from '../support/session-driver.ts';

interface Seen {
  url: string;
  headers: Headers;
  body: Record<string, unknown>;
}

let seen: Seen[];

beforeEach(() => {
  resetHooks();
  seen = [];
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input, init);
    const body = await request.json<Record<string, unknown> | Record<string, unknown>[]>();
    seen.push({
      url: request.url,
      headers: request.headers,
      body: Array.isArray(body) ? (body[0] ?? {}) : body,
    });
    return Response.json(
      Array.isArray(body) ? [{ ErrorCode: 0, Message: 'OK', MessageID: 'p-1' }] : { MessageId: 's-1' },
    );
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const real = {
  MAIL_FROM: 'Acme <hello@acme.test>',
  MAIL_POSTAL_ADDRESS: '1 Example Way',
  PUBLIC_URL: 'https://leads.acme.test',
};
const sendTest = () =>
  send('POST', '/crm/templates/test', { subject: 'Hello', html: '<p>Hi</p>', text: 'Hi' });

describe('the settings of a provider reach it', () => {
  it('Postmark: the message stream', async () => {
    hooks.env = { ...real, MAIL_PROVIDER: 'postmark', MAIL_API_URL: '', MAIL_MESSAGE_STREAM: 'offers' };
    const response = await sendTest();
    expect(await response.json()).toEqual({ to: 'ana@example.com', messageId: 'p-1' });
    expect(seen[0]).toMatchObject({
      url: 'https://api.postmarkapp.com/email/batch',
      body: { MessageStream: 'offers', From: real.MAIL_FROM },
    });
  });

  it('Amazon SES: the region and the configuration set', async () => {
    hooks.env = {
      ...real,
      MAIL_PROVIDER: 'ses',
      MAIL_API_URL: '',
      MAIL_API_KEY: 'AKIDEXAMPLE:secret',
      MAIL_SES_REGION: 'eu-west-1',
      MAIL_SES_CONFIGURATION_SET: 'events',
    };
    expect((await sendTest()).status).toBe(200);
    expect(seen[0]?.url).toMatch(/^https:\/\/email\.eu-west-1\.amazonaws\.com\//);
    expect(seen[0]?.headers.get('authorization')).toContain('/eu-west-1/ses/');
    expect(seen[0]?.body).toMatchObject({ ConfigurationSetName: 'events' });
  });

  it('Cloudflare: the binding, and a start without it says so', async () => {
    hooks.env = { ...real, MAIL_PROVIDER: 'cloudflare', MAIL_API_URL: '' };
    const refused = await sendTest();
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ errors: [{ path: '/settings/send_email' }] });
    const taken: unknown[] = [];
    hooks.env = {
      ...hooks.env,
      EMAIL: {
        send(mail) {
          taken.push(mail);
          return Promise.resolve({ messageId: 'c-1' });
        },
      },
    };
    expect(await (await sendTest()).json()).toEqual({ to: 'ana@example.com', messageId: 'c-1' });
    expect(taken).toMatchObject([
      { to: 'ana@example.com', from: { name: 'Acme', email: 'hello@acme.test' } },
    ]);
  });
});
