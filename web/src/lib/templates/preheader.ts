/**
 * The preheader of a mail: the line that inboxes show after the subject. It lies in the HTML as a hidden element
 * at the beginning of the body, which is how MJML and the usual editors write it.
 *
 * Pure. Does not parse HTML: it looks for one hidden `div` or `span` before anything that is shown.
 *
 * @module
 */

/** The hidden element: its opening tag, its text, its end. Up to it, nothing but the body's tag and white space. */
const hidden =
  /^([\s\S]*?<body\b[^>]*>\s*|\s*)(<(div|span)\b[^>]*style="[^"]*display:\s*none[^"]*"[^>]*>)([^<]*)(<\/\3>)/i;

const styles =
  'display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;max-width:0px;opacity:0;overflow:hidden;';

const escapeText = (text: string): string => text.replace(/</g, '&lt;');
const unescapeText = (text: string): string => text.replace(/&lt;/g, '<');

/** `''` where the mail has none. */
export function preheaderOf(html: string): string {
  return unescapeText(hidden.exec(html)?.[4] ?? '').trim();
}

/** The HTML with another preheader; an empty one leaves the hidden element empty or out. */
export function withPreheader(html: string, text: string): string {
  const found = hidden.exec(html);
  const escaped = escapeText(text);
  if (found !== null) {
    const [whole, before = '', open = '', , , close = ''] = found;
    return `${before}${open}${escaped}${close}${html.slice(whole.length)}`;
  }
  if (text === '') return html;
  const element = `<div style="${styles}">${escaped}</div>`;
  const body = /<body\b[^>]*>/i.exec(html);
  if (body === null) return `${element}\n${html}`;
  const at = body.index + body[0].length;
  return `${html.slice(0, at)}\n${element}${html.slice(at)}`;
}
