/**
 * Compares exchanges with HubSpot with its official OpenAPI descriptions, of which test/support/hubspot has the parts that
 * are needed.
 *
 * @module
 */
import contacts from './hubspot/contacts-v3.json' with { type: 'json' };
import newerContacts from './hubspot/contacts-2026-09.json' with { type: 'json' };
import lists from './hubspot/lists-v3.json' with { type: 'json' };
import properties from './hubspot/properties-v3.json' with { type: 'json' };
import type { FakeCrm } from './fake-crm.ts';
import type { JsonSchema, Schemas } from './json-schema.ts';
import { schemaFaults } from './schema-faults.ts';

interface Content {
  content?: { 'application/json'?: { schema?: JsonSchema } };
}
interface Operation {
  parameters?: { name: string; in: string }[];
  requestBody?: Content;
  responses: Record<string, Content & { $ref?: string }>;
}
interface Description {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Schemas; responses?: Record<string, Content> };
}

type Exchange = Parameters<NonNullable<FakeCrm['onExchange']>>[0];

const descriptions = [contacts, lists, properties] as unknown as Description[];
const newer = newerContacts as unknown as Description;

/**
 * What an exchange has that the description does not; empty when it fits.
 *
 * @param isNewer - the answer to a batch is compared with version 2026-09, where errors come with 200
 */
export function exchangeFaults(exchange: Exchange, isNewer = false): string[] {
  try {
    return faultsOfExchange(exchange, isNewer);
  } catch (error) {
    // Thrown into a call, it would look like a lost connection.
    return [String(error)];
  }
}

function faultsOfExchange(
  { request, requestBody, response, responseBody }: Exchange,
  isNewer: boolean,
): string[] {
  const { pathname, searchParams } = new URL(request.url);
  const method = request.method.toLowerCase();
  for (const description of descriptions) {
    for (const [path, methods] of Object.entries(description.paths)) {
      const operation = methods[method];
      if (operation === undefined || !patternOf(path).test(pathname)) continue;
      const queries = (operation.parameters ?? []).flatMap(({ name, in: place }) =>
        place === 'query' ? [name] : [],
      );
      const strange = [...searchParams.keys()].filter((name) => !queries.includes(name));
      const isBatch = isNewer && pathname.endsWith('/batch/update');
      const [answer, schemas] = isBatch
        ? [Object.values(newer.paths)[0]?.['post']?.responses['200'], newer.components.schemas]
        : [
            operation.responses[response.status] ?? operation.responses['default'],
            description.components.schemas,
          ];
      const reference = answer?.$ref?.split('/').at(-1);
      const described = reference === undefined ? answer : description.components.responses?.[reference];
      return [
        ...strange.map((name) => `the query ${name} is not described`),
        ...faultsOf(operation.requestBody, requestBody, description.components.schemas, 'request'),
        ...faultsOf(described, responseBody, schemas, 'answer'),
      ];
    }
  }
  return [`${request.method} ${pathname} is not described`];
}

function faultsOf(content: Content | undefined, value: unknown, schemas: Schemas, name: string): string[] {
  const schema = content?.content?.['application/json']?.schema;
  if (schema === undefined) return value === undefined || name === 'answer' ? [] : [`${name}: has a body`];
  return schemaFaults(schema, value, schemas, name);
}

const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`);
