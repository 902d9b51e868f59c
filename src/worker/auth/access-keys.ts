/**
 * The public keys of an Access team, kept in the isolate.
 *
 * Owns: when the key set is fetched. jose fetches, checks and selects; left to itself it also drops the keys
 * when a refetch fails after `cacheMaxAge`, counts its cooldown from successes only, and in workerd fetches
 * once for every request that waits (jose 6.2, `jwks/remote`). So its own timing is switched off here.
 * Invariants: keys that were fetched are kept until others arrive. With keys at hand at most one fetch begins
 * in a minute, without keys at most one in a second, however many requests there are.
 *
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/
 * @module
 */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey, type RemoteJWKSet } from 'jose';
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
import { SharedWork, type WaitUntil, type WorkClock } from './shared-work.ts';

/** The effects that tests replace. */
export interface AccessDeps extends WorkClock {
  fetch: typeof fetch;
}

/**
 * Age at which the keys are fetched again. Access publishes a key for seven days after it was replaced; but a key
 * that was rotated because it leaked must be dropped within minutes.
 */
const maxAgeMs = 600_000;
/** Least time between two fetches while there are keys. Requests with invented key ids cause fetches. */
const refetchMs = 60_000;
/** Least time between two fetches while there are no keys and no sign-in can be verified. */
const coldRetryMs = 1_000;
const fetchTimeoutMs = 5_000;

/** There are no keys, and none could be fetched: no assertion can be verified. */
export class AccessKeysUnavailable extends Error {
  override name = 'AccessKeysUnavailable';
}

export class AccessKeys {
  readonly #remote: RemoteJWKSet;
  readonly #deps: AccessDeps;
  readonly #fetching: SharedWork;
  #attemptedAt = -Infinity;
  #fetchedAt = -Infinity;

  /** @param issuer - origin of the team's domain */
  constructor(issuer: string, deps: AccessDeps) {
    this.#deps = deps;
    this.#fetching = new SharedWork(deps, fetchTimeoutMs + 1_000);
    this.#remote = createRemoteJWKSet(new URL('/cdn-cgi/access/certs', issuer), {
      cacheMaxAge: Infinity,
      cooldownDuration: Infinity,
      timeoutDuration: fetchTimeoutMs,
      [customFetch]: (url, options) => deps.fetch(url, options),
    });
  }

  /**
   * The key that an assertion names, for jose's `jwtVerify`.
   *
   * @throws AccessKeysUnavailable without keys; jose's JWKSNoMatchingKey for an unknown key id
   */
  resolver(waitUntil: WaitUntil): JWTVerifyGetKey {
    return async (header, token) => {
      const age = this.#deps.now() - this.#fetchedAt;
      if (!this.#hasKeys()) {
        await this.#refetch(coldRetryMs, waitUntil);
        if (!this.#hasKeys()) throw new AccessKeysUnavailable('The keys of the Access team are not known.');
      } else if (age >= maxAgeMs) {
        // The request does not wait: the present keys are valid for days.
        waitUntil(this.#refetch(refetchMs, waitUntil));
      }
      try {
        return await this.#remote(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        // A new key is used for signing as soon as it exists.
        await this.#refetch(refetchMs, waitUntil);
        return this.#remote(header, token);
      }
    };
  }

  #hasKeys(): boolean {
    return this.#remote.jwks() !== undefined;
  }

  /** Fetches, unless a fetch began within `spacingMs`; waits for a fetch that is under way. */
  async #refetch(spacingMs: number, waitUntil: WaitUntil): Promise<void> {
    const isTooSoon = this.#deps.now() - this.#attemptedAt < spacingMs;
    if (isTooSoon && !this.#fetching.isUnderWay()) return;
    await this.#fetching.join(() => this.#fetch(), waitUntil);
  }

  async #fetch(): Promise<void> {
    this.#attemptedAt = this.#deps.now();
    try {
      await this.#remote.reload();
      this.#fetchedAt = this.#deps.now();
    } catch (error) {
      logEvent('error', 'access_keys_unreachable', {
        error: faultText(error),
        effect: this.#hasKeys()
          ? 'The keys fetched before are still used; people with a known key get in.'
          : 'Nobody gets in until the keys can be fetched.',
        hint: 'Check that ACCESS_TEAM_DOMAIN is your team domain and that it answers at /cdn-cgi/access/certs.',
      });
    }
  }
}
