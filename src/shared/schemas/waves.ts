/**
 * The wire contract of waves, as zod schemas. What they mean is src/shared/waves.ts.
 *
 * @module
 */
import { z } from 'zod';
import { limits } from '../limits.ts';
import {
  defaultWatchMinutes,
  defaultWaveLimits,
  reportedFigures,
  waveFigures,
  waveStates,
  type WaveHeld,
  type WavePlan,
  type WaveProgress,
} from '../waves.ts';
import { count, timeMs } from './common.ts';
import { zoneSchema } from './schedule.ts';

const percent = (unless: number) => z.number().min(0).max(100).default(unless);

const waveLimitsSchema = z
  .strictObject({
    bouncedPercent: percent(defaultWaveLimits.bouncedPercent),
    complainedPercent: percent(defaultWaveLimits.complainedPercent),
    failedPercent: percent(defaultWaveLimits.failedPercent),
    crmErrorsPercent: percent(defaultWaveLimits.crmErrorsPercent),
    minMails: z.int().min(1).max(100_000).default(defaultWaveLimits.minMails).meta({
      description: 'A wave of fewer mails is judged as if it had so many.',
    }),
  })
  .meta({
    id: 'WaveLimits',
    description:
      'A figure above its limit holds the wave; one event alone never does, but for a limit of 0. Percent of the mails of the wave; `crmErrorsPercent`: of its leads.',
  });

const waveRules = {
  watchMinutes: z.int().min(0).max(limits.maxWatchMinutes).default(defaultWatchMinutes).meta({
    description: 'How long the figures are watched once all mail of a wave is settled.',
  }),
  limits: waveLimitsSchema.default(defaultWaveLimits),
};

const waveSizeSchema = z
  .union([
    z.strictObject({ leads: z.int().min(1).max(Number.MAX_SAFE_INTEGER) }),
    z.strictObject({ percent: z.number().min(0.01).max(99.99) }),
  ])
  .meta({ id: 'WaveSize', description: 'So many leads, or a part of all leads.' });

export const wavePlanSchema = z
  .union([
    z
      .strictObject({
        sizes: z.array(waveSizeSchema).min(1).max(limits.maxWaveSizeCount).meta({
          description: 'The waves before the last one, which has the rest.',
        }),
        ...waveRules,
      })
      .meta({ id: 'WavesBySize' }),
    z
      .strictObject({
        perDay: z.strictObject({
          leads: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
          at: z
            .string()
            .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be an hour like 09:00')
            .meta({ description: 'When a wave of a later day begins.', example: '09:00' }),
          zone: zoneSchema,
        }),
        ...waveRules,
      })
      .meta({ id: 'WavesByDay' }),
  ])
  .meta({
    id: 'WavePlan',
    description:
      'The activation in parts, in the order of the lead ids, with a watch after each but the last. Sizes become counts of leads once, when the audience is frozen.',
  }) satisfies z.ZodType<WavePlan>;

export const waveProgressSchema = z
  .object({
    number: z.int().min(1),
    size: count,
    state: z.enum(waveStates),
    sent: count,
    failed: count,
    unknown: count,
    skipped: count,
    crmErrors: count.meta({ description: 'Leads that the CRM refused to set active.' }),
    delivered: count,
    bounced: count,
    complained: count,
    startedAt: timeMs.nullable(),
    watchUntil: timeMs.nullable().meta({
      description: 'While it is watched. Of a daily plan it is also the begin of the next wave.',
    }),
    notReported: z.array(z.enum(reportedFigures)).meta({
      description: 'Figures that are not waited for, because the mail provider does not report them to us.',
    }),
    passedBy: z.string().nullable().meta({
      description:
        'Who went on in spite of a limit or before the end of the watch; null: its limits were held, or it is not over.',
    }),
  })
  .meta({
    id: 'WaveProgress',
    description: 'A wave; its figures count its own leads only, late events too.',
  }) satisfies z.ZodType<WaveProgress>;

export const waveHeldSchema = z
  .object({
    hold: z.int().min(1).meta({
      description: 'Which hold of the activation it is: a wave may be held more than once.',
    }),
    number: z.int().min(1),
    figure: z.enum(waveFigures),
    count: count.meta({ description: 'Since a person last went on.' }),
    of: count,
    percent: z.number().min(0),
    limitPercent: z.number().min(0).max(100),
    at: timeMs,
  })
  .meta({
    id: 'WaveHeld',
    description: 'Which limit is broken in a `wave_held` activation.',
  }) satisfies z.ZodType<WaveHeld>;
