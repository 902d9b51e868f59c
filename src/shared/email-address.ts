/**
 * Addresses as they are spelled and which of them a mail provider would take. Free of zod and of Node, because
 * the web app checks a file's addresses with it.
 *
 * @module
 */
import { limits } from './limits.ts';

/** The pattern of zod's `z.email()`, which the API's schemas use; a unit test compares the two. */
export const usableEmailPattern =
  /^(?:[A-Za-z0-9_'+\-]+\.)*[A-Za-z0-9_'+\-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$/;

/** Trims an address and lower-cases its domain (RFC 5321 §2.4: only the local part may be case-sensitive). */
export function normalizeEmail(email: string): string {
  const trimmed = email.trim();
  const at = trimmed.lastIndexOf('@');
  return at < 0 ? trimmed : trimmed.slice(0, at) + trimmed.slice(at).toLowerCase();
}

/** True for addresses that a mail provider would take. */
export function isUsableEmail(email: string): boolean {
  return email.length <= limits.maxEmailLength && usableEmailPattern.test(email);
}
