import { describe, expect, it } from 'vitest';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { missingFooterFields } from '../../src/shared/footer-fields.ts';

const both = '{{ unsubscribeUrl }} {{ postalAddress }}';

describe('what a mail owes its readers', () => {
  it('is in every built-in template', () => {
    expect(builtinTemplates.flatMap(missingFooterFields)).toEqual([]);
  });

  it('is missed in a template that never prints it, and in one that only asks for it or names it', () => {
    const missing = ['unsubscribeUrl', 'postalAddress'];
    expect(missingFooterFields({ html: '<p>Hi {{ firstName }}</p>', text: '' })).toEqual(missing);
    const asked = '{% if unsubscribeUrl != "" %}unsubscribeUrl{% endif %} {{ postalAddresses }}';
    expect(missingFooterFields({ html: asked, text: '' })).toEqual(missing);
  });

  it('is owed by the HTML and by the plain text, which is made from the HTML where it is empty', () => {
    expect(missingFooterFields({ html: both, text: ' ' })).toEqual([]);
    expect(missingFooterFields({ html: '', text: both })).toEqual([]);
    expect(missingFooterFields({ html: both, text: 'Hi, {{ unsubscribeUrl | strip }}' })).toEqual([
      'postalAddress',
    ]);
  });

  it('is found in no time, whatever stands in a template', () => {
    const source = `${'{{ '.repeat(20_000)}{{${' x'.repeat(20_000)}`;
    const startedMs = performance.now();
    expect(missingFooterFields({ html: source, text: '' })).toHaveLength(2);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });
});
