/**
 * The wire contract of approvals, as zod schemas. The web app imports only types from here.
 *
 * @module
 */
import { z } from 'zod';
import type { ApprovalFacts } from '../approval.ts';
import { limits } from '../limits.ts';
import { renderedMailSchema, sessionIdSchema, timeMs } from './common.ts';
import { manifestDifferenceSchema, manifestHashSchema } from './manifest.ts';

const decision = z.object({ by: z.string(), at: timeMs }).nullable();

export const approvalFactsSchema = z
  .object({
    askedAt: timeMs,
    expiresAt: timeMs.meta({ description: 'Nobody approved it then: it is cancelled.' }),
    approved: decision.meta({ description: 'Null again once a change has made the approval void.' }),
    rejected: decision,
  })
  .meta({
    id: 'ApprovalFacts',
    description: 'The approval by another person; absent where none is needed.',
  }) satisfies z.ZodType<ApprovalFacts>;

/** `POST …/:sessionId/approve`. */
export const approveRequestSchema = z
  .strictObject({ manifestHash: manifestHashSchema })
  .meta({ id: 'ApproveRequest' });

/** `POST …/:sessionId/reject`. */
export const rejectRequestSchema = z
  .strictObject({
    manifestHash: manifestHashSchema,
    reason: z.string().trim().min(1, 'say why').max(limits.maxApprovalReasonLength),
  })
  .meta({ id: 'RejectRequest' });

/** `GET …/:sessionId/approval`: what an approver looks at. */
export const approvalRequestSchema = z
  .object({
    manifestHash: manifestHashSchema,
    reason: z.string().nullable().meta({ description: 'Why it was rejected.' }),
    differences: z.array(manifestDifferenceSchema).meta({
      description: 'What has changed since it was asked for; while there is any, it cannot be approved.',
    }),
    sample: z
      .array(renderedMailSchema)
      .max(limits.maxApprovalSampleCount)
      .meta({ description: 'The mails of the first lead, of the last, and of others by chance.' }),
    last: z
      .object({
        sessionId: sessionIdSchema,
        name: z.string(),
        startedAt: timeMs,
        differences: z.array(manifestDifferenceSchema),
      })
      .nullable()
      .meta({ description: 'The last activation of the same template or name; null: there is none.' }),
  })
  .meta({ id: 'ApprovalRequest' });
export type ApprovalRequest = z.infer<typeof approvalRequestSchema>;
