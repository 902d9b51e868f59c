/**
 * Compares two descriptions of the API: what of the newer one breaks a client of the older one.
 *
 * Pure. What may change without notice (docs/API.md) is no finding: new operations, new fields of answers, new values
 * in answers, new optional fields of requests. Invariant: each finding is a sentence with the operation and the place.
 *
 * @module
 */
import type {
  ApiDescription,
  DescribedOperation,
  DescribedResponse,
  DescribedSchema,
} from '../../src/worker/http/api-description.ts';

/** A request may have to change for it, or an answer may surprise a client. */
type Direction = 'request' | 'answer';

interface Sides {
  before: ApiDescription;
  after: ApiDescription;
  direction: Direction;
  /** Pairs that are being compared: schemas may contain themselves. */
  open: Set<string>;
}

const roles = ['viewer', 'operator', 'admin'];

/** One sentence for each breaking change, in the order of the older description. */
export function breakingChanges(before: ApiDescription, after: ApiDescription): string[] {
  const found: string[] = [];
  for (const [path, methods] of Object.entries(before.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const name = `${method.toUpperCase()} ${path}`;
      const now = after.paths[path]?.[method];
      if (now === undefined) found.push(`${name} is removed.`);
      else found.push(...changesOf(operation, now, { before, after }).map((text) => `${name}: ${text}`));
    }
  }
  // A schema has the same fault in every operation that uses it.
  return [...new Set(found)];
}

function changesOf(
  was: DescribedOperation,
  is: DescribedOperation,
  sides: Pick<Sides, 'before' | 'after'>,
): string[] {
  const asked: Sides = { ...sides, direction: 'request', open: new Set() };
  const answered: Sides = { ...sides, direction: 'answer', open: new Set() };
  const found: string[] = [];
  if (is.operationId !== was.operationId)
    found.push(`its operationId ${was.operationId ?? ''} is now ${is.operationId ?? 'missing'}.`);
  if (was.security?.length === 0 && is.security?.length !== 0) found.push('it needs a sign-in now.');
  if (roles.indexOf(is['x-role'] ?? '') > roles.indexOf(was['x-role'] ?? ''))
    found.push(`it needs the role ${is['x-role'] ?? ''} now, before ${was['x-role'] ?? 'none'}.`);

  const parameters = new Map((is.parameters ?? []).map((parameter) => [parameterName(parameter), parameter]));
  for (const parameter of was.parameters ?? []) {
    const name = parameterName(parameter);
    const now = parameters.get(name);
    parameters.delete(name);
    if (now === undefined) {
      found.push(`the ${name} is removed.`);
      continue;
    }
    if (now.required === true && parameter.required !== true) found.push(`the ${name} is required now.`);
    found.push(...schemaChanges(parameter.schema, now.schema, asked, `the ${name}`));
  }
  for (const [name, { required }] of parameters)
    if (required === true) found.push(`the new ${name} is required.`);

  if (is.requestBody?.required === true && was.requestBody?.required !== true)
    found.push('a request body is required now.');
  found.push(...contentChanges(was.requestBody?.content, is.requestBody?.content, asked, 'the request'));

  for (const [status, answer] of Object.entries(was.responses)) {
    // A refusal that no longer happens breaks nobody.
    if (!/^[23]/.test(status)) continue;
    const now = is.responses[status];
    if (now === undefined) {
      found.push(`it no longer answers ${status}.`);
      continue;
    }
    const place = `the answer ${status}`;
    const [old, present] = [resolved(answer, sides.before), resolved(now, sides.after)];
    for (const header of Object.keys(old.headers ?? {}))
      if (present.headers?.[header] === undefined) found.push(`${place} has no header ${header} any more.`);
    found.push(...contentChanges(old.content, present.content, answered, place));
  }
  return found;
}

const parameterName = ({ in: place, name }: { in: string; name: string }): string =>
  `${place} parameter \`${name}\``;

