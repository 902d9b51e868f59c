/**
 * The templates that come with the product, and the one HTML frame that they share.
 *
 * Owns: their words and looks. Never: a lead's data; the holes are Liquid, filled by `render.ts`.
 * Keeps true: each reads well with every field empty, without a button link, without an unsubscribe
 * link, in light and dark, at 320 px and at 600 px, and as plain text.
 *
 * @module
 */
import type { FrozenTemplate } from '../shared/recipient.ts';

export interface BuiltinTemplate extends FrozenTemplate {
  /** For the person who chooses a template. */
  description: string;
}

/** What a template says; the frame and the plain text are made of it. All of it is Liquid. */
interface Letter {
  /** What a mailbox shows after the subject. */
  preheader: string;
  heading: string;
  /** Paragraphs before the button. */
  opening: readonly string[];
  /** Words of the button; it is there when the mail has a link. */
  button: string;
  /** Stands in the place of the button where there is no link. */
  withoutLink: string;
  /** Short points, each a title and a sentence. */
  points: readonly { title: string; text: string }[];
  closing: string;
}

const welcome: Letter = {
  preheader: 'Everything is set up. Here is how to get going in a few minutes.',
  heading: "{% if firstName != '' %}{{ firstName }}, your{% else %}Your{% endif %} account is ready",
  opening: [
    "Hi {{ firstName | default: 'there' }},",
    "Good news: your account with {{ senderName }} is active as of now{% if company != '' %}, and so is access for {{ company }}{% endif %}. There is nothing to install and nothing left to wait for.",
  ],
  button: 'Open your account',
  withoutLink: 'Just reply to this e-mail and we will take the first step together.',
  points: [
    { title: 'Look around first', text: 'Nothing you try out now can break anything.' },
    {
      title: 'Bring one real task',
      text: 'The quickest way to see if we fit is something you have to do anyway.',
    },
    { title: 'Ask us anything', text: 'A person reads every reply to this e-mail.' },
  ],
  closing: 'Glad to have you with us.',
};

const pickUp: Letter = {
  preheader: 'Your place is kept. It takes a minute to go on from where you stopped.',
  heading: 'Pick up where you left off',
  opening: [
    "Hi {{ firstName | default: 'there' }},",
    "A while ago you began to look at {{ senderName }}{% if company != '' %} for {{ company }}{% endif %}. We have kept your place and switched your account on, so you can go on without starting over.",
  ],
  button: 'Go on from here',
  withoutLink: 'Reply to this e-mail with a word on where you got stuck, and we will help you over it.',
  points: [
    { title: 'Short on time?', text: 'Five minutes are enough to see what it would do for you.' },
    {
      title: 'Something was missing?',
      text: 'Tell us what. Much of what we build begins with such a reply.',
    },
    { title: 'Not the right moment?', text: 'That is fine. Your account stays as it is.' },
  ],
  closing: 'See you there,',
};

/** The built-in templates, in the order in which they are offered. */
export const builtinTemplates: readonly BuiltinTemplate[] = [
  {
    id: 'welcome',
    version: 1,
    name: 'Your account is ready',
    description: 'For fresh sign-ups: says that the account is active and how to begin.',
    subject: "{% if firstName != '' %}{{ firstName }}, your{% else %}Your{% endif %} account is ready",
    html: htmlFrame(welcome),
    text: plainText(welcome),
  },
  {
    id: 'pick-up',
    version: 1,
    name: 'Pick up where you left off',
    description: 'For leads that went quiet: their place is kept and the account is switched on.',
    subject: "{% if firstName != '' %}{{ firstName }}, pick{% else %}Pick{% endif %} up where you left off",
    html: htmlFrame(pickUp),
    text: plainText(pickUp),
  },
];

/** The built-in template with this id; null when there is none. */
export function findBuiltinTemplate(id: string): BuiltinTemplate | null {
  return builtinTemplates.find((template) => template.id === id) ?? null;
}

