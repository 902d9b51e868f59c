import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import {
  compileTemplate,
  templateVariables,
  type CompiledTemplate,
} from '../../src/mail/templates/render.ts';
import { fastRenderer, type Fields } from '../../src/mail/templates/fast-render.ts';
import type { FrozenTemplate } from '../../src/shared/recipient.ts';
import { bareContext, recipientOf, templateOf } from '../support/mail-fixtures.ts';

const never = (): string => {
  throw new Error('LiquidJS was asked.');
};

/** Templates that only print fields and test whether they are empty. */
const name = fc.constantFrom(...templateVariables);
const condition = fc
  .tuple(name, fc.constantFrom('', " != ''", " == ''", ' == ""'))
  .map(([variable, test]) => variable + test);
const piece: fc.Arbitrary<string> = fc.letrec<{ piece: string }>((tie) => ({
  piece: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('text ', '<p title="', '&', '\n  ', '} ', '%}', '🙂', "it's"),
    name.map((variable) => `{{ ${variable} }}`),
    name.map((variable) => `{{- ${variable} | default: '<none>' -}}`),
    fc
      .tuple(
        fc.array(condition, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('and', 'or'),
        tie('piece'),
        tie('piece'),
      )
      .map(
        ([tests, joint, yes, no]) => `{% if ${tests.join(` ${joint} `)} %}${yes}{%- else -%}${no}{% endif %}`,
      ),
    fc.tuple(condition, tie('piece')).map(([test, body]) => `{% unless ${test} %}${body}{% endunless %}`),
    fc.tuple(tie('piece'), tie('piece')).map(([a, b]) => a + b),
  ),
})).piece;

const field = fc.oneof(
  fc.constant(''),
  fc.constantFrom(
    '<b>&"\'',
    '{{ email }}',
    '\u0086firstName\u0087',
    '$&',
    '\ud83d',
    '\udc00',
    'a\\"b',
    '\u2028',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const lead = fc
  .record({ firstName: field, lastName: field, company: field, phone: field, source: field, stage: field })
  .map((fields) => recipientOf(fields));

/** The result of LiquidJS: the fast renderer does not support comments. */
const byLiquid = (source: string): string => `{% comment %}.{% endcomment %}${source}`;

function render(template: FrozenTemplate, recipient: ReturnType<typeof recipientOf>): unknown {
  const compiled = compileTemplate(template);
  return compiled.kind === 'refused' ? compiled : compiled.render(recipient, bareContext);
}

function compiled(template: FrozenTemplate): CompiledTemplate | null {
  const result = compileTemplate(template);
  return result.kind === 'refused' ? null : result;
}

describe('a template rendered by the fast renderer', () => {
  test('is the same as by LiquidJS, byte for byte, whatever the fields contain', () => {
    fc.assert(
      fc.property(piece, fc.array(lead, { minLength: 1, maxLength: 4 }), (source, leads) => {
        for (const recipient of leads) {
          const quick = render(templateOf({ subject: 's', html: source, text: source }), recipient);
          const slow = render(
            templateOf({ subject: 's', html: byLiquid(source), text: byLiquid(source) }),
            recipient,
          );
          expect(quick).toEqual(slow);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('is the same in JSON as when it is encoded as a whole', () => {
    fc.assert(
      fc.property(piece, fc.array(lead, { minLength: 1, maxLength: 4 }), (source, leads) => {
        const template = compiled(templateOf({ subject: source, html: source, text: source }));
        for (const recipient of leads) {
          const rendered = template?.render(recipient, bareContext);
          const encoded = template?.encode(recipient, bareContext);
          if (rendered?.kind !== 'rendered') expect(encoded).toEqual(rendered);
          else
            expect(encoded).toMatchObject({
              subject: JSON.stringify(rendered.subject),
              html: JSON.stringify(rendered.html),
              text: JSON.stringify(rendered.text),
            });
        }
      }),
      { numRuns: 300 },
    );
  });

  test('is determined by its source', () => {
    fc.assert(
      fc.property(piece, fc.tuple(lead, lead), (source, leads) => {
        const template = compiled(templateOf({ html: source, text: `${source}.` }));
        const [a, b] = leads.map((recipient) => template?.encode(recipient, bareContext));
        if (a?.kind !== 'encoded' || b?.kind !== 'encoded') return;
        const isSame = a.html === b.html && a.text === b.text;
        if (!isSame) expect(a.source).not.toBe(b.source);
      }),
      { numRuns: 300 },
    );
  });

  test('completes half a surrogate pair of the template with that of a field, as LiquidJS does', () => {
    const template = compiled(templateOf({ html: '{{ firstName }}\udc00{{ lastName }}{{ company }}' }));
    const recipient = recipientOf({ firstName: '\ud83d', lastName: '\ud83d', company: '\udc01' });
    const rendered = template?.render(recipient, bareContext);
    expect(rendered).toMatchObject({ html: '\ud83d\udc00\ud83d\udc01' });
    expect(template?.encode(recipient, bareContext)).toMatchObject({
      html: JSON.stringify('\ud83d\udc00\ud83d\udc01'),
    });
  });

  test('is refused at the same length in JSON', () => {
    const template = compiled(templateOf({ html: `${'"'.repeat(99_000)}{{ firstName }}` }));
    for (const length of [101_000, 101_001]) {
      const recipient = recipientOf({ firstName: 'x'.repeat(length) });
      const rendered = template?.render(recipient, bareContext);
      const encoded = template?.encode(recipient, bareContext);
      expect(rendered?.kind).toBe(length === 101_000 ? 'rendered' : 'refused');
      if (rendered?.kind === 'refused') expect(encoded).toEqual(rendered);
      else expect(encoded?.kind).toBe('encoded');
    }
  });

  test('needs LiquidJS once for each combination of empty fields', () => {
    const asked: Fields[] = [];
    const quick = fastRenderer(
      "{% if firstName != '' %}Dear {{ firstName }}{% else %}Hello{% endif %}",
      ['firstName'],
      (fields) => {
        asked.push(fields);
        return fields['firstName'] === '' ? 'Hello' : `Dear ${fields['firstName']}`;
      },
      String,
    );
    const texts = ['Ann', '', 'Bob', '', 'Cy'].map((firstName) => quick?.render({ firstName }));
    expect(texts).toEqual(['Dear Ann', 'Hello', 'Dear Bob', 'Hello', 'Dear Cy']);
    expect(asked).toHaveLength(2);
  });

  test.each(builtinTemplates.map((template) => [template.id, template] as const))(
    'can be every part of the built-in %s',
    (_, { subject, html, text }) => {
      for (const source of [subject, html, text]) {
        expect(fastRenderer(source, [], never, String)).not.toBeNull();
      }
    },
  );

  test.each([
    '{{ firstName | upcase }}',
    "{% if firstName == 'Ann' %}A{% endif %}",
    '{% if firstName contains company %}A{% endif %}',
    '{% assign a = firstName %}{{ a }}',
    '{% case stage %}{% when "x" %}y{% endcase %}',
    '{{ firstName | default: company }}',
    '{% raw %}{{ firstName }}{% endraw %}',
    '{{ firstName.size }}',
    '{{ custom.plan.size }}',
    '{{ custom[firstName] }}',
    'a mark \u0086 of its own',
  ])('cannot have %s', (source) => {
    expect(fastRenderer(source, ['firstName'], never, String)).toBeNull();
  });
});
