import { describe, expect, test } from 'vitest';
import {
  createTransport,
  findProvider,
  isProviderName,
  mailProviders,
  providerSettings,
  type MailConfig,
} from '../../src/mail/providers/index.ts';
import { answering, callOf, nowMs } from '../support/mail-fixtures.ts';

const binding = { send: () => Promise.resolve({ messageId: 'm' }) };

type Settings = Pick<MailConfig, 'provider'> & Partial<MailConfig>;

const effects = { fetch: answering(200).fetch, now: () => nowMs };

function choose(config: Settings, fetch = answering(200).fetch) {
  return createTransport({ from: 'Acme <hello@acme.test>', env: {}, ...config }, { fetch, now: () => nowMs });
}

describe('the settings choose', () => {
  test.each<[Settings, string]>([
    [{ provider: 'resend', apiKey: 'k' }, 'https://api.resend.com/emails/batch'],
    [
      { provider: 'resend', apiKey: 'k', apiUrl: 'http://127.0.0.1:4100/' },
      'http://127.0.0.1:4100/emails/batch',
    ],
    [{ provider: 'postmark', apiKey: 'k' }, 'https://api.postmarkapp.com/email/batch'],
    [
      { provider: 'ses', apiKey: 'id:secret', env: { MAIL_SES_REGION: 'us-east-1' } },
      'https://email.us-east-1.amazonaws.com/v2/email/outbound-emails',
    ],
    [
      { provider: 'ses', apiKey: 'id:se/cr+et', apiUrl: 'https://email.eu-west-1.amazonaws.com' },
      'https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails',
    ],
  ])('%j', async (config, url) => {
    const { fetch, seen } = answering(200);
    const choice = choose(config, fetch);
    if (choice.kind === 'refused') throw new Error(choice.message);
    expect(choice.transport.name).toBe(config.provider);
    await choice.transport.deliver(callOf(choice.transport, 1));
    expect(seen.map((request) => request.url)).toEqual([url]);
  });

  test('the binding, which needs no key', () => {
    expect(choose({ provider: 'cloudflare', env: { EMAIL: binding } })).toMatchObject({
      kind: 'ready',
      transport: { name: 'cloudflare' },
    });
  });

  test('with a key that has a newline from its file', async () => {
    const { fetch, seen } = answering(200);
    const choice = choose({ provider: 'resend', apiKey: ' re_key\n' }, fetch);
    if (choice.kind === 'refused') throw new Error(choice.message);
    await choice.transport.deliver(callOf(choice.transport, 1));
    expect(seen[0]?.headers.get('authorization')).toBe('Bearer re_key');
  });
});

describe('settings are refused with a sentence that names the missing one', () => {
  test.each<[Settings, string]>([
    [{ provider: '' }, 'MAIL_PROVIDER'],
    [{ provider: 'sendmail', apiKey: 'k' }, 'MAIL_PROVIDER'],
    [{ provider: 'toString', apiKey: 'k' }, 'MAIL_PROVIDER'],
    [{ provider: 'resend' }, 'MAIL_API_KEY'],
    [{ provider: 'resend', apiKey: ' \n' }, 'MAIL_API_KEY'],
    [{ provider: 'resend', apiKey: 'k', apiUrl: 'api.resend.com' }, 'MAIL_API_URL'],
    [{ provider: 'resend', apiKey: 'k', apiUrl: 'ftp://api.resend.com' }, 'MAIL_API_URL'],
    [{ provider: 'postmark', apiKey: 'k', apiUrl: 'https://api.resend.com' }, 'MAIL_API_URL'],
    [{ provider: 'postmark' }, 'MAIL_API_KEY'],
    [{ provider: 'ses', apiKey: 'only-an-id', env: { MAIL_SES_REGION: 'us-east-1' } }, 'MAIL_API_KEY'],
    [{ provider: 'ses', apiKey: 'id:secret' }, 'MAIL_API_URL'],
    [{ provider: 'cloudflare' }, 'send_email'],
    [{ provider: 'resend', apiKey: 'k', from: '' }, 'MAIL_FROM'],
    [{ provider: 'resend', apiKey: 'k', from: 'Acme' }, 'MAIL_FROM'],
    [{ provider: 'resend', apiKey: 'k', from: 'Acme <hello>' }, 'MAIL_FROM'],
    [{ provider: 'resend', apiKey: 'k', from: 'hello@acme.test\nBcc: x@y.test' }, 'MAIL_FROM'],
  ])('%j', (config, missing) => {
    const choice = choose(config);
    expect(choice).toMatchObject({ kind: 'refused', missing: [missing] });
    expect(choice.kind === 'refused' && choice.message).toMatch(/^.*[A-Za-z].*\.$/);
    expect(choice.kind === 'refused' && choice.message).toContain(missing);
  });
});

describe('a provider', () => {
  test('refuses every event when its webhook has no key', async () => {
    for (const { name, webhook } of mailProviders) {
      const headers = new Headers({ authorization: 'Basic Og==', 'svix-signature': 'v1,' });
      const verify = async () => webhook?.verify({ headers, body: '{}', proof: '' }, effects) ?? false;
      expect(await verify(), name).toBe(false);
    }
  });

  test('lists the key of its webhook among its settings, and each setting once', () => {
    for (const { name, settings, webhook } of mailProviders) {
      if (webhook !== undefined)
        expect(
          settings.map((setting) => setting.name),
          name,
        ).toContain(webhook.proof.setting);
    }
    const names = providerSettings.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(findProvider('toString')).toBeUndefined();
  });

  test('is checked by name', () => {
    expect(isProviderName('ses')).toBeNull();
    expect(isProviderName('sendmail')).toMatch(/^is resend, .+ or [a-z]+$/);
  });
});
