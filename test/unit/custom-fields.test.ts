import { describe, expect, test } from 'vitest';
import { compileTemplate, templateFields, type CompiledTemplate } from '../../src/mail/templates/render.ts';
import { customFieldName } from '../../src/shared/custom-fields.ts';
import { limits } from '../../src/shared/limits.ts';
import type { FrozenTemplate } from '../../src/shared/recipient.ts';
import { fullContext, recipientOf, templateOf } from '../support/mail-fixtures.ts';

function compiled(parts: Partial<FrozenTemplate>): CompiledTemplate {
  const template = compileTemplate(templateOf(parts));
  if (template.kind === 'refused') throw new Error(template.message);
  return template;
}

test.each([
  ['Plan', 'plan'],
  ['Renewal date (UTC)', 'renewal_date_utc'],
  ['Préféré', 'prefere'],
  ['2nd product', 'nd_product'],
  ['__proto__', 'proto'],
  ['  ', null],
  ['年収', null],
  ['x'.repeat(60), 'x'.repeat(40)],
])('the header %j names the field %j', (header, name) => {
  expect(customFieldName(header)).toBe(name);
});

describe('a custom field in a template', () => {
  const html =
    "<p>{{ custom.plan | default: 'free' }}{% if custom.seats != '' %}, {{ custom.seats }}{% endif %}</p>";

  test('is printed where a lead has it, empty where it has not, and never markup', () => {
    const template = compiled({
      html,
      subject: 'Your {{ custom.plan }} plan',
      text: '{{ custom.plan | upcase }}',
    });
    expect(template.customFields).toEqual(['plan', 'seats']);
    const mailFor = (custom: Record<string, string>) => template.render(recipientOf({ custom }), fullContext);
    expect(mailFor({ plan: '<b>gold</b>', seats: '7' })).toMatchObject({
      subject: 'Your <b>gold</b> plan',
      html: '<p>&lt;b&gt;gold&lt;/b&gt;, 7</p>',
      text: '<B>GOLD</B>',
    });
    expect(mailFor({})).toMatchObject({ subject: 'Your plan', html: '<p>free</p>', text: '' });
    expect(template.render(recipientOf(), fullContext)).toMatchObject({ html: '<p>free</p>' });
  });

  test('comes out of the quick way as out of LiquidJS, to the byte', () => {
    // A filter on any field leaves the part to LiquidJS.
    const quick = compiled({ html });
    const slow = compiled({ html: `${html}{{ email | slice: 0, 0 }}` });
    for (const custom of [{}, { plan: 'A & B' }, { seats: "'1'" }, { plan: '\n', seats: 'x'.repeat(300) }]) {
      const recipient = recipientOf({ custom });
      expect(quick.render(recipient, fullContext)).toEqual(slow.render(recipient, fullContext));
    }
  });

  test('may have the name of something that every object has', () => {
    const template = compiled({ html: '[{{ custom.constructor }}{{ custom.size }}{{ custom.first }}]' });
    expect(template.render(recipientOf({ custom: { size: 'XL' } }), fullContext)).toMatchObject({
      html: '[XL]',
    });
    expect(template.render(recipientOf(), fullContext)).toMatchObject({ html: '[]' });
  });

  test.each([
    '{{ custom }}',
    '{{ custom[firstName] }}',
    '{{ custom.Plan }}',
    '{{ custom[0] }}',
    '{{ custom["a b"] }}',
  ])('is not %s, which is refused as unknown', (source) => {
    expect(compileTemplate(templateOf({ html: source }))).toMatchObject({
      kind: 'refused',
      code: 'unknown_variable',
    });
  });

  test('is one of at most as many as a lead can have', () => {
    const fields = (count: number) => Array.from({ length: count }, (_, n) => `{{ custom.f${n} }}`).join('');
    expect(compileTemplate(templateOf({ html: fields(limits.maxCustomFieldCount) })).kind).toBe('compiled');
    expect(compileTemplate(templateOf({ html: fields(limits.maxCustomFieldCount + 1) })).kind).toBe(
      'refused',
    );
  });

  test('is a known one to the editor', () => {
    expect(templateFields(templateOf({ html: '{{ custom.plan }}{{ plan }}{{ custom }}' }))).toEqual({
      known: ['custom.plan'],
      unknown: ['custom', 'plan'],
    });
  });
});
