/**
 * The wire contract of problems (RFC 9457), as a zod schema. The web app does not import it.
 *
 * @module
 */
import { z } from 'zod';
import { problemCatalog, type Problem, type ProblemCode } from '../problem.ts';
import { hashedManifestSchema, manifestDifferenceSchema } from './manifest.ts';

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(problemCatalog) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string(),
    instance: z.string(),
    requestId: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).exactOptional(),
    leadId: z.int().exactOptional().meta({
      description:
        'Of `email_taken`, `external_id_taken` and `external_id_mismatch`: the lead that is in the way.',
    }),
    differences: z.array(manifestDifferenceSchema).exactOptional().meta({
      description: 'Of `manifest_changed`: what is otherwise than in the manifest that the request had.',
    }),
    manifest: hashedManifestSchema.exactOptional().meta({
      description: 'Of `manifest_changed`: the manifest that would come out now.',
    }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' }) satisfies z.ZodType<Problem>;
