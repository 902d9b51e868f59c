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

describe('an unsubscribe token', () => {
  test('says what was put into it, whatever session, lead and address', () => {
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

  test('is the same for the same mail, so that a repeat is the same bytes', () => {
    expect(unsubscribeToken(secret, claim)).toBe(unsubscribeToken(secret, { ...claim }));
  });

  test('holds nothing personal, and fits a URL and a header line', () => {
    const token = unsubscribeToken(secret, claim);
    expect(token).toMatch(/^[\w-]{91}$/);
    const text = Buffer.from(token, 'base64url').toString('latin1');
    expect(text.toLowerCase()).not.toMatch(/zoe|lead|@/);
  });

  test('is worth nothing with any one character changed, with another secret, or made up', () => {
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
