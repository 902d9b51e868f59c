/**
 * Warm-up: a daily cap for a sender's domain that moves by itself.
 *
 * Mailbox providers trust a domain whose volume grows slowly and whose mail is wanted. The ramp begins low and grows by a
 * share a day, after a day on which it was used and its rates were low. It stays where a rate comes near its limit. A day
 * over a limit ends at once; the day after has no mail, and the one after that half the allowance. If that is over as well,
 * it is not the volume but the addresses, and a person has to look.
 *
 * Owns these rules. Bounces and complaints count for the day on which their mail was sent, however late they come. Days are
 * UTC days, as those of the daily cap (daily-cap.ts), which counts what was sent.
 *
 * Arithmetic only: no storage and no clock.
 *
 * @module
 */
import {
  grownLevel,
  type ChosenWarmUpMode,
  type WarmUpDay,
  type WarmUpForecast,
  type WarmUpMode,
  type WarmUpVerdict,
} from '../../shared/warm-up.ts';

export interface WarmUpPlan {
  /** Mails on the first day, and the least on a day with mail. */
  startCount: number;
  growthPercent: number;
  /** The limits of mailbox providers; above them they begin to refuse the sender. */
  maxBouncePercent: number;
  maxComplaintPercent: number;
  /** `MAIL_DAILY_CAP`: the ramp does not grow above it. */
  dailyCap: number | null;
}

interface SentDay extends WarmUpDay {
  /** It was over a limit, and that has been acted on. */
  isOver: boolean;
}

/** The state of one domain's ramp. */
export interface WarmUp {
  mode: WarmUpMode;
  /** The day that it is at; days since 1970. */
  day: number;
  /** Mails of a day with mail. */
  level: number;
  /** The next day with mail, where today or the days to come have none. */
  restUntil: number;
  /** Days from this one on were sent at the present level or above; those before have been answered by lowering it. */
  loweredUntil: number;
  /** How often it was lowered without a good day between. */
  strikeCount: number;
  /** The last day with mail that the ramp has grown, or not, because of. */
  judgedDay: number;
  verdict: WarmUpVerdict;
  /** The last days with mail, the newest first. */
  days: readonly SentDay[];
}

/** Counters to add to the day on which the mails were sent. */
export interface LateResults {
  day: number;
  bounced: number;
  complained: number;
}

type Figure = Omit<WarmUpVerdict, 'kind'>;

const figures = ['bounced', 'complained'] as const;

/** Complaints come days after the mail; a week also has every weekday once. */
const windowDays = 7;
/** For the page of the settings, and for reports that come later than the window. */
const maxKeptDays = 14;
/** From this part of a limit on it counts as over: a tenth of a day's bounces and a quarter of its complaints come later. */
const actShare = 0.8;
/** From this part of a limit on, the ramp stays where it is. */
const nearShare = 0.65;
/** A day's rate says something of the ramp when at least this part of its allowance was sent. */
const usedShare = 0.5;
/** In a day that is not over, the mails that are still to come count as good, up to this many; as with waves. */
const doubtMailCount = 500;
/** Fewer mails count as so many: two bounces of ten are no rate. */
const leastMailCount = 100;
/** A dormant domain is a new one to mailbox providers (https://help.socketlabs.com/docs/warm-up-basics); the days are our choice. */
const idleDays = 30;
/**
 * Where the ramp ends. It takes 33 days at 20 %. Mailbox providers ask for care with new senders of some thousand mails a
 * day; whoever sends this many every day without complaints is not new.
 */
export const warmCount = 100_000;
/** Lowered so often in a row, it is stopped. */
const maxStrikeCount = 2;

const noFigure = { figure: null, sent: 0, count: 0 } as const;

/** The ramp of a domain that begins on `day`. */
export function newWarmUp(plan: WarmUpPlan, day: number): WarmUp {
  return {
    mode: 'growing',
    day,
    level: startOf(plan),
    restUntil: day,
    loweredUntil: day,
    strikeCount: 0,
    judgedDay: day - 1,
    verdict: { kind: 'started', ...noFigure },
    days: [],
  };
}

/** Mails that may leave on the ramp's day; null: as many as anybody wants. */
export function allowanceOf({
  mode,
  day,
  restUntil,
  level,
}: Pick<WarmUp, 'mode' | 'day' | 'restUntil' | 'level'>): number | null {
  if (mode === 'warm') return null;
  return mode === 'stopped' || day < restUntil ? 0 : level;
}

/** The ramp on `day`: grown, held, lowered or as it is. Asked again on the same day, it changes nothing. */
export function onDay(warmUp: WarmUp, plan: WarmUpPlan, day: number): WarmUp {
  if (day <= warmUp.day) {
    // A clock that was set back over midnight must not begin a day twice. One that was far ahead once, for whatever
    // reason, must not keep the ramp there until then.
    return day >= warmUp.day - 1 ? warmUp : setBack(warmUp, day);
  }
  const last = warmUp.days.find(({ sent }) => sent > 0);
  const today: WarmUp = { ...warmUp, day };
  if (warmUp.mode === 'warm' || warmUp.mode === 'stopped' || last === undefined) return today;
  if (day - last.day > idleDays) {
    const verdict: WarmUpVerdict = { kind: 'restarted', ...noFigure };
    return { ...today, level: startOf(plan), strikeCount: 0, judgedDay: last.day, verdict };
  }
  if (day < warmUp.restUntil || last.day <= warmUp.judgedDay) return today;
  return judgeDay(today, plan, last);
}

