/**
 * The description of the API as integrators get it: every operation has its id, tag, sign-in and answers.
 *
 * That answers are as described is checked wherever a workerd test makes a request (support/described-answers.ts).
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { breakingChanges } from '../../scripts/lib/api-changes.ts';
import { problemCatalog, type ProblemCode } from '../../src/shared/problem.ts';
import { productVersion } from '../../src/shared/version.ts';
import { createApp } from '../../src/worker/app.ts';
import { routeRules } from '../../src/worker/auth/route-permissions.ts';
import {
  codesKey,
  type ApiDescription,
  type DescribedOperation,
  type DescribedSchema,
} from '../../src/worker/http/api-description.ts';
import { describeApi } from '../../src/worker/http/describe.ts';
import { requestLimit } from '../../src/worker/http/rate-limit-headers.ts';

const description = describeApi(createApp());

interface Named {
  name: string;
  method: string;
  path: string;
  operation: DescribedOperation;
}

const operations: Named[] = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
    method,
    path,
    operation,
  })),
);

const codesOf = ({ responses }: DescribedOperation): ProblemCode[] =>
  Object.values(responses).flatMap((response) => response[codesKey] ?? []);

it('has the version of the package', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(productVersion).toBe(version);
  expect(description.info.version).toBe(version);
});

it.each(operations)(
  '$name has an id of its own, a summary, one known tag and a rule',
  ({ name, operation }) => {
    const { operationId, summary, tags } = operation;
    expect(operationId).toMatch(/^[a-z][A-Za-z]+$/);
    expect(operations.filter((other) => other.operation.operationId === operationId)).toHaveLength(1);
    expect(summary).toMatch(/\S/);
    expect(description.tags.map((tag) => tag.name)).toContain(tags?.[0]);
    expect(tags).toHaveLength(1);
    // A route without a rule would be described as one for admins.
    expect(Object.keys(routeRules)).toContain(name);
  },
);

it.each(operations)('$name says who may call it', ({ name, operation }) => {
  const isPublic = routeRules[name]?.needs === 'public';
  expect(operation.security ?? description.security).toEqual(isPublic ? [] : description.security);
  expect(operation['x-role'] === undefined).toBe(isPublic);
});

it.each(operations)(
  '$name lists every refusal of the middleware before it',
  ({ name, method, operation }) => {
    const codes = codesOf(operation);
    const rule = routeRules[name];
    expect(codes).toEqual(expect.arrayContaining(['internal', 'unavailable', 'misconfigured']));
    if (rule?.needs !== 'public')
      expect(codes).toEqual(
        expect.arrayContaining(['unauthenticated', 'forbidden', 'rate_limited', 'invalid_request']),
      );
    if (rule?.needs !== 'public' && method !== 'get')
      expect(codes).toEqual(
        expect.arrayContaining(['cross_site', 'unsupported_media_type', 'body_too_large']),
      );
    if (operation.requestBody?.content['application/json'] !== undefined)
      expect(codes).toContain('invalid_json');
    expect(operation.responses['405']).toEqual({ $ref: '#/components/responses/MethodNotAllowed' });
    for (const [status, response] of Object.entries(operation.responses)) {
      for (const code of response[codesKey] ?? []) expect(String(problemCatalog[code].status)).toBe(status);
      if (status === '429' || status === '503') expect(response.headers).toHaveProperty('Retry-After');
    }
  },
);

it('has every problem code in some operation, or says where it is from', () => {
  const described = new Set(operations.flatMap(({ operation }) => codesOf(operation)));
  const missing = (Object.keys(problemCatalog) as ProblemCode[]).filter((code) => !described.has(code));
  // The addresses that no operation has.
  expect(missing.sort()).toEqual(['method_not_allowed']);
});

it('requires nothing in a request that has a default', () => {
  const required = requestSchemas().flatMap(({ name, schema }) =>
    (schema.required ?? [])
      .filter((field) => schema.properties?.[field]?.default !== undefined)
      .map((field) => `${name}.${field}`),
  );
  expect(required).toEqual([]);
  const { ImportOpenRequest } = description.components.schemas;
  expect(ImportOpenRequest?.required).toEqual(['fileName', 'mapping']);
});

/** The schemas of bodies, by the operation that takes them. */
function requestSchemas(): { name: string; schema: DescribedSchema }[] {
  return operations.flatMap(({ name, operation }) =>
    Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => ({
      name,
      schema: description.components.schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? schema,
    })),
  );
}

it('names lists alike: an array named after what it lists, and a cursor where there are pages', () => {
  const lists = operations.flatMap(({ name, operation }) => {
    const isPaged = operation.parameters?.some((parameter) => parameter.name === 'cursor') ?? false;
    const { schema } = operation.responses['200']?.content?.['application/json'] ?? {};
    const whole = description.components.schemas[schema?.$ref?.split('/').at(-1) ?? ''];
    return isPaged && whole !== undefined ? [{ name, fields: Object.keys(whole.properties ?? {}) }] : [];
  });
  expect(lists.length).toBeGreaterThan(5);
  for (const { name, fields } of lists) {
    expect(fields, name).toContain('nextCursor');
    expect(
      fields.some((field) => field.endsWith('s')),
      name,
    ).toBe(true);
  }
});

it('breaks no client of the released description', () => {
  const released = JSON.parse(readFileSync('docs/openapi-released.json', 'utf8')) as ApiDescription;
  expect(breakingChanges(released, description)).toEqual([]);
});

type Planted = [change: string, plant: (copy: ApiDescription) => void, finding: RegExp];

