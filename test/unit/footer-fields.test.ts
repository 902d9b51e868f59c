import { describe, expect, it } from 'vitest';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { missingFooterFields } from '../../src/shared/footer-fields.ts';

const both = '{{ unsubscribeUrl }} {{ postalAddress }}';

describe('the required footer of a mail', () => {
  it('is in every built-in template', () => {
    expect(builtinTemplates.flatMap(missingFooterFields)).toEqual([]);
  });

  it('is missing in a template that never prints it, and in one that only tests or mentions its fields', () => {
    const missing = ['unsubscribeUrl', 'postalAddress'];
    expect(missingFooterFields({ html: '<p>Hi {{ firstName }}</p>', text: '' })).toEqual(missing);
    const asked = '{% if unsubscribeUrl != "" %}unsubscribeUrl{% endif %} {{ postalAddresses }}';
    expect(missingFooterFields({ html: asked, text: '' })).toEqual(missing);
  });

  it('is required in the HTML and in the plain text; an empty plain text is made from the HTML', () => {
    expect(missingFooterFields({ html: both, text: ' ' })).toEqual([]);
    expect(missingFooterFields({ html: '', text: both })).toEqual([]);
    expect(missingFooterFields({ html: both, text: 'Hi, {{ unsubscribeUrl | strip }}' })).toEqual([
      'postalAddress',
    ]);
  });

  it('is checked quickly, whatever a template contains', () => {
    const source = `${'{{ '.repeat(20_000)}{{${' x'.repeat(20_000)}`;
    const startedMs = performance.now();
    expect(missingFooterFields({ html: source, text: '' })).toHaveLength(2);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });
});
