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
import { faultText } from '../runtime/faults.ts';
import { logEvent } from '../runtime/log.ts';
import { mailAccount, refusalOf } from './mail-account.ts';

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
  /** The provider has asked for a pause, or all slots of the next seconds are taken. */
  | { kind: 'paused' };

/** Activations may hold every slot of the gate: so long one mail asks for its own. */
const maxSlotWaitMs = 10_000;

/** Sends one mail; resolves when the provider has answered. */
export async function sendSingleMail(
  env: Env,
  now: () => number,
  { key, kind, timeoutMs, ...mail }: SingleMail,
): Promise<SingleMailAnswer> {
  const account = mailAccount(env, now);
  if (account.kind === 'refused') return { kind: 'not_configured', message: account.message };
  const { gate, transport } = account;
  let leftMs = maxSlotWaitMs;
  let lease = await gate.lease(1);
  while (lease.permitCount === 0) {
    // Counted: a clock that is set back meanwhile makes it no longer.
    leftMs -= lease.retryInMs;
    if (leftMs < 0) return { kind: 'paused' };
    await sleep(lease.retryInMs);
    lease = await gate.lease(1);
  }
  await sleep(lease.delayMs);
  const delivery = await transport.deliver({
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
  const refusal = refusalOf(delivery);
  // One refusal slows all calls of the account, whoever has met it. The answer counts also where that is not told.
  if (refusal?.kind === 'throttled')
    await gate
      .report({ throttled: { retryAfterMs: refusal.retryAfterMs }, rate: delivery.rate })
      .catch((error: unknown) => logEvent('warn', 'gate_report_fault', { error: faultText(error) }));
  return { kind: 'answered', outcome: delivery.outcome };
}