const operation = (copy: ApiDescription, path: string, method: string): DescribedOperation => {
  const found = copy.paths[path]?.[method];
  if (found === undefined) throw new Error(`There is no ${method} ${path}.`);
  return found;
};
const schema = (
  copy: ApiDescription,
  name: string,
): DescribedSchema & { properties: Record<string, DescribedSchema> } => {
  const found = copy.components.schemas[name];
  if (found?.properties === undefined) throw new Error(`There is no object ${name}.`);
  return found as DescribedSchema & { properties: Record<string, DescribedSchema> };
};

const breaking: Planted[] = [
  ['an operation is removed', (copy) => delete copy.paths['/crm/views'], /^GET \/crm\/views is removed\.$/],
  [
    'a method is removed',
    (copy) => delete copy.paths['/crm/leads/{leadId}']?.['patch'],
    /^PATCH \/crm\/leads\/\{leadId\} is removed\.$/,
  ],
  [
    'an operation gets another id',
    (copy) => (operation(copy, '/crm/leads', 'get').operationId = 'findLeads'),
    /operationId listLeads is now findLeads/,
  ],
  [
    'a field of an answer is removed',
    (copy) => delete schema(copy, 'Progress').properties['rev'],
    /answer 200 field `rev` is removed/,
  ],
  [
    'a field of an answer may be missing',
    (copy) => (schema(copy, 'Progress').required = ['sessionId']),
    /field `total` may be missing now/,
  ],
  [
    'a field of an answer has another type',
    (copy) => (schema(copy, 'Progress').properties['total'] = { type: 'string' }),
    /field `total` is string now, before integer/,
  ],
  [
    'a field of an answer can be null',
    (copy) => (schema(copy, 'Progress').properties['total'] = { type: ['integer', 'null'], minimum: 0 }),
    /field `total` can be null now/,
  ],
  [
    'a value of a list of values is removed',
    (copy) => (schema(copy, 'RetryRequest').properties['outcome'] = { type: 'string', enum: ['failed'] }),
    /field `outcome` has no value "unknown" any more/,
  ],
  [
    'a request field is required that was not there',
    (copy) => {
      const request = schema(copy, 'ViewRequest');
      request.properties['color'] = { type: 'string' };
      request.required = [...(request.required ?? []), 'color'];
    },
    /the request has the new required field `color`/,
  ],
  [
    'a request field that could be left out is required',
    (copy) => (schema(copy, 'ActivationPreviewRequest').required = ['name', 'audience', 'templateId']),
    /field `name` is required now/,
  ],
  [
    'a request field is removed',
    (copy) => delete schema(copy, 'ViewRequest').properties['query'],
    /the request field `query` is removed/,
  ],
  [
    'a bound of a request is narrower',
    (copy) => {
      const name = schema(copy, 'ViewRequest').properties['name'];
      if (name !== undefined) name['maxLength'] = 10;
    },
    /field `name` has maxLength 10 now, before 120/,
  ],
  [
    'a query parameter is removed',
    (copy) => {
      const list = operation(copy, '/crm/leads', 'get');
      list.parameters = list.parameters?.filter(({ name }) => name !== 'search') ?? [];
    },
    /query parameter `search` is removed/,
  ],
  [
    'a query parameter is required',
    (copy) => {
      for (const parameter of operation(copy, '/crm/leads', 'get').parameters ?? [])
        if (parameter.name === 'status') parameter.required = true;
    },
    /query parameter `status` is required now/,
  ],
  [
    'a status of success is removed',
    (copy) => delete operation(copy, '/crm/activation', 'post').responses['201'],
    /no longer answers 201/,
  ],
  [
    'a public operation needs a sign-in',
    (copy) => delete operation(copy, '/healthz', 'get').security,
    /needs a sign-in now/,
  ],
  [
    'an operation needs a higher role',
    (copy) => (operation(copy, '/crm/leads', 'get')['x-role'] = 'admin'),
    /needs the role admin now, before operator/,
  ],
];

it.each(breaking)('finds that %s', (_, plant, finding) => {
  const copy = structuredClone(description);
  plant(copy);
  const found = breakingChanges(description, copy);
  expect(found.filter((sentence) => finding.test(sentence)).length, found.join('\n')).toBeGreaterThan(0);
});

const harmless: [change: string, plant: (copy: ApiDescription) => void][] = [
  ['nothing changes', () => {}],
  ['an operation is added', (copy) => (copy.paths['/crm/new'] = { get: operation(copy, '/healthz', 'get') })],
  ['an answer has a new field', (copy) => (schema(copy, 'Progress').properties['mood'] = { type: 'string' })],
  ['a request has a new optional field', (copy) => (schema(copy, 'ViewRequest').properties['color'] = {})],
  [
    'a list of values has a new value',
    (copy) => {
      const outcome = schema(copy, 'RetryRequest').properties['outcome'];
      if (outcome !== undefined) outcome['enum'] = ['failed', 'unknown', 'bounced'];
    },
  ],
];

it.each(harmless)('finds nothing when %s', (_, plant) => {
  const copy = structuredClone(description);
  plant(copy);
  expect(breakingChanges(description, copy)).toEqual([]);
});

it('gives a name in the description to no schema that may be null', () => {
  // The generator would make every use of the name nullable (`orNull` in src/shared/schemas/common.ts).
  const nullable = Object.entries(description.components.schemas)
    .filter(([, { type }]) => Array.isArray(type) && type.includes('null'))
    .map(([name]) => name);
  expect(nullable).toEqual([]);
});

it('tells the limit of requests as the platform has it', () => {
  const limit = /name = "REQUESTS_PER_PERSON"[^[]*simple = \{ limit = (\d+), period = (\d+) \}/.exec(
    readFileSync('wrangler.toml', 'utf8'),
  );
  expect(limit?.slice(1).map(Number)).toEqual([requestLimit.count, requestLimit.windowSeconds]);
});
