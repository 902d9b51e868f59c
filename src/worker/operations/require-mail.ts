/**
 * The mail settings of the environment, as a start, a preview and a test mail need them.
 *
 * @module
 */
import { mailedAfterAt } from '../../core/limits/frequency.ts';
import type { SessionSpec } from '../../core/session/session.ts';
import { mailTransport } from '../../durable/mail-account.ts';
import { mailConfig, reportedBy } from '../../mail/providers/index.ts';
import {
  isStandIn,
  missingSettings,
  type MissingSetting,
  type SendingSettings,
} from '../../mail/readiness.ts';
import type { MailTransport } from '../../mail/transport.ts';
import {
  approvalFault,
  dailyCapFault,
  mailTexts,
  minDaysBetween,
  minDaysFault,
  warmUpFault,
} from '../../runtime/settings.ts';
import { Refusal } from '../http/problem.ts';

/** The settings that decide whether mail can be sent. */
export function sendingSettings(env: Env): SendingSettings {
  return { ...mailConfig(env), postalAddress: env.MAIL_POSTAL_ADDRESS, publicUrl: env.PUBLIC_URL };
}

/** Whether the provider tells this app what became of mails: where it has webhooks and their secret is set. */
export function reportsDeliveries(env: Env): boolean {
  return reportedBy(env).length > 0;
}

/** Everything in the settings that keeps mail from being sent; empty when nothing does. */
export function mailFaults(env: Env): MissingSetting[] {
  const capFault = dailyCapFault(env);
  const rampFault = warmUpFault(env);
  const daysFault = minDaysFault(env);
  const aboveFault = approvalFault(env);
  return [
    ...missingSettings(sendingSettings(env)),
    ...(capFault === null ? [] : [{ setting: 'MAIL_DAILY_CAP', message: capFault }]),
    ...(rampFault === null ? [] : [{ setting: 'MAIL_WARM_UP', message: rampFault }]),
    ...(daysFault === null ? [] : [{ setting: 'MAIL_MIN_DAYS_BETWEEN', message: daysFault }]),
    ...(aboveFault === null ? [] : [{ setting: 'APPROVAL_ABOVE', message: aboveFault }]),
  ];
}

/** @throws Refusal with all settings that keep mail from being sent */
export function requireMail(env: Env): void {
  const missing = mailFaults(env);
  if (missing.length === 0) return;
  throw new Refusal(
    'mail_not_configured',
    missing.map(({ message }) => message).join(' '),
    missing.map(({ setting, message }) => ({ path: `/settings/${setting}`, message })),
  );
}

/**
 * The transport of the mail provider that is set.
 *
 * @throws Refusal when there is none of that name, or it lacks a setting
 */
export function requireTransport(env: Env): MailTransport {
  const choice = mailTransport(env, Date.now);
  if (choice.kind === 'refused') throw new Refusal('mail_not_configured', choice.message);
  return choice.transport;
}

/** The transport of the mail provider that is set; null while the settings keep mail from being sent. */
export function usableTransport(env: Env): MailTransport | null {
  if (mailFaults(env).length > 0) return null;
  const choice = mailTransport(env, Date.now);
  return choice.kind === 'refused' ? null : choice.transport;
}

/** A lead that we mailed after this time is not mailed now, by the present settings; null: there is no guard. */
export function presentMailedAfter(env: Env): number | null {
  return mailedAfterAt(minDaysBetween(env), Date.now());
}

/**
 * How mails are put together; a session keeps this from its start on.
 *
 * @param requestUrl - of the request that asks. With a stand-in, recipients are on this machine too, and reach
 *   the app at the same address.
 */
export function mailSettings(env: Env, requestUrl: string): SessionSpec['mail'] {
  const texts = mailTexts(env);
  const ownOrigin = isStandIn(mailConfig(env)) ? new URL(requestUrl).origin : null;
  return { ...texts, publicUrl: texts.publicUrl ?? ownOrigin };
}
