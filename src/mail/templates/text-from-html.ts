/**
 * Plain text made from a template's HTML, for templates that bring none. html-to-text does the work.
 *
 * Works on the source, not on a rendered mail: once for a session instead of once for each mail, and the
 * Liquid in it goes on to work, with the rules of plain text.
 *
 * @module
 */
import { convert } from 'html-to-text';

/** Private-use characters: no markup, no white space, in no mail. */
const open = '\uE000';
const close = '\uE001';

/** The plain text of an HTML template; its outputs and tags stay where they were. */
export function textFromHtml(html: string): string {
  const tokens: string[] = [];
  // Liquid has quotes and angle brackets of its own, which an HTML parser would take for markup.
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
      // The line that mailboxes show after the subject is hidden in the mail.
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
