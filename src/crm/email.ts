/**
 * Addresses: their spelling in the CRM, and their keyed hash.
 *
 * The CRM keeps the local part as it was typed and the domain in lower case. Suppressions know a person by the
 * hash, without an address. It is keyed because anyone can guess and hash addresses; the key is kept apart from
 * the database.
 *
 * @module
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { limits } from '../shared/limits.ts';

const usableEmail = z.email().max(limits.maxEmailLength);

/** Trims an address and lower-cases its domain (RFC 5321 §2.4: only the local part may be case-sensitive). */
export function normalizeEmail(email: string): string {
  const trimmed = email.trim();
  const at = trimmed.lastIndexOf('@');
  return at < 0 ? trimmed : trimmed.slice(0, at) + trimmed.slice(at).toLowerCase();
}

/** True for addresses that a mail provider would take. */
export function isUsableEmail(email: string): boolean {
  return usableEmail.safeParse(email).success;
}

/** Hashes an address with a key that the caller has bound. */
export type HashEmail = (email: string) => string;

/** HMAC-SHA256 of the lower-cased address, as base64url: capital letters do not matter. */
export function emailHash(key: string, email: string): string {
  return createHmac('sha256', key).update(email.trim().toLowerCase()).digest('base64url');
}

/** True for what {@link emailHash} could have made. */
export function isEmailHash(text: string): boolean {
  return /^[\w-]{43}$/.test(text);
}
