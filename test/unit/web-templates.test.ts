/** The template editor's pure parts: faults in words, the preheader, colours, fields at the cursor, drafts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { compileTemplate, templateVariables } from '../../src/mail/templates/render.ts';
import { describeFault, nearest } from '../../web/src/lib/templates/describe-fault.ts';
import { isSameText, keepDrafts, keptDrafts, maxDraftCount } from '../../web/src/lib/templates/drafts.ts';
import { highlight, maxHighlightLength } from '../../web/src/lib/templates/highlight.ts';
import { insertAt, printField } from '../../web/src/lib/templates/insert-field.ts';
import { withoutLiquid } from '../../web/src/lib/templates/load-thumbnail.ts';
import { preheaderOf, withPreheader } from '../../web/src/lib/templates/preheader.ts';
import { faultMessages } from '../../web/src/lib/messages/template-editor.ts';

/** What the editor says about a source, from what the server answers. */
function said(html: string): string {
  const answer = compileTemplate({ id: 'x', version: 1, name: 'x', subject: 'Hi', html, text: 'Hi' });
  if (answer.kind !== 'refused') return 'nothing';
  const { line, text } = describeFault(answer, html, [...templateVariables, 'custom.plan']);
  return faultMessages.atLine(line, text);
}

describe('a fault', () => {
  it.each([
    ['a\nb\n{{ firstNam }}', 'Line 3: `{{ firstNam }}` is not a field. Did you mean `firstName`?'],
    ['{{ first_name }}', '`{{ first_name }}` is not a field. Did you mean `firstName`?'],
    ['{{ pet }}', '`{{ pet }}` is not a field.'],
    ['a\n{{ firstName', 'Line 2: `{{ firstName` is not closed. Add `}}`.'],
    ['a\n{% for x in y %}', 'Line 2: Templates have no loops.'],
    ['{% endif %}', '`{% endif %}` is not known, or closes nothing that is open.'],
    ['{% if firstName %}a', '`{% if firstName %}` is not closed.'],
    ['{{ firstName | shout }}', 'There is no filter `shout`.'],
    ['{{ }}', 'Something is missing between the braces.'],
    ['{% if firstName = %}x{% endif %}', 'A filter comes after a `|`.'],
    ['{{ firstName | default: "there" }}', 'nothing'],
  ])('of %j is said once, in words', (html, words) => {
    expect(said(html)).toBe(words);
  });

  it('names a field only where it is near', () => {
    expect(nearest('compnay', templateVariables)).toBe('company');
    expect(nearest('weather', templateVariables)).toBeNull();
  });
});

describe('the preheader', () => {
  it.each(builtinTemplates.map(({ name, html }) => [name, html] as const))(
    'of “%s” is read and changed, and nothing else',
    (_, html) => {
      const before = preheaderOf(html);
      expect(before.length).toBeGreaterThan(20);
      const changed = withPreheader(html, 'Hi {{ firstName }} <3');
      expect(preheaderOf(changed)).toBe('Hi {{ firstName }} <3');
      expect(withPreheader(changed, before)).toBe(html);
    },
  );

  it('is added where there is none, behind the body’s tag', () => {
    const html = '<html><body class="a">\n<p>Hi</p></body></html>';
    const added = withPreheader(html, 'Look');
    expect(preheaderOf(added)).toBe('Look');
    expect(added.indexOf('Look')).toBeLessThan(added.indexOf('<p>'));
    expect(withPreheader(html, '')).toBe(html);
    expect(preheaderOf(withPreheader('<p>Hi</p>', 'Look'))).toBe('Look');
    expect(preheaderOf('<p>Hi</p><div style="display:none">no preheader</div>')).toBe('');
  });
});

