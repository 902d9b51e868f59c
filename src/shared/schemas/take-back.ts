/**
 * The wire contract of taking back an activation, as zod schemas. The web app imports only types from here, so that
 * zod stays out of its bundle.
 *
 * @module
 */
import { z } from 'zod';
import { takeBackChoices, type TakeBackManifest, type TakeBackProgress } from '../take-back.ts';
import { count, sessionIdSchema, timeMs } from './common.ts';
import { manifestHashSchema } from './manifest.ts';

const choiceSchema = z.enum(takeBackChoices).meta({
  description:
    '`unmailed`: leads that were set active and certainly not mailed. `all`: those that were mailed too; unknown mail counts as mailed. Mail is never recalled.',
});

/** `POST …/:sessionId/take-back/manifest`. */
export const takeBackManifestRequestSchema = z
  .strictObject({ choice: choiceSchema })
  .meta({ id: 'TakeBackManifestRequest' });

/** `POST …/:sessionId/take-back`. */
export const takeBackRequestSchema = z
  .strictObject({
    choice: choiceSchema,
    manifestHash: manifestHashSchema.meta({
      description:
        'Of the manifest that was shown. Where another one would come out now, nothing is changed (`take_back_changed`).',
    }),
  })
  .meta({ id: 'TakeBackRequest' });

const takeBackManifestSchema = z
  .object({
    version: z.literal(1),
    kind: z.literal('take_back'),
    sessionId: sessionIdSchema,
    choice: choiceSchema,
    reverted: z.object({ count, sha256: z.string() }).meta({
      description: 'Leads that would become new again: SHA-256 of their ids, ascending, as JSON.',
    }),
    alreadyTakenBack: count.meta({ description: 'Leads of the choice that were taken back before.' }),
    kept: count.meta({ description: 'Leads that something else has changed since: they stay as they are.' }),
  })
  .meta({
    id: 'TakeBackManifest',
    description: 'What taking an activation back would do.',
  }) satisfies z.ZodType<TakeBackManifest>;

export const hashedTakeBackManifestSchema = z
  .object({ hash: manifestHashSchema, manifest: takeBackManifestSchema })
  .meta({ id: 'HashedTakeBackManifest' });
export type HashedTakeBackManifest = z.infer<typeof hashedTakeBackManifestSchema>;

/** In a Progress. */
export const takeBackProgressSchema = z
  .object({
    choice: choiceSchema,
    manifestHash: manifestHashSchema,
    by: z.string().meta({ description: 'Who had it taken back.' }),
    startedAt: timeMs,
    endedAt: timeMs.nullable(),
    leads: count.meta({ description: 'Leads that it is about: reverted, kept or failed at its end.' }),
    reverted: count.meta({ description: 'Leads that are new again.' }),
    kept: count.meta({ description: 'Leads that something else has changed since.' }),
    failed: count.meta({ description: 'Leads that the CRM refused to change.' }),
  })
  .meta({ id: 'TakeBack' }) satisfies z.ZodType<TakeBackProgress>;
