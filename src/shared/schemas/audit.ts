/**
 * The wire contract of the audit, and of the export of one person's data.
 *
 * @module
 */
import { z } from 'zod';
import { timeMs, sessionIdSchema, orNull } from './common.ts';
import { limits } from '../limits.ts';
import { roles } from '../roles.ts';
import { leadResultSchema } from './activation.ts';
import { leadSchema } from './leads.ts';

/** One action in the audit. It has no address of a lead: leads are named by their ids. */
export const auditEntrySchema = z
  .object({
    id: z.int().min(1),
    at: timeMs,
    actor: z.string().meta({
      description: 'E-mail address of a user, or the client id of a service token with its label.',
    }),
    role: z.enum(roles).nullable(),
    action: z.string().meta({ description: 'The action, such as `activation.start`.' }),
    target: z
      .string()
      .nullable()
      .meta({ description: 'The target of the action: a session id, `lead:7`, …' }),
    targetName: z
      .string()
      .nullable()
      .meta({ description: 'Name of the activation, import or template; null where it has none any more.' }),
    country: z
      .string()
      .nullable()
      .meta({ description: "Country of the caller's IP address, by Cloudflare." }),
    requestId: z.string(),
    detail: z
      .record(z.string(), z.unknown())
      .nullable()
      .meta({ description: 'Details of the action; `before` and `after` of a change.' }),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof auditEntrySchema>;

export const auditPageSchema = z
  .object({ entries: z.array(auditEntrySchema), nextCursor: z.string().nullable() })
  .meta({ id: 'AuditPage' });
export type AuditPage = z.infer<typeof auditPageSchema>;

/** `POST /crm/leads/export` and `…/erase`: an address goes in a body, never in a URL. */
export const personRequestSchema = z
  .strictObject({ email: z.string().trim().min(1).max(limits.maxEmailLength) })
  .meta({ id: 'PersonRequest' });

/** All data about one address. */
export const personExportSchema = z
  .object({
    email: z.string(),
    exportedAt: timeMs,
    lead: orNull(leadSchema),
    activations: z
      .array(z.object({ sessionId: sessionIdSchema, name: z.string(), result: leadResultSchema }))
      .meta({ description: 'The activations of the lead.' }),
    imports: z.array(
      z.object({
        importId: z.string(),
        fileName: z.string(),
        line: z.int().min(0),
        outcome: z.string(),
        createdAt: timeMs,
        cells: z.array(z.string()).nullable().meta({ description: 'The stored row, when it was rejected.' }),
      }),
    ),
    suppression: z.record(z.string(), z.unknown()).nullable(),
    views: z
      .array(
        z.object({
          viewId: z.int().min(1),
          owner: z.string(),
          name: z.string(),
          query: z.string(),
          createdAt: timeMs,
        }),
      )
      .meta({ description: 'Saved views with the address or the full name in them.' }),
    formerEmails: z.array(z.string()).meta({ description: 'Addresses that the lead had before edits.' }),
  })
  .meta({ id: 'PersonExport' });
export type PersonExport = z.infer<typeof personExportSchema>;
