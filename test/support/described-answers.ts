/**
 * Compares every answer that a test gets with the description of the API: an answer with a status, a content type, a
 * problem code or a field that is not described fails the test that asked for it.
 *
 * @module
 */
import type { ProblemCode } from '../../src/shared/problem.ts';
import {
  codesKey,
  type ApiDescription,
  type DescribedOperation,
} from '../../src/worker/http/api-description.ts';
import type { JsonSchema } from './json-schema.ts';
import { schemaFaults } from './schema-faults.ts';

/** The older addresses of two routes, which are served and not described. */
const olderPath = /^\/crm\/activation\/(progress|stream)\/([^/]+)$/;

export class DescribedAnswers {
  readonly #description: ApiDescription;
  readonly #paths: { pattern: RegExp; methods: Record<string, DescribedOperation> }[];

  constructor(description: ApiDescription) {
    this.#description = description;
    // A path with fewer parameters is the more exact one.
    this.#paths = Object.entries(this.#description.paths)
      .sort(([one], [other]) => one.split('{').length - other.split('{').length)
      .map(([path, methods]) => ({ pattern: patternOf(path), methods }));
  }

  /** @throws Error that says what of the answer is not described */
  async check(request: Request, response: Response): Promise<void> {
    const faults = await this.#faultsOf(request, response);
    if (faults.length === 0) return;
    const { pathname } = new URL(request.url);
    const name = `${request.method} ${pathname} → ${response.status}`;
    throw new Error(`${name} is not as /openapi.json says: ${faults.join('; ')}`);
  }

  async #faultsOf(request: Request, response: Response): Promise<string[]> {
    const operation = this.operationOf(request.method, new URL(request.url).pathname);
    const type = response.headers.get('content-type')?.split(';')[0] ?? null;
    const isProblem = type === 'application/problem+json';
    const body = async (): Promise<unknown> => response.clone().json();
    const hasBody = request.method !== 'HEAD';
    if (operation === undefined) {
      // Pages are not described, and an unknown path or method has a problem.
      return isProblem && hasBody ? this.#fit({ $ref: '#/components/schemas/Problem' }, await body()) : [];
    }
    const described = this.#answerOf(operation, response.status);
    if (described === undefined) {
      const text = isProblem && hasBody ? JSON.stringify(await body()) : '';
      return [`the status is not described ${text}`];
    }
    if (!hasBody) return [];
    const content = described.content ?? {};
    if (type === null) return Object.keys(content).length === 0 ? [] : ['the content type is missing'];
    const schema = content[type]?.schema;
    if (schema === undefined) return [`the content type ${type} is not described`];
    if (!type.endsWith('json') || type === 'application/jsonl') return [];
    const value = await body();
    const faults = this.#fit(schema, value);
    const codes: readonly string[] = described[codesKey] ?? [];
    const { code } = value as { code?: ProblemCode };
    if (isProblem && code !== undefined && !codes.includes(code))
      faults.push(`the code ${code} is not described`);
    return faults;
  }

  /** What is described at a path, also at the older address of a route. */
  operationOf(method: string, pathname: string): DescribedOperation | undefined {
    const path = decoded(pathname).replace(olderPath, '/crm/activation/$2/$1');
    const methods = this.#paths.find(({ pattern }) => pattern.test(path))?.methods;
    return methods?.[method === 'HEAD' ? 'get' : method.toLowerCase()];
  }

  #answerOf(operation: DescribedOperation, status: number) {
    const answer = operation.responses[String(status)];
    const name = answer?.$ref?.split('/').at(-1);
    return name === undefined ? answer : this.#description.components.responses[name];
  }

  #fit(schema: JsonSchema, value: unknown): string[] {
    return schemaFaults(schema, value, this.#description.components.schemas);
  }
}

function patternOf(path: string): RegExp {
  const literal = path.replace(/[.*+?^$()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${literal.replace(/\{\w+\}/g, '[^/]+')}$`);
}

function decoded(pathname: string): string {
  try {
    return decodeURI(pathname);
  } catch {
    return pathname;
  }
}
