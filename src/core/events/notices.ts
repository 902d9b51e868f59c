/**
 * Notices: an event of an activation or an alert as a sentence for people, and as a message of Slack, Teams or email.
 *
 * Pure, one function for each. Invariant: names that people have typed are escaped for where they are put; no lead is
 * named.
 *
 * @module
 */
import { eventTypes, type OutEvent } from '../../shared/events.ts';
import type { SessionReason } from '../../shared/progress.ts';

/** An event of an activation. */
export type ActivationEvent = Extract<OutEvent, { type: `activation.${string}` }>;

/** An alert that fires or has ended. */
export type AlertEvent = Extract<OutEvent, { type: `alert.${string}` }>;

/** A notice in plain text. */
export interface Notice {
  title: string;
  /** Of the activation, as people typed it; part of the text. */
  name: string;
  text: string;
  /** Address of the page to look at; null where the app has no public address. */
  link: string | null;
  linkText: string;
}

/** Why it was paused; the words of the app's screens. */
const reasons: Partial<Record<SessionReason, string>> = {
  user: 'Somebody paused it.',
  mail_quota: 'The mail provider’s quota is used up.',
  mail_auth: 'The mail provider rejected the API key. Fix it in Settings, then resume.',
  mail_refused: 'The mail provider refuses the emails. Look at the reason before you resume.',
  mail_unreachable: 'The mail provider does not answer. It goes on by itself when it does.',
  bounce_rate: 'Too many emails bounced.',
  complaint_rate: 'Too many emails were marked as spam.',
  schedule_missed: 'It could not start at its time. Resume or cancel it.',
};

/** @param publicUrl - where the app is reached, without a slash at its end */
export function noticeOf({ type, data }: ActivationEvent, publicUrl: string | null): Notice {
  const { counts, reason } = data;
  const number = (count: number, one: string, many: string): string =>
    `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
  const leads = number(counts.total, 'lead', 'leads');
  const parts = [
    `${counts.sent.toLocaleString('en-US')} of ${leads} emailed`,
    ...(counts.failed > 0 ? [`${counts.failed.toLocaleString('en-US')} failed`] : []),
    ...(counts.unconfirmed > 0 ? [`${counts.unconfirmed.toLocaleString('en-US')} unconfirmed`] : []),
    ...(counts.skipped > 0 ? [`${counts.skipped.toLocaleString('en-US')} skipped`] : []),
  ];
  const isBefore = type === 'activation.awaiting_approval' || type === 'activation.scheduled';
  const why = type === 'activation.paused' && reason !== null ? ` ${reasons[reason] ?? ''}`.trimEnd() : '';
  const what = isBefore ? `${leads}.` : `${parts.join(', ')}.`;
  return {
    title: eventTypes[type].title,
    name: data.name,
    text: `${data.name}: ${what}${why}`,
    link: publicUrl === null ? null : `${publicUrl}/activations/${data.sessionId}`,
    linkText: 'Open activation',
  };
}

/** @param publicUrl - where the app is reached, without a slash at its end */
export function alertNotice({ type, data }: AlertEvent, publicUrl: string | null): Notice {
  const isFiring = type === 'alert.firing';
  return {
    title: isFiring ? (data.severity === 'critical' ? 'Critical alert' : 'Alert') : 'Alert ended',
    name: data.title,
    text: isFiring
      ? `${data.title}. Settings show what it is about and what to do.`
      : `${data.title}: this is over.`,
    link: publicUrl === null ? null : `${publicUrl}/settings#alerts`,
    linkText: 'Open alerts',
  };
}

/** Slack's three control characters (https://docs.slack.dev/messaging/formatting-message-text). */
function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The body for an incoming webhook of Slack (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). */
export function slackBody({ title, text, link, linkText }: Notice): string {
  const line = `*${title}*\n${slackText(text)}${link === null ? '' : `\n<${link}|${linkText}>`}`;
  return JSON.stringify({
    // Shown in notifications, which do not show blocks.
    text: slackText(`${title}: ${text}`),
    blocks: [{ type: 'section', text: { type: 'mrkdwn', text: line } }],
  });
}

/**
 * The body for a webhook of a Teams workflow: one Adaptive Card
 * (https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook). Version 1.4 is what workflows show.
 */
export function teamsBody({ title, text, link, linkText }: Notice): string {
  // Text blocks read some Markdown; what a person typed is to stay as it is.
  const plain = text.replaceAll(/[\\`*_[\]()#~>|]/g, (character) => `\\${character}`);
  return JSON.stringify({
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [
            { type: 'TextBlock', size: 'Medium', weight: 'Bolder', text: title, wrap: true },
            { type: 'TextBlock', text: plain, wrap: true },
          ],
          ...(link === null ? {} : { actions: [{ type: 'Action.OpenUrl', title: linkText, url: link }] }),
        },
      },
    ],
  });
}

/** A notice as an email. */
export function noticeEmail({ title, name, text, link, linkText }: Notice): {
  subject: string;
  html: string;
  text: string;
} {
  const html = (value: string): string =>
    value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
  const button = link === null ? '' : `<p><a href="${html(link)}">${linkText}</a></p>`;
  return {
    // A line break would end the header.
    subject: `${title}: ${name}`.replaceAll(/[\r\n]+/g, ' ').slice(0, 200),
    html: `<p>${html(text)}</p>${button}`,
    text: link === null ? text : `${text}\n\n${link}`,
  };
}
