/**
 * What the law of most countries wants every advertising mail to show: a way out, and who writes from where.
 *
 * Owns: which of it a template never prints. Never: whether it may be sent; the List-Unsubscribe header is in
 * every mail whatever the template says. Pure, and without dependencies: the editor asks it at each key.
 *
 * @module
 */
export const footerFields = ['unsubscribeUrl', 'postalAddress'] as const;
export type FooterField = (typeof footerFields)[number];

/** `{{ name` and whatever filters follow; braces end the search, so that it takes one walk over the source. */
const outputs: Record<FooterField, RegExp> = {
  unsubscribeUrl: /\{\{[^{}]*\bunsubscribeUrl\b/,
  postalAddress: /\{\{[^{}]*\bpostalAddress\b/,
};

/**
 * The footer fields that a template does not print in each of its parts. Plain text that is empty is made from
 * the HTML, and so prints what that prints.
 */
export function missingFooterFields(template: { html: string; text: string }): FooterField[] {
  const parts = [template.html, template.text].filter((part) => part.trim() !== '');
  return footerFields.filter((field) => parts.some((part) => !outputs[field].test(part)));
}
