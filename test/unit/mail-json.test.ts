import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { json, jsonArray, jsonObject, jsonPairs, jsonRecord } from '../../src/mail/json.ts';
import { payloadHash } from '../../src/mail/payload-hash.ts';
import { createCloudflareTransport } from '../../src/mail/providers/cloudflare/transport.ts';
import { createPostmarkTransport } from '../../src/mail/providers/postmark/transport.ts';
import { createResendTransport } from '../../src/mail/providers/resend/transport.ts';
import { createSesTransport } from '../../src/mail/providers/ses/transport.ts';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { compileTemplate, composeMail, type CompiledTemplate } from '../../src/mail/templates/render.ts';
import type { MailTransport, OutgoingMail } from '../../src/mail/transport.ts';
import { fullContext, mailOf, realFetch, recipientOf } from '../support/mail-fixtures.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ maxLength: 30 }),
  fc.constantFrom(
    '',
    '"',
    '\\',
    '\u2028\u2029',
    '\ud83d',
    '\udc00',
    '\ud83d\ude42',
    '\u0000\u001f\u007f',
    'é',
  ),
);
const names = fc.dictionary(fc.stringMatching(/^[A-Za-z-]{1,12}$/), text, { maxKeys: 3 });

/** A mail before its texts were encoded. */
interface PlainMail {
  from: string;
  to: string;
  replyTo: string | null;
  subject: string;
  html: string;
  text: string;
  headers: Record<string, string>;
  tags: Record<string, string>;
}

const plainMail: fc.Arbitrary<PlainMail> = fc.record({
  from: fc.oneof(text, fc.constant('Acme "A" <hello@acme.test>')),
  to: text,
  replyTo: fc.option(text),
  subject: text,
  html: text,
  text,
  headers: names,
  tags: names,
});

const outgoing = (mail: PlainMail): OutgoingMail => ({
  ...mail,
  subject: json(mail.subject),
  html: json(mail.html),
  text: json(mail.text),
  source: mail.html,
});

const config = { apiUrl: 'http://mail.test', apiKey: 'k', fetch: realFetch, now: () => 0 };
const sorted = (record: Record<string, string>): [string, string][] =>
  Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));

const pairs = (record: Record<string, string> = {}) =>
  sorted(record).map(([Name, Value]) => ({ Name, Value }));

const sesMail = (mail?: PlainMail) => ({
  FromEmailAddress: mail?.from,
  Destination: { ToAddresses: [mail?.to] },
  ...(mail?.replyTo === null ? {} : { ReplyToAddresses: [mail?.replyTo] }),
  Content: {
    Simple: {
      Subject: { Data: mail?.subject, Charset: 'UTF-8' },
      Body: { Text: { Data: mail?.text, Charset: 'UTF-8' }, Html: { Data: mail?.html, Charset: 'UTF-8' } },
      Headers: pairs(mail?.headers),
    },
  },
  EmailTags: pairs(mail?.tags),
  ConfigurationSetName: 'set',
});

const sesMails = (mails: PlainMail[]) => ({
  FromEmailAddress: mails[0]?.from,
  ...(mails[0]?.replyTo === null ? {} : { ReplyToAddresses: [mails[0]?.replyTo] }),
  DefaultContent: {
    Template: {
      TemplateContent: { Subject: '{{subject}}', Text: '{{text}}', Html: '{{html}}' },
      TemplateData: '{}',
    },
  },
  BulkEmailEntries: mails.map(({ to, subject, text, html, headers, tags }) => ({
    Destination: { ToAddresses: [to] },
    ReplacementEmailContent: {
      ReplacementTemplate: { ReplacementTemplateData: JSON.stringify({ subject, text, html }) },
    },
    ReplacementHeaders: pairs(headers),
    ReplacementTags: pairs(tags),
  })),
  ConfigurationSetName: 'set',
});

/** What each provider gets, as an object. */
const providers: readonly { transport: MailTransport; body: (mails: PlainMail[]) => unknown }[] = [
  {
    transport: createResendTransport(config),
    body: (mails) =>
      mails.map((mail) => ({
        from: mail.from,
        to: [mail.to],
        ...(mail.replyTo === null ? {} : { reply_to: mail.replyTo }),
        subject: mail.subject,
        html: mail.html,
        text: mail.text,
        headers: Object.fromEntries(sorted(mail.headers)),
        tags: sorted(mail.tags).map(([name, value]) => ({ name, value })),
      })),
  },
  {
    transport: createPostmarkTransport({ ...config, serverToken: 't', messageStream: 'a "stream"' }),
    body: (mails) =>
      mails.map((mail) => ({
        From: mail.from,
        To: mail.to,
        ...(mail.replyTo === null ? {} : { ReplyTo: mail.replyTo }),
        Subject: mail.subject,
        HtmlBody: mail.html,
        TextBody: mail.text,
        Headers: sorted(mail.headers).map(([Name, Value]) => ({ Name, Value })),
        Metadata: Object.fromEntries(sorted(mail.tags)),
        MessageStream: 'a "stream"',
        TrackOpens: false,
        TrackLinks: 'None',
      })),
  },
  {
    transport: createSesTransport({
      ...config,
      region: 'eu-west-1',
      accessKeyId: 'a',
      secretAccessKey: 's',
      configurationSet: 'set',
      mailsPerSecond: 50,
    }),
    body: (mails) => (mails.length === 1 ? sesMail(mails[0]) : sesMails(mails)),
  },
];

