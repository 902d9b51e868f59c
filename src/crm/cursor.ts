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
  const bytes = new TextEncoder().encode(JSON.stringify(parts));
  return btoa(String.fromCodePoint(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** The parts of a cursor, or null when it is not one. */
export function decodeCursor(cursor: string): CursorPart[] | null {
  if (cursor.length > maxCursorLength || !/^[\w-]+$/.test(cursor)) return null;
  let parts: unknown;
  try {
    const bytes = atob(cursor.replaceAll('-', '+').replaceAll('_', '/'));
    parts = JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0))));
  } catch {
    return null;
  }
  return Array.isArray(parts) && parts.every((part) => typeof part === 'string' || typeof part === 'number')
    ? parts
    : null;
}
