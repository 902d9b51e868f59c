/**
 * The wire contract of the connected CRM.
 *
 * @module
 */
import { z } from 'zod';
import { crmFieldName } from '../crm.ts';
import { leadFieldNames } from '../lead-fields.ts';
import { limits } from '../limits.ts';
import { count, orNull, timeMs } from './common.ts';
import { tagSchema } from './leads.ts';

const pullSchema = z
  .object({
    listId: z.string(),
    by: z.string().meta({ description: 'Who pulled its last page.' }),
    at: timeMs,
    created: count,
    updated: count,
    unchanged: count,
    refused: count,
    isDone: z.boolean().meta({ description: 'False: pages are left.' }),
    error: z.string().nullable().meta({ description: 'Why the last try failed.' }),
  })
  .meta({ id: 'CrmLastPull' });

const allowanceSchema = z
  .object({
    usedCount: count,
    maxCount: count.meta({ description: 'Calls that it takes in 24 hours from all programs together.' }),
    at: timeMs,
  })
  .meta({ id: 'CrmAllowance' });

/** `GET /crm/connection`. */
export const crmConnectionSchema = z
  .object({
    provider: z.string().nullable().meta({ description: '`CRM_PROVIDER`; null: none is connected.' }),
    title: z.string().nullable(),
    host: z.string().nullable(),
    problem: z.string().nullable().meta({ description: 'What the settings lack, for a person.' }),
    source: z.string().nullable().meta({ description: 'The system in the external ids of its records.' }),
    active: z.record(z.string(), z.string()).meta({ description: 'What an active record has.' }),
    notActive: z.record(z.string(), z.string()),
    callsPerSecond: z.number().nullable(),
    recordsPerCall: count.nullable(),
    fields: z
      .record(z.string(), z.string())
      .meta({ description: 'Fields of the CRM, and the lead fields that a pull fills from them.' }),
    areFieldsChosen: z
      .boolean()
      .meta({ description: 'False: the fields are those of `CRM_FIELDS`, or the usual ones.' }),
    canPull: z.boolean(),
    lastPull: orNull(pullSchema),
    allowance: orNull(allowanceSchema).meta({
      description: 'As the last answer of the CRM had it; null: it does not say it.',
    }),
  })
  .meta({ id: 'CrmConnection' });
export type CrmConnectionView = z.infer<typeof crmConnectionSchema>;

/** `GET /crm/connection/fields`. */
export const crmFieldListSchema = z
  .object({
    fields: z
      .array(z.object({ name: z.string(), label: z.string() }).meta({ id: 'CrmField' }))
      .nullable()
      .meta({ description: 'Null: the CRM does not say which fields it has.' }),
  })
  .meta({ id: 'CrmFieldList' });
export type CrmFieldList = z.infer<typeof crmFieldListSchema>;

/** `PUT /crm/connection/fields`. */
export const crmFieldMapSchema = z
  .strictObject({
    fields: z
      .record(z.string().regex(crmFieldName, 'must be the name of a field'), z.enum(leadFieldNames))
      .refine((fields) => Object.keys(fields).length <= leadFieldNames.length, 'must have one field for each')
      .nullable()
      .meta({
        description:
          'Fields of the CRM, and the lead fields that a pull fills from them; null: those of the settings again.',
        example: { email: 'email', firstname: 'firstName', jobtitle: 'stage' },
      }),
  })
  .meta({ id: 'CrmFieldMap' });

/** `POST /crm/connection/test`. */
export const crmTestSchema = z.object({ isOk: z.boolean(), message: z.string() }).meta({ id: 'CrmTest' });
export type CrmTest = z.infer<typeof crmTestSchema>;

/** `POST /crm/connection/pull`: one page of a list. */
export const crmPullRequestSchema = z
  .strictObject({
    listId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be an id of a list'),
    cursor: z.string().min(1).max(200).nullable().default(null).meta({
      description: '`nextCursor` of the page before; null or left out: the first page.',
    }),
    tag: tagSchema.optional().meta({ description: 'Left out: a tag that names the CRM and the list.' }),
  })
  .meta({ id: 'CrmPull' });

export const crmPulledSchema = z
  .object({
    created: count,
    updated: count,
    unchanged: count,
    refused: count,
    untagged: count.meta({
      description: `Leads of the page that have ${limits.maxTagCount} tags already and did not get this one: an activation of the tag leaves them out.`,
    }),
    problems: z
      .array(z.object({ recordId: z.string(), detail: z.string() }))
      .max(limits.maxLeadBatchCount)
      .meta({ description: 'The contacts that did not become leads, and why.' }),
    tag: z.string().meta({
      description: 'All leads of the page have it, but those of `untagged`; start an activation with it.',
    }),
    nextCursor: orNull(z.string()),
  })
  .meta({ id: 'CrmPulled' });
export type CrmPulled = z.infer<typeof crmPulledSchema>;
