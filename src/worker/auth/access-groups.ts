/**
 * The groups of a person. They are requested from Access, because an assertion does not contain them.
 *
 * Owns the request and its cache. An assertion is sent to the team's own domain only and is not kept: the cache is
 * keyed by its hash.
 * Invariant: a person whose groups could not be read has no groups.
 *
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/application-token/#user-identity
 * @module
 */
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
import { userAgent } from '../../runtime/fetch-like.ts';
import { sha256Hex } from '../../shared/sha256.ts';
import type { AccessDeps } from './access-keys.ts';
import { SharedWork, type WaitUntil } from './shared-work.ts';

/** More than the people who work at one time in one isolate. The oldest entry is removed first. */
const maxEntries = 1_000;
/** A person waits for this at their first request with a new assertion. */
const timeoutMs = 3_000;
/** Time until the next try after a failure: longer than the requests of one page, short enough that a reload helps. */
const failureMs = 10_000;

interface Known {
  groups: readonly string[];
  /** Epoch milliseconds. */
  until: number;
  readonly asking: SharedWork;
}

export class AccessGroups {
  readonly #issuer: string;
  readonly #deps: AccessDeps;
  readonly #known = new Map<string, Known>();

  constructor(issuer: string, deps: AccessDeps) {
    this.#issuer = issuer;
    this.#deps = deps;
  }

  /**
   * Names, ids and addresses of the groups of the person that a verified assertion names.
   *
   * @param expiresAt - the assertion's end in epoch milliseconds; the answer is kept until then
   * @returns an empty list when Access does not answer
   */
  async of(assertion: string, expiresAt: number, waitUntil: WaitUntil): Promise<readonly string[]> {
    const { now } = this.#deps;
    const known = this.#entryOf(await sha256Hex(assertion));
    if (now() >= known.until) {
      await known.asking.join(async () => {
        const groups = await this.#ask(assertion);
        known.groups = groups ?? [];
        known.until = groups === null ? now() + failureMs : expiresAt;
      }, waitUntil);
    }
    return known.groups;
  }

  #entryOf(key: string): Known {
    const found = this.#known.get(key);
    if (found !== undefined) return found;
    const entry = { groups: [], until: 0, asking: new SharedWork(this.#deps, timeoutMs + 1_000) };
    this.#known.set(key, entry);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= maxEntries) break;
      this.#known.delete(oldest);
    }
    return entry;
  }

  async #ask(assertion: string): Promise<string[] | null> {
    try {
      const response = await this.#deps.fetch(`${this.#issuer}/cdn-cgi/access/get-identity`, {
        headers: {
          cookie: `CF_Authorization=${assertion}`,
          accept: 'application/json',
          'user-agent': userAgent,
        },
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`get-identity answered ${String(response.status)}`);
      }
      const identity: unknown = await response.json();
      return groupsOf((identity as { groups?: unknown } | null)?.groups);
    } catch (error) {
      logEvent('error', 'access_groups_unreachable', {
        error: faultText(error),
        effect: 'This person has no groups for now; roles by address still hold.',
      });
      return null;
    }
  }
}

/** Identity providers give groups as names or as `{id, name, email}`. */
function groupsOf(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((group: unknown) => {
    if (typeof group === 'string') return [group];
    if (typeof group !== 'object' || group === null) return [];
    return ['id', 'name', 'email'].flatMap((key) => {
      const part = (group as Record<string, unknown>)[key];
      return typeof part === 'string' && part !== '' ? [part] : [];
    });
  });
}