describe('JSON by joining', () => {
  test('is what JSON.stringify makes of any text', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(json(value)).toBe(JSON.stringify(value));
      }),
    );
  });

  test('is what JSON.stringify makes of objects and lists', () => {
    fc.assert(
      fc.property(names, fc.array(text), (record, list) => {
        expect(jsonObject({ a: jsonArray(list.map(json)), b: undefined, c: jsonRecord(record) })).toBe(
          JSON.stringify({ a: list, c: Object.fromEntries(sorted(record)) }),
        );
        expect(jsonObject({ a: undefined })).toBe('{}');
        expect(jsonPairs(record, 'n', 'v')).toBe(JSON.stringify(sorted(record).map(([n, v]) => ({ n, v }))));
      }),
    );
  });

  test.each(providers.map((provider) => [provider.transport.name, provider] as const))(
    'makes the body for %s, character for character',
    (_, { transport, body }) => {
      fc.assert(
        fc.property(fc.array(plainMail, { minLength: 1, maxLength: 4 }), (mails) => {
          expect(transport.encode(mails.map(outgoing))).toBe(JSON.stringify(body(mails)));
        }),
      );
    },
  );

  test('makes the body for cloudflare, character for character', () => {
    const transport = createCloudflareTransport({ binding: { send: () => Promise.reject(new Error()) } });
    fc.assert(
      fc.property(plainMail, (mail) => {
        const from = 'Acme "A <hello@acme.test>';
        expect(transport.encode([outgoing({ ...mail, from })])).toBe(
          JSON.stringify({
            from,
            to: mail.to,
            ...(mail.replyTo === null ? {} : { replyTo: mail.replyTo }),
            subject: mail.subject,
            html: mail.html,
            text: mail.text,
            headers: Object.fromEntries(sorted(mail.headers)),
          }),
        );
      }),
    );
  });
});

describe('the hash of a payload', () => {
  const { transport } = providers[0] ?? {};
  const hashOf = (mail: Partial<OutgoingMail>): Promise<string> =>
    payloadHash(transport ?? createResendTransport(config), [mailOf(), mailOf(mail)]);

  test('is the same for the same mails', async () => {
    expect(await hashOf({})).toBe(await hashOf({}));
  });

  test.each<Partial<OutgoingMail>>([
    { from: 'b@acme.test' },
    { to: 'b@lead.test' },
    { replyTo: null },
    { subject: json('Other') },
    { source: 'other' },
    { headers: {} },
    { tags: { lead: '8' } },
  ])('differs with %o', async (change) => {
    expect(await hashOf(change)).not.toBe(await hashOf({}));
  });
});

/** Counts that do not depend on the machine: what a batch of a hundred mails costs once its template is known. */
describe('the budget of a batch', () => {
  const batch = (compiled: CompiledTemplate): OutgoingMail[] =>
    Array.from({ length: 100 }, (_, index) => {
      const recipient = recipientOf({ leadId: index + 1, firstName: `Ann${index}`, lastName: 'Nakamura' });
      const content = compiled.encode(recipient, fullContext);
      if (content.kind === 'refused') throw new Error(content.message);
      return composeMail(content, recipient, {
        from: 'Acme <hello@acme.test>',
        replyTo: null,
        unsubscribeUrl: fullContext.unsubscribeUrl,
        sessionId: 'activation_1704123456789_a7bc3d2f1',
        batchId: '3',
      });
    });

  test.each(builtinTemplates.map((template) => [template.id, template] as const))(
    'of %s: a tenth of the payload is encoded, and a tenth is hashed',
    async (_, template) => {
      const compiled = compileTemplate(template);
      if (compiled.kind === 'refused') throw new Error(compiled.message);
      const transport = createResendTransport(config);
      batch(compiled);
      const stringify = vi.spyOn(JSON, 'stringify');
      const digest = vi.spyOn(crypto.subtle, 'digest');
      try {
        const mails = batch(compiled);
        const payload = transport.encode(mails);
        await payloadHash(transport, mails);
        const encodedLength = stringify.mock.results.reduce(
          (sum, { value }) => sum + (typeof value === 'string' ? value.length : 0),
          0,
        );
        expect(encodedLength).toBeLessThan(payload.length / 10);
        expect(digest).toHaveBeenCalledTimes(1);
        const [, hashed] = digest.mock.calls[0] ?? [];
        expect(hashed?.byteLength).toBeLessThan(payload.length / 10);
      } finally {
        vi.restoreAllMocks();
      }
    },
  );
});
