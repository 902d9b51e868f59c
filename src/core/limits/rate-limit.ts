/**
 * The rate limit: when a call to the mail API may leave, over all sessions of one mail account.
 *
 * A token bucket of depth one, kept as one number: the theoretical arrival time of the next call (GCRA, ITU-T
 * I.371). Permits are slots on a time line, one every `1 / rate` seconds. Resend counts calls per second and allows
 * no bursts, so a deeper bucket would only earn 429s.
 *
 * Owns the slots, the slow-down after a 429, the margin at the limit and the recovery. No storage and no clock.
 * Invariants: slots of one gate are never closer than the interval; no lease lies further ahead than
 * {@link maxWaitMs} (instead nothing is granted, and the answer says when to ask again).
 *
 * @module
 */
import type { RateObservation } from '../batch/outcome.ts';

export interface GateState {
  /** The earliest time the next permit may be used. */
  nextSlotAt: number;
  /** Present rate, calls per second; at most the configured one. */
  ratePerSecond: number;
  /** From when on the rate recovers; in the future while a throttle lasts. */
  rateChangedAt: number;
  /** The latest time that the gate has seen; an earlier one says that the clock was set back. */
  seenAt: number;
  /** What the provider last said that it allows a second. Memory only: every answer says it again. */
  ceiling: { ratePerSecond: number; until: number } | null;
  /** How much longer than the provider's second our own is, at the limit. Memory only. */
  margin: Margin;
  /** Calls of the last second that came to the provider late. Memory only. */
  lateCalls: readonly LateCall[];
  /** How much of the time line may still be left free after late calls. Memory only. */
  lateBudget: { ms: number; at: number };
}

/** A call at the limit that came to the provider late: the call that leaves a second after it must be as late. */
export interface LateCall {
  /** Its slot, by the gate's clock, epoch ms. */
  slotAt: number;
  /** By how much later than usual after its slot it was answered. */
  lateMs: number;
}

interface Margin {
  ms: number;
  /** When it was last widened, or began to shrink. */
  since: number;
}

export interface GateConfig {
  /** Calls per second that we allow ourselves: `MAIL_RATE`. Mails, where the provider counts those. */
  maxRatePerSecond: number;
}

/** Times are relative to `nowMs`, because the session's clock may differ from the gate's. */
export interface Lease {
  /** The gate's clock, epoch ms. A gate of an earlier version does not say it, nor the other optional ones. */
  nowMs?: number;
  /** Permits granted; 0: ask again in `retryInMs`. */
  permitCount: number;
  /** Until the first permit may be used. */
  delayMs: number;
  /** Between two permits. */
  intervalMs: number;
  retryInMs: number;
  /** A call that leaves later than this after its slot comes too close to a later one. */
  maxLatenessMs?: number;
  /** At the limit the gate wants to know of calls that are later than this; null: of none. */
  reportLateMs?: number | null;
  /** The provider's limit a second, where the gate knows it: it needs no report of the same. */
  limitCount?: number | null;
}

/** A lease spans at most this much of the time line: small, so that sessions take turns. */
export const leaseSpanMs = 500;
/** A slot further away than this is not given out: it would be lost when the slice ends. */
export const maxWaitMs = 5_000;
/**
 * At the limit no slot is given out further ahead. A call that is late must be known before the slot a second after it is
 * granted.
 */
const limitWaitMs = 500;
/** After a 429 without Retry-After: one window of a per-second limit. */
const defaultThrottleMs = 1_000;
/** Longest pause that one answer can impose: beyond it the answer is taken for garbage and asked again. */
export const maxThrottleMs = 3_600_000;
/** An observed limit holds for this long after the last answer that named it. */
const ceilingMs = 60_000;
/** Sessions report a limit again this long before the gate would forget it. */
const ceilingRefreshMs = 10_000;
const minRatePerSecond = 0.2;
/** Each 429 takes a fifth of the rate away; it comes back at 5 % of the maximum a second. */
const slowDownFactor = 0.8;
const recoveryPerSecond = 0.05;
/**
 * At exactly the provider's limit a call that arrives late makes the sliding window after it too short for the tenth
 * next. A margin of this much in each second lets calls vary by as much. It begins with the first answer that names the
 * limit; a 429 widens it, up to one slot. Calls that are later than the margin are reported ({@link LateCall}).
 */
