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

/**
 * An object with the properties in the given order. Those that are undefined are left out.
 *
 * @param properties - their names are literals of the code, of letters, digits and `_`
 */
export function jsonObject(properties: Readonly<Record<string, Json | undefined>>): Json {
  let members = '';
  let separator = '{"';
  for (const name in properties) {
    const value = properties[name];
    if (value === undefined) continue;
    members += separator + name + '":' + value;
    separator = ',"';
  }
  return (members === '' ? '{}' : members + '}') as Json;
}

export function jsonArray(values: readonly Json[]): Json {
  return `[${values.join(',')}]` as Json;
}

export const jsonFalse = 'false' as Json;

/** An object of texts, sorted by name: the same headers or tags make the same text, in whatever order they came. */
export function jsonRecord(record: Readonly<Record<string, string>>): Json {
  let members = '';
  for (const name of sortedNames(record))
    members += (members === '' ? '' : ',') + json(name) + ':' + json(record[name] ?? '');
  return `{${members}}` as Json;
}

/**
 * The same as a list of pairs, each an object with the name and the value.
 *
 * @param name - what the object calls the name; as in {@link jsonObject}
 * @param value - what it calls the value
 */
export function jsonPairs(record: Readonly<Record<string, string>>, name: string, value: string): Json {
  let pairs = '';
  for (const key of sortedNames(record))
    pairs += `${pairs === '' ? '' : ','}{"${name}":${json(key)},"${value}":${json(record[key] ?? '')}}`;
  return `[${pairs}]` as Json;
}

function sortedNames(record: Readonly<Record<string, string>>): string[] {
  const names = Object.keys(record);
  for (let i = 1; i < names.length; i++) if ((names[i - 1] ?? '') > (names[i] ?? '')) return names.sort();
  return names;
}
