/**
 * Whether a host's name leads to public addresses only.
 *
 * A Worker cannot say which address `fetch` is to connect to, and resolves the name itself after this look-up: a name
 * server that answers differently the next time is not caught here. docs/SECURITY.md says what else stands in the way.
 *
 * @module
 */
import { isPrivateAddress } from '../../core/events/target.ts';
import { dnsRecords } from '../../mail/dns-query.ts';
import type { FetchLike } from '../../runtime/fetch-like.ts';

/** Shorter than a name's answer is mostly valid for. */
const validMs = 60_000;

export class PublicAddresses {
  readonly #fetch: FetchLike;
  readonly #now: () => number;
  readonly #known = new Map<string, { fault: string | null; until: number }>();

  constructor(fetchLike: FetchLike, now: () => number) {
    this.#fetch = fetchLike;
    this.#now = now;
  }

  /** Why events are not sent to this host; null: all of its addresses are public. */
  async faultOf(host: string): Promise<string | null> {
    const known = this.#known.get(host);
    if (known !== undefined && known.until > this.#now()) return known.fault;
    const answers = await Promise.all(
      (['A', 'AAAA'] as const).map((type) => dnsRecords(this.#fetch, host, type)),
    );
    const [v4, v6] = answers;
    if (v4 == null || v6 == null) return 'The domain name system did not answer.';
    const addresses = [...v4, ...v6];
    const fault =
      addresses.length === 0
        ? 'The host name has no address.'
        : addresses.some(isPrivateAddress)
          ? 'The host name leads to an address of a private network.'
          : null;
    this.#known.set(host, { fault, until: this.#now() + validMs });
    return fault;
  }
}
