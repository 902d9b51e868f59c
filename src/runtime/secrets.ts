/**
 * The start-up check of secrets: a Worker that lacks one says so at once, and not in the middle of a run.
 *
 * Never: a secret's value, nor a part of it.
 *
 * @module
 */

/** Shorter keys of a hash can be guessed. */
const minHashKeyLength = 16;

/** Names of the secrets that are missing, or too short to be one. */
export function missingSecrets(env: Partial<Pick<Env, 'MAIL_API_KEY' | 'ADDRESS_HASH_KEY'>>): string[] {
  const missing: string[] = [];
  if ((env.MAIL_API_KEY ?? '').trim() === '') missing.push('MAIL_API_KEY');
  if ((env.ADDRESS_HASH_KEY ?? '').length < minHashKeyLength) missing.push('ADDRESS_HASH_KEY');
  return missing;
}
