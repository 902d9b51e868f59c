/**
 * Verifies the assertion that Cloudflare Access sends with each request it lets through.
 *
 * Owns which assertions are valid and whom they name. Does not know roles or the names of settings.
 * Invariant: no part of an assertion is used before its signature, issuer, audience and times are verified.
 *
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/application-token/
 * @module
 */
import { errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { AccessKeysUnavailable } from './access-keys.ts';
import type { AccessSettings } from './access-settings.ts';

/** The header; the `CF_Authorization` cookie is not read, because it is not guaranteed to be passed on. */
export const assertionHeader = 'cf-access-jwt-assertion';

/**
 * Browsers need not keep a cookie above 4,096 bytes (RFC 6265 §6.1), and the same token is in a cookie. Twice
 * that is refused before any work is done with it.
 */
const maxLength = 8_192;

/**
 * Seconds that the two clocks may differ: the one that signs, and the Worker's, which stands still at the arrival
 * of the request. Both are Cloudflare's. A token is used from the second it was signed in, so some seconds are
 * needed; each of them also makes a token valid for longer.
 */
const clockToleranceSeconds = 10;

/**
 * The client id of a service token. The common name of a client certificate (mTLS) stands in the same claim and
 * must not pass for one.
 */
const clientIdPattern = /^[0-9a-f]{32}\.access(\.[a-z0-9.-]+)?$/i;

/** Whom an assertion names. `expiresAt` is in epoch milliseconds. */
export type AccessSubject =
  | { kind: 'person'; email: string; expiresAt: number }
  | { kind: 'token'; clientId: string; expiresAt: number };

/** `why` is for the log; it contains no part of the assertion. */
export type Verdict =
  { kind: 'verified'; subject: AccessSubject } | { kind: 'refused'; why: string } | { kind: 'unavailable' };

/**
 * Verifies an assertion: RS256 by one of the team's keys, `iss`, `aud`, `exp`, and `nbf` where it is there.
 *
 * @param now - epoch milliseconds
 */
export async function verifyAssertion(
  assertion: string,
  settings: AccessSettings,
  keyOf: JWTVerifyGetKey,
  now: number,
): Promise<Verdict> {
  if (assertion.length > maxLength) return { kind: 'refused', why: 'too_long' };
  try {
    const { payload } = await jwtVerify(assertion, keyOf, {
      algorithms: ['RS256'],
      issuer: settings.issuer,
      audience: [...settings.audiences],
      requiredClaims: ['exp'],
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(now),
    });
    const subject = subjectOf(payload);
    return subject === null ? { kind: 'refused', why: 'names_nobody' } : { kind: 'verified', subject };
  } catch (error) {
    if (error instanceof AccessKeysUnavailable) return { kind: 'unavailable' };
    if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) {
      return { kind: 'refused', why: `${error.code} ${error.claim}` };
    }
    if (error instanceof errors.JOSEError) return { kind: 'refused', why: error.code };
    throw error;
  }
}

/**
 * A person has an address. A service token has an empty `sub` and its client id as `common_name`. Other assertions
 * name no subject: a client certificate without a person, the team's own session (`type: org`).
 */
function subjectOf({ type, email, common_name: name, sub, exp }: JWTPayload): AccessSubject | null {
  const expiresAt = (exp ?? 0) * 1_000;
  if (type !== undefined && type !== 'app') return null;
  if (typeof email === 'string' && email.includes('@')) return { kind: 'person', email, expiresAt };
  const hasNoPerson = (email === undefined || email === '') && (sub === undefined || sub === '');
  return hasNoPerson && typeof name === 'string' && clientIdPattern.test(name)
    ? { kind: 'token', clientId: name.toLowerCase(), expiresAt }
    : null;
}
