/**
 * The keyed hash of an address: how suppressions know a person without holding an address.
 *
 * Keyed, because e-mail addresses can be guessed and hashed by anybody; the key is kept apart from
 * the database.
 *
 * @module
 */
import { createHmac } from 'node:crypto';

/** Hashes an address with a key that the caller has bound. */
export type HashEmail = (email: string) => string;

/** HMAC-SHA256 of the lower-cased address, as base64url. Spelling in capitals does not matter. */
export function emailHash(key: string, email: string): string {
  return createHmac('sha256', key).update(email.trim().toLowerCase()).digest('base64url');
}

/** True for what {@link emailHash} could have made. */
export function isEmailHash(text: string): boolean {
  return /^[\w-]{43}$/.test(text);
}
