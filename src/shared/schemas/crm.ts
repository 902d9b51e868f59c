/**
 * The wire contract of the connected CRM.
 *
 * @module
 */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { count, orNull } from './common.ts';
import { tagSchema } from './leads.ts';

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
    canPull: z.boolean(),
  })
  .meta({ id: 'CrmConnection' });
export type CrmConnectionView = z.infer<typeof crmConnectionSchema>;

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
    problems: z
      .array(z.object({ recordId: z.string(), detail: z.string() }))
      .max(limits.maxLeadBatchCount)
      .meta({ description: 'The contacts that did not become leads, and why.' }),
    tag: z.string().meta({ description: 'All leads of the page have it; start an activation with it.' }),
    nextCursor: orNull(z.string()),
  })
  .meta({ id: 'CrmPulled' });
export type CrmPulled = z.infer<typeof crmPulledSchema>;
