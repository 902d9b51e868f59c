import { describe, expect, test } from 'vitest';
import { builtinTemplates, findBuiltinTemplate } from '../../src/mail/templates/builtin.ts';
import { compileTemplate, type MailContext, type RenderedContent } from '../../src/mail/templates/render.ts';
import type { Recipient } from '../../src/shared/recipient.ts';
import { bareContext, fullContext, recipientOf } from '../support/mail-fixtures.ts';

function rendered(id: string, fields: Partial<Recipient>, context: MailContext): RenderedContent {
  const template = findBuiltinTemplate(id);
  if (template === null) throw new Error(`no template ${id}`);
  const compiled = compileTemplate(template);
  if (compiled.kind === 'refused') throw new Error(compiled.message);
  const result = compiled.render(recipientOf(fields), context);
  if (result.kind === 'refused') throw new Error(result.message);
  return result;
}

const nobody = { firstName: '', lastName: '', company: '', phone: '', source: '', stage: '' };

test('there are two, with different names and descriptions', () => {
  expect(builtinTemplates.map(({ id }) => id)).toEqual(['welcome', 'pick-up']);
  expect(new Set(builtinTemplates.map(({ name }) => name)).size).toBe(2);
  expect(new Set(builtinTemplates.map(({ description }) => description)).size).toBe(2);
  expect(findBuiltinTemplate('none')).toBeNull();
});

describe.each(builtinTemplates.map(({ id }) => id))('the template %s', (id) => {
  test('greets by name if there is one', () => {
    const { subject, html, text } = rendered(id, { firstName: 'Zoë' }, fullContext);
    expect(subject).toMatch(/^Zoë, [a-z]/);
    expect(html).toContain('Hi Zoë,');
    expect(text).toContain('Hi Zoë,');
  });

  test('reads well when only the address is known', () => {
    const { subject, html, text } = rendered(id, nobody, bareContext);
    expect(subject).toMatch(/^[A-Z]/);
    expect(text).toContain('Hi there,');
    for (const part of [subject, html, text])
      expect(part).not.toMatch(/\{\{|\}\}|\{%|%\}|undefined|null|NaN/);
    // A missing word leaves a space before the next punctuation mark.
    for (const part of [subject, text]) expect(part).not.toMatch(/\w [.,;:]/);
  });

  test('has the link in both parts, escaped as an attribute', () => {
    const { html, text } = rendered(id, {}, fullContext);
    expect(html).toContain('href="https://acme.test/start?a=1&amp;b=2"');
    expect(text).toContain('https://acme.test/start?a=1&b=2');
  });

  test('asks for a reply when there is no link', () => {
    const { html, text } = rendered(id, {}, bareContext);
    expect(html).not.toContain('<a href=""');
    expect(text).toMatch(/reply/i);
  });

  test('shows the unsubscribe link and the postal address in its footer, if they exist', () => {
    const full = rendered(id, {}, fullContext);
    expect(full.html).toMatch(/<a href="https:\/\/app\.test\/unsubscribe\/abc\.def"[^>]*>Unsubscribe<\/a>/);
    expect(full.html).toContain('1 Example Way, 10115 Berlin');
    expect(full.text).toContain('Unsubscribe: https://app.test/unsubscribe/abc.def');
    expect(full.text).toContain('1 Example Way, 10115 Berlin');
    const bare = rendered(id, {}, bareContext);
    expect(bare.html + bare.text).not.toMatch(/unsubscribe/i);
  });

  test('fills every placeholder of its frame', () => {
    const { html } = rendered(id, {}, fullContext);
    expect(html).not.toMatch(/\[\[|\]\]/);
    expect(html.match(/class="rail"/g)).toHaveLength(3);
    expect(html.match(/class="ink"/g)).toHaveLength(3);
    expect(html.match(/class="button"/g)).toHaveLength(1);
    expect(rendered(id, {}, bareContext).html).not.toContain('class="button"');
  });

  test('adapts to dark mode and narrow screens, and loads nothing', () => {
    const { html } = rendered(id, {}, fullContext);
    expect(html).toContain('<meta name="color-scheme" content="light dark">');
    expect(html).toContain('@media (prefers-color-scheme: dark)');
    expect(html).toMatch(/@media \(max-width: \d+px\)/);
    expect(html).not.toMatch(/<script|<img|<link|@import|url\(/i);
  });

  test('stays far below the 102 kB at which Gmail cuts a mail', () => {
    const long = 'W'.repeat(1_000);
    const { html } = rendered(id, { firstName: long, company: long }, fullContext);
    expect(new TextEncoder().encode(html).length).toBeLessThan(20_000);
  });
});
