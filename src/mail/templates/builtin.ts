/**
 * The templates that come with the product. All share one frame, `frame.mjml`.
 *
 * Owns their texts; render.ts inserts a lead's data. Invariant: each reads well with every field empty, without a
 * button link, without an unsubscribe link, in light and dark, at 320 px and at 600 px, and as plain text.
 *
 * @module
 */
import type { FrozenTemplate } from '../../shared/recipient.ts';
import { frameHtml } from './frame-html.ts';

export interface BuiltinTemplate extends FrozenTemplate {
  /** For the person who chooses a template. */
  description: string;
}

/** The texts of a template, all in Liquid. The HTML and the plain text are made from them. */
interface Letter {
  /** The preview text that a mailbox shows after the subject. */
  preheader: string;
  heading: string;
  /** Paragraphs before the button. */
  opening: readonly string[];
  /** Text of the button, which exists when the mail has a link. */
  button: string;
  /** Replaces the button when there is no link. */
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
  withoutLink: 'Just reply to this email and we will take the first step together.',
  points: [
    { title: 'Look around first', text: 'Nothing you try out now can break anything.' },
    {
      title: 'Bring one real task',
      text: 'The quickest way to see if we fit is something you have to do anyway.',
    },
    { title: 'Ask us anything', text: 'A person reads every reply to this email.' },
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
  withoutLink: 'Reply to this email with a word on where you got stuck, and we will help you over it.',
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
    version: 2,
    name: 'Your account is ready',
    description: 'Welcome for new sign-ups: the account is active, and how to begin.',
    subject: "{% if firstName != '' %}{{ firstName }}, your{% else %}Your{% endif %} account is ready",
    html: htmlMail(welcome),
    text: plainText(welcome),
  },
  {
    id: 'pick-up',
    version: 2,
    name: 'Pick up where you left off',
    description: 'Win-back for inactive leads.',
    subject: "{% if firstName != '' %}{{ firstName }}, pick{% else %}Pick{% endif %} up where you left off",
    html: htmlMail(pickUp),
    text: plainText(pickUp),
  },
];

/** The built-in template with this id; null when there is none. */
export function findBuiltinTemplate(id: string): BuiltinTemplate | null {
  return builtinTemplates.find((template) => template.id === id) ?? null;
}

/** The link of the button is Liquid too, so a template is the same with and without a link. */
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

/** The frame with the texts of a template: placeholders filled, blocks repeated for each of their items. */
function htmlMail(letter: Letter): string {
  const { preheader, heading, button, withoutLink, closing } = letter;
  const when = (condition: string) => (block: string) => `{% if ${condition} %}${block}{% endif %}`;
  const blocks: Record<string, (block: string) => string> = {
    opening: (block) => letter.opening.map((paragraph) => fill(block, { paragraph })).join(''),
    link: when("actionUrl != ''"),
    'no-link': when("actionUrl == ''"),
    points: (block) => letter.points.map((point) => fill(block, point)).join(''),
  };
  const whole = Object.entries(blocks).reduce((html, [name, make]) => {
    const [before = '', block = '', after = ''] = html.split(
      new RegExp(`<!--\\[\\[(?:${name}-|-${name})\\]\\]-->`),
    );
    return before + make(block) + after;
  }, frameHtml);
  return fill(whole, { preheader, heading, button, withoutLink, closing });
}

/** Replaces the placeholders with these names by `values`. */
function fill(html: string, values: Readonly<Record<string, string>>): string {
  return html.replace(/\[\[(\w+)\]\]/g, (hole, name: string) => values[name] ?? hole);
}
