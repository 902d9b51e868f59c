/**
 * Opaque page cursors: a short JSON array as base64url. Decoding gives back what it cannot trust;
 * each list checks the parts itself. Cursors are in URLs, so no list may put an address into one.
 *
 * @module
 */

type CursorPart = string | number;

/** Longest cursor that is looked at: a sort value of 1,000 characters, escaped, in base64. */
const maxCursorLength = 12_000;

export function encodeCursor(parts: readonly CursorPart[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** The parts of a cursor, or null when it is not one. */
export function decodeCursor(cursor: string): CursorPart[] | null {
  if (cursor.length > maxCursorLength || !/^[\w-]+$/.test(cursor)) return null;
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
  return Array.isArray(parts) && parts.every((part) => typeof part === 'string' || typeof part === 'number')
    ? parts
    : null;
}
