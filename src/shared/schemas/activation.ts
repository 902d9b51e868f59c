/**
 * The wire contract of activations, as zod schemas.
 *
 * Owns forms and bounds of requests and responses. The routes validate with them, and /openapi.json is made from
 * them. Has no defaults that need a clock, no SQL and no HTTP. The web app imports only types from here, so that zod
 * stays out of its bundle.
 *
 * @module
 */
import { z } from 'zod';
import { limits } from '../limits.ts';
import {
  activationStates,
  emailStates,
  sessionReasons,
  sessionStates,
  skipReasons,
  waitKinds,
  type Issue,
  type Progress,
} from '../progress.ts';
import { approvalFactsSchema } from './approval.ts';
import {
  count,
  leadIdSchema,
  orNull,
  renderedMailSchema,
  sessionIdSchema,
  templateIdSchema,
  timeMs,
} from './common.ts';
import { isCanonicalizable } from '../canonical-json.ts';
import { importIdSchema } from './imports.ts';
import { leadFilterSchema } from './leads.ts';
import { hashedManifestSchema, manifestHashSchema, sessionManifestSchema } from './manifest.ts';
import { scheduleSchema, sendingWindowSchema } from './schedule.ts';
import { takeBackProgressSchema } from './take-back.ts';
import { warmUpWaitSchema } from './warm-up.ts';
import { waveHeldSchema, wavePlanSchema, waveProgressSchema } from './waves.ts';

export const audienceSchema = z
  .union([
    z.strictObject({
      leadIds: z.array(leadIdSchema).min(1, 'choose at least one lead').max(limits.maxAudienceIdCount),
    }),
    z.strictObject({
      filter: leadFilterSchema,
      excludedIds: z.array(leadIdSchema).max(limits.maxExcludedIdCount).optional(),
    }),
  ])
  .meta({
    id: 'Audience',
    description:
      'Who a session is for: ids, or everyone who matches a filter when it starts, minus exclusions.',
  });
export type Audience = z.infer<typeof audienceSchema>;

export const activationNameSchema = z.string().trim().min(1).max(limits.maxNameLength);

export const activationPreviewRequestSchema = z
  .strictObject({
    name: activationNameSchema.optional(),
    audience: audienceSchema,
    templateId: templateIdSchema,
  })
  .meta({ id: 'ActivationPreviewRequest' });
export type ActivationPreviewRequest = z.infer<typeof activationPreviewRequestSchema>;

export const activationStartRequestSchema = activationPreviewRequestSchema
  .extend({
    sessionId: sessionIdSchema,
    schedule: scheduleSchema.optional(),
    window: sendingWindowSchema.optional(),
    waves: wavePlanSchema.optional(),
    manifestHash: manifestHashSchema.optional().meta({
      description: 'The start is refused with `manifest_changed` where another manifest would come out now.',
    }),
    manifest: z
      .record(z.string(), z.unknown())
      .refine((manifest) => isCanonicalizable(manifest), 'must be the manifest that has the hash')
      .optional()
      .meta({ description: 'That of `manifestHash`, so that the refusal can say what has changed.' }),
  })
  .meta({ id: 'ActivationStartRequest' });
export type ActivationStartRequest = z.infer<typeof activationStartRequestSchema>;

/** `POST …/:sessionId/schedule`: what is to change. */
export const rescheduleRequestSchema = z
  .strictObject({
    schedule: scheduleSchema.omit({ freezeAt: true }).optional(),
    window: orNull(sendingWindowSchema).optional().meta({ description: 'null: mail leaves at any time.' }),
  })
  .meta({ id: 'RescheduleRequest' });
export type RescheduleRequest = z.infer<typeof rescheduleRequestSchema>;

/** `POST …/:sessionId/next-wave`. */
export const nextWaveRequestSchema = z
  .strictObject({
    after: z.int().min(1).meta({ description: 'The number of the wave to go on from.' }),
    hold: z.int().min(0).optional().meta({
      description:
        '`waveHeld.hold` of the hold to go on from; 0: the wave was not held when the person decided. Nothing else is then gone on from. Left out: whatever holds the wave.',
    }),
  })
  .meta({ id: 'NextWaveRequest' });
export type NextWaveRequest = z.infer<typeof nextWaveRequestSchema>;

/** `POST /crm/activation/manifest`: a start request without the id. */
export const activationManifestRequestSchema = activationStartRequestSchema
  .omit({ sessionId: true, manifestHash: true, manifest: true })
  .meta({ id: 'ActivationManifestRequest' });
