/**
 * The wire contract of manifests, as zod schemas. The web app imports only types from here, so that zod stays out of
 * its bundle.
 *
 * @module
 */
import { z } from 'zod';
import type { HashedManifest, Manifest, ManifestDifference } from '../manifest.ts';
import { count, leadIdSchema, templateIdSchema, orNull } from './common.ts';
import { leadFilterSchema } from './leads.ts';
import { scheduleSchema, sendingWindowSchema } from './schedule.ts';
import { wavePlanSchema } from './waves.ts';

export const manifestHashSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits')
  .meta({ id: 'ManifestHash', description: 'SHA-256 of the manifest as canonical JSON (RFC 8785).' });

const digest = z.object({ count, sha256: z.string() }).nullable();

const manifestSchema = z
  .object({
    version: z.literal(1),
    madeBy: z.string(),
    audience: z.object({
      words: z.string().meta({ description: 'For people; without the words of a search.' }),
      filter: leadFilterSchema.omit({ search: true }).nullable(),
      searchHash: z.string().nullable().meta({ description: 'Keyed hash of the words of the search.' }),
      picked: digest.meta({
        description: 'Leads picked one by one: SHA-256 of their ids, ascending, as JSON.',
      }),
      excluded: digest.meta({ description: 'Leads taken out; as `picked`.' }),
      maxLeadId: leadIdSchema,
      total: count,
      members: z.string().meta({ description: 'Differs where as many other leads are meant.' }),
      outcomes: z
        .object({
          willActivate: count,
          alreadyActive: count,
          suppressed: count,
          invalidAddress: count,
          recentlyMailed: count,
          recipients: z
            .string()
            .meta({ description: 'Differs where as many other leads would get the mail.' }),
        })
        .nullable()
        .meta({ description: 'Null in an activation that was started without a hash.' }),
    }),
    template: z.object({
      id: templateIdSchema,
      version: z.int().min(1),
      name: z.string(),
      sha256: z.string().meta({ description: 'Of `{html, subject, text}` as canonical JSON.' }),
    }),
    mail: z.object({
      provider: z.string(),
      from: z.string(),
      replyTo: z.string().nullable(),
      postalAddress: z.string().nullable(),
      actionUrl: z.string().nullable().meta({ description: 'Where the button of the mail leads.' }),
      publicUrl: z.string().nullable().meta({ description: 'Base of the links to the public pages.' }),
    }),
    crm: z
      .object({ provider: z.string(), host: z.string(), set: z.record(z.string(), z.string()) })
      .exactOptional()
      .meta({ description: 'The CRM in which leads are set active too, and what is set there.' }),
    dailyCap: z.int().nullable(),
    minDaysBetween: z.int().nullable().meta({
      description: 'A lead that we mailed within so many days gets no mail; null: no guard.',
    }),
    when: z
      .looseObject({
        schedule: orNull(scheduleSchema),
        window: orNull(sendingWindowSchema),
        waves: orNull(wavePlanSchema),
      })
      .meta({
        description:
          'When it leaves: the parts of the start request that say so; null where it does not. With `freezeAt` `start`, the leads are found again when it begins, and the numbers of the audience are a count and no promise.',
      }),
  })
  .meta({ id: 'Manifest', description: 'What an activation will do.' }) satisfies z.ZodType<Manifest>;

export const hashedManifestSchema = z
  .object({ hash: manifestHashSchema, manifest: manifestSchema })
  .meta({ id: 'HashedManifest' }) satisfies z.ZodType<HashedManifest>;

/** `GET …/:sessionId/manifest`. */
export const sessionManifestSchema = z
  .object({
    hash: orNull(manifestHashSchema).meta({
      description: 'Null, like the manifest, for an activation that was started by version 0.1.',
    }),
    manifest: orNull(manifestSchema),
    startedHash: manifestHashSchema
      .exactOptional()
      .meta({ description: 'Of the start, where the times were changed since.' }),
  })
  .meta({ id: 'SessionManifest' });
export type SessionManifest = z.infer<typeof sessionManifestSchema>;

export const manifestDifferenceSchema = z
  .object({ path: z.string(), was: z.unknown(), now: z.unknown(), message: z.string() })
  .meta({ id: 'ManifestDifference' }) satisfies z.ZodType<ManifestDifference>;
