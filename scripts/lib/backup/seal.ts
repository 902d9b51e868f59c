/**
 * Sealing the key of the address hash with a passphrase.
 *
 * scrypt makes the passphrase expensive to guess, AES-256-GCM keeps the key secret and notices every change. The
 * manifest is bound in as additional data: a seal opens only beside the manifest that it was made for, and that
 * names the hash of every other file. So every change of a backup is noticed, accidental or not.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes, scryptSync } from 'node:crypto';

/** Written with the seal, so that later versions can choose others. */
export interface Seal {
  kdf: { name: 'scrypt'; N: number; r: number; p: number; salt: string };
  cipher: 'aes-256-gcm';
  nonce: string;
  tag: string;
  sealed: string;
}

/**
 * OWASP's first choice for scrypt (Password Storage Cheat Sheet): 128 MiB and about half a second for each guess,
 * which somebody who restores waits once.
 */
const standardCost = { N: 2 ** 17, r: 8, p: 1 } as const;
/** What a seal may ask of this machine: one that somebody made up must not take all of its memory. */
const maxMemoryBytes = 512 * 1024 * 1024;

function deriveKey(passphrase: string, { N, r, p, salt }: Seal['kdf']): Buffer {
  return scryptSync(passphrase.normalize('NFKC'), Buffer.from(salt, 'base64'), 32, {
    ...{ N, r, p },
    maxmem: maxMemoryBytes,
  });
}

/**
 * Seals a secret.
 *
 * @param manifest - bytes that the seal is bound to
 * @param cost - of scrypt; tests use a smaller one
 */
export function seal(
  secret: string,
  passphrase: string,
  manifest: Buffer,
  cost: { N: number; r: number; p: number } = standardCost,
): Seal {
  const kdf = { name: 'scrypt', ...cost, salt: randomBytes(16).toString('base64') } as const;
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', deriveKey(passphrase, kdf), nonce).setAAD(manifest);
  const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  return {
    kdf,
    cipher: 'aes-256-gcm',
    nonce: nonce.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    sealed: sealed.toString('base64'),
  };
}

/** Opens a seal; null where the passphrase is another one, or seal or manifest were changed. */
export function openSeal(
  { kdf, nonce, tag, sealed }: Seal,
  passphrase: string,
  manifest: Buffer,
): string | null {
  try {
    const decipher = createDecipheriv(
      'aes-256-gcm',
      deriveKey(passphrase, kdf),
      Buffer.from(nonce, 'base64'),
      { authTagLength: 16 },
    )
      .setAAD(manifest)
      .setAuthTag(Buffer.from(tag, 'base64'));
    return Buffer.concat([decipher.update(Buffer.from(sealed, 'base64')), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

/** What two backups compare to know that their addresses were hashed with one key; says nothing about the key. */
export function keyCheck(key: string): string {
  return createHmac('sha256', key).update('lead-activation backup: key check').digest('base64url');
}
