/**
 * The wire contract of leads, as zod schemas: leads, filters, lists, known values and saved views.
 *
 * Owns forms and bounds of requests and responses. The routes validate with them, and /openapi.json is made from
 * them. Has no defaults that need a clock, no SQL and no HTTP. The web app imports only types from here, so that zod
 * stays out of its bundle.
 *
 * @module
 */
import { z } from 'zod';
import { customFieldPattern } from '../custom-fields.ts';
import { fieldsWith, leadFieldNames, leadFields, perField, type FieldWith } from '../lead-fields.ts';
import { externalSourcePattern } from '../external-source.ts';
import { limits } from '../limits.ts';
import { count, leadIdSchema, orNull, suppressionReasons, timeMs } from './common.ts';

/** Codes with which one lead of an upsert is refused. */
export const upsertProblemCodes = [
  'invalid_request',
  'text_too_long',
  'too_many_items',
  'email_taken',
  'external_id_mismatch',
] as const;
export type UpsertProblemCode = (typeof upsertProblemCodes)[number];

export const leadStatuses = ['new', 'active'] as const;
export type LeadStatus = (typeof leadStatuses)[number];

/** Control characters, line ends and halves of characters: none of them can be typed or looked for. */
const isPlain = (text: string): boolean => !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(text);
const plainRule = 'must not have control characters or line ends';

/** What another system knows a lead by. */
export const externalIdSchema = z
  .strictObject({
    source: z
      .string()
      .max(limits.maxExternalSourceLength)
      .regex(externalSourcePattern, 'must be a lower-case word of letters, digits, dots, _ and -')
      .meta({ description: 'The name of the system.' }),
    id: z
      .string()
      .trim()
      .min(1)
      .max(limits.maxExternalIdLength)
      .refine(isPlain, plainRule)
      .meta({ description: 'The id that the lead has there; upper and lower case differ.' }),
  })
  .meta({
    id: 'ExternalId',
    description: 'What another system knows the lead by. No other lead has the same.',
  });
export type ExternalId = z.infer<typeof externalIdSchema>;

export const tagSchema = z
  .string()
  .trim()
  .min(1)
  .max(limits.maxTagLength)
  .regex(/^[^,;]+$/, 'must not have commas or semicolons')
  .refine(isPlain, plainRule);

/** The tags of a lead, in their order and each once. */
export const tagsSchema = z
  .array(tagSchema)
  .max(limits.maxTagCount)
  .meta({ description: 'All tags of the lead; each counts once. Upper and lower case differ.' });

export const leadSchema = z
  .object({
    id: leadIdSchema,
    externalId: orNull(externalIdSchema),
    ...perField(leadFieldNames, () => z.string()),
    tags: z.array(z.string()).meta({ description: 'In the order of their characters.' }),
    custom: z.record(z.string(), z.string()).meta({ description: 'Custom fields, by name.' }),
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

/** `PATCH /crm/leads/:leadId`: the fields that a person may edit; left out ones do not change. */
export const leadPatchSchema = z
  .strictObject({
    ...perField(leadFieldNames, (field) => z.string().trim().max(leadFields[field].maxLength)),
    email: z.email().max(leadFields.email.maxLength),
    custom: customFieldsSchema,
    tags: tagsSchema,
    externalId: orNull(externalIdSchema),
  })
  .partial()
  .meta({ id: 'LeadPatch' });
export type LeadPatch = z.infer<typeof leadPatchSchema>;

const filterFields = fieldsWith('filter');

/** One value, or several of which any may be the lead's. */
const valuesSchema = (maxLength: number) => {
  const value = z.string().max(maxLength);
  return z.union([value, z.array(value).min(1).max(limits.maxFilterValueCount)]);
};

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
    ...perField(filterFields, (field) => valuesSchema(leadFields[field].maxLength).optional()),
    tag: valuesSchema(limits.maxTagLength).optional(),
    externalSource: valuesSchema(limits.maxExternalSourceLength).optional(),
    importId: z.string().max(64).optional(),
    createdFrom: timeMs.optional(),
    createdTo: timeMs.optional(),
    activatedFrom: timeMs.optional(),
    activatedTo: timeMs.optional(),
    notMailedSince: timeMs
      .optional()
      .meta({ description: 'Only leads that no activation was to mail at this time or later.' }),
  })
  .meta({ id: 'LeadFilter' });
export type AudienceFilter = z.infer<typeof leadFilterSchema>;

/**
 * The filter of the list. An external id may name a person, so it is no part of an audience, which manifests and
 * receipts keep.
 */
export const leadListFilterSchema = leadFilterSchema.extend({
  externalId: z.string().max(limits.maxExternalIdLength).optional().meta({
    description: 'The id in another system; in any, where there is no `externalSource`.',
  }),
});
export type LeadFilter = z.infer<typeof leadListFilterSchema>;

type SortedField = 'id' | FieldWith<'sort'>;

/** A minus: from the highest value to the lowest. */
export type LeadSort = SortedField | `-${SortedField}`;
export const leadSorts: readonly LeadSort[] = [
  // The list is sorted by newest first by default.
  '-id',
  'id',
  ...fieldsWith('sort').flatMap((field) => [field, `-${field}`] as const),
];

