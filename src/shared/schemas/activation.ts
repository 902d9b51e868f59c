/**
 * The wire contract as zod schemas: what the routes validate with and what /openapi.json is made of.
 *
 * Owns: shapes and bounds of every request and response. Never: defaults that need a clock, SQL, HTTP.
 * The web app takes only types from here, so that zod stays out of its bundle.
 *
 * @module
 */
import { z } from 'zod';
import { customFieldPattern } from '../custom-fields.ts';
import {
  importDelimiters,
  importEncodings,
  importFields,
  type ColumnMapping,
  type ImportField,
} from '../imports/import-file.ts';
import { limits } from '../limits.ts';
import { problemCatalog, type Problem, type ProblemCode } from '../problem.ts';
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
import { roles } from '../roles.ts';
import { sessionIdPattern } from '../session-id.ts';

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
    custom: z.record(z.string(), z.string()).meta({ description: 'Fields of your own, by name.' }),
    status: z.enum(leadStatuses),
    activatedAt: timeMs.nullable(),
    activatedBy: z.string().nullable().meta({ description: 'The session that activated the lead.' }),
    importId: z.string().nullable(),
    createdAt: timeMs,
    updatedAt: timeMs,
  })
  .meta({ id: 'Lead' });
export type Lead = z.infer<typeof leadSchema>;

export const customFieldNameSchema = z
  .string()
  .regex(customFieldPattern, 'must be a lower-case word of letters, digits and _');

const customFieldsSchema = z
  .record(customFieldNameSchema, z.string().trim().max(limits.maxCustomValueLength))
  .refine(
    (fields) => Object.keys(fields).length <= limits.maxCustomFieldCount,
    `a lead has at most ${limits.maxCustomFieldCount} custom fields`,
  )
  .meta({ description: 'All custom fields of the lead; those that are empty or left out are removed.' });

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
    custom: customFieldsSchema,
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
      .meta({
        description:
          'Words, all of which must be there: each begins a word of the name, company or email address. One with a dot ' +
          'in it (`example.com`) is the end of a domain from one of its labels, also in a name or company, or begins ' +
          'the address. `@example.com` is the domain of the address, `@exa` its beginning; with something before ' +
          'the @ it begins the address.',
      }),
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

/** What a search looks into. */
export const searchedFields = ['firstName', 'lastName', 'company', 'email'] as const satisfies (keyof Lead)[];
export type SearchedField = (typeof searchedFields)[number];

export const leadMatchSchema = z
  .object({
    field: z.enum(searchedFields),
    ranges: z.array(z.tuple([count, count])).meta({
      description: 'From and up to which UTF-16 unit of the field, in order; they do not overlap.',
    }),
  })
  .meta({ id: 'LeadMatch', description: 'Where a search was found in a field of a lead.' });
export type LeadMatch = z.infer<typeof leadMatchSchema>;

export const foundLeadSchema = leadSchema
  .extend({
    matched: z
      .array(leadMatchSchema)
      .exactOptional()
      .meta({ description: 'Where the search was found; only where there was one.' }),
  })
  .meta({ id: 'FoundLead' });
export type FoundLead = z.infer<typeof foundLeadSchema>;

export const leadPageSchema = z
  .object({
    leads: z.array(foundLeadSchema),
    nextCursor: z.string().nullable(),
    total: count.meta({
      description: 'Leads that match, over all pages; at least so many where `isTotalExact` is false.',
    }),
    isTotalExact: z.boolean().meta({
      description: 'False where many leads match and an exact count would make the page wait for it.',
    }),
  })
  .meta({ id: 'LeadPage' });
export type LeadPage = z.infer<typeof leadPageSchema>;

// ── imports ──────────────────────────────────────────────────────────────────────────────────────

export const importIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be up to 64 letters, digits, - and _')
  .meta({
    id: 'ImportId',
    description: 'Name of one import, made by the client.',
    example: 'import_1704123456789_a7bc3d2f1',
  });

export const importStates = ['open', 'done', 'undoing', 'undone'] as const;
export type ImportState = (typeof importStates)[number];

const columnIndexes = z
  .array(
    z
      .int()
      .min(0)
      .max(limits.maxImportColumnCount - 1),
  )
  .max(limits.maxImportColumnCount)
  .default([]);

