/**
 * Waves: an activation in parts, with a look at its figures between two of them.
 *
 * Owns the plan of a start request, and what a Progress says of its waves. What holds a wave is core/session/waves.ts.
 * No zod here: the web app loads this file.
 *
 * @module
 */
import { limits } from './limits.ts';

/** The size of a wave: so many leads, or a part of all leads in percent. */
export type WaveSize = { leads: number } | { percent: number };

/** The figures that can hold a wave. */
export const waveFigures = ['bounced', 'complained', 'failed', 'crmErrors'] as const;
export type WaveFigure = (typeof waveFigures)[number];

/** Figures that the mail provider reports later, by webhooks. The others are known when the wave is settled. */
export const reportedFigures = ['bounced', 'complained'] as const satisfies readonly WaveFigure[];
export type ReportedFigure = (typeof reportedFigures)[number];

/**
 * What a wave may have, in percent of its mails (`crmErrors`: of its leads). A figure above its limit holds the wave. One
 * event alone never does, but for a limit of 0.
 */
export interface WaveLimits {
  bouncedPercent: number;
  complainedPercent: number;
  failedPercent: number;
  crmErrorsPercent: number;
  /** A wave of fewer mails is judged as if it had so many, so that two bounces of ten are not 20 percent. */
  minMails: number;
}

interface WaveRules {
  /** How long its figures are watched once all mail of a wave is settled; 0: they are only read. */
  watchMinutes: number;
  limits: WaveLimits;
}

/** How an activation is divided. */
export type WavePlan =
  /** The waves before the last one; that has the rest. */
  | ({ sizes: WaveSize[] } & WaveRules)
  /**
   * `leads` a day. The first wave leaves when the activation begins, and each further one at `at` (`09:00`) of a later
   * day in the IANA zone `zone`.
   */
  | ({ perDay: { leads: number; at: string; zone: string } } & WaveRules);

/** Used where a start request does not say otherwise. */
export const defaultWatchMinutes = 60;
export const defaultWaveLimits: WaveLimits = {
  bouncedPercent: 4,
  // Gmail and Yahoo ask for less than 0.1 and refuse senders from 0.3 on.
  complainedPercent: 0.1,
  failedPercent: 5,
  crmErrorsPercent: 5,
  minMails: 50,
};

/** Leads of a wave of this size, where that many are left. */
export const leadsOfWave = (size: WaveSize, total: number): number =>
  'leads' in size ? size.leads : Math.max(1, Math.round((size.percent * total) / 100));

/**
 * The leads of each wave of an audience. They add up to the audience; where it has fewer leads than the plan speaks of,
 * the last waves are missing.
 */
export function waveSizes(plan: WavePlan, total: number): number[] {
  const sizes: number[] = [];
  let left = total;
  const add = (size: number): void => {
    if (left <= 0) return;
    sizes.push(Math.min(size, left));
    left -= size;
  };
  if ('perDay' in plan) {
    // An audience that is frozen at the start may have grown since the plan was checked: the list stays short.
    while (left > 0) add(sizes.length < limits.maxWaveCount - 1 ? plan.perDay.leads : left);
  } else {
    for (const size of plan.sizes) add(leadsOfWave(size, total));
    add(left);
  }
  return sizes;
}

/** State of a wave. */
export const waveStates = [
  /** It has not begun. */
  'planned',
  'sending',
  /** All of its mail is settled, and its figures are watched; or the next day's wave is waited for. */
  'watching',
  /** A limit is broken, and a person has to go on. */
  'held',
  /** The next wave has begun, or the activation has ended. */
  'passed',
] as const;
export type WaveState = (typeof waveStates)[number];

/** A wave as a Progress shows it. Its figures count its own leads only, late events too. */
export interface WaveProgress {
  /** From 1 on. */
  number: number;
  /** Leads. Of the last one that is planned, those that are left by the count of the start. */
  size: number;
  state: WaveState;
  sent: number;
  failed: number;
  unknown: number;
  skipped: number;
  /** Leads that the CRM refused to set active. */
  crmErrors: number;
  delivered: number;
  bounced: number;
  complained: number;
  /** Epoch ms. */
  startedAt: number | null;
  /** While it is watched: until then, epoch ms. Of a daily plan it is also the begin of the next wave. */
  watchUntil: number | null;
  /** Figures that are not waited for, because the mail provider does not report them to us. Known from the watch on. */
  notReported: ReportedFigure[];
  /** Who went on in spite of a limit or before the end of the watch; null: its limits were held, or it is not over. */
  passedBy: string | null;
}

/** Why an activation is `wave_held`. */
export interface WaveHeld {
  /** Which hold of the activation it is, from 1 on: a wave may be held more than once. */
  hold: number;
  /** The wave. */
  number: number;
  /** Which limit is broken: the first of several. */
  figure: WaveFigure;
  /** Leads or mails that the figure counts, since a person last went on. */
  count: number;
  /** Of how many. */
  of: number;
  /** `count` in percent of `of`, to two digits. */
  percent: number;
  limitPercent: number;
  /** Epoch ms. */
  at: number;
}