/** Decides what a day with mail means for the next one. */
function judgeDay(warmUp: WarmUp, plan: WarmUpPlan, last: SentDay): WarmUp {
  const { complained: count, sent } = last;
  // One complaint of 300 mails, or a try after it was lowered. Where more is still to be reported, no day like it may follow.
  const isDoubtful = 100 * count > plan.maxComplaintPercent * sent || warmUp.strikeCount > 0;
  if (isDoubtful && last.day === warmUp.day - 1) {
    const verdict: WarmUpVerdict = { kind: 'waited', figure: 'complained', sent, count };
    return { ...warmUp, restUntil: warmUp.day + 1, verdict };
  }
  const judged: WarmUp = { ...warmUp, judgedDay: last.day };
  if (last.sent < usedShare * last.allowance) return { ...judged, verdict: { kind: 'unused', ...noFigure } };
  const good: WarmUp = { ...judged, strikeCount: 0 };
  const near = nearFigure(warmUp, plan, last);
  if (near !== null) return { ...good, verdict: { kind: 'near', ...near } };
  if (warmUp.mode === 'held') return good;
  const level = cappedLevel(grownLevel(warmUp.level, plan.growthPercent), plan);
  const isWarm = level >= warmCount;
  return {
    ...good,
    level,
    mode: isWarm ? 'warm' : 'growing',
    verdict: { kind: isWarm ? 'finished' : 'grew', ...noFigure },
  };
}

/**
 * Sets how many mails have left on a day, as the daily cap counts them.
 *
 * @param sent - of the whole day so far
 */
export function withSent(warmUp: WarmUp, day: number, sent: number): WarmUp {
  const known = warmUp.days.find((one) => one.day === day);
  if (known?.sent === sent || (known === undefined && (sent === 0 || day !== warmUp.day))) return warmUp;
  const allowance = known?.allowance ?? allowanceOf(warmUp) ?? 0;
  const changed: SentDay = {
    ...(known ?? { day, bounced: 0, complained: 0, isOver: false }),
    sent,
    // The level may be changed by a person during the day.
    allowance: day === warmUp.day ? Math.max(allowance, allowanceOf(warmUp) ?? 0) : allowance,
  };
  const others = warmUp.days.filter((one) => one !== known);
  const days = [changed, ...others].sort((a, b) => b.day - a.day).slice(0, maxKeptDays);
  return { ...warmUp, days };
}

/** Adds bounces and complaints to the day of their mails; a day over a limit is acted on at once. */
export function withResults(warmUp: WarmUp, plan: WarmUpPlan, results: readonly LateResults[]): WarmUp {
  let days = warmUp.days;
  for (const { day, bounced, complained } of results) {
    // A mail that was reserved before midnight may leave after it. What is older than all that is kept is forgotten.
    const of = days.find((one) => one.day <= day);
    days = days.map((one) =>
      one === of ? { ...one, bounced: one.bounced + bounced, complained: one.complained + complained } : one,
    );
  }
  return days === warmUp.days ? warmUp : answerOver({ ...warmUp, days }, plan);
}

/** Lowers or stops a ramp of which a day, or the week, is over a limit that was not before. */
function answerOver(warmUp: WarmUp, plan: WarmUpPlan): WarmUp {
  let after = warmUp;
  for (const one of warmUp.days) {
    const over = one.isOver || after.day - one.day >= windowDays ? null : overFigure([one], plan, after.day);
    if (over === null) continue;
    const days = after.days.map((other) => (other === one ? { ...one, isOver: true } : other));
    // What was sent before it was lowered is answered: one more day of that does not lower it again.
    after = lowered({ ...after, days }, plan, over, one.day >= after.loweredUntil);
  }
  // A few complaints a day are no rate of a day, and still too many.
  const { day, loweredUntil } = after;
  const week = after.days.filter((one) => one.day >= loweredUntil && one.day > day - windowDays);
  const over = overFigure(week, plan, day);
  return over === null ? after : lowered(after, plan, over, true);
}

/**
 * A rest, and half the allowance afterwards.
 *
 * @param isNew - false: it is at a lower level already, and only rests
 */
