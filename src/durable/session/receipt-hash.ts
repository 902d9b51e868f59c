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
import { base64url } from '../../shared/base64url.ts';

const encoder = new TextEncoder();
/** For the bytes of short texts, which are nearly all: `encode` makes an array for each. */
const shortBytes = new Uint8Array(4_096);

/** The UTF-8 bytes of a text; they are valid until the next call. */
function utf8(text: string): Uint8Array {
  // A UTF-16 code unit has at most three bytes.
  if (3 * text.length > shortBytes.length) return encoder.encode(text);
  return shortBytes.subarray(0, encoder.encodeInto(text, shortBytes).written);
}

const empty = sha256.create();
const copy = empty.clone();
const digest = new Uint8Array(32);

/** SHA-256 of a text, as base64url. Copies a fresh state instead of making one, which takes as long as a short hash. */
export function sha256Text(text: string): string {
  empty._cloneInto(copy).update(utf8(text)).digestInto(digest);
  return base64url(digest);
}

/** Hashes addresses as {@link import('../../crm/email.ts').emailHash} does, a thousand times as often. */
export function addressHasher(key: string): (email: string) => string {
  const keyed = new Hmac(sha256, encoder.encode(key));
  const copy = keyed.clone();
  const mac = new Uint8Array(32);
  return (email) => {
    keyed._cloneInto(copy).update(utf8(email.trim().toLowerCase())).digestInto(mac);
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
