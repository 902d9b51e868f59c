/**
 * The DNS records of a sender's domain: SPF, DKIM and DMARC. Without them the large mailbox providers refuse bulk
 * mail.
 *
 * Owns the queries and the reading of answers. Without an answer the result is `unknown` and not `missing`.
 *
 * @module
 */
import { dnsRecords } from './dns-query.ts';
import type { FetchLike } from '../runtime/fetch-like.ts';
import { findProvider } from './providers/index.ts';

export interface DnsFinding {
  id: 'spf' | 'dkim' | 'dmarc';
  status: 'ok' | 'missing' | 'warning' | 'unknown';
  detail: string;
}

/** The TXT records of a name; null when nobody answered. */
async function textRecords(fetchLike: FetchLike, name: string): Promise<string[] | null> {
  // A long record comes as several quoted strings that belong together.
  const records = await dnsRecords(fetchLike, name, 'TXT');
  return records?.map((data) => data.replace(/^"|"$/g, '').replace(/"\s*"/g, '')) ?? null;
}

const offline = 'The domain name system did not answer; look again when there is a network.';

/** Looks up all three at once. */
export async function lookUpSender(
  fetchLike: FetchLike,
  sender: { domain: string; provider: string },
): Promise<DnsFinding[]> {
  const { domain, provider } = sender;
  // Unknown when it differs by account.
  const { returnPath, dkimSelector: selector } = findProvider(provider)?.dns ?? {};
  const spfName = returnPath === undefined ? domain : `${returnPath}.${domain}`;
  const [spf, dkim, dmarc] = await Promise.all([
    textRecords(fetchLike, spfName),
    selector === undefined ? null : textRecords(fetchLike, `${selector}._domainkey.${domain}`),
    Promise.all(inheritance(domain).map((name) => textRecords(fetchLike, `_dmarc.${name}`))),
  ]);
  return [spfFinding(spf, spfName), dkimFinding(dkim, selector, domain), dmarcFinding(dmarc, domain)];
}

/** The domain and its parents below the top level, nearest first: DMARC is inherited from the nearest. */
function inheritance(domain: string): string[] {
  const labels = domain.split('.');
  // DMARC's own tree walk has the same limit.
  return labels
    .slice(0, -1)
    .map((_, index) => labels.slice(index).join('.'))
    .slice(-7);
}

function spfFinding(records: string[] | null, name: string): DnsFinding {
  if (records === null) return { id: 'spf', status: 'unknown', detail: offline };
  if (records.some((text) => /^v=spf1\b/i.test(text))) {
    return { id: 'spf', status: 'ok', detail: `SPF is published for ${name}.` };
  }
  return {
    id: 'spf',
    status: 'missing',
    detail: `No SPF record was found for ${name}. The provider's page for the domain shows the one to add.`,
  };
}

function dkimFinding(records: string[] | null, selector: string | undefined, domain: string): DnsFinding {
  if (selector === undefined) {
    return {
      id: 'dkim',
      status: 'unknown',
      detail: 'The name of the key differs by account; the provider shows whether it is verified.',
    };
  }
  if (records === null) return { id: 'dkim', status: 'unknown', detail: offline };
  const name = `${selector}._domainkey.${domain}`;
  return records.some((text) => /\bp=[A-Za-z0-9+/]{20,}/.test(text))
    ? { id: 'dkim', status: 'ok', detail: `A DKIM key is published at ${name}.` }
    : { id: 'dkim', status: 'missing', detail: `No DKIM key was found at ${name}.` };
}

function dmarcFinding(answers: readonly (string[] | null)[], domain: string): DnsFinding {
  const record = answers.flatMap((records) => records ?? []).find((text) => /^v=DMARC1\b/i.test(text));
  if (record !== undefined) {
    const policy = /\bp=(\w+)/i.exec(record)?.[1]?.toLowerCase() ?? 'none';
    return {
      id: 'dmarc',
      status: 'ok',
      detail: `DMARC is published for ${domain}, with the policy “${policy}”.`,
    };
  }
  if (answers.includes(null)) return { id: 'dmarc', status: 'unknown', detail: offline };
  return {
    id: 'dmarc',
    status: 'missing',
    detail: `No DMARC record was found at _dmarc.${domain}. Gmail, Yahoo and Outlook want one: v=DMARC1; p=none is enough to begin.`,
  };
}
