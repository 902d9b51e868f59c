/**
 * Values that fit a JSON schema, and values that do not, for fast-check: a fuzz test generates them from an OpenAPI
 * document.
 *
 * Covers the kinds of schema in the app's own document. Any other kind throws, so that a new one is noticed.
 *
 * @module
 */
import fc from 'fast-check';

export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  propertyNames?: JsonSchema;
  items?: JsonSchema;
  minItems?: number;
  maxItems?: number;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  format?: string;
}

export type Schemas = Readonly<Record<string, JsonSchema>>;

/** Values that hostile callers send. */
export const hostileTexts: readonly string[] = [
  '',
  ' ',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'); DROP TABLE leads;--",
  '=cmd|" /C calc"!A1',
  '@SUM(1+1)*cmd',
  '{{ email }}{% for i in (1..100000000) %}x{% endfor %}',
  '${7*7}',
  '../../../../etc/passwd',
  'a\r\nset-cookie: injected=1',
  'a\u0000b',
  '\u202Egnirts',
  '\ud800',
  '\uFEFF',
  'İſK',
  '🏳️‍🌈'.repeat(50),
  'x'.repeat(5_000),
  '"'.repeat(300),
  '* OR a NEAR b',
  'NULL',
  '-0',
  '1e309',
  '__proto__',
];

/** Values of every type; most have the wrong one. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...hostileTexts) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...[0, -1, 1.5, -0, 1e21, 1e308, 2 ** 53, -(2 ** 53), 2_147_483_648, null, true, false],
    ),
  },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.constant(JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as unknown) },
  { weight: 1, arbitrary: fc.constant(JSON.parse('{"__proto__":{"admin":true},"toString":1}') as unknown) },
);

/** Values that fit the schema, sometimes with one part that does not. */
export function valueOf(schema: JsonSchema, schemas: Schemas, depth = 0): fc.Arbitrary<unknown> {
  const fitting = fittingValue(schema, schemas, depth);
  // Deeper parts are invalid less often, so that most requests pass the first check.
  return fc.oneof({ weight: 14, arbitrary: fitting }, { weight: 1, arbitrary: hostileValue });
}

function fittingValue(schema: JsonSchema, schemas: Schemas, depth: number): fc.Arbitrary<unknown> {
  const inner = (part: JsonSchema): fc.Arbitrary<unknown> => valueOf(part, schemas, depth + 1);
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    const target = schemas[name];
    if (target === undefined) throw new Error(`There is no schema ${name}.`);
    return fittingValue(target, schemas, depth);
  }
  const members = schema.anyOf ?? schema.oneOf;
  if (members !== undefined) return fc.oneof(...members.map(inner));
  if (schema.allOf !== undefined) {
    return fc
      .tuple(...schema.allOf.map((part) => fittingValue(part, schemas, depth)))
      .map((parts): unknown =>
        parts.every((part) => typeof part === 'object' && part !== null)
          ? (Object.assign({}, ...parts) as unknown)
          : parts.at(-1),
      );
  }
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (Array.isArray(schema.type)) {
    return fc.oneof(...schema.type.map((type) => fittingValue({ ...schema, type }, schemas, depth)));
  }
  switch (schema.type) {
    case undefined:
      return hostileValue;
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return number(schema);
    case 'string':
      return text(schema);
    case 'array':
      return fc.array(schema.items === undefined ? hostileValue : inner(schema.items), {
        minLength: schema.minItems ?? 0,
        // The tests of bounds cover long lists.
        maxLength: Math.max(schema.minItems ?? 0, Math.min(schema.maxItems ?? 5, 5)),
      });
    case 'object': {
      const properties = Object.entries(schema.properties ?? {});
      if (properties.length === 0) return dictionary(schema, inner);
      const required = new Set(schema.required ?? []);
      const model = Object.fromEntries(properties.map(([name, part]) => [name, inner(part)]));
      const known = fc.record(model, { requiredKeys: [...required] });
      const unknownKey = fc.tuple(known, fc.string({ maxLength: 12 }), hostileValue);
      const withUnknown = unknownKey.map(([value, key, extra]) => ({ ...value, [key]: extra }));
      return fc.oneof({ weight: 24, arbitrary: known }, { weight: 1, arbitrary: withUnknown });
    }
    default:
      throw new Error(`A schema of type ${schema.type} is not known here.`);
  }
}

/** Keys of any kind: mostly valid ones, so that the code after their check is reached too. */
function dictionary(
  { additionalProperties, propertyNames }: JsonSchema,
  inner: (part: JsonSchema) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const fittingKey = text(
    propertyNames?.pattern === undefined ? { pattern: '^[a-z][a-z0-9_]{0,11}$' } : propertyNames,
  );
  const fitting = typeof additionalProperties === 'object' ? inner(additionalProperties) : hostileValue;
  return fc.oneof(
    { weight: 3, arbitrary: fc.dictionary(fittingKey, fitting, { maxKeys: 3 }) },
    { weight: 1, arbitrary: fc.dictionary(fc.string({ maxLength: 12 }), hostileValue, { maxKeys: 3 }) },
  );
}

function number({ type, minimum, maximum }: JsonSchema): fc.Arbitrary<number> {
  const min = Math.max(minimum ?? -1_000, Number.MIN_SAFE_INTEGER);
  const max = Math.min(maximum ?? min + 100_000, Number.MAX_SAFE_INTEGER);
  if (type === 'number') return fc.double({ min, max, noNaN: true });
  // Small numbers are ids that exist.
  return fc.oneof(
    fc.integer({ min, max: Math.min(max, min + 12) }),
    fc.maxSafeInteger().map((value) => Math.min(max, Math.max(min, value))),
  );
}

function text({ pattern, minLength, maxLength, format }: JsonSchema): fc.Arbitrary<string> {
  const mild = fc.constantFrom(...hostileTexts).map((value) => value.slice(0, maxLength ?? 60));
  if (format === 'email') {
    return fc.oneof(fc.emailAddress(), fc.constantFrom('lead1@example.com', 'LEAD2@example.com', 'a@b.co'));
  }
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  const words = fc.string({
    minLength: minLength ?? 0,
    maxLength: Math.max(minLength ?? 0, Math.min(maxLength ?? 30, 30)),
  });
  return fc.oneof(words, mild, fc.constantFrom('lead1@example.com', 'ann', 'welcome'));
}
