/**
 * The wire contract of the audit trail and of what is held about one person.
 *
 * @module
 */
import { z } from 'zod';
import { timeMs, sessionIdSchema } from './common.ts';
import { limits } from '../limits.ts';
import { roles } from '../roles.ts';
import { leadResultSchema } from './activation.ts';
import { leadSchema } from './leads.ts';

/** One thing that somebody did. Holds no address of a lead: leads are named by id. */
export const auditEntrySchema = z
  .object({
    id: z.int().min(1),
    at: timeMs,
    actor: z.string().meta({
      description: 'E-mail address of a colleague, or the client id of a service token, with its label.',
    }),
    role: z.enum(roles).nullable(),
    action: z.string().meta({ description: 'Such as `activation.start`.' }),
    target: z.string().nullable().meta({ description: 'What it was done to: a session id, `lead:7`, …' }),
    country: z.string().nullable().meta({ description: "Of the caller's IP address, as Cloudflare says." }),
    requestId: z.string(),
    detail: z
      .record(z.string(), z.unknown())
      .nullable()
      .meta({ description: 'Particulars; `before` and `after` where a setting changed.' }),
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

/** All that is held about one address. */
export const personExportSchema = z
  .object({
    email: z.string(),
    exportedAt: timeMs,
    lead: leadSchema.nullable(),
    activations: z
      .array(z.object({ sessionId: sessionIdSchema, name: z.string(), result: leadResultSchema }))
      .meta({ description: 'What runs did with the lead.' }),
    imports: z.array(
      z.object({
        importId: z.string(),
        fileName: z.string(),
        line: z.int().min(0),
        outcome: z.string(),
        createdAt: timeMs,
        cells: z
          .array(z.string())
          .nullable()
          .meta({ description: 'The row as kept, where it was not taken.' }),
      }),
    ),
    suppression: z.record(z.string(), z.unknown()).nullable(),
    views: z
      .array(z.object({ owner: z.string(), name: z.string(), query: z.string(), createdAt: timeMs }))
      .meta({ description: 'Views that colleagues saved, with the address or the full name in them.' }),
    formerEmails: z
      .array(z.string())
      .meta({ description: 'Addresses that the lead had before it was edited.' }),
  })
  .meta({ id: 'PersonExport' });
export type PersonExport = z.infer<typeof personExportSchema>;
