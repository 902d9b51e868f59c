/**
 * What the law of most countries requires of every advertising mail: a way to unsubscribe, and the sender's address.
 *
 * Owns which of these a template never prints. Does not decide whether the template may be sent: the
 * List-Unsubscribe header is in every mail whatever the template says. Pure and without dependencies, because the
 * editor calls it at every keystroke.
 *
 * @module
 */
export const footerFields = ['unsubscribeUrl', 'postalAddress'] as const;
export type FooterField = (typeof footerFields)[number];

/** `{{ name` with any filters. Braces end the match, so that the search is linear in the source. */
const outputs: Record<FooterField, RegExp> = {
  unsubscribeUrl: /\{\{[^{}]*\bunsubscribeUrl\b/,
  postalAddress: /\{\{[^{}]*\bpostalAddress\b/,
};

/**
 * The footer fields that a template does not print in each of its parts. Empty plain text is made from the HTML, so
 * it prints the same fields.
 */
export function missingFooterFields(template: { html: string; text: string }): FooterField[] {
  const parts = [template.html, template.text].filter((part) => part.trim() !== '');
  return footerFields.filter((field) => parts.some((part) => !outputs[field].test(part)));
}
