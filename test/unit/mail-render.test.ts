import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { json } from '../../src/mail/json.ts';
import {
  compileTemplate,
  composeMail,
  senderNameOf,
  templateVariables,
  type CompiledTemplate,
  type RenderedContent,
} from '../../src/mail/templates/render.ts';
import { createResendTransport } from '../../src/mail/providers/resend/transport.ts';
import { perField } from '../../src/shared/lead-fields.ts';
import {
  erasedRecipient,
  mergeFields,
  type FrozenTemplate,
  type Recipient,
} from '../../src/shared/recipient.ts';
import { sha256Hex } from '../../src/shared/sha256.ts';
import {
  bareContext,
  fullContext,
  nowMs,
  realFetch,
  recipientOf,
  templateOf,
} from '../support/mail-fixtures.ts';

function compiled(parts: Partial<FrozenTemplate>): CompiledTemplate {
  const result = compileTemplate(templateOf(parts));
  if (result.kind === 'refused') throw new Error(`${result.part}: ${result.message}`);
  return result;
}

function rendered(
  parts: Partial<FrozenTemplate>,
  fields: Partial<Recipient> = {},
  context = bareContext,
): RenderedContent {
  const result = compiled(parts).render(recipientOf(fields), context);
  if (result.kind === 'refused') throw new Error(`${result.part}: ${result.message}`);
  return result;
}

const hostileName = `<script>alert("x")</script> & 'co'`;

describe('a lead whose name is markup', () => {
  test('is text in the HTML part', () => {
    const { html } = rendered(
      { html: '<p title="{{ firstName }}">{{ firstName }}</p>' },
      { firstName: hostileName },
    );
    expect(html).not.toContain('<script');
    expect(html).toBe(
      `<p title="&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp; &#39;co&#39;">` +
        '&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp; &#39;co&#39;</p>',
    );
  });

  test('is escaped everywhere a template can print it', () => {
    const ways = [
      '{% echo firstName %}',
      '{% assign a = firstName %}{{ a }}',
      '{% capture a %}{{ firstName }}{% endcapture %}{{ a }}',
      "{{ '' | append: firstName }}",
      "{{ firstName | split: ' ' | first }}",
      "{{ '' | default: firstName }}",
      '{{ firstName | escape }}',
      '{{ firstName | escape_once }}',
    ];
    for (const html of ways)
      expect(rendered({ html }, { firstName: hostileName }).html, html).not.toContain('<script');
  });

  test('is not escaped in subject and text', () => {
    const { subject, text } = rendered(
      { subject: 'For {{ firstName }}', text: '{{ company }}: {{ firstName }}' },
      { firstName: hostileName, company: 'A & B' },
    );
    expect(subject).toBe(`For ${hostileName}`);
    expect(text).toBe(`A & B: ${hostileName}`);
  });
});

describe('a subject', () => {
  test.each([
    ['a\r\nBcc: everyone@lead.test', 'a Bcc: everyone@lead.test'],
    ['a\u2028b\u0085c\u0000d\te', 'a b c d e'],
    ['  a   b  ', 'a b'],
  ])('is one line even with the name %j', (firstName, expected) => {
    expect(rendered({ subject: '\n{{ firstName }}\n' }, { firstName }).subject).toBe(expected);
  });

  test('is cut at its maximum length, but never inside a character', () => {
    const { subject } = rendered({ subject: 'x{{ firstName }}' }, { firstName: '🎉'.repeat(500) });
    expect(subject.length).toBeLessThanOrEqual(500);
    expect(subject.isWellFormed()).toBe(true);
  });

  test('that is empty after rendering fails only this recipient', () => {
    const template = compiled({ subject: '{{ firstName }}' });
    expect(template.render(recipientOf({ firstName: ' ' }), bareContext)).toMatchObject({
      kind: 'refused',
      part: 'subject',
      code: 'empty_subject',
    });
    expect(template.render(recipientOf(), bareContext)).toMatchObject({ kind: 'rendered', subject: 'Zoë' });
  });
});

describe('fields', () => {
  test('are all defined, even if a lead has none', () => {
    const html = templateVariables.map((name) => `[{{ ${name} }}]`).join('');
    expect(rendered({ html }, erasedRecipient(7), { ...bareContext, senderName: '' }).html).toBe(
      '[]'.repeat(templateVariables.length),
    );
  });

  test.each(['', '   ', '\n\t', '\u00a0'])('that are blank (%j) get their default', (firstName) => {
    expect(rendered({ text: "Hi {{ firstName | default: 'there' }}," }, { firstName }).text).toBe(
      'Hi there,',
    );
  });

  test('are one line, so that a name cannot fake a paragraph', () => {
    expect(rendered({ text: 'Hi {{ firstName }}' }, { firstName: 'A\n\nYour invoice:' }).text).toBe(
      'Hi A Your invoice:',
    );
  });

  test('that a template uses are listed', () => {
    const { variables } = compiled({
      subject: '{{ firstName }}',
      html: '{% if company != "" %}{{ lastName }}{% endif %}',
    });
    expect(variables).toEqual(['company', 'firstName', 'lastName']);
  });
});