const firstMarginMs = 10;
const marginStepMs = 10;
/** A 429 this soon after the margin has changed is about calls that left by the old one. */
const marginSettlesMs = 3_000;
/** A wider margin shrinks this slowly: a millisecond is a thousandth of the rate, and a 429 costs a second. */
const marginShrinkMs = 600_000;
/** A late call is of use until the slots a second after it have passed. */
const lateCallMs = 2_000;
/** More than this is the provider's own work and not the way to it. */
const maxLateMs = 200;
/** A late answer need not mean that its call came late, so no more of each second is left free. */
const lateBudgetMsPerSecond = 20;
const maxLateBudgetMs = 200;
/** A slot that was missed by more is void: used later, it would put two calls into one interval. */
export const maxLatenessMs = 50;

export function initialGate(config: GateConfig, nowMs: number): GateState {
  return {
    nextSlotAt: nowMs,
    ratePerSecond: config.maxRatePerSecond,
    rateChangedAt: nowMs,
    seenAt: nowMs,
    ceiling: null,
    margin: { ms: 0, since: nowMs },
    lateCalls: [],
    lateBudget: { ms: maxLateBudgetMs, at: nowMs },
  };
}

/** Steps of the clock up to this are none: an object that moves to another machine meets as much. */
const stepToleranceMs = 1_000;

/**
 * The gate by the clock that is: what was set back moves all of its times, so that a slot is as far ahead as
 * it was. However they came about, none is further ahead than a provider can push it.
 */
function followed(state: GateState, nowMs: number): GateState {
  const backMs = state.seenAt - nowMs > stepToleranceMs ? state.seenAt - nowMs : 0;
  const latest = nowMs + maxThrottleMs;
  return {
    ...state,
    nextSlotAt: Math.min(state.nextSlotAt - backMs, latest),
    rateChangedAt: Math.min(state.rateChangedAt - backMs, latest),
    seenAt: backMs > 0 ? nowMs : Math.max(state.seenAt, nowMs),
    ceiling: state.ceiling === null ? null : { ...state.ceiling, until: state.ceiling.until - backMs },
    margin: { ...state.margin, since: state.margin.since - backMs },
    lateCalls: backMs > 0 ? [] : state.lateCalls,
    lateBudget: { ...state.lateBudget, at: state.lateBudget.at - backMs },
  };
}

/** The rate after it has recovered for a while. */
function recovered(known: GateState, config: GateConfig, nowMs: number): GateState {
  const state = followed(known, nowMs);
  const seconds = Math.max(0, nowMs - state.rateChangedAt) / 1_000;
  const ceiling = state.ceiling !== null && nowMs < state.ceiling.until ? state.ceiling : null;
  const margin = shrunk(state.margin, nowMs);
  const limit = Math.min(config.maxRatePerSecond, ceiling?.ratePerSecond ?? Infinity);
  const ratePerSecond = Math.min(
    (limit * 1_000) / (1_000 + marginMs({ ceiling, margin }, config)),
    Math.max(minRatePerSecond, state.ratePerSecond) + seconds * recoveryPerSecond * config.maxRatePerSecond,
  );
  return { ...state, ratePerSecond, rateChangedAt: Math.max(state.rateChangedAt, nowMs), ceiling, margin };
}

/** The margin that applies: none where the provider allows more than we do, or does not say what it allows. */
function marginMs({ ceiling, margin }: Pick<GateState, 'ceiling' | 'margin'>, config: GateConfig): number {
  if (ceiling === null) return 0;
  const { ratePerSecond } = ceiling;
  return isAtLimit(Math.min(config.maxRatePerSecond, ratePerSecond), ratePerSecond) ? margin.ms : 0;
}

/** The margin after a while without a 429: a millisecond less for each ten minutes. */
function shrunk({ ms, since }: Margin, nowMs: number): Margin {
  const steps = Math.max(0, Math.floor((nowMs - since) / marginShrinkMs));
  return { ms: Math.max(0, ms - steps), since: since + steps * marginShrinkMs };
}

/** True when so many calls a second are all that the provider allows. */
function isAtLimit(ratePerSecond: number, limitCount: number): boolean {
  return ratePerSecond > limitCount - 1 && ratePerSecond <= limitCount;
}

