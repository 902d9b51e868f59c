/**
 * The wire contract of imports, as zod schemas.
 *
 * Owns forms and bounds of requests and responses: the routes validate with them, and /openapi.json is made of
 * them. Has no defaults that need a clock, no SQL and no HTTP. The web app takes only types from here, so that zod
 * stays out of its bundle.
 *
 * @module
 */
import { z } from 'zod';
import {
  importDelimiters,
  importEncodings,
  importFields,
  type ColumnMapping,
  type ImportField,
} from '../imports/import-file.ts';
import { limits } from '../limits.ts';
import { count, timeMs } from './common.ts';
import { customFieldNameSchema } from './leads.ts';

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
