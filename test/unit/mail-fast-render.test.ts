import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { compileTemplate, templateVariables } from '../../src/mail/templates/render.ts';
import { fastRenderer, type Fields } from '../../src/mail/templates/fast-render.ts';
import type { FrozenTemplate } from '../../src/shared/recipient.ts';
import { bareContext, recipientOf, templateOf } from '../support/mail-fixtures.ts';

const never = (): string => {
  throw new Error('LiquidJS was asked.');
};

/** Templates that ask no more of a field than whether it is empty. */
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
  fc.constantFrom('<b>&"\'', '{{ email }}', '\u0086firstName\u0087', '$&', '\ud83d', '\udc00'),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const lead = fc
  .record({ firstName: field, lastName: field, company: field, phone: field, source: field, stage: field })
  .map((fields) => recipientOf(fields));

/** What LiquidJS makes of it: the fast renderer knows no comment. */
const byLiquid = (source: string): string => `{% comment %}.{% endcomment %}${source}`;

function render(template: FrozenTemplate, recipient: ReturnType<typeof recipientOf>): unknown {
  const compiled = compileTemplate(template);
  return compiled.kind === 'refused' ? compiled : compiled.render(recipient, bareContext);
}

describe('a template rendered by the fast renderer', () => {
  test('comes out as LiquidJS makes it, to the byte, whatever the fields hold', () => {
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

  test('is asked of LiquidJS once for each combination of empty fields', () => {
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
    const texts = ['Ann', '', 'Bob', '', 'Cy'].map((firstName) => quick?.({ firstName }));
    expect(texts).toEqual(['Dear Ann', 'Hello', 'Dear Bob', 'Hello', 'Dear Cy']);
    expect(asked).toHaveLength(2);
  });

  test.each(builtinTemplates.map((template) => [template.id, template] as const))(
    'is every part of the built-in %s',
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
  ])('is not for %s', (source) => {
    expect(fastRenderer(source, ['firstName'], never, String)).toBeNull();
  });
});
