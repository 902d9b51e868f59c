/**
 * Unsubscribe tokens: the last part of the link in a mail's footer and in its List-Unsubscribe header.
 *
 * A token names the session, the lead and the keyed hash of the address that was mailed, so that it works forever:
 * also when the lead was erased or got another address, or the session is gone. It holds no address, and its MAC
 * keeps it from being guessed or changed.
 *
 * Owns the bytes. Uses no clock and no random numbers, so the same mail gets the same token on every repeat.
 *
 * @module
 */
import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface UnsubscribeClaim {
  sessionId: string;
  leadId: number;
  /** The key of a suppression: HMAC-SHA256 of the address, as base64url. */
  emailHash: string;
}

/** Written first, so that another layout can come later and old links still be read. */
const version = 1;
const timeAt = 1;
const suffixAt = 7;
const leadAt = 13;
const hashAt = 20;
const macAt = 52;
/** 16 bytes of an HMAC-SHA256 (RFC 2104 §5 allows half): nobody guesses one of 2^128. */
const macLength = 16;
const tokenLength = macAt + macLength;

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
const suffixLength = 9;

/**
 * Makes a token.
 *
 * @param secret - the key of address hashes; a token's key is derived from it, so that neither helps to
 *   forge the other
 */
export function unsubscribeToken(secret: string, claim: UnsubscribeClaim): string {
  const [, time = '', suffix = ''] = /^activation_(\d{13})_([a-z0-9]{9})$/.exec(claim.sessionId) ?? [];
  const hash = Buffer.from(claim.emailHash, 'base64url');
  if (time === '' || hash.length !== macAt - hashAt) throw new RangeError('This is not the claim of a mail.');
  const bytes = Buffer.alloc(tokenLength);
  bytes.writeUInt8(version, 0);
  bytes.writeUIntBE(Number(time), timeAt, 6);
  bytes.writeUIntBE(suffixToNumber(suffix), suffixAt, 6);
  // 53 bits: 7 bytes, of which Node writes at most 6 at once.
  bytes.writeUInt8(Math.floor(claim.leadId / 2 ** 48), leadAt);
  bytes.writeUIntBE(claim.leadId % 2 ** 48, leadAt + 1, 6);
  hash.copy(bytes, hashAt);
  macOf(secret, bytes).copy(bytes, macAt);
  return bytes.toString('base64url');
}

/** The claim of a token, or null when we did not make the token. */
export function readUnsubscribeToken(secret: string, token: string): UnsubscribeClaim | null {
  if (!/^[\w-]{91}$/.test(token)) return null;
  const bytes = Buffer.from(token, 'base64url');
  // The last character has unused bits: only the spelling that we write is valid.
  if (bytes.length !== tokenLength || bytes.toString('base64url') !== token) return null;
  if (!timingSafeEqual(macOf(secret, bytes), bytes.subarray(macAt))) return null;
  if (bytes.readUInt8(0) !== version) return null;
  const time = String(bytes.readUIntBE(timeAt, 6)).padStart(13, '0');
  return {
    sessionId: `activation_${time}_${numberToSuffix(bytes.readUIntBE(suffixAt, 6))}`,
    leadId: bytes.readUInt8(leadAt) * 2 ** 48 + bytes.readUIntBE(leadAt + 1, 6),
    emailHash: bytes.subarray(hashAt, macAt).toString('base64url'),
  };
}

function macOf(secret: string, bytes: Buffer): Buffer {
  return createHmac('sha256', keyOf(secret)).update(bytes.subarray(0, macAt)).digest().subarray(0, macLength);
}

/** The last derived key: deriving it for each mail was a third of what tokens cost. */
let derived: { secret: string; key: Buffer } | null = null;

function keyOf(secret: string): Buffer {
  if (derived?.secret !== secret) {
    derived = { secret, key: createHmac('sha256', secret).update('unsubscribe-token').digest() };
  }
  return derived.key;
}

/** 36^9 is below 2^47. */
function suffixToNumber(suffix: string): number {
  let number = 0;
  for (const character of suffix) number = number * alphabet.length + alphabet.indexOf(character);
  return number;
}

function numberToSuffix(number: number): string {
  return number.toString(alphabet.length).padStart(suffixLength, '0');
}
