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
import { _HMAC as Hmac, hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { Buffer } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';

export interface UnsubscribeClaim {
  sessionId: string;
  leadId: number;
  /** The key of a suppression: HMAC-SHA256 of the address, as base64url. */
  emailHash: string;
}

/** The first byte, so that a later version can have another layout and still read old links. */
const version = 1;
const timeAt = 1;
const suffixAt = 7;
const leadAt = 13;
const hashAt = 20;
const macAt = 52;
/** 16 bytes of an HMAC-SHA256 (RFC 2104 §5 allows half): one of 2^128 cannot be guessed. */
const macLength = 16;
const tokenLength = macAt + macLength;

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
const suffixLength = 9;

/** A token and the rest of its MAC. Filled and read without an await, so one is enough for all. */
const scratch = Buffer.alloc(macAt + 32);
const scratchClaim = scratch.subarray(0, macAt);
const scratchMac = scratch.subarray(macAt);
const scratchToken = scratch.subarray(0, tokenLength);

/**
 * Makes a token.
 *
 * @param secret - the key of address hashes; a token's key is derived from it, so that neither helps to
 *   forge the other
 */
export function unsubscribeToken(secret: string, claim: UnsubscribeClaim): string {
  const { time, suffix } = sessionNumbers(claim.sessionId);
  if (claim.emailHash.length !== 43 || scratch.write(claim.emailHash, hashAt, 'base64url') !== macAt - hashAt)
    throw new RangeError('This is not the claim of a mail.');
  scratch.writeUInt8(version, 0);
  scratch.writeUIntBE(time, timeAt, 6);
  scratch.writeUIntBE(suffix, suffixAt, 6);
  // 53 bits: 7 bytes, of which Node writes at most 6 at once.
  scratch.writeUInt8(Math.floor(claim.leadId / 2 ** 48), leadAt);
  scratch.writeUIntBE(claim.leadId % 2 ** 48, leadAt + 1, 6);
  writeMac(secret, scratchClaim, scratchMac);
  return scratchToken.toString('base64url');
}

/** The claim of a token, or null when we did not make the token. */
export function readUnsubscribeToken(secret: string, token: string): UnsubscribeClaim | null {
  if (!/^[\w-]{91}$/.test(token)) return null;
  const bytes = Buffer.from(token, 'base64url');
  // The last character has unused bits; only our own encoding is valid.
  if (bytes.length !== tokenLength || bytes.toString('base64url') !== token) return null;
  writeMac(secret, bytes.subarray(0, macAt), scratchMac);
  if (!timingSafeEqual(scratchMac.subarray(0, macLength), bytes.subarray(macAt))) return null;
  if (bytes.readUInt8(0) !== version) return null;
  const time = String(bytes.readUIntBE(timeAt, 6)).padStart(13, '0');
  return {
    sessionId: `activation_${time}_${numberToSuffix(bytes.readUIntBE(suffixAt, 6))}`,
    leadId: bytes.readUInt8(leadAt) * 2 ** 48 + bytes.readUIntBE(leadAt + 1, 6),
    emailHash: bytes.subarray(hashAt, macAt).toString('base64url'),
  };
}

/** The last session: all mails of a batch have the same. */
let lastSession = { sessionId: '', time: 0, suffix: 0 };

function sessionNumbers(sessionId: string): { time: number; suffix: number } {
  if (lastSession.sessionId === sessionId) return lastSession;
  const [, time, suffix = ''] = /^activation_(\d{13})_([a-z0-9]{9})$/.exec(sessionId) ?? [];
  if (time === undefined) throw new RangeError('This is not the claim of a mail.');
  lastSession = { sessionId, time: Number(time), suffix: suffixToNumber(suffix) };
  return lastSession;
}

type Mac = Hmac<ReturnType<typeof sha256.create>>;

/** A MAC under the last key, before its message; and the copy of it that takes one. */
let lastKey: { secret: string; keyed: Mac; copy: Mac } | null = null;

function macUnder(secret: string): { keyed: Mac; copy: Mac } {
  if (lastKey?.secret === secret) return lastKey;
  const text = new TextEncoder();
  const key = hmac(sha256, text.encode(secret), text.encode('unsubscribe-token'));
  const keyed: Mac = new Hmac(sha256, key);
  const copy = keyed.clone();
  lastKey = { secret, keyed, copy };
  return { keyed, copy };
}

/**
 * Writes the 32 bytes of a MAC. A batch has a hundred of them: `createHmac` makes objects of the runtime for each,
 * which takes longer than all of it in JavaScript from a state that has taken the key already.
 */
function writeMac(secret: string, message: Uint8Array, mac: Uint8Array): void {
  const { keyed, copy } = macUnder(secret);
  keyed._cloneInto(copy).update(message).digestInto(mac);
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
