/**
 * A Zero Trust team for tests: its signing keys, and the assertions that Access makes with them. Runs in Node
 * and in workerd.
 *
 * The claims of people and of service tokens are those that Cloudflare documents.
 *
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/application-token/
 * @module
 */
import { SignJWT, exportJWK, generateKeyPair, type JWK, type JWTPayload } from 'jose';

interface SigningKey {
  kid: string;
  privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  publicJwk: JWK;
}

export class AccessTeam {
  /** Origin of the team's domain. */
  readonly issuer: string;
  /** Audience tag of its application. */
  readonly audience = 'a0'.repeat(32);
  /** The current key first. */
  #keys: SigningKey[] = [];

  private constructor(issuer: string) {
    this.issuer = issuer;
  }

  static async create(issuer = 'https://acme.cloudflareaccess.com'): Promise<AccessTeam> {
    const team = new AccessTeam(issuer);
    await team.rotate();
    return team;
  }

  /** The answer of `/cdn-cgi/access/certs`: the current key and the previous one. */
  jwks(): { keys: JWK[] } {
    return { keys: this.#keys.slice(0, 2).map(({ publicJwk }) => publicJwk) };
  }

  /** Signs with a new key from now on. */
  async rotate(): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const kid = crypto.randomUUID();
    const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' };
    this.#keys.unshift({ kid, privateKey, publicJwk });
  }

  /** Claims of a person who signed in at `nowMs` */
  personClaims(email: string, nowMs = Date.now(), lifeMs = 3_600_000): JWTPayload {
    const now = Math.floor(nowMs / 1_000);
    return {
      aud: [this.audience],
      email,
      exp: now + Math.floor(lifeMs / 1_000),
      iat: now,
      nbf: now,
      iss: this.issuer,
      type: 'app',
      identity_nonce: '6ei69kawdKzMIAPF',
      sub: '7335d417-61da-459d-899c-0a01c76a2f94',
      country: 'DE',
    };
  }

  /** Claims of a service token: no address, no `nbf`, an empty `sub`. */
  tokenClaims(clientId: string, nowMs = Date.now()): JWTPayload {
    const now = Math.floor(nowMs / 1_000);
    return {
      type: 'app',
      aud: this.audience,
      exp: now + 3_600,
      iss: this.issuer,
      common_name: clientId,
      iat: now,
      sub: '',
    };
  }

  /**
   * Signs any claims, including those that Access never makes.
   *
   * @param kid - a key id other than that of the signing key
   */
  sign(claims: Record<string, unknown>, kid?: string): Promise<string> {
    const key = this.#keys[0];
    if (key === undefined) throw new Error('the team has no key');
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: kid ?? key.kid })
      .sign(key.privateKey);
  }
}
