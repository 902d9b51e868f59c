/**
 * The fingerprint of a payload, kept with an intent and compared before a repeat: the same key must
 * carry the same bytes, or the provider answers that it was taken before.
 *
 * @module
 */

/** SHA-256 of the payload's UTF-8 bytes, as 64 lower-case hex digits. */
export async function payloadHash(payload: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(payload));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
