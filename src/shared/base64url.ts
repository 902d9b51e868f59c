/**
 * Base64url, made for millions of short hashes.
 *
 * @module
 */

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** The two characters of each 12 bits: one look-up and one concatenation where there would be two. */
const pairs = Array.from({ length: 4_096 }, (_, at) => alphabet.charAt(at >> 6) + alphabet.charAt(at & 63));

/** Base64url without padding (RFC 4648 §5). */
export function base64url(bytes: Uint8Array): string {
  let text = '';
  let at = 0;
  for (; at + 2 < bytes.length; at += 3) {
    const bits = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += pairs[bits >> 12] ?? '';
    text += pairs[bits & 4_095] ?? '';
  }
  const restCount = bytes.length - at;
  if (restCount === 0) return text;
  const bits = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8);
  const rest = (pairs[bits >> 12] ?? '') + (pairs[bits & 4_095] ?? '');
  return text + rest.slice(0, restCount + 1);
}
