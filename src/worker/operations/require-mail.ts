/**
 * The mail settings of the environment, as a start, a preview and a test mail need them.
 *
 * @module
 */
import type { SessionSpec } from '../../core/session/session.ts';
import { mailConfig } from '../../mail/providers/index.ts';
import { isStandIn, missingSettings, type SendingSettings } from '../../mail/readiness.ts';
import { mailTexts } from '../../runtime/settings.ts';
import { Refusal } from '../http/problem.ts';

/** The settings that decide whether mail can be sent. */
export function sendingSettings(env: Env): SendingSettings {
  return { ...mailConfig(env), postalAddress: env.MAIL_POSTAL_ADDRESS, publicUrl: env.PUBLIC_URL };
}

/** @throws Refusal with all settings that keep mail from being sent */
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
