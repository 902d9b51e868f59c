/**
 * Reservation: mails of a domain's day, under the daily cap and its warm-up.
 *
 * The cap counts what is sent; the warm-up only says how much that may be. So there is one count for both, and one
 * answer to a session that asks.
 *
 * Arithmetic only: no storage and no clock.
 *
 * @module
 */
import type { WarmUpWait } from '../../shared/warm-up.ts';
import { takeAllowance, tomorrow, type Allowance, type CapState } from './daily-cap.ts';
import { allowanceOf, newWarmUp, onDay, withSent, type WarmUp, type WarmUpPlan } from './warm-up.ts';

const dayMs = 86_400_000;

/** What is known of one domain. */
export interface DomainState {
  cap: CapState | null;
  warmUp: WarmUp | null;
}

export interface DomainLimits {
  dailyCap: number | null;
  /** Null: domains are not warmed up. */
  warmUp: WarmUpPlan | null;
}

export type Reservation =
  | Extract<Allowance, { kind: 'granted' }>
  /** `warmUp`: it is what holds the mail back; null where the daily cap does. */
  | (Extract<Allowance, { kind: 'tomorrow' }> & { warmUp: WarmUpWait | null });

/** The domain's ramp today, with what was sent; null where domains are not warmed up. */
export function warmUpToday(
  { cap, warmUp }: DomainState,
  plan: WarmUpPlan | null,
  nowMs: number,
): WarmUp | null {
  if (plan === null) return warmUp;
  const day = Math.floor(nowMs / dayMs);
  // Mail may have left on this day before the domain was warmed up.
  return onDay(withCap(warmUp ?? newWarmUp(plan, day), cap), plan, day);
}

/** Takes `count` mails out of the day, or says when there will be some again and what holds them back. */
export function reserveMails(
  state: DomainState,
  limits: DomainLimits,
  domain: string,
  nowMs: number,
  count: number,
): { state: DomainState; reservation: Reservation } {
  const warmUp = warmUpToday(state, limits.warmUp, nowMs);
  const allowance = warmUp === null || limits.warmUp === null ? null : allowanceOf(warmUp);
  const dailyCap = limits.dailyCap ?? Infinity;
  const most = Math.min(dailyCap, allowance ?? Infinity);
  // On a day without mail no batch leaves, also not the one that the cap lets through because it is too large.
  const taken =
    most === 0
      ? { state: state.cap, allowance: tomorrow(nowMs) }
      : takeAllowance(state.cap, most, nowMs, count);
  const after = { cap: taken.state, warmUp: warmUp === null ? null : withCap(warmUp, taken.state) };
  if (taken.allowance.kind === 'granted') return { state: after, reservation: taken.allowance };
  const isWarmUp = warmUp !== null && allowance !== null && allowance <= dailyCap;
  const wait = isWarmUp ? waitOf(warmUp, allowance, domain) : null;
  return { state: after, reservation: { ...taken.allowance, warmUp: wait } };
}

function withCap(warmUp: WarmUp, cap: CapState | null): WarmUp {
  return cap === null ? warmUp : withSent(warmUp, cap.day, cap.usedCount);
}

function waitOf({ mode, day, restUntil }: WarmUp, allowance: number, domain: string): WarmUpWait {
  const goesOnAt = mode === 'stopped' ? null : Math.max(day + 1, restUntil) * dayMs;
  return { domain, allowance, goesOnAt };
}