export const columnMappingSchema = z
  .strictObject({
    email: columnIndexes.refine((indexes) => indexes.length > 0, 'name at least one column of addresses'),
    ...(Object.fromEntries(
      importFields.filter((field) => field !== 'email').map((field) => [field, columnIndexes]),
    ) as Record<Exclude<ImportField, 'email'>, typeof columnIndexes>),
    custom: z
      .record(customFieldNameSchema, columnIndexes)
      .refine(
        (fields) => Object.keys(fields).length <= limits.maxCustomFieldCount,
        `a lead has at most ${limits.maxCustomFieldCount} custom fields`,
      )
      .exactOptional()
      .meta({ description: 'The same for custom fields, by name.' }),
  })
  .meta({
    id: 'ColumnMapping',
    description: 'For each field the indexes of the columns it is read from, the preferred first.',
  }) satisfies z.ZodType<ColumnMapping>;

/** How a client makes rows of its file; kept so that it can go on with another copy of itself. */
export const importReadingSchema = z
  .strictObject({
    encoding: z.enum(importEncodings).nullable(),
    delimiter: z.enum(importDelimiters),
    hasHeader: z.boolean(),
    sheet: z
      .int()
      .min(0)
      .max(1_000)
      .exactOptional()
      .meta({ description: 'Of a spreadsheet, the sheet that is read, counted from 0.' }),
  })
  .meta({ id: 'ImportReading', description: 'How the client reads the file; kept for it to go on later.' });
export type ImportReading = z.infer<typeof importReadingSchema>;

/** `POST /crm/imports`: how a file is to be read. */
export const importOpenRequestSchema = z
  .strictObject({
    importId: importIdSchema.optional(),
    fileName: z.string().trim().min(1).max(255),
    sizeBytes: z.int().min(0).nullable().default(null),
    headHash: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex')
      .nullable()
      .default(null)
      .meta({ description: "Hash of the file's beginning, by which a client knows the file again." }),
    columns: z
      .array(z.string().max(limits.maxFieldLength))
      .max(limits.maxImportColumnCount)
      .default([])
      .meta({ description: "The file's header, for the CSV of rejected rows." }),
    mapping: columnMappingSchema,
    consentSource: z
      .string()
      .trim()
      .max(limits.maxFieldLength)
      .default('')
      .meta({ description: 'How the people agreed to be mailed; for rows that do not say so themselves.' }),
    source: z.string().trim().max(limits.maxFieldLength).default(''),
    reading: importReadingSchema.nullable().default(null),
  })
  .meta({ id: 'ImportOpenRequest' });
export type ImportOpenRequest = z.infer<typeof importOpenRequestSchema>;

export const importCountsSchema = z
  .object({
    created: count,
    updated: count,
    unchanged: count,
    duplicate: count.meta({ description: 'Rows whose address an earlier row of the file has.' }),
    rejected: count,
    unmailable: count.meta({
      description: 'Of the rows taken, those with an address no provider would take.',
    }),
  })
  .meta({ id: 'ImportCounts' });
export type ImportCounts = z.infer<typeof importCountsSchema>;

export const importSchema = z
  .object({
    importId: importIdSchema,
    state: z.enum(importStates),
    owner: z.string(),
    fileName: z.string(),
    sizeBytes: count.nullable(),
    headHash: z.string().nullable(),
    columns: z.array(z.string()),
    mapping: columnMappingSchema,
    consentSource: z.string(),
    source: z.string(),
    reading: importReadingSchema.nullable(),
    nextSeq: count.meta({ description: 'The chunk that is awaited.' }),
    nextLine: z.int().min(1).meta({ description: 'Rows that begin before this line are in.' }),
    counts: importCountsSchema,
    removed: count.meta({ description: 'Leads that its undoing removed.' }),
    createdAt: timeMs,
    updatedAt: timeMs,
    finishedAt: timeMs.nullable(),
    cellsDroppedAt: timeMs.nullable().meta({
      description: 'When the cells of its rows that were not taken were let go; lines and reasons stay.',
    }),
  })
  .meta({ id: 'Import' });
export type Import = z.infer<typeof importSchema>;

export const importListSchema = z
  .object({ imports: z.array(importSchema), nextCursor: z.string().nullable() })
  .meta({ id: 'ImportList' });
export type ImportList = z.infer<typeof importListSchema>;

/** `PUT /crm/imports/:importId/chunks/:seq`: the next rows of the file. */
export const importChunkRequestSchema = z
  .strictObject({
    rows: z
      .array(
        z.strictObject({
          line: z
            .int()
            .min(1)
            .max(Number.MAX_SAFE_INTEGER - 1),
          cells: z.array(z.string()).max(limits.maxImportColumnCount),
        }),
      )
      .min(1)
      .max(limits.maxImportChunkRowCount)
      .refine((rows) => rows.every((row, at) => row.line > (rows[at - 1]?.line ?? 0)), 'lines must rise'),
  })
  .meta({ id: 'ImportChunkRequest' });
