/**
 * One mail outside of any session: a test mail, or a notice to a colleague.
 *
 * It takes the same way as the mails of a session: the same transport, and a permit of the gate, so that it does not
 * exceed the provider's rate. It has no unsubscribe link.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../core/batch/outcome.ts';
import { json } from '../mail/json.ts';
import { mailAccount } from './mail-account.ts';

export interface SingleMail {
  /** Idempotency key; the same for every attempt. */
  key: string;
  from: string;
  to: string;
  replyTo: string | null;
  subject: string;
  html: string;
  text: string;
  /** The tag under which the provider lists it. */
  kind: string;
  timeoutMs: number;
}

export type SingleMailAnswer =
  | { kind: 'answered'; outcome: Outcome }
  /** The settings do not name a usable provider. */
  | { kind: 'not_configured'; message: string }
  /** The provider has asked for a pause. */
  | { kind: 'paused' };

/** Sends one mail; resolves when the provider has answered. */
export async function sendSingleMail(
  env: Env,
  now: () => number,
  { key, kind, timeoutMs, ...mail }: SingleMail,
): Promise<SingleMailAnswer> {
  const account = mailAccount(env, now);
  if (account.kind === 'refused') return { kind: 'not_configured', message: account.message };
  const lease = await account.gate.lease(1);
  if (lease.permitCount === 0) return { kind: 'paused' };
  await sleep(lease.delayMs);
  const { transport } = account;
  const { outcome } = await transport.deliver({
    key,
    payload: transport.encode([
      {
        from: mail.from,
        to: mail.to,
        replyTo: mail.replyTo,
        subject: json(mail.subject),
        html: json(mail.html),
        text: json(mail.text),
        source: '',
        headers: {},
        tags: { kind },
      },
    ]),
    mailCount: 1,
    signal: AbortSignal.timeout(timeoutMs),
  });
  return { kind: 'answered', outcome };
}
