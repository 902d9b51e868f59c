/**
 * Addresses as the CRM keeps them: the local part as it was typed, the domain in lower case.
 *
 * @module
 */
import { z } from 'zod';
import { limits } from '../shared/limits.ts';

const usableEmail = z.email().max(limits.maxEmailLength);

/** Trims an address and lower-cases its domain (RFC 5321 §2.4: only the local part may care). */
export function normalizeEmail(email: string): string {
  const trimmed = email.trim();
  const at = trimmed.lastIndexOf('@');
  return at < 0 ? trimmed : trimmed.slice(0, at) + trimmed.slice(at).toLowerCase();
}

/** True for addresses that a mail provider would take. */
export function isUsableEmail(email: string): boolean {
  return usableEmail.safeParse(email).success;
}
