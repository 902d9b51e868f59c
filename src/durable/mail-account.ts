/**
 * The mail account of the settings: its transport, its gate and its limits.
 *
 * The Worker uses it for test mails and for what it shows of the settings, a session for every slice.
 *
 * @module
 */
import type { Outcome } from '../core/batch/outcome.ts';
import { isRateNews, type LateCall } from '../core/limits/rate-limit.ts';
import { createTransport, mailConfig } from '../mail/providers/index.ts';
import { refuse, type TransportChoice } from '../mail/providers/provider.ts';
import type { Delivery, MailTransport } from '../mail/transport.ts';
import { dailyCap, dailyCapFault, gateConfig, warmUpFault, warmUpPlan } from '../runtime/settings.ts';
import type { MailGate } from './mail-gate.ts';
import { sendWhole } from '../runtime/send-whole.ts';
import type { PermitPool } from './sending/permit-pool.ts';
import { mailGateStub } from './stubs.ts';

export interface MailAccount {
  kind: 'ready';
  transport: MailTransport;
  gate: DurableObjectStub<MailGate>;
  /** Tells the gate what an answer said of the rate limit, when it is news, and of calls that came late. */
  report(delivery: Delivery, permits: PermitPool, lateCalls: readonly LateCall[]): Promise<void>;
  /** Tells the gate of calls that leave late. */
  reportLate(lateCalls: readonly LateCall[]): Promise<void>;
  /** Calls a second that the account may make, each as large as the provider takes. */
  maxRatePerSecond: number;
  /** Mails of a day are limited, by the daily cap or by the warm-up: they are reserved before they leave. */
  hasDailyLimit: boolean;
  /** Domains are warmed up: what becomes of mails is told to the gate. */
  isWarmingUp: boolean;
}

/** Makes the transport that the settings name, or says which settings are missing or cannot be read. */
export function mailTransport(env: Env, now: () => number): TransportChoice {
  const capFault = dailyCapFault(env);
  if (capFault !== null) return refuse('MAIL_DAILY_CAP', capFault);
  const rampFault = warmUpFault(env);
  if (rampFault !== null) return refuse('MAIL_WARM_UP', rampFault);
  return createTransport(mailConfig(env), { fetch: sendWhole, now });
}

export function mailAccount(env: Env, now: () => number): MailAccount | { kind: 'refused'; message: string } {
  const choice = mailTransport(env, now);
  if (choice.kind === 'refused') return choice;
  // One gate for each provider, because each has its own limits.
  const gate = mailGateStub(env, choice.transport.name);
  const gateLimits = gateConfig(env);
  const isWarmingUp = warmUpPlan(env) !== null;
  return {
    kind: 'ready',
    transport: choice.transport,
    gate,
    maxRatePerSecond: gateLimits.maxRatePerSecond / callWeight(choice.transport, choice.transport.maxBatch),
    hasDailyLimit: dailyCap(env) !== null || isWarmingUp,
    isWarmingUp,
    async reportLate(lateCalls) {
      if (lateCalls.length > 0) await gate.report({ throttled: null, rate: null, lateCalls });
    },
    async report(delivery, permits, lateCalls) {
      const { rate } = delivery;
      const refusal = refusalOf(delivery);
      const throttled = refusal?.kind === 'throttled' ? { retryAfterMs: refusal.retryAfterMs } : null;
      if (throttled !== null) permits.clear();
      // Every answer carries these headers; a report of each would double the calls.
      const isNews = rate !== null && isRateNews(rate, gateLimits, permits.knownLimitCount);
      // A refusal's headers say whether we go at just the limit.
      if (throttled !== null || isNews || lateCalls.length > 0)
        await gate.report({ throttled, rate: throttled !== null || isNews ? rate : null, lateCalls });
    },
  };
}

/** What a call with so many mails counts for at the gate. */
export function callWeight({ rateCounts }: MailTransport, mailCount: number): number {
  return rateCounts === 'mails' ? mailCount : 1;
}

/** Why some or all mails of a call were not taken; undefined when all were. */
export function refusalOf({ outcome }: Delivery): Exclude<Outcome, { kind: 'accepted' }> | undefined {
  return outcome.kind === 'accepted' ? outcome.deferral?.because : outcome;
}
