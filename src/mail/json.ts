/**
 * JSON by joining: values that are encoded already, and objects and arrays made of them.
 *
 * The body of a call to a mail provider is a megabyte, of which almost all is the text of one template, a hundred
 * times. Encoded once (templates/fast-render.ts), that text is only joined for every mail.
 *
 * Owns how encoded values are put together. Invariant: the result is what `JSON.stringify` makes of the same value,
 * character for character.
 *
 * @module
 */

declare const isJson: unique symbol;

/** A value in JSON: a text with its quotes, an object, an array. */
export type Json = string & { readonly [isJson]: true };

/** ASCII that JSON writes as it is. */
const plain = /^[ !#-[\]-~]*$/;

/** Encodes a text. */
export function json(text: string): Json {
  return (plain.test(text) ? `"${text}"` : JSON.stringify(text)) as Json;
}

/** Encodes a text without its quotes, as a part of a longer one. It must be well-formed, as must be its neighbours. */
export function jsonPart(text: string): string {
  return plain.test(text) ? text : JSON.stringify(text).slice(1, -1);
}

/** Makes a text of a joined {@link jsonPart}. */
export function jsonOfParts(parts: string): Json {
  return `"${parts}"` as Json;
}

/** An object with the properties in the given order. Those that are undefined are left out. */
export function jsonObject(properties: Readonly<Record<string, Json | undefined>>): Json {
  let members = '';
  for (const name in properties) {
    const value = properties[name];
    if (value !== undefined) members += `${members === '' ? '' : ','}${json(name)}:${value}`;
  }
  return `{${members}}` as Json;
}

export function jsonArray(values: readonly Json[]): Json {
  return `[${values.join(',')}]` as Json;
}

export const jsonFalse = 'false' as Json;

/** An object of texts, sorted by name: the same headers or tags make the same text, in whatever order they came. */
export function jsonRecord(record: Readonly<Record<string, string>>): Json {
  const members = sortedNames(record).map((name) => `${json(name)}:${json(record[name] ?? '')}`);
  return `{${members.join(',')}}` as Json;
}

/** The same as a list of pairs, each an object with the name and the value under these names. */
export function jsonPairs(record: Readonly<Record<string, string>>, name: string, value: string): Json {
  return jsonArray(
    sortedNames(record).map((key) => jsonObject({ [name]: json(key), [value]: json(record[key] ?? '') })),
  );
}

const sortedNames = (record: Readonly<Record<string, string>>): string[] => Object.keys(record).sort();
