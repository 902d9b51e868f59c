/**
 * The wire contract as zod schemas: what the routes validate with and what /openapi.json is made of.
 *
 * Owns: shapes and bounds of every request and response. Never: defaults that need a clock, SQL, HTTP.
 * The web app takes only types from here, so that zod stays out of its bundle.
 *
 * @module
 */
import { z } from 'zod';
import { limits } from './limits.ts';
import { problemCatalog, type Problem, type ProblemCode } from './problem.ts';
import {
  activationStates,
  emailStates,
  sessionReasons,
  sessionStates,
  skipReasons,
  type Issue,
  type Progress,
} from './progress.ts';
import { sessionIdPattern } from './session-id.ts';

const count = z.int().min(0);
const timeMs = z.int().min(0).meta({ description: 'Epoch milliseconds.' });

export const sessionIdSchema = z
  .string()
  .regex(sessionIdPattern, 'must look like activation_1704123456789_a7bc3d2f1')
  .meta({
    id: 'SessionId',
    description: 'Name of one bulk activation, made by the client; also the idempotency key of its start.',
    example: 'activation_1704123456789_a7bc3d2f1',
  });

export const leadIdSchema = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

// ── leads ────────────────────────────────────────────────────────────────────────────────────────

export const leadStatuses = ['new', 'active'] as const;
export type LeadStatus = (typeof leadStatuses)[number];

export const leadSchema = z
  .object({
    id: leadIdSchema,
    email: z.string(),
    firstName: z.string(),
    lastName: z.string(),
    company: z.string(),
    phone: z.string(),
    source: z.string(),
    stage: z.string(),
    notes: z.string(),
    consentSource: z.string(),
    status: z.enum(leadStatuses),
    activatedAt: timeMs.nullable(),
    activatedBy: z.string().nullable().meta({ description: 'The session that activated the lead.' }),
    importId: z.string().nullable(),
    createdAt: timeMs,
    updatedAt: timeMs,
  })
  .meta({ id: 'Lead' });
export type Lead = z.infer<typeof leadSchema>;

/** `PATCH /crm/leads/:id`: the fields that a person may edit; those left out stay as they are. */
export const leadPatchSchema = z
  .strictObject({
    email: z.email().max(limits.maxEmailLength),
    firstName: z.string().trim().max(limits.maxFieldLength),
    lastName: z.string().trim().max(limits.maxFieldLength),
    company: z.string().trim().max(limits.maxFieldLength),
    phone: z.string().trim().max(limits.maxFieldLength),
    source: z.string().trim().max(limits.maxFieldLength),
    stage: z.string().trim().max(limits.maxFieldLength),
    notes: z.string().trim().max(limits.maxNotesLength),
    consentSource: z.string().trim().max(limits.maxFieldLength),
  })
  .partial()
  .meta({ id: 'LeadPatch' });
export type LeadPatch = z.infer<typeof leadPatchSchema>;

/** The choice of leads by properties; all given properties must hold. */
export const leadFilterSchema = z
  .strictObject({
    status: z.enum(leadStatuses).optional(),
    search: z
      .string()
      .trim()
      .max(limits.maxSearchLength)
      .optional()
      .meta({ description: 'Words; each must begin a word of the name, company or e-mail address.' }),
    source: z.string().max(limits.maxFieldLength).optional(),
    stage: z.string().max(limits.maxFieldLength).optional(),
    consentSource: z.string().max(limits.maxFieldLength).optional(),
    importId: z.string().max(64).optional(),
    createdFrom: timeMs.optional(),
    createdTo: timeMs.optional(),
    activatedFrom: timeMs.optional(),
    activatedTo: timeMs.optional(),
  })
  .meta({ id: 'LeadFilter' });
export type LeadFilter = z.infer<typeof leadFilterSchema>;

export const leadSorts = [
  '-id',
  'id',
  'email',
  '-email',
  'lastName',
  '-lastName',
  'company',
  '-company',
] as const;
export type LeadSort = (typeof leadSorts)[number];

export const leadPageSchema = z
  .object({
    leads: z.array(leadSchema),
    nextCursor: z.string().nullable(),
    total: count.meta({ description: 'Leads that match, over all pages.' }),
  })
  .meta({ id: 'LeadPage' });
export type LeadPage = z.infer<typeof leadPageSchema>;

// ── templates ────────────────────────────────────────────────────────────────────────────────────

export const templateIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be lower-case words joined by -');

export const templateSummarySchema = z
  .object({
    id: templateIdSchema,
    name: z.string(),
    version: z.int().min(1),
    subject: z.string(),
    description: z.string(),
  })
  .meta({ id: 'TemplateSummary' });
export type TemplateSummary = z.infer<typeof templateSummarySchema>;

export const templateListSchema = z
  .object({ templates: z.array(templateSummarySchema) })
  .meta({ id: 'TemplateList' });

// ── activations ──────────────────────────────────────────────────────────────────────────────────

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
  .extend({ sessionId: sessionIdSchema })
  .meta({ id: 'ActivationStartRequest' });
export type ActivationStartRequest = z.infer<typeof activationStartRequestSchema>;

export const renderedMailSchema = z
  .object({
    leadId: leadIdSchema,
    to: z.string(),
    subject: z.string(),
    html: z.string(),
    text: z.string(),
  })
  .meta({ id: 'RenderedMail' });
export type RenderedMail = z.infer<typeof renderedMailSchema>;

export const activationPreviewSchema = z
  .object({
    total: count,
    willActivate: count,
    alreadyActive: count,
    suppressed: count,
    invalidAddress: count,
    sample: z.array(renderedMailSchema).max(limits.maxPreviewSampleCount),
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
    ratePerSecond: z.number().min(0),
    etaSeconds: z.number().min(0).nullable(),
    createdAt: timeMs,
    startedAt: timeMs.nullable(),
    updatedAt: timeMs,
    finishedAt: timeMs.nullable(),
    waitingUntil: timeMs.nullable(),
    stalledSince: timeMs.nullable(),
    lastError: z.string().nullable(),
  })
  .meta({ id: 'Progress' }) satisfies z.ZodType<Progress>;

export const activationListSchema = z
  .object({ activations: z.array(progressSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'ActivationList' });
export type ActivationList = z.infer<typeof activationListSchema>;

/** What became of one lead in one session. */
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

/** What the running app is connected to; the web app shows it. */
export const settingsSchema = z
  .object({
    user: z.object({ email: z.string(), name: z.string() }),
    mail: z.object({
      provider: z.string(),
      from: z.string(),
      inboxUrl: z.string().nullable().meta({ description: 'Inbox page of the stand-in mail API.' }),
      callsPerSecond: z.number(),
    }),
  })
  .meta({ id: 'Settings' });
export type Settings = z.infer<typeof settingsSchema>;

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(problemCatalog) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string(),
    instance: z.string(),
    requestId: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' }) satisfies z.ZodType<Problem>;