function lowered(warmUp: WarmUp, plan: WarmUpPlan, over: Figure, isNew: boolean): WarmUp {
  if (warmUp.mode !== 'growing' && warmUp.mode !== 'held') return warmUp;
  // A whole day without mail after the last one with mail, so that no two days in a row can be over.
  const isSending = warmUp.days.some(({ day, sent }) => day === warmUp.day && sent > 0);
  const restUntil = Math.max(warmUp.restUntil, warmUp.day + (isSending ? 2 : 1));
  const strikeCount = warmUp.strikeCount + (isNew ? 1 : 0);
  const isStopped = strikeCount >= maxStrikeCount;
  return {
    ...warmUp,
    mode: isStopped ? 'stopped' : warmUp.mode,
    level: isNew ? Math.max(startOf(plan), Math.floor(warmUp.level / 2)) : warmUp.level,
    restUntil,
    loweredUntil: restUntil,
    strikeCount,
    judgedDay: Math.max(warmUp.judgedDay, warmUp.day),
    verdict: { kind: isStopped ? 'stopped' : 'lowered', ...over },
  };
}

/**
 * The figure that is over its limit by more than one event, or null. One complaint of 300 mails is 0.33 % and no rate.
 */
function overFigure(days: readonly SentDay[], plan: WarmUpPlan, today: number): Figure | null {
  const sent = sumOf(days, (one) => one.sent);
  const hoped = sumOf(days, (one) =>
    one.day === today ? Math.max(one.sent, Math.min(one.allowance, doubtMailCount)) : one.sent,
  );
  const of = Math.max(hoped, leastMailCount);
  for (const figure of figures) {
    const count = sumOf(days, (one) => one[figure]);
    // Percent of whole numbers: the sum of rounding faults is far below a mail.
    const allowed = Math.max(1, Math.floor((actShare * limitOf(plan, figure) * of) / 100 + 1e-9));
    if (count > allowed) return { figure, count, sent };
  }
  return null;
}

function sumOf(days: readonly SentDay[], pick: (day: SentDay) => number): number {
  return days.reduce((sum, day) => sum + pick(day), 0);
}

/** The figure that is near its limit on the last day or over the week that it ends, or null. */
function nearFigure(warmUp: WarmUp, plan: WarmUpPlan, last: SentDay): Figure | null {
  const week = warmUp.days.filter(({ day }) => day <= last.day && day > last.day - windowDays);
  for (const figure of figures) {
    for (const days of [[last], week]) {
      const count = sumOf(days, (one) => one[figure]);
      const sent = sumOf(days, (one) => one.sent);
      if (count > 0 && 100 * count >= nearShare * limitOf(plan, figure) * sent)
        return { figure, count, sent };
    }
  }
  return null;
}

/**
 * What a person wants of it: hold it where it is, let it go on, or take the domain for warm. The same again changes
 * nothing.
 */
export function withMode(warmUp: WarmUp, mode: ChosenWarmUpMode): WarmUp {
  if (warmUp.mode === mode) return warmUp;
  return {
    ...warmUp,
    mode,
    // Who goes on after a stop has looked at the addresses. The day of rest stays.
    strikeCount: warmUp.mode === 'stopped' ? 1 : 0,
    // What left without a limit is no reason to grow.
    judgedDay: warmUp.mode === 'warm' ? warmUp.day : warmUp.judgedDay,
    verdict: { kind: 'person', ...noFigure },
  };
}

/**
 * The most mails of a batch, so that a day's allowance is used to a tenth, and no batch is larger than the smallest day;
 * null: as many as the provider takes.
 */
export function batchCountInWarmUp(warmUp: WarmUp, plan: WarmUpPlan): number | null {
  return warmUp.mode === 'warm' ? null : Math.min(startOf(plan), Math.ceil(warmUp.level / 10));
}

/** What a preview needs to say how many days it will take. */
export function forecastOf(warmUp: WarmUp, plan: WarmUpPlan, usedCount: number): WarmUpForecast {
  const { mode, level, day, restUntil } = warmUp;
  const today = Math.min(allowanceOf(warmUp) ?? Infinity, plan.dailyCap ?? Infinity);
  return {
    mode,
    leftCount: Number.isFinite(today) ? Math.max(0, today - usedCount) : 0,
    level,
    restDayCount: mode === 'growing' || mode === 'held' ? Math.max(0, restUntil - day - 1) : 0,
    growthPercent: plan.growthPercent,
    dailyCap: plan.dailyCap,
    batchCount: batchCountInWarmUp(warmUp, plan) ?? 1,
  };
}

/** The same ramp under a clock that was set back by days. */
function setBack(warmUp: WarmUp, day: number): WarmUp {
  const byDays = warmUp.day - day;
  return {
    ...warmUp,
    day,
    restUntil: warmUp.restUntil - byDays,
    loweredUntil: Math.min(warmUp.loweredUntil, day),
    judgedDay: Math.min(warmUp.judgedDay, day - 1),
    days: warmUp.days.filter((one) => one.day <= day),
  };
}

function startOf(plan: WarmUpPlan): number {
  return cappedLevel(plan.startCount, plan);
}

function cappedLevel(level: number, { dailyCap }: WarmUpPlan): number {
  return Math.min(level, dailyCap ?? Infinity);
}

function limitOf(plan: WarmUpPlan, figure: (typeof figures)[number]): number {
  return figure === 'bounced' ? plan.maxBouncePercent : plan.maxComplaintPercent;
}
