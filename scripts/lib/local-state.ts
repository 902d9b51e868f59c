/**
 * The local state folder and its keys: of the address hash, and of receipts. `npm start`, the CSV import and the seed
 * share them, so that all three open the same database and hash addresses with the same key.
 *
 * Does not print a key. A state folder keeps its first keys: with another one its suppressions would match
 * no address.
 *
 * @module
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Absolute path of the project's root folder. */
export const projectRoot = resolve(import.meta.dirname, '../..');

/** Absolute path of the local state folder: `STATE_DIR`, or `.state` under the project's root. */
export function stateDir(): string {
  const chosen = process.env['STATE_DIR'];
  return resolve(projectRoot, chosen === undefined || chosen === '' ? '.state' : chosen);
}

/**
 * Makes the state folder, or takes over one that is there, so that only its owner can look into it: the
 * databases in it hold people's names and addresses, and each file has the mode that its program gives it.
 */
export function makeStateDir(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // `mode` is for a folder that is made now; one of an earlier start may be open to everybody.
  chmodSync(folder, 0o700);
}

/**
 * The key that addresses are hashed with: `ADDRESS_HASH_KEY`, or the one kept in the state folder,
 * which the first caller makes.
 *
 * @param folder - the state folder
 * @throws when the state folder cannot be written
 */
export function addressHashKey(folder = stateDir()): string {
  const given = process.env['ADDRESS_HASH_KEY'];
  if (given !== undefined && given !== '') return given;
  return keptKey(folder, 'address-hash-key', () => randomBytes(32).toString('base64url'));
}

/**
 * The key that receipts are signed with: `RECEIPT_SIGNING_KEY`, or the one kept in the state folder, which the first
 * caller makes.
 *
 * @param folder - the state folder
 * @throws when the state folder cannot be written
 */
export function receiptSigningKey(folder = stateDir()): string {
  const given = process.env['RECEIPT_SIGNING_KEY'];
  return given !== undefined && given !== '' ? given : keptKey(folder, 'receipt-signing-key', makeSigningKey);
}

/** A new private Ed25519 key, as a JSON Web Key. */
export function makeSigningKey(): string {
  return JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
}

function keptKey(folder: string, name: string, make: () => string): string {
  const file = join(folder, name);
  makeStateDir(folder);
  try {
    // `wx`: of two first callers at the same moment one writes, the other reads what was written.
    writeFileSync(file, make(), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const key = readFileSync(file, 'utf8').trim();
  if (key === '')
    throw new Error(`The key in ${file} is empty; delete the file, or set the key as a variable.`);
  return key;
}