export type ImportChunkRequest = z.infer<typeof importChunkRequestSchema>;

/** `POST /crm/imports/check`: rows of a file, and how they would be read. */
export const importCheckRequestSchema = z
  .strictObject({
    mapping: columnMappingSchema,
    consentSource: importOpenRequestSchema.shape.consentSource,
    source: importOpenRequestSchema.shape.source,
    rows: importChunkRequestSchema.shape.rows,
  })
  .meta({ id: 'ImportCheckRequest' });
export type ImportCheckRequest = z.infer<typeof importCheckRequestSchema>;

export const importIssueSchema = z
  .object({
    line: z.int().min(1),
    outcome: z.enum(['rejected', 'duplicate_in_file']),
    reason: z.string(),
  })
  .meta({ id: 'ImportIssue', description: 'A row that was not taken, and why.' });
export type ImportIssue = z.infer<typeof importIssueSchema>;

export const importChunkSchema = z
  .object({
    seq: count,
    counts: importCountsSchema,
    issues: z.array(importIssueSchema),
    import: importSchema,
  })
  .meta({ id: 'ImportChunk', description: 'What became of the rows of one chunk.' });
export type ImportChunk = z.infer<typeof importChunkSchema>;

// ── what the leads page offers ───────────────────────────────────────────────────────────────────

export const leadValuesSchema = z
  .object({
    source: z.array(z.string()),
    stage: z.array(z.string()),
    consentSource: z.array(z.string()),
    custom: z.array(z.string()).meta({ description: 'Names of custom fields.' }),
  })
  .meta({
    id: 'LeadValues',
    description: `Values that leads have, up to ${limits.maxLeadValueCount} of each.`,
  });
export type LeadValues = z.infer<typeof leadValuesSchema>;

export const viewRequestSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(limits.maxNameLength),
    query: z.string().max(limits.maxViewQueryLength).meta({ description: 'Query string of the leads page.' }),
  })
  .meta({ id: 'ViewRequest' });

export const viewSchema = z
  .object({ viewId: z.int().min(1), name: z.string(), query: z.string(), createdAt: timeMs })
  .meta({ id: 'View' });
export type View = z.infer<typeof viewSchema>;

export const viewListSchema = z.object({ views: z.array(viewSchema) }).meta({ id: 'ViewList' });

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
    isBuiltin: z.boolean().meta({ description: 'It comes with the product: to be copied, not changed.' }),
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
    startsAt: timeMs.exactOptional().meta({
      description: 'Until then nothing happens and the start can be undone; only while it waits so.',
    }),
    startedAt: timeMs.nullable(),
    updatedAt: timeMs,
    finishedAt: timeMs.nullable(),
    waitingUntil: timeMs.nullable(),
    checkableUntil: timeMs.nullable(),
    waitingFor: z
      .object({ kind: z.enum(waitKinds), since: timeMs })
      .nullable()
      .meta({ description: 'What a run that does not move waits for, and since when.' }),
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

/** `GET /crm/leads/:id/history`. */
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
    activation: z
      .object({
        sessionId: z.string(),
        name: z.string().nullable().meta({ description: 'Null once the activation is erased.' }),
        owner: z.string().nullable(),
        at: timeMs,
        result: leadResultSchema.nullable().meta({ description: 'The mail and its fate.' }),
      })
      .nullable(),
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

/** What the running app is connected to; the web app shows it. */
export const settingsSchema = z
  .object({
    user: z.object({ email: z.string(), name: z.string(), role: z.enum(roles) }),
    retentionDays: z.number().meta({ description: 'For so long a run that has ended knows whom it mailed.' }),
    dataJurisdiction: z
      .string()
      .nullable()
      .meta({ description: 'Where the database and all activations are kept; null: no jurisdiction.' }),
    mail: z.object({
      provider: z.string(),
      from: z.string(),
      inboxUrl: z.string().nullable().meta({ description: 'Inbox page of the stand-in mail API.' }),
      callsPerSecond: z.number(),
    }),
    activate: z.object({
      confirmAbove: count.meta({ description: 'Above so many leads a person types the count to start.' }),
      undoSeconds: z.number().min(0).meta({ description: 'For so long a start can be undone.' }),
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