export type ActivationManifestRequest = z.infer<typeof activationManifestRequestSchema>;

const waitingForSchema = z
  .object({
    kind: z.enum(waitKinds),
    since: timeMs,
    warmUp: warmUpWaitSchema.exactOptional().meta({
      description: 'With `daily_cap`: the warm-up of the sender’s domain limits the day.',
    }),
  })
  .meta({ id: 'WaitingFor' });

/** `GET …/:sessionId/original`: what a session was started with, to start another one like it. */
export const originalActivationSchema = z
  .object({
    name: z.string(),
    templateId: templateIdSchema,
    templateVersion: z.int().min(1),
    audience: orNull(audienceSchema).meta({
      description:
        'Exactly that of the start request; null where a part of it was deleted since: search words at the end, everything by retention, and what names an erased person.',
    }),
  })
  .meta({ id: 'OriginalActivation' });
export type OriginalActivation = z.infer<typeof originalActivationSchema>;

export const activationPreviewSchema = z
  .object({
    total: count,
    willActivate: count,
    alreadyActive: count,
    suppressed: count,
    invalidAddress: count,
    recentlyMailed: count.meta({ description: 'Mailed within the days of `MAIL_MIN_DAYS_BETWEEN`.' }),
    sample: z.array(renderedMailSchema).max(limits.maxPreviewSampleCount),
    manifest: orNull(hashedManifestSchema).meta({
      description: 'What a start of this request would do; null while no mail can be sent.',
    }),
  })
  .meta({ id: 'ActivationPreview' });
export type ActivationPreview = z.infer<typeof activationPreviewSchema>;

export const progressSchema = z
  .object({
    sessionId: sessionIdSchema,
    name: z.string(),
    owner: z.string(),
    state: z.enum(sessionStates),
    reason: z.enum(sessionReasons).nullable(),
    rev: count,
    total: count,
    processed: count,
    activation: z.object({ activated: count, skipped: count, failed: count }),
    email: z.object({
      sent: count,
      failed: count,
      unknown: count,
      delivered: count,
      bounced: count,
      complained: count,
    }),
    crm: z
      .object({ provider: z.string(), inCrm: count, limitedBy: z.enum(['mail', 'crm']) })
      .exactOptional()
      .meta({
        description:
          'Leads that are active in the connected CRM, and which limit is the lower one. Absent where no CRM was connected at the start.',
      }),
    ratePerSecond: z.number().min(0),
    etaSeconds: z.number().min(0).nullable(),
    createdAt: timeMs,
    startsAt: timeMs.exactOptional().meta({
      description:
        'Until then nothing happens and the start can be undone. Set only while the activation waits for it.',
    }),
    schedule: scheduleSchema
      .extend({ startAt: timeMs })
      .exactOptional()
      .meta({ description: 'When it was scheduled to begin.' }),
    window: sendingWindowSchema.exactOptional(),
    waves: z.array(waveProgressSchema).exactOptional().meta({
      description:
        'Absent where it leaves in one. Those that are planned are as the count of the start has them.',
    }),
    waveHeld: waveHeldSchema.exactOptional().meta({ description: 'Only in the state `wave_held`.' }),
    approval: approvalFactsSchema.exactOptional(),
    takeBack: takeBackProgressSchema
      .exactOptional()
      .meta({ description: 'Its leads are, or were, made new again after its end.' }),
    startedAt: timeMs.nullable(),
    updatedAt: timeMs,
    finishedAt: timeMs.nullable(),
    waitingUntil: timeMs.nullable(),
    checkableUntil: timeMs.nullable(),
    waitingFor: orNull(waitingForSchema).meta({
      description: 'What an activation without progress waits for, and since when.',
    }),
    stalledSince: timeMs.nullable(),
    lastError: z.string().nullable(),
  })
  .meta({ id: 'Progress' }) satisfies z.ZodType<Progress>;

/** The answer to a start. */
export const startedActivationSchema = progressSchema
  .extend({
    manifestHash: orNull(manifestHashSchema).meta({
      description: 'Null for an activation that was started by version 0.1.',
    }),
  })
  .meta({ id: 'StartedActivation' });
export type StartedActivation = z.infer<typeof startedActivationSchema>;

