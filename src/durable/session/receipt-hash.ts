/**
 * The hashes of a receipt: of its lines, of addresses, and the salts.
 *
 * In JavaScript, because a receipt has millions of short hashes: a call of the runtime's own functions takes longer
 * than such a hash (docs/decisions/0032). The algorithms are those of @noble/hashes.
 *
 * @module
 */
import { hkdf } from '@noble/hashes/hkdf.js';
import { _HMAC as Hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const encoder = new TextEncoder();

/** Base64url without padding (RFC 4648 §5). */
export function base64url(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b, c] = [bytes[at], bytes[at + 1], bytes[at + 2]];
    text += alphabet.charAt(a >> 2) + alphabet.charAt(((a & 3) << 4) | ((b ?? 0) >> 4));
    if (b !== undefined) text += alphabet.charAt(((b & 15) << 2) | ((c ?? 0) >> 6));
    if (c !== undefined) text += alphabet.charAt(c & 63);
  }
  return text;
}

/** SHA-256 of a text, as base64url. */
export function sha256Text(text: string): string {
  return base64url(sha256(encoder.encode(text)));
}

/** Hashes addresses as {@link import('../../crm/email.ts').emailHash} does, a thousand times as often. */
export function addressHasher(key: string): (email: string) => string {
  const keyed = new Hmac(sha256, encoder.encode(key));
  const copy = keyed.clone();
  const mac = new Uint8Array(32);
  return (email) => {
    keyed._cloneInto(copy).update(encoder.encode(email.trim().toLowerCase())).digestInto(mac);
    return base64url(mac);
  };
}

/** 128 bits: a salt is never guessed, and a receipt has one for each lead. */
const saltLength = 16;
/** HKDF gives 255 hashes at most (RFC 5869), which are 510 salts. */
const partSaltCount = 256;

/** The salts of a batch, from its seed. */
export function saltsFrom(seed: Uint8Array, count: number): string[] {
  const salts: string[] = [];
  while (salts.length < count) {
    const partCount = Math.min(partSaltCount, count - salts.length);
    const info = encoder.encode(`receipt salts from ${salts.length}`);
    const bytes = hkdf(sha256, seed, undefined, info, partCount * saltLength);
    for (let index = 0; index < partCount; index++) {
      salts.push(base64url(bytes.subarray(index * saltLength, (index + 1) * saltLength)));
    }
  }
  return salts;
}