describe('colours', () => {
  it('leave every source as it is', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '{{',
      '}}',
      '{%',
      '%}',
      '<!--',
      '-->',
      '"',
      "'",
      'a',
      ' ',
      '\n',
      '<p',
      'x="',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const source = pieces.join('');
        expect(
          highlight(source)
            .map(({ text }) => text)
            .join(''),
        ).toBe(source);
      }),
    );
    for (const { html } of builtinTemplates)
      expect(
        highlight(html)
          .map(({ text }) => text)
          .join(''),
      ).toBe(html);
  });

  it('tell fields from tags, also inside an attribute', () => {
    expect(
      highlight('<a href="{{ actionUrl }}">Hi {{ firstName }}{% if company %}!{% endif %}</a><!-- x -->'),
    ).toEqual([
      { kind: 'tag', text: '<a href=' },
      { kind: 'string', text: '"' },
      { kind: 'output', text: '{{ actionUrl }}' },
      { kind: 'string', text: '"' },
      { kind: 'tag', text: '>' },
      { kind: 'text', text: 'Hi ' },
      { kind: 'output', text: '{{ firstName }}' },
      { kind: 'logic', text: '{% if company %}' },
      { kind: 'text', text: '!' },
      { kind: 'logic', text: '{% endif %}' },
      { kind: 'tag', text: '</a>' },
      { kind: 'comment', text: '<!-- x -->' },
    ]);
  });

  it('are left out of a source too long to colour at each key', () => {
    expect(highlight('<p>'.repeat(maxHighlightLength))).toHaveLength(1);
  });
});

describe('a picked field', () => {
  it('goes where the cursor is, in place of what is selected', () => {
    expect(insertAt('Hi , welcome', { start: 3, end: 3 }, '{{ company }}')).toEqual({
      text: 'Hi {{ company }}, welcome',
      caret: 16,
    });
    expect(insertAt('Hi NAME', { start: 3, end: 7 }, '{{ x }}')).toEqual({ text: 'Hi {{ x }}', caret: 10 });
  });

  it('prints, whatever it is', () => {
    for (const name of [...templateVariables, 'custom.plan'])
      expect(said(printField(name)), name).toBe('nothing');
  });
});

describe('unsaved work', () => {
  const content = { name: 'a', description: '', subject: 's', html: '<p>', text: '' };

  const memory = () => {
    const stored = new Map<string, string>();
    return {
      stored,
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
      removeItem: (key: string) => void stored.delete(key),
    };
  };
  const draft = (at: number, base: number | null = null) => ({ content, at, base });

  it('is kept until it is dropped', () => {
    const storage = memory();
    expect(keptDrafts(storage, 'welcome')).toEqual([]);
    expect(keepDrafts(storage, 'welcome', [draft(6, 3), draft(5)])).toBe(true);
    expect(keptDrafts(storage, 'welcome')).toEqual([draft(6, 3), draft(5)]);
    expect(keptDrafts(storage, 'copy:welcome')).toEqual([]);
    keepDrafts(storage, 'welcome', []);
    expect(storage.stored.size).toBe(0);
  });

  it('keeps no more than a browser has room for, the newest', () => {
    const storage = memory();
    keepDrafts(
      storage,
      'x',
      Array.from({ length: maxDraftCount + 1 }, (_, at) => draft(9 - at)),
    );
    expect(keptDrafts(storage, 'x').map(({ at }) => at)).toEqual([9, 8, 7]);
  });

  it('is read as earlier versions kept it, and nothing else is', () => {
    const storage = memory();
    const key = 'lead-activation:template-draft:x';
    storage.setItem(key, JSON.stringify({ content, at: 5 }));
    expect(keptDrafts(storage, 'x')).toEqual([draft(5)]);
    for (const other of ['{"at":1,"content":{"name":1}}', '[null,3]', 'no JSON', '{}']) {
      storage.setItem(key, other);
      expect(keptDrafts(storage, 'x'), other).toEqual([]);
    }
  });

  it('differs from what is saved in any field', () => {
    expect(isSameText(content, { ...content })).toBe(true);
    expect(isSameText(content, { ...content, text: 'x' })).toBe(false);
  });

  it('is not lost where the browser keeps nothing: it says so', () => {
    const closed = () => {
      throw new Error('closed');
    };
    const storage = { getItem: closed, setItem: closed, removeItem: closed };
    expect(keepDrafts(storage, 'x', [draft(1)])).toBe(false);
    expect(keptDrafts(storage, 'x')).toEqual([]);
  });
});

it('a thumbnail without a lead shows no Liquid', () => {
  expect(withoutLiquid('<p>{% if a %}Hi {{ firstName }}{% endif %}</p>')).toBe('<p>Hi …</p>');
});
