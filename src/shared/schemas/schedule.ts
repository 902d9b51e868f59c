/**
 * The wire contract of start times and sending windows, as zod schemas. What they mean is src/shared/schedule.
 *
 * @module
 */
import { z } from 'zod';
import { freezeTimes, type Schedule } from '../schedule/schedule.ts';
import type { SendingWindow } from '../schedule/sending-window.ts';
import { parseLocalTime } from '../schedule/zoned-time.ts';

/** Names are checked by `unknown_zone`, a local time by `start_in_past`; here is only the form. */
export const zoneSchema = z
  .string()
  .min(1)
  .max(64)
  .meta({ description: 'Name of an IANA time zone.', example: 'Europe/Berlin' });

const localTimeSchema = z
  .string()
  .refine((text) => parseLocalTime(text) !== null, 'must be a date and a time like 2026-12-01T09:00')
  .meta({ description: 'What a clock in the zone shows then.', example: '2026-12-01T09:00' });

export const scheduleSchema = z
  .strictObject({
    at: localTimeSchema,
    zone: zoneSchema,
    freezeAt: z.enum(freezeTimes).meta({
      description:
        '`scheduling`: the leads that match now. `start`: those that match when it begins. Selected ids are the same either way.',
    }),
  })
  .meta({
    id: 'Schedule',
    description:
      'When the activation begins. A time that a change of the clock skips is taken as much later; of one that comes twice, the first.',
  }) satisfies z.ZodType<Schedule>;

export const sendingWindowSchema = z
  .strictObject({
    zone: zoneSchema,
    days: z
      // One literal each: of a list of them the description would have the first alone.
      .array(
        z.union(
          [1, 2, 3, 4, 5, 6, 7].map((day) => z.literal(day)) as z.ZodLiteral<SendingWindow['days'][number]>[],
        ),
      )
      .max(7)
      .meta({ description: 'Days on which it opens: 1 is Monday, 7 Sunday.' }),
    from: z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be an hour like 09:00'),
    until: z
      .string()
      .regex(/^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/, 'must be an hour like 17:00, up to 24:00')
      .meta({ description: 'Up to 24:00. Before `from`: on the next day.', example: '17:00' }),
  })
  .meta({
    id: 'SendingWindow',
    description: 'Nothing leaves outside of these days and hours, a repeat neither.',
  }) satisfies z.ZodType<SendingWindow>;
