/**
 * The wire contract of mail, as zod schemas: templates, suppressions, the sender check. The web app imports only
 * types from here.
 *
 * @module
 */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { audienceSchema } from './activation.ts';
import { count, leadIdSchema, suppressionReasons, templateIdSchema, timeMs } from './common.ts';

// ── templates ────────────────────────────────────────────────────────────────────────────────────

export const templateSummarySchema = z
  .object({
    id: templateIdSchema,
    name: z.string(),
    version: z.int().min(1),
    subject: z.string(),
    description: z.string(),
    isBuiltin: z.boolean().meta({ description: 'Built in: it can be copied, not changed.' }),
  })
  .meta({ id: 'TemplateSummary' });
export type TemplateSummary = z.infer<typeof templateSummarySchema>;

export const listedTemplateSchema = templateSummarySchema
  .extend({
    lastUsedAt: timeMs.nullable().meta({
      description: 'When an activation was last started with it; null where none of the recent ones was.',
    }),
  })
  .meta({ id: 'ListedTemplate' });
export type ListedTemplate = z.infer<typeof listedTemplateSchema>;

export const templateListSchema = z
  .object({ templates: z.array(listedTemplateSchema) })
  .meta({ id: 'TemplateList' });

export { suppressionReasons, type SuppressionReason } from './common.ts';

// ── suppressions ─────────────────────────────────────────────────────────────────────────────────

/** An address's hash, as base64url of 32 bytes. */
export const suppressionIdSchema = z.string().regex(/^[\w-]{43}$/, 'must be the id of a suppression');

export const suppressionSchema = z
  .object({
    id: suppressionIdSchema.meta({ description: 'The keyed hash of the address.' }),
    reason: z.enum(suppressionReasons),
    createdAt: timeMs,
    label: z
      .string()
      .nullable()
      .meta({ description: 'The address as a person typed it; null when nobody did.' }),
    addedBy: z.string().nullable(),
    note: z.string(),
    sessionId: z.string().nullable().meta({ description: 'The session whose mail led to it.' }),
    lead: z
      .object({ id: z.int().min(1), name: z.string(), email: z.string() })
      .nullable()
      .meta({ description: 'The lead with this address; null where there is none, or none any more.' }),
  })
  .meta({ id: 'Suppression' });
export type Suppression = z.infer<typeof suppressionSchema>;

export const suppressionPageSchema = z
  .object({ suppressions: z.array(suppressionSchema), nextCursor: z.string().nullable(), total: count })
  .meta({ id: 'SuppressionPage' });
export type SuppressionPage = z.infer<typeof suppressionPageSchema>;

/** An address goes in a body, never in a URL. */
export const suppressionSearchSchema = z
  .strictObject({ address: z.string().trim().min(1).max(limits.maxEmailLength) })
  .meta({ id: 'SuppressionSearch' });

const note = z.string().trim().max(500);

/** Addresses of one request: the body may have 512 kB, and an address 254 bytes. */
const maxSuppressionCount = 2_000;

export const suppressionAddSchema = z
  .strictObject({
    addresses: z
      .array(z.string().max(1_000))
      .min(1, 'give at least one address')
      .max(maxSuppressionCount)
      .meta({ description: 'Invalid addresses are left out and reported by their position.' }),
    reason: z.enum(['manual', 'imported']),
    note: note.default(''),
  })
  .meta({ id: 'SuppressionAdd' });

export const suppressionImportSchema = z
  .object({
    addedCount: count,
    knownCount: count.meta({ description: 'Addresses that were suppressed already.' }),
    invalidLines: z.array(z.int().min(1)).meta({ description: 'Positions of invalid addresses, from 1.' }),
  })
  .meta({ id: 'SuppressionImport' });
export type SuppressionImport = z.infer<typeof suppressionImportSchema>;

export const suppressionRemoveSchema = z
  .strictObject({ note: note.min(3, 'say why this address may be mailed again') })
  .meta({ id: 'SuppressionRemove' });

// ── templates ────────────────────────────────────────────────────────────────────────────────────

/** Gmail cuts a mail at 102 kB. */
const source = z.string().max(100_000);

const templateContent = {
  name: z.string().trim().min(1, 'give it a name').max(limits.maxNameLength),
  description: z.string().trim().max(300).default(''),
  subject: z.string().max(1_000),
  html: source,
  text: source.meta({ description: 'When empty, it is made from the HTML.' }),
};

export const templateSchema = templateSummarySchema
  .extend({
    html: z.string(),
    text: z.string(),
    updatedAt: timeMs.nullable(),
    updatedBy: z.string().nullable(),
  })
  .meta({ id: 'Template' });
export type TemplateDetail = z.infer<typeof templateSchema>;

