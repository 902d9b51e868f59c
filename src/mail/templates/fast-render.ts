/**
 * Fast rendering: makes a template for a million leads as cheap as joining strings.
 *
 * Most templates print fields and ask of them only whether they are empty. LiquidJS renders such a template once for
 * each combination of empty and filled fields, with a mark in the place of each field; every other mail of that
 * combination is the text between the marks (its skeleton) and its own fields. A template that does anything else
 * with a field is left to LiquidJS.
 *
 * Owns the recognition of such templates, and the skeletons. Invariant: the result is what LiquidJS would have made,
 * byte for byte.
 *
 * @module
 */

/** Fields by name, each one line; empty where a lead has no value. */
export type Fields = Readonly<Record<string, string>>;

const variable = String.raw`(?:custom\.[a-z][a-z0-9_]*|[A-Za-z]\w*)`;
const literal = String.raw`(?:'[^'{}%]*'|"[^"{}%]*")`;
const condition = String.raw`${variable}(?:\s*[!=]=\s*(?:''|""))?`;

/** `{{ name }}` and `{{ name | default: 'text' }}`: nothing that looks at more than emptiness. */
const output = new RegExp(String.raw`^\{\{-?\s*${variable}\s*(?:\|\s*default:\s*${literal}\s*)?-?\}\}$`);
const tag = new RegExp(
  String.raw`^\{%-?\s*(?:(?:if|elsif|unless)\s+${condition}(?:\s+(?:and|or)\s+${condition})*|else|endif|endunless)\s*-?%\}$`,
);

/**
 * C1 control characters: no text has them, no escape changes them. They are Latin-1, so that the pieces of a
 * template without other alphabets stay strings of one byte a character, which are encoded twice as fast.
 */
const markOpen = '\u0086';
const markClose = '\u0087';
/** More combinations than this and the rest is left to LiquidJS; a skeleton may be as large as a template. */
const maxSkeletonCount = 64;

/** True when a template's fields are only printed, defaulted and asked for emptiness. */
function isPrecompilable(source: string): boolean {
  if (source.includes(markOpen) || source.includes(markClose)) return false;
  for (const [part] of source.matchAll(/\{\{[^]*?\}\}|\{%[^]*?%\}/g)) {
    if (!output.test(part) && !tag.test(part)) return false;
  }
  return true;
}

/** Text, field, text, field … text. */
interface Skeleton {
  texts: readonly string[];
  fields: readonly string[];
}

/**
 * Makes the quick renderer of a template, or null for one that needs LiquidJS for each mail.
 *
 * @param source - Liquid that LiquidJS has parsed without complaint
 * @param variables - those that it uses
 * @param renderWhole - LiquidJS on this template
 * @param escape - what LiquidJS does to a value that it prints
 */
export function fastRenderer(
  source: string,
  variables: readonly string[],
  renderWhole: (fields: Fields) => string,
  escape: (value: string) => string,
): ((fields: Fields) => string | null) | null {
  if (!isPrecompilable(source)) return null;
  const skeletons = new Map<string, Skeleton>();

  const learn = (key: string, fields: Fields): Skeleton | null => {
    if (skeletons.size >= maxSkeletonCount) return null;
    const marked = { ...fields };
    for (const name of variables) if (fields[name] !== '') marked[name] = markOpen + name + markClose;
    const [first = '', ...rest] = renderWhole(marked).split(markOpen);
    const pieces = rest.map((piece) => piece.split(markClose));
    const skeleton: Skeleton = {
      texts: [first, ...pieces.map(([, text = '']) => text)],
      fields: pieces.map(([name = '']) => name),
    };
    skeletons.set(key, skeleton);
    return skeleton;
  };

  return (fields) => {
    let key = '';
    for (const name of variables) key += fields[name] === '' ? '0' : '1';
    const skeleton = skeletons.get(key) ?? learn(key, fields);
    if (skeleton === null) return null;
    let result = skeleton.texts[0] ?? '';
    for (let i = 0; i < skeleton.fields.length; i++) {
      result += escape(fields[skeleton.fields[i] ?? ''] ?? '') + (skeleton.texts[i + 1] ?? '');
    }
    return result;
  };
}
