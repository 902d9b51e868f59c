/**
 * The rate limit: when a call to the mail API may leave, over all sessions of one mail account.
 *
 * A token bucket of depth one, kept as one number: the theoretical arrival time of the next call (GCRA, ITU-T
 * I.371). Permits are slots on a time line, one every `1 / rate` seconds. Resend counts calls per second and allows
 * no bursts, so a deeper bucket would only earn 429s.
 *
 * At exactly the provider's limit the line is ten (or as many as it allows) interleaved ones: each place is used again a
 * second after its last call came to the provider. A late call delays its own place only.
 *
 * Owns the slots, the slow-down after a 429, the margin at the limit and the recovery. No storage and no clock.
 * Invariants: slots of one gate are never closer than the interval, and at the limit never closer than half of it; no
 * second has more of them than the rate; no lease lies further ahead than {@link maxWaitMs} (instead nothing is granted,
 * and the answer says when to ask again).
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
  /**
   * At the limit: when the last calls came to the provider, as many as it allows in a second, the earliest first. Each
   * place is used again a second after its call. Memory only; empty when the limit is not known.
   */
  places: readonly number[];
}

/** A call at the limit that came to the provider late: the next call in its place must wait for as long. */
export interface LateCall {
  /** When the gate believes that it came: its slot, or what was reported of it before. By the gate's clock, epoch ms. */
  slotAt: number;
  /** It came so much later. */
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
  /** Between two permits, where they are even. */
  intervalMs: number;
  /** Until each permit may be used; a gate of an earlier version grants even ones only, and does not say it. */
  delaysMs?: readonly number[];
  retryInMs: number;
  /** A call that would leave later than this after its slot needs another one. */
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
const marginStepMs = 5;
/** A 429 this soon after the margin has changed is about calls that left by the old one. */
const marginSettlesMs = 3_000;
/** A wider margin is half as wide after this time. */
const marginHalvesMs = 60_000;
/** More than this is the provider's own work and not the way to it. */
const maxLateMs = 300;
/** A slot that was missed by more is void: used later, it would put two calls into one interval. */
export const maxLatenessMs = 50;
/** Where the provider has said how many calls it takes in a second, as much as that allows, but no more than this. */
const maxKnownLatenessMs = 250;

export function initialGate(config: GateConfig, nowMs: number): GateState {
  return {
    nextSlotAt: nowMs,
    ratePerSecond: config.maxRatePerSecond,
    rateChangedAt: nowMs,
    seenAt: nowMs,
    ceiling: null,
    margin: { ms: 0, since: nowMs },
    places: [],
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
    places: backMs > 0 ? [] : state.places,
  };
}

/** The rate after it has recovered for a while. */
function recovered(known: GateState, config: GateConfig, nowMs: number): GateState {
  const state = followed(known, nowMs);
  const seconds = Math.max(0, nowMs - state.rateChangedAt) / 1_000;
  const ceiling = state.ceiling !== null && nowMs < state.ceiling.until ? state.ceiling : null;
  const limit = Math.min(config.maxRatePerSecond, ceiling?.ratePerSecond ?? Infinity);
  const ratePerSecond = Math.min(
    (limit * 1_000) / (1_000 + marginMs({ ceiling, margin: state.margin }, config, nowMs)),
    Math.max(minRatePerSecond, state.ratePerSecond) + seconds * recoveryPerSecond * config.maxRatePerSecond,
  );
  return { ...state, ratePerSecond, rateChangedAt: Math.max(state.rateChangedAt, nowMs), ceiling };
}

/** The margin that applies: none where the provider allows more than we do, or does not say what it allows. */
function marginMs(
  { ceiling, margin }: Pick<GateState, 'ceiling' | 'margin'>,
  config: GateConfig,
  nowMs: number,
): number {
  if (ceiling === null) return 0;
  const { ratePerSecond } = ceiling;
  return isAtLimit(Math.min(config.maxRatePerSecond, ratePerSecond), ratePerSecond)
    ? widthMs(margin, nowMs)
    : 0;
}

/** How wide a margin is after a while: what a 429 has added to it halves every minute. */
function widthMs({ ms, since }: Margin, nowMs: number): number {
  const addedMs = Math.max(0, ms - firstMarginMs);
  return ms - addedMs * (1 - 0.5 ** (Math.max(0, nowMs - since) / marginHalvesMs));
}

/** True when so many calls a second are all that the provider allows. */
function isAtLimit(ratePerSecond: number, limitCount: number): boolean {
  return ratePerSecond > limitCount - 1 && ratePerSecond <= limitCount;
}

/** The margin after a 429 at the limit: wider, up to one slot; null when it is that wide already. */
function widened(margin: Margin, limitCount: number, nowMs: number): Margin | null {
  const slotMs = 1_000 / limitCount;
  if (margin.ms > 0 && nowMs - margin.since < marginSettlesMs) return margin;
  const ms = widthMs(margin, nowMs);
  if (ms >= slotMs) return null;
  return { ms: Math.min(slotMs, Math.max(firstMarginMs, ms + marginStepMs)), since: nowMs };
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
  const { ceiling, ratePerSecond } = current;
  const intervalMs = (weight * 1_000) / ratePerSecond;
  const margin = marginMs(current, config, nowMs);
  const isLimited = margin > 0;
  const count = isLimited && ceiling !== null ? Math.max(1, Math.floor(ceiling.ratePerSecond)) : 0;
  // A second and the margin; more where the rate is lower.
  const windowMs = (count * 1_000) / ratePerSecond;
  // Slots at another limit were closer than even ones.
  const isOther = current.places.length > 0 && current.places.length !== count;
  const startAt = Math.max(nowMs, current.nextSlotAt + (isOther ? intervalMs / 2 : 0));
  const waitMs = isLimited ? Math.max(limitWaitMs, intervalMs) : maxWaitMs;
  const most = Math.max(1, Math.min(Math.trunc(wantedCount), Math.floor(leaseSpanMs / intervalMs)));
  let places = spread(current.places, count, startAt, windowMs);
  let nextSlotAt = startAt;
  const delaysMs: number[] = [];
  for (;;) {
    const place = places[Math.min(weight, places.length) - 1];
    const at = place === undefined ? nextSlotAt : Math.max(nextSlotAt, place + windowMs);
    const delayMs = at - nowMs;
    const isTooFar = delayMs > waitMs && (isLimited || delaysMs.length === 0);
    if (isTooFar || delaysMs.length === most || wantedCount < 1) {
      const lease = {
        nowMs,
        permitCount: delaysMs.length,
        delayMs: delaysMs[0] ?? 0,
        delaysMs,
        intervalMs,
        retryInMs: delaysMs.length > 0 ? 0 : Math.max(1, Math.ceil(isLimited ? delayMs - waitMs : delayMs)),
        maxLatenessMs: latenessMs(ceiling, isLimited, intervalMs / weight),
        // The rest of the margin is for what a session does not see of the way.
        reportLateMs: isLimited ? 0.75 * margin : null,
        limitCount:
          ceiling !== null && ceiling.until - nowMs > ceilingRefreshMs ? ceiling.ratePerSecond : null,
      };
      return { state: delaysMs.length > 0 ? { ...current, nextSlotAt, places } : current, lease };
    }
    delaysMs.push(delayMs);
    places = sorted([...places.slice(weight), ...places.slice(0, weight).map(() => at)]);
    // At the limit the places keep the rate, so a slot need not wait for a late one before it.
    nextSlotAt = at + (isLimited ? intervalMs / 2 : intervalMs);
  }
}

/**
 * How late after its slot a call may leave. Below the provider's limit the slots of a second are spread over more than a
 * second, so a call may be as late as that is longer. At the limit its place waits for as long as it was late.
 */
function latenessMs(ceiling: GateState['ceiling'], isLimited: boolean, slotMs: number): number {
  if (ceiling === null) return maxLatenessMs;
  const spareMs = isLimited ? maxKnownLatenessMs : ceiling.ratePerSecond * slotMs - 1_000 - firstMarginMs;
  return Math.min(maxKnownLatenessMs, Math.max(maxLatenessMs, spareMs));
}

const sorted = (times: readonly number[]): number[] => times.toSorted((a, b) => a - b);

/**
 * The places of the last second. Where nothing is known of it, or nothing left for longer than a slot, they are as of
 * calls that left evenly before `startAt`, so that the next ones leave evenly.
 */
function spread(places: readonly number[], count: number, startAt: number, windowMs: number): number[] {
  const slotMs = windowMs / count;
  const even = Array.from({ length: count }, (_, index) => startAt - windowMs + index * slotMs);
  if (places.length !== count) return even;
  const [earliest = startAt] = places;
  if (earliest + windowMs >= startAt - slotMs) return [...places];
  return sorted(places.map((at, index) => Math.max(at, even[index] ?? at)));
}

/** Takes in calls at the limit that came to the provider late. */
export function noteLateCalls(state: GateState, calls: readonly LateCall[]): GateState {
  const places = [...state.places];
  const toleranceMs = 250 / Math.max(1, places.length);
  for (const { slotAt, lateMs } of calls) {
    const farMs = places.map((at) => Math.abs(at - slotAt));
    const nearestMs = Math.min(...farMs);
    // Else the place has its next call already.
    if (nearestMs <= toleranceMs) places[farMs.indexOf(nearestMs)] = slotAt + Math.min(maxLateMs, lateMs);
  }
  return { ...state, places: sorted(places) };
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
  // A higher one says how late a call may leave.
  if ((isBinding || isPerSecond(observation)) && limitCount !== knownLimitCount) return true;
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
