/**
 * A test mail: a draft, sent to the person who asks.
 *
 * It takes the same way as the mails of a session, so that it tests that way (durable/single-mail.ts).
 *
 * @module
 */
import type { Outcome } from '../../core/batch/outcome.ts';
import { sendSingleMail } from '../../durable/single-mail.ts';
import type { Person } from '../app-env.ts';
import { mailSettings, requireMail } from './require-mail.ts';
import { Refusal } from '../http/problem.ts';

/** A person waits for the answer. */
const timeoutMs = 20_000;

/**
 * Sends the draft; resolves when the provider has accepted it.
 *
 * @throws Refusal for a service token, for incomplete settings, and with the reason when the provider refuses it
 */
export async function sendTestMail(
  env: Env,
  requestUrl: string,
  person: Person,
  mail: { subject: string; html: string; text: string },
): Promise<{ to: string; messageId: string | null }> {
  if (!person.email.includes('@')) {
    throw new Refusal('invalid_request', 'A service token has no mailbox. Sign in as a person.');
  }
  requireMail(env);
  const { from, replyTo } = mailSettings(env, requestUrl);
  const { subject, html, text } = mail;
  const answer = await sendSingleMail(env, Date.now, {
    ...{ key: `test/${crypto.randomUUID()}`, from, to: person.email, replyTo, timeoutMs, kind: 'test' },
    ...{ subject: `[Test] ${subject}`, html, text },
  });
  if (answer.kind === 'not_configured') throw new Refusal('mail_not_configured', answer.message);
  if (answer.kind === 'paused') {
    throw new Refusal('unavailable', 'The mail provider asked for a pause. Try again in a minute.');
  }
  const { outcome } = answer;
  if (outcome.kind === 'accepted' && outcome.rejections.length === 0) {
    return { to: person.email, messageId: outcome.messageIds[0] ?? null };
  }
  throw new Refusal('mail_not_sent', reasonOf(outcome));
}

function reasonOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'accepted':
      return outcome.rejections[0]?.message ?? 'The mail provider refused it.';
    case 'throttled':
    case 'concurrent':
    case 'keyConflict':
      return 'The mail provider asked us to slow down. Try again in a moment.';
    case 'quota':
    case 'auth':
    case 'rejected':
    case 'transient':
    case 'unknown':
      return outcome.message;
    case 'notSent':
      return 'The mail was not sent.';
    default:
      return outcome satisfies never;
  }
}
