/**
 * The wire contract of a session's timeline.
 *
 * @module
 */
import { z } from 'zod';
import { count, timeMs } from './common.ts';
import { sessionReasons } from '../progress.ts';
import { timelineKinds, type Timeline } from '../timeline.ts';

export const timelineSchema = z
  .object({
    rev: count,
    events: z.array(
      z
        .object({
          id: z.int().min(1),
          kind: z.enum(timelineKinds),
          at: timeMs,
          until: timeMs.meta({
            description:
              'Time of the last occurrence. For `waiting`, the end of the wait; for `scheduled`, the time of the start; for `approval_asked`, the end of the request.',
          }),
          by: z.string().nullable().meta({ description: 'Who caused it; null when no person did.' }),
          reason: z.enum(sessionReasons).nullable(),
          message: z.string().nullable(),
          count: count.nullable().meta({ description: 'Number of leads or calls.' }),
        })
        .meta({ id: 'TimelineEvent' }),
    ),
    throughput: z
      .array(z.object({ at: timeMs, processed: count, sent: count, failed: count }))
      .meta({ description: 'Counters since the start, at up to some hundred points in time.' }),
  })
  .meta({ id: 'Timeline' }) satisfies z.ZodType<Timeline>;
