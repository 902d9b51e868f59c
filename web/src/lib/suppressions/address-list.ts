/**
 * Addresses out of what a person pasted or a file holds: one in a line, separated by commas, or a column
 * of a CSV file.
 *
 * Never decides what an address is: that is the server's word. Keeps what has an @ in it and drops the rest
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