export const templateCreateSchema = z.strictObject(templateContent).meta({ id: 'TemplateCreate' });
export type TemplateCreate = z.infer<typeof templateCreateSchema>;

export const templateUpdateSchema = z
  .strictObject({
    ...templateContent,
    baseVersion: z
      .int()
      .min(1)
      .meta({ description: 'The version that was edited; 409 when it is not the current one.' }),
  })
  .meta({ id: 'TemplateUpdate' });
export type TemplateUpdate = z.infer<typeof templateUpdateSchema>;

export const templateVersionListSchema = z
  .object({
    versions: z.array(
      z.object({ version: z.int().min(1), subject: z.string(), createdAt: timeMs, createdBy: z.string() }),
    ),
  })
  .meta({ id: 'TemplateVersionList' });
export type TemplateVersionList = z.infer<typeof templateVersionListSchema>;

export const templateDraftSchema = z
  .strictObject({ subject: templateContent.subject, html: source, text: source })
  .meta({ id: 'TemplateDraft', description: 'A template as in the editor.' });
export type TemplateDraft = z.infer<typeof templateDraftSchema>;

export const templatePreviewRequestSchema = templateDraftSchema
  .extend({ leadId: leadIdSchema.optional().meta({ description: 'Left out: a made-up lead.' }) })
  .meta({ id: 'TemplatePreviewRequest' });

/** The fault of a part, for the author. */
export const templateFaultSchema = z.object({
  part: z.enum(['subject', 'html', 'text']),
  code: z.string(),
  message: z.string(),
});

export const templatePreviewSchema = z
  .object({
    mail: z.object({ to: z.string(), subject: z.string(), html: z.string(), text: z.string() }).nullable(),
    fault: templateFaultSchema.nullable(),
    unknownFields: z.array(z.string()).meta({ description: 'Fields that no lead has.' }),
    isTextMade: z.boolean().meta({ description: 'The plain text was made from the HTML.' }),
  })
  .meta({ id: 'TemplatePreview' });
export type TemplatePreview = z.infer<typeof templatePreviewSchema>;

export const templateCheckRequestSchema = templateDraftSchema
  .extend({ audience: audienceSchema })
  .meta({ id: 'TemplateCheckRequest' });

export const templateCheckSchema = z
  .object({
    leadCount: count.meta({ description: 'Leads of the audience that would get mail.' }),
    unknownFields: z.array(z.string()),
    emptyFields: z
      .array(z.object({ field: z.string(), emptyCount: count }))
      .meta({ description: 'Fields that the template uses and that some of the leads lack.' }),
  })
  .meta({ id: 'TemplateCheck' });
export type TemplateCheck = z.infer<typeof templateCheckSchema>;

export const templateTestRequestSchema = templatePreviewRequestSchema.meta({ id: 'TemplateTestRequest' });

export const templateTestSchema = z
  .object({ to: z.string(), messageId: z.string().nullable() })
  .meta({ id: 'TemplateTest' });

// ── sender check ─────────────────────────────────────────────────────────────────────────────────

export const checkStatuses = ['ok', 'missing', 'warning', 'unknown', 'not_needed'] as const;

export const senderCheckSchema = z
  .object({
    isStandIn: z.boolean().meta({ description: 'Mail goes to a stand-in on this machine; nothing is sent.' }),
    isReady: z.boolean().meta({ description: 'A start is not refused because of missing settings.' }),
    domain: z.string(),
    provider: z.string(),
    checks: z.array(
      z.object({
        id: z.string(),
        title: z.string(),
        status: z.enum(checkStatuses),
        detail: z.string(),
        isRequired: z.boolean().meta({ description: 'A start is refused without it.' }),
      }),
    ),
  })
  .meta({ id: 'SenderCheck' });
export type SenderCheck = z.infer<typeof senderCheckSchema>;

// ── the test inbox ───────────────────────────────────────────────────────────────────────────────

export const testMailIdSchema = z.string().regex(/^[\w-]{1,64}$/, 'must be the id of an email');

export const testMailSchema = z
  .object({
    id: testMailIdSchema,
    to: z.array(z.string()),
    from: z.string(),
    subject: z.string(),
    sentAt: timeMs.nullable(),
  })
  .meta({ id: 'TestMail', description: 'An email that the stand-in of local development took.' });
export type TestMail = z.infer<typeof testMailSchema>;

export const testInboxSchema = z
  .object({ mails: z.array(testMailSchema), total: count })
  .meta({ id: 'TestInbox' });
export type TestInbox = z.infer<typeof testInboxSchema>;

export const testMailContentSchema = testMailSchema
  .extend({ html: z.string(), text: z.string() })
  .meta({ id: 'TestMailContent' });
export type TestMailContent = z.infer<typeof testMailContentSchema>;