describe('a template is refused before an activation', () => {
  test.each<[string, Partial<FrozenTemplate>, string, string]>([
    ['the clock', { html: `{{ 'now' | date: '%s' }}` }, 'html', 'syntax'],
    ['today', { text: `{{ 'today' | date_to_string }}` }, 'text', 'syntax'],
    ['chance', { html: `{{ 'a,b' | split: ',' | sample }}` }, 'html', 'syntax'],
    ['unescaped output', { html: '{{ firstName | raw }}' }, 'html', 'syntax'],
    ['loops', { text: '{% for i in (1..9) %}x{% endfor %}' }, 'text', 'syntax'],
    ['table loops', { html: '{% tablerow i in (1..9) %}x{% endtablerow %}' }, 'html', 'syntax'],
    ['other files', { html: '{% include "/etc/passwd" %}' }, 'html', 'syntax'],
    ['other templates', { html: '{% render "x" %}' }, 'html', 'syntax'],
    ['layouts', { html: '{% layout "x" %}' }, 'html', 'syntax'],
    ['counters', { html: '{% increment x %}' }, 'html', 'syntax'],
    ['a filter that is not there', { subject: '{{ firstName | shout }}' }, 'subject', 'syntax'],
    ['an open tag', { html: '{% if firstName %}' }, 'html', 'syntax'],
    ['an open output', { html: '{{ firstName' }, 'html', 'syntax'],
    ['a field that is not there', { html: '{{ fristName }}' }, 'html', 'unknown_variable'],
    [
      'one in a branch not taken',
      { html: '{% if false %}{{ nope }}{% endif %}' },
      'html',
      'unknown_variable',
    ],
    ['the prototype', { html: '{{ constructor }}' }, 'html', 'unknown_variable'],
    ['no subject', { subject: ' \n' }, 'subject', 'empty_subject'],
    ['a book', { text: 'x'.repeat(100_001) }, 'text', 'too_large'],
  ])('for %s', (_, parts, part, code) => {
    const result = compileTemplate(templateOf(parts));
    expect(result).toMatchObject({ kind: 'refused', part, code });
    expect(result.kind === 'refused' && result.message).toMatch(/\S/);
  });
});

describe('a hostile template is stopped', () => {
  test.each<[string, string]>([
    ['thousands of outputs', '{{firstName}}'.repeat(7_500)],
    ['thousands of operands', `{% if ${'firstName == "" and '.repeat(4_500)}true %}{% endif %}`],
    [
      'thousands of filters',
      `{% assign a = firstName %}${'{% assign a = a | truncatewords: 9 %}'.repeat(2_500)}`,
    ],
    ['nesting without end', '{% if firstName %}'.repeat(5_500)],
    ['openings only', '{{'.repeat(50_000)],
    ['tag openings only', '{% raw %}' + '{% '.repeat(30_000)],
  ])('when it is parsed: %s', (_, source) => {
    for (const part of ['html', 'text'] as const) {
      expect(compileTemplate(templateOf({ [part]: source })).kind, part).toBe('refused');
    }
  });

  test.each<[string, Partial<FrozenTemplate>]>([
    [
      'doubling by append',
      { html: `{% assign a = 'xxxxxxxx' %}${'{% assign a = a | append: a %}'.repeat(60)}` },
    ],
    [
      'doubling by capture',
      { text: `{% assign a = 'xxxxxxxx' %}${'{% capture a %}{{a}}{{a}}{% endcapture %}'.repeat(60)}` },
    ],
    [
      'doubling by capture in HTML',
      { html: `{% assign a = 'xxxxxxxx' %}${'{% capture a %}{{a}}{{a}}{% endcapture %}'.repeat(60)}` },
    ],
    [
      'doubling by replace',
      { html: `{% assign a = 'xx' %}${`{% assign a = a | replace: 'x', 'xx' %}`.repeat(60)}` },
    ],
    ['a huge range', { html: `{{ (1..1000000000) | join: 'x' }}` }],
    [
      'printing a long text often',
      { text: `{% assign a = '${'x'.repeat(50_000)}' %}${'{{a}}'.repeat(1000)}` },
    ],
    ['a property that is not there', { html: '{{ firstName.nope }}' }],
    ['the constructor of a string', { html: '{{ firstName.constructor }}' }],
  ])('%s', (_, parts) => {
    expect(compiled(parts).render(recipientOf(), bareContext)).toMatchObject({ kind: 'refused' });
  });
});

