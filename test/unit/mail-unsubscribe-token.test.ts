import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emailHash } from '../../src/crm/email.ts';
import { readUnsubscribeToken, unsubscribeToken } from '../../src/mail/unsubscribe-token.ts';

const secret = 'a secret of tests';
const claim = {
  sessionId: 'activation_1704123456789_a7bc3d2f1',
  leadId: 17,
  emailHash: emailHash(secret, 'zoe@lead.test'),
};

const sessionIds = fc
  .tuple(fc.integer({ min: 0, max: 9_999_999_999_999 }), fc.stringMatching(/^[a-z0-9]{9}$/))
  .map(([time, suffix]) => `activation_${String(time).padStart(13, '0')}_${suffix}`);

/** A token as it was made before, by Node's own HMAC: links in mails that were sent stay valid. */
function tokenByNode(key: string, { sessionId, leadId, emailHash: hash }: typeof claim): string {
  const [, time = '', suffix = ''] = sessionId.split('_');
  const bytes = Buffer.alloc(68);
  bytes.writeUInt8(1, 0);
  bytes.writeUIntBE(Number(time), 1, 6);
  bytes.writeUIntBE(Number.parseInt(suffix, 36), 7, 6);
  bytes.writeUInt8(Math.floor(leadId / 2 ** 48), 13);
  bytes.writeUIntBE(leadId % 2 ** 48, 14, 6);
  Buffer.from(hash, 'base64url').copy(bytes, 20);
  const derived = createHmac('sha256', key).update('unsubscribe-token').digest();
  createHmac('sha256', derived).update(bytes.subarray(0, 52)).digest().copy(bytes, 52, 0, 16);
  return bytes.toString('base64url');
}

describe('an unsubscribe token', () => {
  test('has the bytes that Node makes, for any secret, session, lead and address', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 100 }),
        sessionIds,
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.emailAddress(),
        (key, sessionId, leadId, email) => {
          const given = { sessionId, leadId, emailHash: emailHash('any', email) };
          expect(unsubscribeToken(key, given)).toBe(tokenByNode(key, given));
        },
      ),
    );
  });

  test.each([
    { ...claim, sessionId: 'activation_1704123456789_A7bc3d2f1' },
    { ...claim, sessionId: '' },
    { ...claim, emailHash: claim.emailHash.slice(1) },
    { ...claim, emailHash: `${claim.emailHash.slice(1)}*` },
  ])('is not made for the malformed claim %o', (malformed) => {
    expect(() => unsubscribeToken(secret, malformed)).toThrow(RangeError);
    expect(unsubscribeToken(secret, claim)).toBe(tokenByNode(secret, claim));
  });

  test('returns what was put into it, for any session, lead and address', () => {
    fc.assert(
      fc.property(
        sessionIds,
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.emailAddress(),
        (sessionId, leadId, email) => {
          const given = { sessionId, leadId, emailHash: emailHash(secret, email) };
          expect(readUnsubscribeToken(secret, unsubscribeToken(secret, given))).toEqual(given);
        },
      ),
    );
  });

  test('is the same for the same mail, so that a repeat has the same bytes', () => {
    expect(unsubscribeToken(secret, claim)).toBe(unsubscribeToken(secret, { ...claim }));
  });

  test('contains no personal data, and fits a URL and a header line', () => {
    const token = unsubscribeToken(secret, claim);
    expect(token).toMatch(/^[\w-]{91}$/);
    const text = Buffer.from(token, 'base64url').toString('latin1');
    expect(text.toLowerCase()).not.toMatch(/zoe|lead|@/);
  });

  test('is invalid with any character changed, with another secret, or made up', () => {
    const token = unsubscribeToken(secret, claim);
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(...'ABCXYZabcxyz0189_-'), (at, character) => {
        fc.pre(token[at] !== character);
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        expect(readUnsubscribeToken(secret, changed)).toBeNull();
      }),
    );
    expect(readUnsubscribeToken('another secret', token)).toBeNull();
    expect(readUnsubscribeToken(secret, '')).toBeNull();
    expect(readUnsubscribeToken(secret, `${token}A`)).toBeNull();
    expect(readUnsubscribeToken(secret, 'A'.repeat(91))).toBeNull();
  });
});
