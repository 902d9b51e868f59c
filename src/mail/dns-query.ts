/**
 * One query of the domain name system, over https: a Worker has no other way to look a name up.
 *
 * Without an answer the result is null, and not an empty list.
 *
 * @module
 */
import { parseJson, property } from '../runtime/answer.ts';
import type { FetchLike } from '../runtime/fetch-like.ts';

/** DNS over HTTPS, in the JSON form (https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-https/make-api-requests/dns-json/). */
const resolverUrl = 'https://cloudflare-dns.com/dns-query';
/** A reachable resolver answers within some tens of milliseconds. */
const timeoutMs = 2_500;

/** The numbers of record types (RFC 1035, RFC 3596). */
const typeNumbers = { A: 1, TXT: 16, AAAA: 28 } as const;

/** The records of a name, as texts; null when nobody answered. */
export async function dnsRecords(
  fetchLike: FetchLike,
  name: string,
  type: keyof typeof typeNumbers,
): Promise<string[] | null> {
  try {
    const response = await fetchLike(`${resolverUrl}?name=${encodeURIComponent(name)}&type=${type}`, {
      headers: { accept: 'application/dns-json' },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = parseJson(await response.text());
    const status = property(body, 'Status');
    // 0: answered, 3: there is no such name. Anything else is a failure of the resolver.
    if (!response.ok || (status !== 0 && status !== 3)) return null;
    const answers = property(body, 'Answer');
    if (!Array.isArray(answers)) return [];
    return answers.flatMap((answer: unknown) => {
      const data = property(answer, 'data');
      return property(answer, 'type') === typeNumbers[type] && typeof data === 'string' ? [data] : [];
    });
  } catch {
    return null;
  }
}