const hello = json('Hello');
const encoded = { subject: hello, html: hello, text: hello, source: 'hello' };

describe('a repeat gives the same bytes', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 });
  const recipient = fc.record({ leadId: fc.nat(), ...perField(mergeFields, () => text) });
  const template = templateOf({
    subject: "Hi {{ firstName | default: 'there' }}",
    html: `<p>{{ firstName | upcase }} {{ lastName }}</p>{% if company != '' %}{{ company | truncate: 10 }}{% endif %}{{ unsubscribeUrl }}`,
    text: "{{ email }} {{ phone }} {{ stage | default: '-' }}",
  });
  const transport = createResendTransport({
    apiUrl: 'http://mail.test',
    apiKey: 'k',
    fetch: realFetch,
    now: () => nowMs,
  });

  /** From the rows to the request, as a slice after a crash does it: nothing is kept in memory. */
  function payloadOf(recipients: Recipient[]): string {
    const freshTemplate = compileTemplate(structuredClone(template));
    if (freshTemplate.kind === 'refused') throw new Error(freshTemplate.message);
    return transport.encode(
      recipients.flatMap((one) => {
        const content = freshTemplate.encode(structuredClone(one), fullContext);
        if (content.kind === 'refused') return [];
        return [
          composeMail(content, one, {
            from: 'a@acme.test',
            replyTo: null,
            unsubscribeUrl: null,
            sessionId: 's',
            batchId: '1',
          }),
        ];
      }),
    );
  }

  test('for any leads, at any time, after any order of earlier renderings', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(recipient, { maxLength: 8 }),
        fc.date({ noInvalidDate: true }),
        async (leads, laterAt) => {
          const first = payloadOf(leads);
          vi.useFakeTimers({ now: laterAt, toFake: ['Date', 'performance'] });
          vi.spyOn(Math, 'random').mockReturnValue(0.123);
          try {
            payloadOf([...leads].reverse());
            expect(payloadOf(leads)).toBe(first);
          } finally {
            vi.useRealTimers();
            vi.restoreAllMocks();
          }
          expect(await sha256Hex(payloadOf(leads))).toBe(await sha256Hex(first));
          expect(first.isWellFormed()).toBe(true);
        },
      ),
      { numRuns: 60, seed: 20261123 },
    );
  });

  test('even if headers and tags were added in another order', () => {
    const mail = composeMail(encoded, recipientOf(), {
      from: 'a@acme.test',
      replyTo: null,
      unsubscribeUrl: 'https://app.test/u',
      sessionId: 's',
      batchId: '1',
    });
    const reordered = {
      ...mail,
      headers: Object.fromEntries(Object.entries(mail.headers).reverse()),
      tags: Object.fromEntries(Object.entries(mail.tags).reverse()),
    };
    expect(transport.encode([reordered])).toBe(transport.encode([mail]));
  });
});

describe('a composed mail', () => {
  const settings = {
    from: 'Acme <hello@acme.test>',
    replyTo: 'team@acme.test',
    sessionId: 'activation_1704123456789_a7bc3d2f1',
    batchId: '12',
  };

  test('has one-click unsubscribe (RFC 8058) when there is a link', () => {
    const mail = composeMail(encoded, recipientOf(), {
      ...settings,
      unsubscribeUrl: 'https://app.test/unsubscribe/t',
    });
    expect(mail.headers).toEqual({
      'List-Unsubscribe': '<https://app.test/unsubscribe/t>',
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    });
  });

  test('has no unsubscribe headers without a link', () => {
    expect(composeMail(encoded, recipientOf(), { ...settings, unsubscribeUrl: null }).headers).toEqual({});
  });

  test('has tags that identify it without an address', () => {
    const mail = composeMail(encoded, recipientOf(), { ...settings, unsubscribeUrl: null });
    expect(mail.tags).toEqual({ session: settings.sessionId, batch: '12', lead: '7' });
    for (const [name, value] of Object.entries(mail.tags))
      expect(`${name}${value}`).toMatch(/^[A-Za-z0-9_-]{1,256}$/);
    expect(mail).toMatchObject({ from: settings.from, to: 'zoe@lead.test', replyTo: 'team@acme.test' });
  });
});

test.each([
  ['Acme <hello@acme.test>', 'Acme'],
  ['"Acme, Inc." <hello@acme.test>', 'Acme, Inc.'],
  ['hello@acme.test', 'acme.test'],
  ['<hello@acme.test>', 'acme.test'],
])('the sender of %j is called %j', (from, expected) => {
  expect(senderNameOf(from)).toBe(expected);
});

test('a hash is the SHA-256 of the UTF-8 bytes, in hex', async () => {
  expect(await sha256Hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  expect(await sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(await sha256Hex('é')).toBe('4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c');
});
