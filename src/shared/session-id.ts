/**
 * The name of one bulk activation. The browser makes it, the Worker routes by it, and it is the idempotency key of the
 * start. It is not a secret: identity protects a session.
 *
 * @module
 */

/** `activation_` + creation time in epoch ms (13 digits) + `_` + 9 characters of a-z0-9. */
export const sessionIdPattern = /^activation_\d{13}_[a-z0-9]{9}$/;

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** True when `value` is a well-formed session id. */
export function isSessionId(value: unknown): value is string {
  return typeof value === 'string' && sessionIdPattern.test(value);
}

/**
 * Makes a session id.
 *
 * @param nowMs - epoch milliseconds; it becomes part of the name
 * @param random - returns `count` random bytes; `crypto.getRandomValues` in a browser
 */
export function newSessionId(nowMs: number, random: (count: number) => Uint8Array): string {
  // 36 does not divide 256: bytes from 252 on are thrown away, so that each character is as likely.
  let suffix = '';
  while (suffix.length < 9) {
    for (const byte of random(16)) {
      if (byte < 252 && suffix.length < 9) suffix += alphabet.charAt(byte % 36);
    }
  }
  return `activation_${String(Math.trunc(nowMs)).padStart(13, '0')}_${suffix}`;
}
