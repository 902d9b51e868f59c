/**
 * The wire contract of recovery: the calls of `npm run reconcile` after a restore.
 *
 * @module
 */
import { z } from 'zod';
import { count, sessionIdSchema } from './common.ts';
import { sessionStates } from '../progress.ts';

/** The open restore: one that no reconciliation has finished. */
export const recoverySchema = z
  .object({
    open: z
      .object({
        restoredAt: z.int().min(0).meta({ description: 'Epoch milliseconds.' }),
        detail: z.record(z.string(), z.unknown()).meta({ description: 'Details of the restore.' }),
      })
      .nullable(),
  })
  .meta({ id: 'Recovery' });

/** A session by its id, or by the id of its object in Cloudflare's API. */
export const reconcileRequestSchema = z
  .strictObject({
    sessionId: sessionIdSchema.exactOptional(),
    objectId: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')
      .exactOptional(),
    cursor: z
      .string()
      .max(200)
      .nullable()
      .exactOptional()
      .meta({ description: '`nextCursor` of the previous call.' }),
  })
  .refine(({ sessionId, objectId }) => (sessionId === undefined) !== (objectId === undefined), {
    message: 'names either a sessionId or an objectId',
  })
  .meta({ id: 'ReconcileRequest' });

export const reconcileAnswerSchema = z
  .object({
    sessionId: sessionIdSchema,
    state: z.enum(sessionStates),
    activatedCount: count.meta({ description: 'Leads of this page that the session activated.' }),
    expectedCount: count.meta({
      description: 'Leads that it activated in total. The pages name fewer after RETENTION_DAYS.',
    }),
    setActiveCount: count.meta({ description: 'Leads that were new in the database and are active again.' }),
    setNewCount: count.meta({ description: 'Leads that were active without mail and are new again.' }),
    erasedAgainCount: count.meta({
      description: 'Erased leads that the restore brought back and that are erased again.',
    }),
    suppressedCount: count.meta({ description: 'Addresses suppressed again: complaints and hard bounces.' }),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: 'ReconcileAnswer' });
export type ReconcileAnswer = z.infer<typeof reconcileAnswerSchema>;

/** A public key of RSA-OAEP with SHA-256, as base64 of its SPKI form. */
export const hashKeyRequestSchema = z
  .strictObject({ publicKey: z.base64().min(200).max(2_000) })
  .meta({ id: 'HashKeyRequest' });

export const hashKeyAnswerSchema = z
  .object({
    sealedKey: z.string().meta({ description: 'The key, encrypted for the given public key; base64.' }),
  })
  .meta({ id: 'HashKeyAnswer' });