/** The margin after a 429 at the limit: wider, up to one slot; null when it is that wide already. */
function widened(margin: Margin, limitCount: number, nowMs: number): Margin | null {
  const slotMs = 1_000 / limitCount;
  if (margin.ms > 0 && nowMs - margin.since < marginSettlesMs) return margin;
  if (margin.ms >= slotMs) return null;
  return { ms: Math.min(slotMs, Math.max(firstMarginMs, margin.ms + marginStepMs)), since: nowMs };
}

/**
 * Takes up to `wantedCount` permits off the time line.
 *
 * @param weight - what one permit counts for: the mails of a call, where the provider counts mails
 */
export function leasePermits(
  state: GateState,
  config: GateConfig,
  nowMs: number,
  wantedCount: number,
  weight = 1,
): { state: GateState; lease: Lease } {
  const current = recovered(state, config, nowMs);
  const intervalMs = (weight * 1_000) / current.ratePerSecond;
  const { ceiling } = current;
  const lateMs = marginMs(current, config);
  const isLimited = lateMs > 0;
  const firstAt = clearOfLateCalls(current, Math.max(nowMs, current.nextSlotAt), lateMs);
  const delayMs = firstAt - nowMs;
  const known = {
    nowMs,
    intervalMs,
    // The other half of the margin is for the way to the provider.
    maxLatenessMs: isLimited ? Math.min(maxLatenessMs, lateMs / 2) : maxLatenessMs,
    reportLateMs: isLimited ? lateMs : null,
    limitCount: ceiling !== null && ceiling.until - nowMs > ceilingRefreshMs ? ceiling.ratePerSecond : null,
  };
  const waitMs = isLimited ? Math.max(limitWaitMs, intervalMs) : maxWaitMs;
  if (delayMs > waitMs || wantedCount < 1) {
    const retryInMs = Math.max(1, Math.ceil(isLimited ? delayMs - waitMs : delayMs));
    return { state: current, lease: { ...known, permitCount: 0, delayMs: 0, retryInMs } };
  }
  const most = Math.max(1, Math.min(Math.trunc(wantedCount), Math.floor(leaseSpanMs / intervalMs)));
  let permitCount = 1;
  const slotAt = (index: number): number => firstAt + index * intervalMs;
  /** In even steps, so a slot that has to be moved is for the next lease, and so is one too far ahead. */
  const isFree = (at: number): boolean =>
    (!isLimited || at - nowMs <= waitMs) && clearOfLateCalls(current, at, lateMs) === at;
  while (permitCount < most && isFree(slotAt(permitCount))) permitCount++;
  return {
    state: { ...current, nextSlotAt: slotAt(permitCount) },
    lease: { ...known, permitCount, delayMs, retryInMs: 0 },
  };
}

/** The time, or a later one at which a call falls into no second that a late call has made shorter. */
function clearOfLateCalls({ lateCalls }: GateState, at: number, marginMs: number): number {
  let clearAt = at;
  for (const { slotAt, lateMs } of lateCalls) {
    const windowAt = slotAt + 1_000;
    if (clearAt >= windowAt) clearAt = Math.max(clearAt, windowAt + lateMs + marginMs);
  }
  return clearAt;
}

/** Takes in calls at the limit that came to the provider late. */
export function noteLateCalls(
  state: GateState,
  config: GateConfig,
  nowMs: number,
  calls: readonly LateCall[],
): GateState {
  const current = recovered(state, config, nowMs);
  const isRecent = ({ slotAt }: LateCall): boolean => slotAt > nowMs - lateCallMs && slotAt <= nowMs;
  const { ms, at } = current.lateBudget;
  let budgetMs = Math.min(maxLateBudgetMs, ms + (Math.max(0, nowMs - at) * lateBudgetMsPerSecond) / 1_000);
  const lateCalls = current.lateCalls.filter(isRecent);
  for (const { slotAt, lateMs } of calls.filter(isRecent)) {
    const known = { slotAt, lateMs: Math.min(maxLateMs, lateMs) };
    if (known.lateMs > budgetMs) continue;
    budgetMs -= known.lateMs;
    lateCalls.push(known);
  }
  lateCalls.sort((a, b) => a.slotAt - b.slotAt);
  return { ...current, lateCalls, lateBudget: { ms: budgetMs, at: Math.max(at, nowMs) } };
}

/**
 * A 429: everybody waits, then goes on more slowly. Where its headers say that we go at just the provider's limit,
 * a margin is enough; else others call too, and a fifth of the rate is taken away.
 *
 * @param rate - what the refusal's headers said of the limit
 */
