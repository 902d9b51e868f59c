/**
 * Checks values against the JSON schemas of an OpenAPI document. Stricter than JSON Schema in one respect: a property
 * that an object does not describe is a fault, so that an answer cannot have parts that nobody documented.
 *
 * Validators of npm make code from text, which workerd refuses. Covers the keywords of the app's own document; any other
 * throws, so that a new one is noticed.
 *
 * @module
 */
import type { JsonSchema, Schemas } from './json-schema.ts';

/** Keywords that are checked, and those that say nothing about a value. */
const known = new Set([
  ...['$ref', 'type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', 'properties', 'required', 'propertyNames'],
  ...['additionalProperties', 'items', 'prefixItems', 'minItems', 'maxItems', 'minLength', 'maxLength'],
  ...['minimum', 'maximum', 'pattern', 'format', 'description', 'example', 'examples', 'default', 'title'],
]);

type Schema = JsonSchema & { prefixItems?: JsonSchema[] };

/** What is wrong with a value, each with its place; empty when it fits. */
export function schemaFaults(schema: JsonSchema, value: unknown, schemas: Schemas, at = ''): string[] {
  const parts = partsOf(schema, schemas);
  const objects = parts.filter(({ type }) => [type ?? []].flat().includes('object'));
  const others = parts.filter((part) => !objects.includes(part));
  return [
    ...others.flatMap((part) => faultsOf(part, value, schemas, at)),
    ...(objects.length === 0 ? [] : objectFaults(objects, value, schemas, at)),
  ];
}

/** A schema without references and without `allOf`: the parts that all hold. */
function partsOf(schema: JsonSchema, schemas: Schemas): Schema[] {
  const unknown = Object.keys(schema).find((keyword) => !known.has(keyword));
  if (unknown !== undefined) throw new Error(`The keyword ${unknown} is not known here.`);
  const { $ref, allOf, ...own } = schema;
  const parts: Schema[] = Object.keys(own).length === 0 ? [] : [own];
  if ($ref !== undefined) {
    const target = schemas[$ref.split('/').at(-1) ?? ''];
    if (target === undefined) throw new Error(`There is no schema ${$ref}.`);
    parts.push(...partsOf(target, schemas));
  }
  for (const part of allOf ?? []) parts.push(...partsOf(part, schemas));
  return parts;
}

function objectFaults(parts: readonly Schema[], value: unknown, schemas: Schemas, at: string): string[] {
  if (value === null && parts.every(({ type }) => [type ?? []].flat().includes('null'))) return [];
  if (typeOf(value) !== 'object') return [`${at}: is ${typeOf(value)}, not object`];
  const entries = Object.entries(value as object) as [string, unknown][];
  const properties = Object.assign({}, ...parts.map((part) => part.properties ?? {})) as Record<
    string,
    JsonSchema
  >;
  const open = parts.map((part) => part.additionalProperties).find((extra) => extra !== undefined);
  const names = parts.map((part) => part.propertyNames).find((extra) => extra !== undefined);
  const missing = parts
    .flatMap((part) => part.required ?? [])
    .filter((name) => !Object.hasOwn(value as object, name))
    .map((name) => `${at}/${name}: is missing`);
  return [
    ...missing,
    ...entries.flatMap(([name, member]) => {
      const place = `${at}/${name}`;
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (property !== undefined) return schemaFaults(property, member, schemas, place);
      if (open === undefined || open === false) return [`${place}: is not described`];
      return [
        ...(names === undefined ? [] : schemaFaults(names, name, schemas, `${place} (name)`)),
        ...(open === true ? [] : schemaFaults(open, member, schemas, place)),
      ];
    }),
  ];
}

function faultsOf(schema: Schema, value: unknown, schemas: Schemas, at: string): string[] {
  const members = schema.anyOf ?? schema.oneOf;
  const faults: string[] = [];
  if (members !== undefined) {
    const all = members.map((member) => schemaFaults(member, value, schemas, at));
    if (all.every((list) => list.length > 0))
      faults.push(...(all.sort((one, other) => one.length - other.length)[0] ?? []));
  }
  if (schema.const !== undefined && value !== schema.const)
    faults.push(`${at}: is not ${JSON.stringify(schema.const)}`);
  if (schema.enum !== undefined && !schema.enum.includes(value))
    faults.push(`${at}: ${JSON.stringify(value)} is not one of ${schema.enum.join(', ')}`);
  if (schema.type !== undefined) {
    const types = [schema.type].flat();
    const type = typeOf(value);
    const fits = types.includes(type) || (type === 'integer' && types.includes('number'));
    if (!fits) return [...faults, `${at}: is ${type}, not ${types.join(' or ')}`];
  }
  if (typeof value === 'number') {
    if (value < (schema.minimum ?? -Infinity))
      faults.push(`${at}: ${value} is below ${schema.minimum ?? ''}`);
    if (value > (schema.maximum ?? Infinity)) faults.push(`${at}: ${value} is above ${schema.maximum ?? ''}`);
  }
  if (typeof value === 'string') {
    if (value.length < (schema.minLength ?? 0)) faults.push(`${at}: is too short`);
    if (value.length > (schema.maxLength ?? Infinity)) faults.push(`${at}: is too long`);
    if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value))
      faults.push(`${at}: does not match ${schema.pattern}`);
  }
  if (Array.isArray(value)) {
    if (value.length < (schema.minItems ?? 0)) faults.push(`${at}: has too few items`);
    if (value.length > (schema.maxItems ?? Infinity)) faults.push(`${at}: has too many items`);
    value.forEach((item: unknown, index) => {
      const part = schema.prefixItems?.[index] ?? schema.items;
      if (part !== undefined) faults.push(...schemaFaults(part, item, schemas, `${at}/${index}`));
    });
  }
  return faults;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
