/**
 * Canonical JSON: one text for equal data, so that its hash can be compared, as RFC 8785 (JSON Canonicalization
 * Scheme) has it: no spaces, keys in the order of their UTF-16 code units, numbers and strings as ECMAScript writes
 * them. It differs in one thing: a lone surrogate is escaped and not refused, because a person may have typed it.
 *
 * @module
 */

/**
 * The canonical text of JSON data; properties that are `undefined` are left out, as `JSON.stringify` does.
 *
 * @throws TypeError for what JSON cannot hold, such as Infinity or a function
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      // `<` compares code units, in every locale.
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) {
    return JSON.stringify(value);
  }
  throw new TypeError(`JSON cannot hold ${typeof value === 'number' ? String(value) : typeof value}.`);
}

/** Deep enough for everything that we make; a deeper value would end a recursion with an overflow. */
const maxDepth = 8;

/** True for data that {@link canonicalJson} takes, from somebody who may send anything. */
export function isCanonicalizable(value: unknown, depth = maxDepth): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((member) => isCanonicalizable(member, depth - 1));
}