const resolved = (answer: DescribedResponse, { components }: ApiDescription): DescribedResponse =>
  answer.$ref === undefined ? answer : (components.responses[nameOf(answer.$ref)] ?? answer);

const nameOf = (reference: string): string => reference.split('/').at(-1) ?? '';

type Content = Record<string, { schema?: DescribedSchema }> | undefined;

function contentChanges(was: Content, is: Content, sides: Sides, place: string): string[] {
  return Object.entries(was ?? {}).flatMap(([type, { schema }]) => {
    const now = is?.[type];
    if (now === undefined) return [`${place} is no longer ${type}.`];
    return schema === undefined || now.schema === undefined
      ? []
      : schemaChanges(schema, now.schema, sides, place);
  });
}

/** A schema with its references and `allOf` put together. */
interface Whole {
  name: string | null;
  /** Without `null`; empty: any. */
  types: string[];
  isNullable: boolean;
  values: unknown[] | null;
  properties: Record<string, DescribedSchema>;
  required: Set<string>;
  /** Null: unknown names are refused in requests; a schema: all members have it. */
  others: DescribedSchema | null;
  items: DescribedSchema | null;
  alternatives: DescribedSchema[];
  bounds: Record<string, unknown>;
}

/** Bounds of values: `1`: a higher one takes less; `-1`: a lower one does; `0`: any other one may. */
const boundKinds: Readonly<Record<string, -1 | 0 | 1>> = {
  minimum: 1,
  minLength: 1,
  minItems: 1,
  maximum: -1,
  maxLength: -1,
  maxItems: -1,
  pattern: 0,
  format: 0,
};

function whole(schema: DescribedSchema, description: ApiDescription): Whole {
  const result: Whole = {
    name: null,
    types: [],
    isNullable: false,
    values: null,
    properties: {},
    required: new Set(),
    others: null,
    items: null,
    alternatives: [],
    bounds: {},
  };
  const add = (part: DescribedSchema): void => {
    if (part.$ref !== undefined) {
      result.name = nameOf(part.$ref);
      const target = description.components.schemas[result.name];
      if (target === undefined) throw new Error(`There is no schema ${result.name}.`);
      add(target);
    }
    part.allOf?.forEach(add);
    const types = [part['type'] ?? []].flat() as string[];
    if (types.includes('null')) result.isNullable = true;
    result.types.push(...types.filter((type) => type !== 'null'));
    if (part['const'] !== undefined) result.values = [part['const']];
    if (Array.isArray(part['enum'])) result.values = part['enum'].filter((value) => value !== null);
    Object.assign(result.properties, part.properties);
    part.required?.forEach((name) => result.required.add(name));
    if (typeof part['additionalProperties'] === 'object')
      result.others = part['additionalProperties'] as DescribedSchema;
    if (part['items'] !== undefined) result.items = part['items'] as DescribedSchema;
    for (const bound of Object.keys(boundKinds))
      if (part[bound] !== undefined) result.bounds[bound] = part[bound];
    const members = ((part['anyOf'] ?? part['oneOf'] ?? []) as DescribedSchema[]).filter((member) => {
      if (member['type'] === 'null') result.isNullable = true;
      return member['type'] !== 'null';
    });
    const [only, ...more] = members;
    if (only !== undefined && more.length === 0) add(only);
    else result.alternatives.push(...members);
  };
  add(schema);
  return result;
}

function schemaChanges(was: DescribedSchema, is: DescribedSchema, sides: Sides, place: string): string[] {
  const [old, now] = [whole(was, sides.before), whole(is, sides.after)];
  const pair = `${old.name ?? ''} ${now.name ?? ''}`;
  if (old.name !== null && now.name !== null) {
    if (sides.open.has(pair)) return [];
    sides.open.add(pair);
  }
  const found = wholeChanges(old, now, sides, place);
  sides.open.delete(pair);
  return found;
}

