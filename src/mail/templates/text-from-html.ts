/**
 * Makes plain text from a template's HTML, for templates without one, with html-to-text.
 *
 * Converts the source, not a rendered mail: once for a session instead of once for each mail. The Liquid in it stays
 * and is rendered as plain text.
 *
 * @module
 */
import { convert } from 'html-to-text';

/** Private-use characters: they are not markup or white space, and no mail contains them. */
const open = '\uE000';
const close = '\uE001';

/** The plain text of an HTML template; its Liquid outputs and tags stay in their places. */
export function textFromHtml(html: string): string {
  const tokens: string[] = [];
  // Liquid contains quotes and angle brackets, which an HTML parser would take for markup.
  const marked = html.replace(/\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}/g, (token) => {
    tokens.push(token);
    return `${open}${tokens.length - 1}${close}`;
  });
  const text = convert(marked, {
    wordwrap: false,
    selectors: [
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true, linkBrackets: ['(', ')'] } },
      { selector: 'img', format: 'skip' },
      { selector: 'ul', options: { itemPrefix: '* ' } },
      // The preview text that mailboxes show after the subject is hidden in the mail.
      { selector: '[style*="display:none"]', format: 'skip' },
      ...['h1', 'h2', 'h3', 'h4'].map((selector) => ({ selector, options: { uppercase: false } })),
    ],
  });
  return text
    .replaceAll(new RegExp(`${open}(\\d+)${close}`, 'g'), (_, index: string) => tokens[Number(index)] ?? '')
    .replace(/[ \t]+$/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
