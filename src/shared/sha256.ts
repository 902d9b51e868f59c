/**
 * The hash by which two texts are known to be the same: a repeat's payload and its first attempt's, which
 * must be equal under one key, and a start request and the one that a session was made by.
 *
 * @module
 */

/** SHA-256 of the text's UTF-8 bytes, as 64 lower-case hex digits. */
export async function sha256Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
