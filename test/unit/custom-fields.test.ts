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

  test('is printed when a lead has it, is empty otherwise, and is never markup', () => {
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

  test('is rendered by the fast renderer as by LiquidJS, byte for byte', () => {
    // With a filter on any field, LiquidJS renders the part.
    const quick = compiled({ html });
    const slow = compiled({ html: `${html}{{ email | slice: 0, 0 }}` });
    for (const custom of [{}, { plan: 'A & B' }, { seats: "'1'" }, { plan: '\n', seats: 'x'.repeat(300) }]) {
      const recipient = recipientOf({ custom });
      expect(quick.render(recipient, fullContext)).toEqual(slow.render(recipient, fullContext));
    }
  });

  test('can have the name of a property that every object has', () => {
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
  ])('cannot be written as %s, which is refused as unknown', (source) => {
    expect(compileTemplate(templateOf({ html: source }))).toMatchObject({
      kind: 'refused',
      code: 'unknown_variable',
    });
  });

  test('counts towards the limit of fields of a lead', () => {
    const fields = (count: number) => Array.from({ length: count }, (_, n) => `{{ custom.f${n} }}`).join('');
    expect(compileTemplate(templateOf({ html: fields(limits.maxCustomFieldCount) })).kind).toBe('compiled');
    expect(compileTemplate(templateOf({ html: fields(limits.maxCustomFieldCount + 1) })).kind).toBe(
      'refused',
    );
  });

  test('is known to the editor', () => {
    expect(templateFields(templateOf({ html: '{{ custom.plan }}{{ plan }}{{ custom }}' }))).toEqual({
      known: ['custom.plan'],
      unknown: ['custom', 'plan'],
    });
  });
});
