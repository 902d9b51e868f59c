/**
 * The mail settings of the environment, as a start, a preview and a test mail need them.
 *
 * @module
 */
import type { SessionSpec } from '../../core/session/session.ts';
import { mailConfig } from '../../durable/mail/mail-account.ts';
import { isStandIn, missingSettings, type SendingSettings } from '../../mail/readiness.ts';
import { Refusal } from '../http/problem.ts';

/** What the readiness of the environment is judged by. */
export function sendingSettings(env: Env): SendingSettings {
  return { ...mailConfig(env), postalAddress: env.MAIL_POSTAL_ADDRESS, publicUrl: env.PUBLIC_URL };
}

/** Whether the provider tells this app what became of mails: two of them do, once a secret is set. */
export function reportsDeliveries(env: Env): boolean {
  const secrets: Readonly<Record<string, string | undefined>> = {
    resend: env.RESEND_WEBHOOK_SECRET,
    postmark: env.POSTMARK_WEBHOOK_CREDENTIALS,
  };
  const secret = Object.hasOwn(secrets, env.MAIL_PROVIDER) ? secrets[env.MAIL_PROVIDER] : undefined;
  return (secret?.trim() ?? '') !== '';
}

/** Refuses with the whole list of what keeps mail from being sent. */
export function requireMail(env: Env): void {
  const missing = missingSettings(sendingSettings(env));
  if (missing.length === 0) return;
  throw new Refusal(
    'mail_not_configured',
    missing.map(({ message }) => message).join(' '),
    missing.map(({ setting, message }) => ({ path: `/settings/${setting}`, message })),
  );
}

/**
 * How mails are put together, frozen into a session at its start.
 *
 * @param requestUrl - of the request that asks: with a stand-in, recipients are on this machine too and
 *   reach the app where the person who started the run does
 */
export function mailSettings(env: Env, requestUrl: string): SessionSpec['mail'] {
  const orNull = (value: string): string | null => (value.trim() === '' ? null : value.trim());
  const publicUrl =
    orNull(env.PUBLIC_URL) ?? (isStandIn(mailConfig(env)) ? new URL(requestUrl).origin : null);
  return {
    from: env.MAIL_FROM.trim(),
    replyTo: orNull(env.MAIL_REPLY_TO),
    actionUrl: orNull(env.MAIL_ACTION_URL),
    postalAddress: orNull(env.MAIL_POSTAL_ADDRESS),
    publicUrl: publicUrl?.replace(/\/+$/, '') ?? null,
  };
}
