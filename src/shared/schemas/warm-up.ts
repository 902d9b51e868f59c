/**
 * The wire contract of warm-ups, as zod schemas. What they mean is src/shared/warm-up.ts.
 *
 * @module
 */
import { z } from 'zod';
import { chosenWarmUpModes, warmUpModes, warmUpVerdicts, type WarmUpWait } from '../warm-up.ts';
import { count, timeMs } from './common.ts';

const domain = z
  .string()
  .meta({ description: 'The domain of the sender’s address.', example: 'example.com' });

/** What an activation says while the warm-up holds its mail back. */
export const warmUpWaitSchema = z
  .object({
    domain,
    allowance: count.meta({ description: 'Emails of this day; 0: a day without email.' }),
    goesOnAt: timeMs.nullable().meta({ description: 'Null: when a person lets the warm-up go on.' }),
  })
  .meta({ id: 'WarmUpWait' }) satisfies z.ZodType<WarmUpWait>;

export const warmUpSchema = z
  .object({
    domain,
    mode: z.enum(warmUpModes).meta({
      description:
        '`growing`: by itself. `held`: by a person, it does not grow. `stopped`: by bounces or complaints, until a person goes on. `warm`: no limit.',
    }),
    allowance: count.nullable().meta({ description: 'Emails of today; 0: none. Null: no limit.' }),
    sent: count.meta({ description: 'Emails of today so far.' }),
    goesOnAt: timeMs.nullable().meta({ description: 'When email leaves again; null where it may today.' }),
    verdict: z
      .object({
        kind: z.enum(warmUpVerdicts),
        figure: z.enum(['bounced', 'complained']).nullable(),
        sent: count,
        count,
      })
      .meta({ description: 'Why the allowance is what it is, and the figure that decided.' }),
    days: z
      .array(z.object({ startsAt: timeMs, allowance: count, sent: count, bounced: count, complained: count }))
      .meta({
        description:
          'UTC days with email, the newest first. A bounce or a complaint counts for the day of its email.',
      }),
    forecast: z
      .object({
        mode: z.enum(warmUpModes),
        leftCount: count,
        level: count,
        restDayCount: count,
        growthPercent: z.int(),
        dailyCap: z.int().nullable(),
        batchCount: z.int().min(1),
      })
      .meta({ description: 'How it goes on while the rates stay low.' }),
  })
  .meta({ id: 'WarmUp' });
export type WarmUpView = z.infer<typeof warmUpSchema>;

export const warmUpListSchema = z
  .object({
    plan: z
      .object({
        startCount: z.int(),
        growthPercent: z.int(),
        maxBouncePercent: z.number(),
        maxComplaintPercent: z.number(),
      })
      .nullable()
      .meta({ description: 'Null: domains are not warmed up (MAIL_WARM_UP).' }),
    domains: z.array(warmUpSchema).meta({ description: 'The sender’s own first.' }),
  })
  .meta({ id: 'WarmUps' });
export type WarmUpList = z.infer<typeof warmUpListSchema>;

export const warmUpChangeSchema = z
  .strictObject({
    mode: z.enum(chosenWarmUpModes).meta({
      description: '`held`: it does not grow. `growing`: it goes on. `warm`: the domain has no limit.',
    }),
  })
  .meta({ id: 'WarmUpChange' });
