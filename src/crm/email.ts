/**
 * Addresses: their spelling in the CRM, and their keyed hash.
 *
 * The CRM keeps the local part as it was typed and the domain in lower case. Suppressions identify a person by the
 * hash, without an address. The hash is keyed, because anyone can guess and hash addresses; the key is not in the
 * database.
 *
 * @module
 */
import { createHmac } from 'node:crypto';

export { isUsableEmail, normalizeEmail } from '../shared/email-address.ts';

/** The address as SQLite's NOCASE compares it: NOCASE knows the case of ASCII letters only. */
export function addressKey(email: string): string {
  return email.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Hashes an address with a key that the caller has bound. */
export type HashEmail = (email: string) => string;

/** HMAC-SHA256 of the address in lower case, as base64url. */
export function emailHash(key: string, email: string): string {
  return createHmac('sha256', key).update(email.trim().toLowerCase()).digest('base64url');
}

/**
 * The key under which the receipt of a session has the addresses: `emailHash(key, address)`. Whoever gets it can look
 * for an address in that receipt and nowhere else.
 */
export function receiptAddressKey(secret: string, sessionId: string): string {
  return createHmac('sha256', secret).update(`receipt\n${sessionId}`).digest('base64url');
}

/** True for a text in the form of an {@link emailHash}. */
export function isEmailHash(text: string): boolean {
  return /^[\w-]{43}$/.test(text);
}