/** Where a button's link leads is Liquid too: a letter is the same with and without one. */
function plainText(letter: Letter): string {
  return [
    letter.heading,
    ...letter.opening,
    `{% if actionUrl != '' %}${letter.button}:\n{{ actionUrl }}{% else %}${letter.withoutLink}{% endif %}`,
    ...letter.points.map(({ title, text }) => `* ${title}\n  ${text}`),
    `${letter.closing}\n{{ senderName }}`,
    // "-- " begins a signature in plain text mail (RFC 3676 §4.3).
    "-- \n{{ senderName }} sent this to {{ email }}.{% if postalAddress != '' %}\n{{ postalAddress }}{% endif %}{% if unsubscribeUrl != '' %}\nUnsubscribe: {{ unsubscribeUrl }}{% endif %}\n",
  ].join('\n\n');
}

/**
 * The frame: tables for Outlook, one column of at most 600 px, styles inline for clients that drop
 * `<style>`, and in `<style>` only what needs a media query. Outlook.com and Gmail's app change colours
 * on their own in dark mode; dark grey on off-white and a mid-tone button survive that.
 */
function htmlFrame(letter: Letter): string {
  const font = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
  const paragraph = (html: string) =>
    `<p class="ink" style="margin:0 0 16px;${font};font-size:16px;line-height:25px;color:#27303f">${html}</p>`;
  const point = ({ title, text }: Letter['points'][number]) =>
    `<tr><td class="point" style="padding:2px 0 2px 14px;border-left:3px solid #c9d3f5;${font};font-size:15px;line-height:23px;color:#27303f"><strong class="ink" style="color:#141a26">${title}</strong><br><span class="soft" style="color:#566074">${text}</span></td></tr><tr><td height="14" style="height:14px;font-size:0;line-height:0">&nbsp;</td></tr>`;
  return `<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="x-apple-disable-message-reformatting">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${letter.heading}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 620px) {
  .card { padding: 28px 22px !important; border-radius: 0 !important; }
  .page { padding: 0 !important; }
  .title { font-size: 24px !important; line-height: 31px !important; }
  .button a { display: block !important; }
}
@media (prefers-color-scheme: dark) {
  .page, body { background: #10141c !important; }
  .card { background: #1a2030 !important; border-color: #2b3448 !important; }
  .ink, .title { color: #eef1f8 !important; }
  .soft { color: #aab4c8 !important; }
  .point { border-color: #40508f !important; color: #eef1f8 !important; }
  .brand { color: #a9b9ff !important; }
  .foot, .foot a { color: #93a0b8 !important; }
}
</style>
</head>
<body style="margin:0;padding:0;background:#f3f5f9;word-spacing:normal">
<div style="display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all">${letter.preheader}</div>
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0" style="background:#f3f5f9;padding:32px 12px">
<tr><td align="center">
<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px">
<tr><td class="card" style="background:#fdfdfe;border:1px solid #e2e7f0;border-radius:14px;padding:40px 44px;text-align:left;overflow-wrap:anywhere">
<p class="brand" style="margin:0 0 22px;${font};font-size:14px;line-height:20px;font-weight:600;letter-spacing:.02em;color:#3d55c4">{{ senderName }}</p>
<h1 class="title" style="margin:0 0 22px;${font};font-size:28px;line-height:36px;font-weight:700;color:#141a26">${letter.heading}</h1>
${letter.opening.map(paragraph).join('\n')}
{% if actionUrl != '' %}<table role="presentation" class="button" cellpadding="0" cellspacing="0" border="0" style="margin:10px 0 30px"><tr><td align="center" bgcolor="#3d55c4" style="border-radius:9px;background:#3d55c4"><a href="{{ actionUrl }}" style="display:inline-block;padding:14px 30px;${font};font-size:16px;line-height:20px;font-weight:600;color:#ffffff;text-decoration:none;border-radius:9px">${letter.button}</a></td></tr></table>{% else %}${paragraph(`<strong>${letter.withoutLink}</strong>`)}{% endif %}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="margin:8px 0 12px">
${letter.points.map(point).join('\n')}
</table>
${paragraph(`${letter.closing}<br>{{ senderName }}`)}
</td></tr>
<tr><td class="foot" align="center" style="padding:22px 22px 8px;${font};font-size:13px;line-height:20px;color:#667085;overflow-wrap:anywhere">{{ senderName }} sent this to {{ email }}.{% if postalAddress != '' %}<br>{{ postalAddress }}{% endif %}{% if unsubscribeUrl != '' %}<br><a href="{{ unsubscribeUrl }}" style="color:#667085;text-decoration:underline">Unsubscribe</a>{% endif %}</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
`;
}
