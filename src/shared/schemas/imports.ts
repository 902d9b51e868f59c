/**
 * The wire contract of imports, as zod schemas.
 *
 * Owns forms and bounds of requests and responses. The routes validate with them, and /openapi.json is made from
 * them. Has no defaults that need a clock, no SQL and no HTTP. The web app imports only types from here, so that zod
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
import { count, timeMs, orNull } from './common.ts';
import { customFieldNameSchema, externalIdSchema } from './leads.ts';

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
  .max(limits.maxImportColumnCount);
const anyColumns = columnIndexes.default([]);

export const columnMappingSchema = z
  .strictObject({
    email: columnIndexes.min(1, 'name at least one column of addresses'),
    ...(Object.fromEntries(
      importFields.filter((field) => field !== 'email').map((field) => [field, anyColumns]),
    ) as Record<Exclude<ImportField, 'email'>, typeof anyColumns>),
    custom: z
      .record(customFieldNameSchema, anyColumns)
      .refine(
        (fields) => Object.keys(fields).length <= limits.maxCustomFieldCount,
        `a lead has at most ${limits.maxCustomFieldCount} custom fields`,
      )
      .exactOptional()
      .meta({ description: 'The same for custom fields, by name.' }),
  })
  .meta({
    id: 'ColumnMapping',
    description: 'For each field the indexes of its columns, the preferred one first.',
  }) satisfies z.ZodType<ColumnMapping>;

/** How a client makes rows from its file; stored so that another client can continue the import. */
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
  .meta({
    id: 'ImportReading',
    description: 'How the client reads the file; stored so that the import can continue later.',
  });
export type ImportReading = z.infer<typeof importReadingSchema>;

/** The system that the column of external ids is of. */
const externalSourceSchema = z
  .union([z.literal(''), externalIdSchema.shape.source])
  .default('')
  .meta({ description: 'The name of the system that the column `externalId` is of.' });

/** False where nobody says which system the external ids are of. */
const isSystemNamed = (request: { mapping: ColumnMapping; externalSource: string }): boolean =>
  request.mapping.externalId.length === 0 || request.externalSource !== '';
const systemMissing = {
  path: ['externalSource'],
  message: 'name the system that the external ids are of',
};

/** `POST /crm/imports`: how a file is read. */
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
      .meta({ description: "Hash of the file's beginning, by which a client recognizes the file." }),
    columns: z
      .array(z.string().max(limits.maxFieldLength))
      .max(limits.maxImportColumnCount)
      .default([])
      .meta({ description: "The file's header, for the CSV of rejected rows." }),
    mapping: columnMappingSchema,
    consentSource: z.string().trim().max(limits.maxFieldLength).default('').meta({
      description: 'How the people agreed to be mailed; for rows without their own consent source.',
    }),
    source: z.string().trim().max(limits.maxFieldLength).default(''),
    externalSource: externalSourceSchema,
    reading: orNull(importReadingSchema).default(null),
  })
  .refine(isSystemNamed, systemMissing)
  .meta({ id: 'ImportOpenRequest' });
export type ImportOpenRequest = z.infer<typeof importOpenRequestSchema>;

export const importCountsSchema = z
  .object({
    created: count,
    updated: count,
    unchanged: count,
    duplicate: count.meta({ description: 'Rows with the address of an earlier row of the file.' }),
    rejected: count,
    unmailable: count.meta({
      description: 'Imported rows with an address that no provider would accept.',
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
    externalSource: z.string(),
    reading: orNull(importReadingSchema),
    nextSeq: count.meta({ description: 'The chunk that is awaited.' }),
    nextLine: z.int().min(1).meta({ description: 'Rows that begin before this line are imported.' }),
    counts: importCountsSchema,
    removed: count.meta({ description: 'Leads that undoing it removed.' }),
    createdAt: timeMs,
    updatedAt: timeMs,
    finishedAt: timeMs.nullable(),
    cellsDroppedAt: timeMs.nullable().meta({
      description: 'When the cells of its rejected rows were deleted; lines and reasons stay.',
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
    externalSource: externalSourceSchema,
    rows: importChunkRequestSchema.shape.rows,
  })
  .refine(isSystemNamed, systemMissing)
  .meta({ id: 'ImportCheckRequest' });
export type ImportCheckRequest = z.infer<typeof importCheckRequestSchema>;

export const importIssueSchema = z
  .object({
    line: z.int().min(1),
    outcome: z.enum(['rejected', 'duplicate_in_file']),
    reason: z.string(),
  })
  .meta({ id: 'ImportIssue', description: 'A rejected row, and the reason.' });
export type ImportIssue = z.infer<typeof importIssueSchema>;

export const importCheckSchema = importCountsSchema
  .extend({
    issues: z.array(importIssueSchema).meta({ description: 'The rows that an import would not take.' }),
  })
  .meta({ id: 'ImportCheck', description: 'What an import of some rows would do.' });
export type ImportCheck = z.infer<typeof importCheckSchema>;

export const importChunkSchema = z
  .object({
    seq: count,
    counts: importCountsSchema,
    issues: z.array(importIssueSchema),
    import: importSchema,
  })
  .meta({ id: 'ImportChunk', description: 'The outcome of the rows of one chunk.' });
export type ImportChunk = z.infer<typeof importChunkSchema>;