function wholeChanges(old: Whole, now: Whole, sides: Sides, place: string): string[] {
  const isRequest = sides.direction === 'request';
  const found: string[] = [];
  const lost = old.types.filter(
    (type) => !now.types.includes(type) && !(type === 'integer' && now.types.includes('number')),
  );
  const won = now.types.filter(
    (type) => !old.types.includes(type) && !(type === 'integer' && old.types.includes('number')),
  );
  const isOtherType = isRequest
    ? lost.length > 0 || (old.types.length === 0 && now.types.length > 0 && old.alternatives.length === 0)
    : won.length > 0 || (now.types.length === 0 && old.types.length > 0);
  if (isOtherType)
    return [
      `${place} is ${now.types.join(' or ') || 'anything'} now, before ${old.types.join(' or ') || 'anything'}.`,
    ];
  if (isRequest && old.isNullable && !now.isNullable) found.push(`${place} cannot be null any more.`);
  if (!isRequest && !old.isNullable && now.isNullable) found.push(`${place} can be null now.`);

  if (old.values !== null && now.values !== null) {
    const values = now.values;
    for (const value of old.values)
      if (!values.includes(value)) found.push(`${place} has no value ${JSON.stringify(value)} any more.`);
  }
  if (isRequest && old.values === null && now.values !== null)
    found.push(`${place} takes only some values now.`);
  if (isRequest) found.push(...boundChanges(old, now, place));

  for (const [name, property] of Object.entries(old.properties)) {
    const inner = `${place} field \`${name}\``;
    const present = now.properties[name];
    if (present === undefined) {
      found.push(`${inner} is removed.`);
      continue;
    }
    if (isRequest && now.required.has(name) && !old.required.has(name))
      found.push(`${inner} is required now.`);
    if (!isRequest && old.required.has(name) && !now.required.has(name))
      found.push(`${inner} may be missing now.`);
    found.push(...schemaChanges(property, present, sides, inner));
  }
  if (isRequest)
    for (const name of now.required)
      if (old.properties[name] === undefined) found.push(`${place} has the new required field \`${name}\`.`);
  if (old.others !== null && now.others !== null)
    found.push(...schemaChanges(old.others, now.others, sides, `${place} member`));
  if (old.items !== null && now.items !== null)
    found.push(...schemaChanges(old.items, now.items, sides, `${place} item`));
  found.push(...alternativeChanges(old, now, sides, place));
  return found;
}

function boundChanges(old: Whole, now: Whole, place: string): string[] {
  return Object.entries(now.bounds).flatMap(([bound, value]) => {
    const before = old.bounds[bound];
    if (before === value) return [];
    const kind = boundKinds[bound] ?? 0;
    const isNarrower = before === undefined || kind === 0 || (Number(value) - Number(before)) * kind > 0;
    return isNarrower
      ? [
          `${place} has ${bound} ${JSON.stringify(value)} now, before ${before === undefined ? 'none' : JSON.stringify(before)}.`,
        ]
      : [];
  });
}

/** Alternatives are the same by their name, or else by their place. */
function alternativeChanges(old: Whole, now: Whole, sides: Sides, place: string): string[] {
  const key = (member: DescribedSchema, at: number): string => member.$ref ?? String(at);
  const present = new Map(now.alternatives.map((member, at) => [key(member, at), member]));
  const found = old.alternatives.flatMap((member, at) => {
    const name = key(member, at);
    const other = present.get(name);
    present.delete(name);
    const inner = `${place} alternative ${member.$ref === undefined ? at + 1 : nameOf(member.$ref)}`;
    if (other !== undefined) return schemaChanges(member, other, sides, inner);
    return sides.direction === 'request' ? [`${inner} is removed.`] : [];
  });
  const isNew = present.size > 0 && sides.direction === 'answer' && old.alternatives.length > 0;
  return isNew ? [...found, `${place} has a new alternative.`] : found;
}
