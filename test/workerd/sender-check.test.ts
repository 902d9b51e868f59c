import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SenderCheck } from '../../src/shared/schemas/mail.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import { request } from '../support/session-driver.ts';

const real = {
  MAIL_API_URL: 'https://api.resend.com',
  MAIL_FROM: 'Acme <hello@news.acme.test>',
  MAIL_POSTAL_ADDRESS: '1 Example Way',
  PUBLIC_URL: 'https://leads.acme.test',
};

/** DNS names with their TXT records; all other names do not exist. */
let records: Record<string, string[]> | 'offline';

beforeEach(() => {
  resetHooks();
  records = {};
  vi.stubGlobal('fetch', (input: RequestInfo | URL) => {
    const url = new URL(new Request(input).url);
    expect(url.hostname).toBe('cloudflare-dns.com');
    if (records === 'offline') return Promise.reject(new TypeError('Network connection lost.'));
    const found = records[url.searchParams.get('name') ?? ''];
    return Promise.resolve(
      Response.json(
        found === undefined
          ? { Status: 3 }
          : { Status: 0, Answer: found.map((data) => ({ type: 16, data: `"${data}"` })) },
      ),
    );
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

async function check(): Promise<SenderCheck & { byId: Record<string, string> }> {
  const response = await request('/crm/sender-check');
  expect(response.status).toBe(200);
  const body = await response.json<SenderCheck>();
  return { ...body, byId: Object.fromEntries(body.checks.map(({ id, status }) => [id, status])) };
}

describe('the sender check', () => {
  it('says that a stand-in sends nothing, and makes no DNS query', async () => {
    const { isStandIn, isReady, byId } = await check();
    expect({ isStandIn, isReady }).toEqual({ isStandIn: true, isReady: true });
    expect(byId).toMatchObject({ MAIL_POSTAL_ADDRESS: 'not_needed', PUBLIC_URL: 'not_needed' });
    expect(byId).not.toHaveProperty('spf');
  });

  it('finds SPF below the domain, DKIM under the provider’s name and DMARC at the parent', async () => {
    hooks.env = real;
    records = {
      'send.news.acme.test': ['v=spf1 include:amazonses.com ~all'],
      'resend._domainkey.news.acme.test': [`p=${'MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB'.repeat(2)}" "QKBgQ`],
      '_dmarc.acme.test': ['v=DMARC1; p=quarantine'],
    };
    const { isReady, domain, byId, checks } = await check();
    expect({ isReady, domain }).toEqual({ isReady: true, domain: 'news.acme.test' });
    expect(byId).toMatchObject({ spf: 'ok', dkim: 'ok', dmarc: 'ok', webhooks: 'ok', MAIL_API_KEY: 'ok' });
    expect(checks.find(({ id }) => id === 'dmarc')?.detail).toContain('quarantine');
  });

  it('does not take the SPF record of the company’s own mail for the provider’s, and inherits DMARC from the parent domain', async () => {
    hooks.env = { ...real, MAIL_FROM: 'Acme <hello@news.acme.co.uk>' };
    records = {
      'news.acme.co.uk': ['v=spf1 include:_spf.google.com ~all'],
      '_dmarc.acme.co.uk': ['v=DMARC1; p=reject'],
    };
    expect((await check()).byId).toMatchObject({ spf: 'missing', dmarc: 'ok' });
  });

  it('distinguishes missing records from unanswered queries', async () => {
    hooks.env = { ...real, RESEND_WEBHOOK_SECRET: '' };
    expect((await check()).byId).toMatchObject({
      spf: 'missing',
      dkim: 'missing',
      dmarc: 'missing',
      webhooks: 'warning',
    });
    records = 'offline';
    expect((await check()).byId).toMatchObject({ spf: 'unknown', dkim: 'unknown', dmarc: 'unknown' });
  });

  it('names every setting because of which a start is refused, and shows no secret', async () => {
    hooks.env = { MAIL_API_URL: 'https://api.resend.com' };
    const answer = await check();
    expect(answer.isReady).toBe(false);
    expect(answer.byId).toMatchObject({
      MAIL_FROM: 'missing',
      MAIL_POSTAL_ADDRESS: 'missing',
      PUBLIC_URL: 'missing',
    });
    expect(JSON.stringify(answer)).not.toMatch(/re_test_key|whsec_|test-password/);
  });
});
