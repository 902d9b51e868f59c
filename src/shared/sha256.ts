/**
 * The hash that tells whether two texts are the same: the payloads of an attempt and its repeat, which must be equal
 * under one key, and the start request of a session and its repeat.
 *
 * @module
 */

/** SHA-256 of the text's UTF-8 bytes, as 64 lower-case hex digits. */
export async function sha256Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
