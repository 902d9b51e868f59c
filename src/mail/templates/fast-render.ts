/**
 * Fast rendering: renders most templates by joining strings, which matters for a million leads.
 *
 * Most templates print fields and ask of them only whether they are empty. LiquidJS renders such a template once for
 * each combination of empty and filled fields, with a marker in the place of each field. Every other mail of that
 * combination is the text between the markers (the skeleton) joined with its own fields. A template that does
 * anything else with a field is left to LiquidJS.
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

/** `{{ name }}` and `{{ name | default: 'text' }}`, which only print a field or test whether it is empty. */
const output = new RegExp(String.raw`^\{\{-?\s*${variable}\s*(?:\|\s*default:\s*${literal}\s*)?-?\}\}$`);
const tag = new RegExp(
  String.raw`^\{%-?\s*(?:(?:if|elsif|unless)\s+${condition}(?:\s+(?:and|or)\s+${condition})*|else|endif|endunless)\s*-?%\}$`,
);

/**
 * The markers: C1 control characters, which no text contains and no escape changes. They are Latin-1, so that the
 * pieces of a template without other alphabets stay strings of one byte a character, which are encoded twice as
 * fast.
 */
const markOpen = '\u0086';
const markClose = '\u0087';
/** With more combinations than this, LiquidJS renders the rest, because a skeleton can be as large as a template. */
const maxSkeletonCount = 64;

/** True when a template only prints fields, with or without a default, and tests whether they are empty. */
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
 * Makes the fast renderer of a template; null for one that needs LiquidJS for each mail.
 *
 * @param source - Liquid that LiquidJS has parsed without an error
 * @param variables - the variables that it uses
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
