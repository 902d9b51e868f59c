/**
 * What the law of most countries requires of every advertising mail: a way to unsubscribe, and the sender's address.
 *
 * Owns which of it a template never prints. Does not decide whether the template may be sent: the List-Unsubscribe
 * header is in every mail whatever the template says. Pure and without dependencies, because the editor asks it at
 * every keystroke.
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
