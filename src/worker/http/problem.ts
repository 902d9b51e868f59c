/**
 * Problem responses (RFC 9457): `application/problem+json` from a code of the catalog, and their OpenAPI description.
 *
 * A handler throws a {@link Refusal} for an expected refusal; everything else that is thrown is a fault of ours.
 * Invariant: no response contains the text of an exception, a stack or a key.
 *
 * @module
 */
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { classifyFault, faultText } from '../../runtime/faults.ts';
import type { AppEnv } from '../app-env.ts';
import { problemCatalog, type Problem, type ProblemCode, type ProblemFault } from '../../shared/problem.ts';
import { problemSchema } from '../../shared/schemas/problem.ts';
import { codesKey } from './api-description.ts';

/** A refusal that the caller can do something about. */
export class Refusal extends Error {
  readonly code: ProblemCode;
  readonly faults: readonly ProblemFault[];
  /** Seconds after which a repeat may succeed; null: those of its code. */
  retryAfterSeconds: number | null = null;
  /** Members of the problem that only this code has. */
  extension: Pick<Problem, 'differences' | 'manifest' | 'leadId'> = {};

  constructor(code: ProblemCode, detail?: string, faults: readonly ProblemFault[] = []) {
    super(detail ?? problemCatalog[code].title);
    this.code = code;
    this.faults = faults;
  }
}

/** Path of the page about a code: the `type` of its problems, relative to the request (RFC 9457 §3.1.1). */
export const problemPath = (code: ProblemCode): string => `/problems/${code.replaceAll('_', '-')}`;

/** The response for a refusal. */
export function problemResponse(c: Context<AppEnv>, refusal: Refusal): Response {
  const { status, title } = problemCatalog[refusal.code];
  const problem: Problem = {
    type: problemPath(refusal.code),
    title,
    status,
    code: refusal.code,
    detail: refusal.message,
    instance: new URL(c.req.url).pathname,
    requestId: c.get('requestId'),
    ...(refusal.faults.length > 0 ? { errors: [...refusal.faults] } : {}),
    ...refusal.extension,
  };
  const retryAfter = refusal.retryAfterSeconds ?? retryAfterSeconds[refusal.code];
  return c.body(JSON.stringify(problem), status, {
    'content-type': 'application/problem+json; charset=utf-8',
    'cache-control': 'no-store',
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  });
}

/** Seconds after which a repeat may succeed, by code. Repeats change nothing for the other codes. */
const retryAfterSeconds: Partial<Record<ProblemCode, number>> = {
  // The window of the limit.
  rate_limited: 60,
  // Small activations end within minutes.
  too_many_sessions: 60,
  // A key is kept for a day; each hour some end.
  too_many_keys: 3_600,
  // Streams end by themselves after some minutes.
  too_many_readers: 30,
  // A fault that passes by itself mostly ends within seconds.
  unavailable: 5,
};

/** The refusal for a fault of ours: `unavailable` for one that passes by itself, otherwise `internal`. */
export function faultRefusal(error: unknown): Refusal {
  const fault = classifyFault(error);
  if (fault.kind === 'bug' || fault.kind === 'refused') return new Refusal('internal');
  const isStorage = fault.kind === 'storage' || faultText(error).includes('SQLITE_');
  return new Refusal('unavailable', isStorage ? storageDetail : passingDetail);
}

const storageDetail =
  'The storage of this resource is busy or full. Nothing is lost, and work continues by itself when that is over. Ask again in a few seconds.';
const passingDetail =
  'A part of the service does not answer at the moment. Running activations were not stopped. Ask again in a few seconds.';

/** The refusal of a value that breaks its schema: paths as JSON pointers, and never the value itself. */
export function schemaRefusal(error: z.core.$ZodError): Refusal {
  const faults = flatten(error.issues).slice(0, 20);
  const first = faults[0];
  return new Refusal(
    boundCode(error.issues) ?? 'invalid_request',
    first === undefined ? undefined : `${first.path === '' ? 'The request' : first.path}: ${first.message}`,
    faults,
  );
}

/** The code of the exceeded bound, when nothing else is wrong with the request. */
function boundCode(issues: readonly z.core.$ZodIssue[]): ProblemCode | null {
  const codes = new Set(
    issues.map((issue): ProblemCode | null => {
      if (issue.code === 'invalid_union') {
        return boundCode(issue.errors.find((member) => boundCode(member) !== null) ?? []);
      }
      if (issue.code !== 'too_big') return null;
      if (issue.origin === 'string') return 'text_too_long';
      if (issue.origin === 'array') return 'too_many_items';
      return issue.path.at(-1) === 'limit' ? 'page_too_large' : null;
    }),
  );
  const [code, ...others] = codes;
  return others.length === 0 ? (code ?? null) : null;
}

function flatten(issues: readonly z.core.$ZodIssue[], prefix: readonly PropertyKey[] = []): ProblemFault[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    // A union reports the issues of every member. The member that got furthest describes the fault best.
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const best = [...issue.errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? [];
      return flatten(best, path);
    }
    return [{ path: path.map((part) => `/${String(part)}`).join(''), message: issue.message }];
  });
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

/** Codes that a check against a schema may end in, beside `invalid_request`. */
const boundCodes = ['text_too_long', 'too_many_items', 'page_too_large'] as const satisfies ProblemCode[];

/** A response with problem details. */
interface ProblemAnswer {
  description: string;
  content: { 'application/problem+json': { schema: typeof problemSchema } };
  [codesKey]: readonly ProblemCode[];
}

/**
 * The responses of a route with these problem codes, by status. The codes that follow from its method and its rule
 * are added to the description by describe.ts.
 */
export function problems(...codes: readonly ProblemCode[]): Record<number, ProblemAnswer> {
  const all = [...codes, ...(codes.includes('invalid_request') ? boundCodes : [])];
  return Object.fromEntries(
    [...Map.groupBy(new Set(all), (code) => problemCatalog[code].status)].map(([status, list]) => [
      status,
      {
        description: wordsOf(list),
        content: { 'application/problem+json': { schema: problemSchema } },
        [codesKey]: list,
      },
    ]),
  );
}

/** The description of a response with these codes. */
export const wordsOf = (codes: readonly ProblemCode[]): string =>
  codes.map((code) => `\`${code}\`: ${problemCatalog[code].title}`).join('\n\n');