export function throttle(
  state: GateState,
  config: GateConfig,
  nowMs: number,
  retryAfterMs: number | null,
  rate: RateObservation | null = null,
): GateState {
  const current = recovered(state, config, nowMs);
  const pauseMs = Math.min(maxThrottleMs, Math.max(0, retryAfterMs ?? defaultThrottleMs));
  // Several calls of one burst are refused together; they are one piece of news.
  const isSameNews = nowMs < followed(state, nowMs).rateChangedAt;
  const limitCount = rate !== null && isPerSecond(rate) ? rate.limitCount : null;
  const margin =
    isSameNews || limitCount === null || !isAtLimit(current.ratePerSecond, limitCount)
      ? null
      : widened(current.margin, limitCount, nowMs);
  return {
    ...current,
    ceiling: limitCount === null ? current.ceiling : { ratePerSecond: limitCount, until: nowMs + ceilingMs },
    margin: margin ?? current.margin,
    // What was taken for the provider's own work was the way to it.
    lateBudget: margin === null ? current.lateBudget : { ms: maxLateBudgetMs, at: nowMs },
    nextSlotAt: Math.max(current.nextSlotAt, nowMs + pauseMs),
    ratePerSecond:
      isSameNews || margin !== null
        ? current.ratePerSecond
        : Math.max(minRatePerSecond, current.ratePerSecond * slowDownFactor),
    rateChangedAt: Math.max(current.rateChangedAt, nowMs + pauseMs),
  };
}

/** True for a limit that can be compared with a rate per second. */
function isPerSecond(rate: RateObservation): rate is RateObservation & { limitCount: number } {
  const { limitCount, resetMs } = rate;
  return limitCount !== null && limitCount > 0 && resetMs !== null && resetMs <= 1_000;
}

/**
 * True for a used-up window that we have used up ourselves by going evenly at just that rate: the next slot
 * is in the next window anyway. Its reset comes in whole seconds, and to wait for it would halve the rate.
 */
function isFilledEvenly(ratePerSecond: number, { limitCount, resetMs }: RateObservation): boolean {
  return limitCount !== null && ratePerSecond > limitCount - 1 && resetMs !== null && resetMs <= 1_000;
}

/**
 * True when what an answer says of the limit would change a gate that goes at its full rate.
 *
 * @param knownLimitCount - the limit a second that the gate knows; null when it knows none
 */
export function isRateNews(
  observation: RateObservation,
  { maxRatePerSecond }: GateConfig,
  knownLimitCount: number | null,
): boolean {
  const { limitCount, remainingCount } = observation;
  const isBinding = limitCount !== null && limitCount < maxRatePerSecond + 1;
  if (isBinding && limitCount !== knownLimitCount) return true;
  return (
    remainingCount === 0 && !isFilledEvenly(Math.min(maxRatePerSecond, limitCount ?? Infinity), observation)
  );
}

/**
 * What the provider says of its own limit is followed downwards at once. Where it is just what we allow ourselves, the
 * margin begins.
 */
export function observeRate(
  state: GateState,
  config: GateConfig,
  nowMs: number,
  observation: RateObservation,
): GateState {
  const current = recovered(state, config, nowMs);
  const { remainingCount, resetMs } = observation;
  if (isPerSecond(observation)) {
    const { limitCount } = observation;
    current.ceiling = { ratePerSecond: limitCount, until: nowMs + ceilingMs };
    current.ratePerSecond = Math.min(current.ratePerSecond, limitCount);
    const isBinding = isAtLimit(Math.min(config.maxRatePerSecond, limitCount), limitCount);
    if (isBinding && current.margin.ms < firstMarginMs) current.margin = { ms: firstMarginMs, since: nowMs };
  }
  const isUsedUp = remainingCount === 0 && !isFilledEvenly(current.ratePerSecond, observation);
  if (isUsedUp && resetMs !== null && resetMs > 0) {
    return { ...current, nextSlotAt: Math.max(current.nextSlotAt, nowMs + Math.min(resetMs, maxThrottleMs)) };
  }
  return current;
}

/** The rate at which permits are given now, in calls a second. */
export function presentRate(state: GateState, config: GateConfig, nowMs: number): number {
  return recovered(state, config, nowMs).ratePerSecond;
}
