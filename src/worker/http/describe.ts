/**
 * The description of the API (OpenAPI 3.1): what the routes declare, and what follows for each of them from its method
 * and its rule: who may call it, and the problems that the middleware may answer.
 *
 * Owns what integrators read beside the routes: tags, sign-in, examples.
 *
 * @module
 */
import { z } from '@hono/zod-openapi';
import { problemCatalog, type ProblemCode } from '../../shared/problem.ts';
import { abilities } from '../../shared/roles.ts';
import { productVersion } from '../../shared/version.ts';
import type { App } from '../app-env.ts';
import type { ApiDescription, DescribedOperation, DescribedSchema } from './api-description.ts';
import { routeRules, unlistedRule, type RouteRule } from '../auth/route-permissions.ts';
import { examples } from './examples.ts';
import { codesKey } from './api-description.ts';
import { wordsOf } from './problem.ts';

const info = {
  openapi: '3.1.0',
  info: {
    title: 'Lead Activation',
    version: productVersion,
    license: { name: 'MIT', identifier: 'MIT' },
    description:
      'Bulk lead activation: each chosen lead is set active in the CRM and gets one activation email.\n\n' +
      'Times are epoch milliseconds. A list answers with an array named after what it lists, and with `nextCursor` ' +
      'where it has pages; null there means that this page is the last. Refusals are RFC 9457 problem details with a ' +
      'stable `code`; a refused request has written nothing. `x-problem-codes` of a response lists the codes that it ' +
      'may have, and `x-role` of an operation the role that it needs. Every answer has an `X-Request-Id`. `Lead-Activation-Version` of a request ' +
      'names the dated version that it was written for (docs/API.md).',
  },
  // The service that the description comes from.
  servers: [{ url: '/', description: 'This service' }],
};

const tags: ApiDescription['tags'] = [
  {
    name: 'activation',
    description: 'Start, follow and command activations, and read what became of each lead.',
  },
  { name: 'leads', description: 'The people in the CRM.' },
  { name: 'imports', description: 'Files of leads, chunk by chunk.' },
  { name: 'views', description: 'Saved views of the leads page.' },
  { name: 'templates', description: 'The mails that activations send.' },
  { name: 'suppressions', description: 'Addresses that are never mailed.' },
  { name: 'events', description: 'Endpoints that are told what happens: programs, channels and mailboxes.' },
  { name: 'audit', description: 'Who did what.' },
  { name: 'service', description: 'Settings, health and keys.' },
  { name: 'maintenance', description: 'Backup and recovery.' },
  { name: 'webhooks', description: 'Called by mail providers.' },
  { name: 'unsubscribe', description: 'Called by recipients and their mail programs.' },
];

/** What Cloudflare Access takes: the two headers of a service token, or the cookie of a person who has signed in. */
const securitySchemes = {
  accessClientId: {
    type: 'apiKey',
    in: 'header',
    name: 'CF-Access-Client-Id',
    description: 'Client id of a Cloudflare Access service token; together with its secret.',
  },
  accessClientSecret: {
    type: 'apiKey',
    in: 'header',
    name: 'CF-Access-Client-Secret',
    description: 'Client secret of the service token.',
  },
  accessSession: {
    type: 'apiKey',
    in: 'cookie',
    name: 'CF_Authorization',
    description: 'Cookie of a person who has signed in through Cloudflare Access.',
  },
};
const security = [{ accessClientId: [], accessClientSecret: [] }, { accessSession: [] }];

const headers = {
  RetryAfter: {
    description: 'Seconds after which a repeat may succeed.',
    schema: { type: 'integer', minimum: 0 },
  },
  Allow: { description: 'The methods that this address takes.', schema: { type: 'string' } },
};

/** Statuses with a `Retry-After`. */
const retryStatuses = new Set(['429', '503']);

const problemContent = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };

