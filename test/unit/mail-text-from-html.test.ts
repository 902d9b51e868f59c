import { describe, expect, test } from 'vitest';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { compileTemplate } from '../../src/mail/templates/render.ts';
import { textFromHtml } from '../../src/mail/templates/text-from-html.ts';
import { fullContext, recipientOf, templateOf } from '../support/mail-fixtures.ts';

describe('plain text made from HTML', () => {
  test('has the words, links and lists, and no markup, style or hidden line', () => {
    const html = `<html><head><style>p { color: red }</style><title>T</title></head><body>
      <div style="display:none;max-height:0">Seen in the list of mails only</div>
      <h1>Welcome, {{ firstName }}</h1><p>First&nbsp;line<br>second &amp; third</p>
      <p><a href="{{ actionUrl }}">Open</a> or see <a href="https://acme.test">https://acme.test</a></p>
      <ul><li>One</li><li>Two</li></ul><img src="x.png" alt="Logo"></body></html>`;
    expect(textFromHtml(html)).toBe(
      [
        'Welcome, {{ firstName }}',
        '',
        'First line',
        'second & third',
        '',
        'Open ({{ actionUrl }}) or see https://acme.test',
        '',
        '* One',
        '* Two',
      ]
        .join('\n')
        .replace('First line', 'First\u00a0line'),
    );
  });

  test('keeps Liquid unchanged, including its quotes and angle brackets, even inside attributes', () => {
    const html = `<p>{% if company != "<none>" %}{{ company | default: "a > b" }}{% endif %}</p>
      <a href="{{ actionUrl | append: "?a=1&b=2" }}">Go</a>`;
    expect(textFromHtml(html)).toBe(
      '{% if company != "<none>" %}{{ company | default: "a > b" }}{% endif %}\n\nGo ({{ actionUrl | append: "?a=1&b=2" }})',
    );
  });

  test('renders as plain text: a name with an ampersand is not escaped', () => {
    const html = '<p>Hi {{ firstName }}</p>';
    const compiled = compileTemplate(templateOf({ html, text: textFromHtml(html) }));
    if (compiled.kind === 'refused') throw new Error(compiled.message);
    expect(compiled.render(recipientOf({ firstName: 'A & <b>' }), fullContext)).toMatchObject({
      html: '<p>Hi A &amp; &lt;b&gt;</p>',
      text: 'Hi A & <b>',
    });
  });

  test.each(builtinTemplates.map(({ id, html }) => [id, html]))(
    'of the frame of %s can be sent',
    (_, html) => {
      const compiled = compileTemplate(templateOf({ html, text: textFromHtml(html) }));
      if (compiled.kind === 'refused') throw new Error(compiled.message);
      const rendered = compiled.render(recipientOf(), fullContext);
      if (rendered.kind === 'refused') throw new Error(rendered.message);
      expect(rendered.text).toContain(fullContext.actionUrl);
      expect(rendered.text).toContain(fullContext.unsubscribeUrl);
      expect(rendered.text).not.toMatch(/<\/?[a-z]|\{\{|\{%|mso|max-width/);
    },
  );
});
