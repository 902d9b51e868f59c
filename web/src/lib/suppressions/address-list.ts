/**
 * Finds the addresses in pasted text or in a file: one per line, separated by commas, or a column of a CSV
 * file.
 *
 * Does not decide what a valid address is; the server does. Keeps what has an @ in it and drops the rest
 * (names, headers, other columns).
 *
 * @module
 */

/** Every distinct thing with an @ in it, in order. */
export function addressesIn(text: string): string[] {
  const parts = text
    .split(/[\s,;"<>|]+/)
    .map((part) => part.replace(/^(?:mailto:|[('[])+|[)'\].]+$/gi, ''))
    .filter((part) => part.includes('@'));
  return [...new Set(parts)];
}
