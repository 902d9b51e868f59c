/**
 * A test mail: a draft, sent to the person who asks.
 *
 * It takes the same way as the mails of a session, so that it tests that way: the same transport, and a permit of the
 * gate, so that it does not exceed the provider's rate. It has no unsubscribe link.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { mailAccount } from '../../durable/mail-account.ts';
import type { Outcome } from '../../core/batch/outcome.ts';
import { json } from '../../mail/json.ts';
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
  const account = mailAccount(env, Date.now);
  if (account.kind === 'refused') throw new Refusal('mail_not_configured', account.message);
  const lease = await account.gate.lease(1);
  if (lease.permitCount === 0) {
    throw new Refusal('unavailable', 'The mail provider asked for a pause. Try again in a minute.');
  }
  await sleep(lease.delayMs);
  const settings = mailSettings(env, requestUrl);
  const { transport } = account;
  const { outcome } = await transport.deliver({
    key: `test/${crypto.randomUUID()}`,
    payload: transport.encode([
      {
        from: settings.from,
        to: person.email,
        replyTo: settings.replyTo,
        subject: json(`[Test] ${mail.subject}`),
        html: json(mail.html),
        text: json(mail.text),
        source: '',
        headers: {},
        tags: { kind: 'test' },
      },
    ]),
    mailCount: 1,
    signal: AbortSignal.timeout(timeoutMs),
  });
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