/** `GET /crm/activation/:sessionId`: a session as a resource. */
export const activationSchema = z
  .object({
    sessionId: sessionIdSchema,
    progress: progressSchema,
    template: z
      .object({ id: templateIdSchema, version: z.int().min(1) })
      .meta({ description: 'The template, in the version that it sends.' }),
    manifest: sessionManifestSchema,
    links: z
      .object({
        progress: z.string(),
        stream: z.string(),
        issues: z.string(),
        leads: z.string(),
        timeline: z.string(),
        original: z.string(),
        receipt: z.string().nullable().meta({ description: 'Null until it has ended.' }),
      })
      .meta({ description: 'Paths of what belongs to it.' }),
  })
  .meta({ id: 'Activation' });
export type Activation = z.infer<typeof activationSchema>;

/** Parts of the list: begun and not ended, waiting for their time or for an approval, with results or a stop to look at, and by how they ended. */
export const activationViews = [
  'open',
  'scheduled',
  'approval',
  'attention',
  'completed',
  'cancelled',
] as const;
export type ActivationView = (typeof activationViews)[number];

export const activationListSchema = z
  .object({ activations: z.array(progressSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'ActivationList' });
export type ActivationList = z.infer<typeof activationListSchema>;

/** The result of one lead in one session. */
export const leadResultSchema = z
  .object({
    leadId: leadIdSchema,
    email: z.string().nullable().meta({ description: 'Null once erased.' }),
    name: z.string(),
    activation: z.enum(activationStates),
    skipReason: z.enum(skipReasons).nullable(),
    emailState: z.enum(emailStates).nullable().meta({ description: 'Null for leads that get no mail.' }),
    code: z.string().nullable(),
    message: z.string().nullable(),
    messageId: z.string().nullable().meta({ description: "The mail provider's id." }),
  })
  .meta({ id: 'LeadResult' });
export type LeadResult = z.infer<typeof leadResultSchema>;

/** `GET /crm/leads/:leadId/history`. */
export const leadHistorySchema = z
  .object({
    imports: z.array(
      z.object({
        importId: importIdSchema,
        fileName: z.string(),
        owner: z.string(),
        line: z.int().min(1),
        outcome: z.enum(['created', 'updated', 'unchanged']),
        at: timeMs,
      }),
    ),
    edits: z
      .array(z.object({ at: timeMs, by: z.string(), fields: z.array(z.string()) }))
      .max(limits.maxLeadEditCount)
      .meta({ description: 'Edits by people, the newest first; the last of them only.' }),
    activation: z
      .object({
        sessionId: z.string(),
        name: z.string().nullable().meta({ description: 'Null once the activation is erased.' }),
        owner: z.string().nullable(),
        at: timeMs,
        mail: z
          .object({
            sentAt: timeMs.nullable(),
            to: z.string(),
            subject: z.string(),
            html: z.string(),
            text: z.string(),
          })
          .nullable()
          .meta({
            description: 'The email as it was sent; null where that is not known, or there was none.',
          }),
        result: orNull(leadResultSchema).meta({ description: 'The mail and what became of it.' }),
      })
      .nullable(),
    takenBack: z
      .object({
        sessionId: z.string(),
        name: z.string().nullable().meta({ description: 'Null once the activation is erased.' }),
        by: z.string().nullable().meta({ description: 'Who had it taken back.' }),
        at: timeMs,
      })
      .nullable()
      .meta({ description: 'The activation that last made the lead new again.' }),
  })
  .meta({ id: 'LeadHistory' });
export type LeadHistory = z.infer<typeof leadHistorySchema>;

export const leadResultPageSchema = z
  .object({ leads: z.array(leadResultSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'LeadResultPage' });
export type LeadResultPage = z.infer<typeof leadResultPageSchema>;

export const issueSchema = z
  .object({
    track: z.enum(['activation', 'email']),
    state: z.enum(['failed', 'unknown', 'skipped']),
    code: z.string(),
    message: z.string(),
    count,
  })
  .meta({ id: 'Issue' }) satisfies z.ZodType<Issue>;

export const issueListSchema = z
  .object({ rev: count, issues: z.array(issueSchema) })
  .meta({ id: 'IssueList' });
export type IssueList = z.infer<typeof issueListSchema>;

/** `POST …/retry`: mail again what failed, or what is unknown (which may duplicate). */
export const retryRequestSchema = z
  .strictObject({ outcome: z.enum(['failed', 'unknown']) })
  .meta({ id: 'RetryRequest' });