/** The description of the app as it is served. */
export function describeApi(app: App): ApiDescription {
  // The generator's own type has every form of OpenAPI 3.1; this one has those that occur.
  const document = app.getOpenAPI31Document(info) as unknown as ApiDescription;
  Object.assign(document, { security, tags });
  document.components = {
    schemas: document.components.schemas,
    headers,
    securitySchemes,
    responses: {
      MethodNotAllowed: {
        description: wordsOf(['method_not_allowed']),
        headers: { Allow: { $ref: '#/components/headers/Allow' } },
        content: problemContent,
        [codesKey]: ['method_not_allowed'],
      },
    },
  };
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const name = `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`;
      complete(operation, method, routeRules[name] ?? unlistedRule);
    }
  }
  relaxExactOptional(app, document.components);
  for (const [name, values] of Object.entries(examples)) {
    const schema = document.components.schemas[name];
    if (schema === undefined) throw new Error(`There is an example of ${name}, and no such schema.`);
    schema.examples = [...values];
  }
  return document;
}

/** Adds what follows from the method and the rule of a route. */
function complete(operation: DescribedOperation, method: string, rule: RouteRule): void {
  if (rule.needs === 'public') operation.security = [];
  else operation['x-role'] = abilities[rule.needs];
  const codes = new Set<ProblemCode>(commonCodes(method, rule));
  for (const response of Object.values(operation.responses))
    response[codesKey]?.forEach((code) => codes.add(code));
  const refusals = Map.groupBy(codes, (code) => String(problemCatalog[code].status));
  for (const [status, list] of refusals) {
    operation.responses[status] = {
      description: wordsOf(list),
      ...(retryStatuses.has(status)
        ? { headers: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } }
        : {}),
      content: { ...operation.responses[status]?.content, ...problemContent },
      [codesKey]: list,
    };
  }
  // Of another method at the same address.
  operation.responses['405'] = { $ref: '#/components/responses/MethodNotAllowed' };
}

/** Codes of every route that needs a sign-in. `invalid_request`: a query parameter that the route does not know. */
const guardedCodes = [
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'unknown_version',
  'invalid_request',
] as const satisfies ProblemCode[];

/** The codes that the middleware before a route may answer. */
function commonCodes(method: string, { needs, action, showsLeads }: RouteRule): ProblemCode[] {
  const isRead = method === 'get';
  const isGuarded = needs !== 'public';
  return [
    // `wrong_host`: in local development.
    ...(['misconfigured', 'internal', 'unavailable', 'wrong_host'] as const),
    ...(isRead ? [] : (['body_too_large', 'body_too_slow'] as const)),
    ...(isGuarded ? guardedCodes : []),
    ...(isGuarded && !isRead ? (['unsupported_media_type'] as const) : []),
    ...(isGuarded && (!isRead || action !== null || showsLeads) ? (['cross_site'] as const) : []),
  ];
}

/**
 * Takes fields that may be left out, but not be undefined, out of what an object must have. The generator asks whether
 * a field may be undefined, so it takes them for required.
 */
function relaxExactOptional(app: App, { schemas }: ApiDescription['components']): void {
  const seen = new Set<z.core.$ZodType>();
  const visit = (schema: z.core.$ZodType): void => {
    if (seen.has(schema)) return;
    seen.add(schema);
    if (schema instanceof z.ZodObject) {
      const left = Object.entries(schema.shape).filter(([, field]) => field instanceof z.ZodExactOptional);
      const { id } = z.globalRegistry.get(schema) ?? {};
      if (left.length > 0 && id === undefined) {
        throw new Error(
          `An object with the optional field ${left[0]?.[0] ?? ''} needs a name (\`.meta({ id })\`).`,
        );
      }
      if (left.length > 0) drop(schemas[id ?? ''], new Set(left.map(([name]) => name)));
    }
    for (const part of Object.values(schema._zod.def)) visitPart(part);
  };
  const visitPart = (part: unknown): void => {
    if (part instanceof z.core.$ZodType) visit(part);
    else if (Array.isArray(part)) part.forEach(visitPart);
    else if (typeof part === 'object' && part !== null && Object.getPrototypeOf(part) === Object.prototype)
      Object.values(part).forEach(visitPart);
  };
  const drop = (schema: DescribedSchema | undefined, names: ReadonlySet<string>): void => {
    if (schema === undefined) return;
    schema.allOf?.forEach((part) => drop(part, names));
    if (schema.required !== undefined) schema.required = schema.required.filter((name) => !names.has(name));
  };
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const { request, responses } = definition.route;
    visitPart([request, responses]);
  }
}
