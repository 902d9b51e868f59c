/**
 * Base64 of signatures and keys, as others send it.
 *
 * @module
 */

/** The bytes of a base64 text; none when it is not base64. */
export function bytesOfBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