export type SearchedField = FieldWith<'search'>;
/** The fields that a search reads, in the order of the matches: the address last. */
export const searchedFields: readonly SearchedField[] = [
  ...fieldsWith('search').filter((field) => field !== 'email'),
  'email',
];

export const leadMatchSchema = z
  .object({
    field: z.enum(searchedFields),
    ranges: z.array(z.tuple([count, count])).meta({
      description: 'Start and end of each match in UTF-16 units of the field, in order and without overlaps.',
    }),
  })
  .meta({ id: 'LeadMatch', description: 'The matches of a search in a field of a lead.' });
export type LeadMatch = z.infer<typeof leadMatchSchema>;

/** Why a lead gets no email, whatever activates it. */
export const unmailableReasons = [...suppressionReasons, 'invalid_address'] as const;
export type Unmailable = (typeof unmailableReasons)[number];

const unmailableSchema = z.enum(unmailableReasons).nullable().meta({
  description: 'Why the lead gets no email: its address is suppressed or invalid; null: it can get some.',
});

export const foundLeadSchema = leadSchema
  .extend({
    unmailable: unmailableSchema,
    matched: z
      .array(leadMatchSchema)
      .exactOptional()
      .meta({ description: 'The matches of the search, if there was one.' }),
  })
  .meta({ id: 'FoundLead' });
export type FoundLead = z.infer<typeof foundLeadSchema>;

export const leadDetailSchema = leadSchema
  .extend({
    unmailable: unmailableSchema,
    suppression: z
      .object({
        reason: z.enum(suppressionReasons),
        createdAt: timeMs,
        addedBy: z.string().nullable(),
        note: z.string(),
        sessionId: z.string().nullable(),
      })
      .nullable()
      .meta({ description: 'The suppression of its address.' }),
  })
  .meta({ id: 'LeadDetail' });
export type LeadDetail = z.infer<typeof leadDetailSchema>;

/** `POST /crm/leads`: a lead that a person adds by hand. */
export const leadCreateSchema = leadPatchSchema.required({ email: true }).meta({ id: 'LeadCreate' });
export type LeadCreate = z.infer<typeof leadCreateSchema>;

/** `PUT /crm/leads`, and an item of `PUT /crm/leads:batch`: a lead as another system has it. */
export const leadUpsertSchema = leadPatchSchema
  .extend({
    externalId: externalIdSchema.optional(),
    custom: customFieldsSchema.optional().meta({
      description: 'Custom fields to set; an empty one is removed, others stay.',
    }),
  })
  .meta({
    id: 'LeadUpsert',
    description:
      'A lead as another system has it: found by `externalId`, else by `email`, of which it must have one. Fields that ' +
      'are left out stay as they are.',
  });
export type LeadUpsert = z.infer<typeof leadUpsertSchema>;

export const upsertOutcomes = ['created', 'updated', 'unchanged', 'refused'] as const;

export const leadUpsertResultSchema = z
  .object({
    outcome: z.enum(upsertOutcomes),
    leadId: leadIdSchema.nullable().meta({ description: 'Null: the item was refused.' }),
    problem: orNull(
      z
        .object({
          code: z.enum(upsertProblemCodes),
          detail: z.string(),
          errors: z.array(z.object({ path: z.string(), message: z.string() })),
          leadId: leadIdSchema.nullable().meta({ description: 'The lead that is in the way.' }),
        })
        .meta({ id: 'LeadUpsertProblem', description: 'Why an item was refused.' }),
    ),
  })
  .meta({ id: 'LeadUpsertResult' });
export type LeadUpsertResult = z.infer<typeof leadUpsertResultSchema>;

export const leadBatchResultSchema = z
  .object({
    results: z
      .array(leadUpsertResultSchema)
      .meta({ description: 'One for each item, in the order of the request.' }),
  })
  .meta({ id: 'LeadBatchResult' });
export type LeadBatchResult = z.infer<typeof leadBatchResultSchema>;

export const leadPageSchema = z
  .object({
    leads: z.array(foundLeadSchema),
    nextCursor: z.string().nullable(),
    total: count.meta({
      description: 'Leads that match, over all pages; a lower bound when `isTotalExact` is false.',
    }),
    isTotalExact: z.boolean().meta({
      description: 'False when many leads match and an exact count would delay the page.',
    }),
    erasedIds: z.array(leadIdSchema).exactOptional().meta({
      description: 'With `updatedSince`: leads that are gone. An id may be named more than once.',
    }),
    hasMore: z.boolean().exactOptional().meta({
      description:
        'With `updatedSince`: false when nothing newer was there. Ask again later with `nextCursor`.',
    }),
  })
  .meta({ id: 'LeadPage' });
export type LeadPage = z.infer<typeof leadPageSchema>;

export const leadValuesSchema = z
  .object({
    ...perField(filterFields, () => z.array(z.string())),
    tag: z.array(z.string()),
    externalSource: z.array(z.string()),
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
