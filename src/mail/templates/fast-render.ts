/**
 * Fast rendering: renders most templates by joining strings, which matters for a million leads.
 *
 * Most templates print fields and ask of them only whether they are empty. LiquidJS renders such a template once for
 * each combination of empty and filled fields, with a marker in the place of each field. Every other mail of that
 * combination is the text between the markers (the skeleton) joined with its own fields. A template that does
 * anything else with a field is left to LiquidJS.
 *
 * A skeleton has its text twice: as it is, and encoded for JSON, so that a mail that goes into the body of a call is
 * never encoded as a whole.
 *
 * Owns the recognition of such templates, and the skeletons. Invariant: the result is what LiquidJS would have made,
 * byte for byte.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { jsonOfParts, jsonPart, type Json } from '../json.ts';

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
  /** Null where a text has half a surrogate pair, which a field could complete. */
  encoded: EncodedSkeleton | null;
}

interface EncodedSkeleton {
  /** The texts, each as {@link jsonPart}. */
  texts: readonly string[];
  /** Characters of the texts before they were encoded. */
  length: number;
  /** A hash of the texts. */
  hash: string;
}

/** A rendered text in JSON. */
export interface EncodedText {
  json: Json;
  /** A shorter text that determines this one: the hash of the skeleton, and the values of the fields. */
  source: string;
}

export interface FastRenderer {
  /** The text; null when LiquidJS must render it. */
  render(fields: Fields): string | null;
  /**
   * The text in JSON. Null when it must be encoded as a whole: LiquidJS renders it, a value is not well-formed, or the
   * text is longer than `maxLength`.
   */
  encode(fields: Fields, maxLength: number): EncodedText | null;
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
): FastRenderer | null {
  if (!isPrecompilable(source)) return null;
  const skeletons = new Map<string, Skeleton>();

  const learn = (key: string, fields: Fields): Skeleton | null => {
    if (skeletons.size >= maxSkeletonCount) return null;
    const marked = { ...fields };
    for (const name of variables) if (fields[name] !== '') marked[name] = markOpen + name + markClose;
    const [first = '', ...rest] = renderWhole(marked).split(markOpen);
    const pieces = rest.map((piece) => piece.split(markClose));
    const texts = [first, ...pieces.map(([, text = '']) => text)];
    const skeleton: Skeleton = {
      texts,
      fields: pieces.map(([name = '']) => name),
      encoded: encodeTexts(texts),
    };
    skeletons.set(key, skeleton);
    return skeleton;
  };

  const skeletonOf = (fields: Fields): Skeleton | null => {
    let key = '';
    for (const name of variables) key += fields[name] === '' ? '0' : '1';
    return skeletons.get(key) ?? learn(key, fields);
  };

  return {
    render(fields) {
      const skeleton = skeletonOf(fields);
      if (skeleton === null) return null;
      let result = skeleton.texts[0] ?? '';
      for (let i = 0; i < skeleton.fields.length; i++) {
        result += escape(fields[skeleton.fields[i] ?? ''] ?? '') + (skeleton.texts[i + 1] ?? '');
      }
      return result;
    },

    encode(fields, maxLength) {
      const skeleton = skeletonOf(fields);
      const encoded = skeleton?.encoded ?? null;
      if (skeleton === null || encoded === null) return null;
      let result = encoded.texts[0] ?? '';
      let { length, hash: determined } = encoded;
      for (let i = 0; i < skeleton.fields.length; i++) {
        const value = escape(fields[skeleton.fields[i] ?? ''] ?? '');
        if (!value.isWellFormed()) return null;
        length += value.length;
        // Fields are one line, so a line end separates them.
        determined += `\n${value}`;
        result += jsonPart(value) + (encoded.texts[i + 1] ?? '');
      }
      return length > maxLength ? null : { json: jsonOfParts(result), source: determined };
    },
  };
}

function encodeTexts(texts: readonly string[]): EncodedSkeleton | null {
  if (!texts.every((text) => text.isWellFormed())) return null;
  return {
    texts: texts.map(jsonPart),
    length: texts.reduce((sum, text) => sum + text.length, 0),
    hash: createHash('sha256').update(JSON.stringify(texts)).digest('base64url'),
  };
}
