/**
 * The wire contract of what is done with many leads at once: edits, suppressions, erasures, an export, and who an
 * activation would skip.
 *
 * @module
 */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { audienceSchema, leadResultSchema } from './activation.ts';
import { count, leadIdSchema } from './common.ts';
import { foundLeadSchema, tagsSchema } from './leads.ts';

/** Where a call goes on: what the answer before it had as `next`. */
const placeShape = {
  afterId: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .exactOptional()
    .meta({ description: '`next.afterId` of the answer before; left out at first.' }),
  untilId: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .exactOptional()
    .meta({ description: '`next.untilId` of the answer before: leads that came later are not touched.' }),
};

/** One without the other would begin anew, or go on without the bound of the first call. */
const hasWholePlace = ({ afterId, untilId }: { afterId?: number; untilId?: number }): boolean =>
  (afterId === undefined) === (untilId === undefined);
const wholePlaceRule = {
  message: 'give afterId and untilId together, as `next` had them',
  path: ['untilId'],
};

export const bulkEditSchema = z
  .strictObject({
    audience: audienceSchema,
    field: z.enum(['stage', 'source']),
    value: z.string().trim().max(limits.maxFieldLength),
    ...placeShape,
  })
  .refine(hasWholePlace, wholePlaceRule)
  .meta({ id: 'BulkEdit' });
export type BulkEdit = z.infer<typeof bulkEditSchema>;

export const bulkSuppressSchema = z
  .strictObject({
    audience: audienceSchema,
    note: z.string().trim().max(limits.maxFieldLength).default(''),
    ...placeShape,
  })
  .refine(hasWholePlace, wholePlaceRule)
  .meta({ id: 'BulkSuppress' });
export type BulkSuppress = z.input<typeof bulkSuppressSchema>;

export const bulkEraseSchema = z
  .strictObject({ audience: audienceSchema, ...placeShape })
  .refine(hasWholePlace, wholePlaceRule)
  .meta({ id: 'BulkErase' });
export type BulkErase = z.infer<typeof bulkEraseSchema>;

export const bulkStepSchema = z
  .object({
    seenCount: count.meta({ description: 'Leads that this call looked at.' }),
    changedCount: count.meta({ description: 'Of these, how many it changed.' }),
    next: z
      .object({ afterId: count, untilId: count })
      .nullable()
      .meta({ description: 'Ask again with these for the next leads; null: these were the last.' }),
  })
  .meta({ id: 'BulkStep' });
export type BulkStep = z.infer<typeof bulkStepSchema>;

export const bulkTagSchema = z
  .strictObject({
    audience: audienceSchema,
    add: tagsSchema.default([]),
    remove: tagsSchema.default([]).meta({ description: 'Wins over `add`.' }),
    ...placeShape,
  })
  .refine(hasWholePlace, wholePlaceRule)
  .refine(({ add, remove }) => add.length + remove.length > 0, {
    message: 'name a tag to add or to remove',
    path: ['add'],
  })
  .meta({ id: 'BulkTag' });
export type BulkTag = z.input<typeof bulkTagSchema>;

export const bulkTagStepSchema = bulkStepSchema
  .extend({
    fullCount: count.meta({
      description: `Leads that stayed as they are, because they would have more than ${limits.maxTagCount} tags.`,
    }),
  })
  .meta({ id: 'BulkTagStep' });

export const leadExportSchema = z.strictObject({ audience: audienceSchema }).meta({ id: 'LeadExport' });

export const skippedReasons = ['already_active', 'suppressed', 'invalid_address', 'recently_mailed'] as const;
export type SkippedReason = (typeof skippedReasons)[number];

export const skippedRequestSchema = z
  .strictObject({ audience: audienceSchema, reason: z.enum(skippedReasons) })
  .meta({ id: 'SkippedRequest' });

export const skippedLeadsSchema = z
  .object({ leads: z.array(foundLeadSchema).max(limits.maxSkippedLeadCount) })
  .meta({ id: 'SkippedLeads' });
export type SkippedLeads = z.infer<typeof skippedLeadsSchema>;

export const lastResultsRequestSchema = z
  .strictObject({ leadIds: z.array(leadIdSchema).min(1).max(limits.maxAskedResultCount) })
  .meta({ id: 'LastResultsRequest' });

export const lastResultsSchema = z
  .object({ results: z.array(leadResultSchema) })
  .meta({ id: 'LastResults', description: 'What became of the last email of each lead, where it is known.' });
export type LastResults = z.infer<typeof lastResultsSchema>;
