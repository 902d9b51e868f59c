/**
 * What the domain name system says of a sender's domain: SPF, DKIM and DMARC, without which the large
 * mailbox providers refuse bulk mail.
 *
 * Owns: the questions and how answers are read. Never: a judgement where nobody answered: offline is
 * `unknown`, not `missing`.
 *
 * @module
 */
import type { FetchLike } from './http.ts';
import { parseJson, property } from './http.ts';

export interface DnsFinding {
  id: 'spf' | 'dkim' | 'dmarc';
  status: 'ok' | 'missing' | 'warning' | 'unknown';
  detail: string;
}

/** DNS over HTTPS, in the JSON form (https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-https/make-api-requests/dns-json/). */
const resolverUrl = 'https://cloudflare-dns.com/dns-query';
/** A person waits for the page; a resolver that is there answers within some tens of milliseconds. */
const timeoutMs = 2_500;

/** Text records of a name; null when nobody answered. */
async function textRecords(fetchLike: FetchLike, name: string): Promise<string[] | null> {
  try {
    const response = await fetchLike(`${resolverUrl}?name=${encodeURIComponent(name)}&type=TXT`, {
      headers: { accept: 'application/dns-json' },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = parseJson(await response.text());
    const status = property(body, 'Status');
    // 0: answered, 3: there is no such name. Anything else is the resolver's trouble.
    if (!response.ok || (status !== 0 && status !== 3)) return null;
    const answers = property(body, 'Answer');
    if (!Array.isArray(answers)) return [];
    return answers.flatMap((answer: unknown) => {
      const data = property(answer, 'data');
      // A long record comes as several quoted strings that belong together.
      return property(answer, 'type') === 16 && typeof data === 'string'
        ? [data.replace(/^"|"$/g, '').replace(/"\s*"/g, '')]
        : [];
    });
  } catch {
    return null;
  }
}

/** Where each provider puts its key; of the others the name is different for each account. */
const dkimSelectors: Readonly<Record<string, string>> = { resend: 'resend', cloudflare: 'cf2024-1' };

const offline = 'The domain name system did not answer; look again when there is a network.';

/** Asks for all three at once. */
export async function lookUpSender(
  fetchLike: FetchLike,
  sender: { domain: string; provider: string },
): Promise<DnsFinding[]> {
  const { domain, provider } = sender;
  // Resend and Cloudflare send with a return path of their own below the domain, and SPF belongs there.
  const spfNames = [`send.${domain}`, `cf-bounce.${domain}`, domain];
  const selector = dkimSelectors[provider];
  const [spf, dkim, dmarc, parentDmarc] = await Promise.all([
    Promise.all(spfNames.map((name) => textRecords(fetchLike, name))),
    selector === undefined ? null : textRecords(fetchLike, `${selector}._domainkey.${domain}`),
    textRecords(fetchLike, `_dmarc.${domain}`),
    textRecords(fetchLike, `_dmarc.${parentOf(domain)}`),
  ]);
  return [
    spfFinding(spf, domain),
    dkimFinding(dkim, selector, domain),
    dmarcFinding(dmarc, parentDmarc, domain),
  ];
}

/** The organisational domain, near enough: DMARC is inherited from it. */
const parentOf = (domain: string): string => domain.split('.').slice(-2).join('.');

function spfFinding(answers: readonly (string[] | null)[], domain: string): DnsFinding {
  const record = answers.flatMap((records) => records ?? []).find((text) => /^v=spf1\b/i.test(text));
  if (record !== undefined) return { id: 'spf', status: 'ok', detail: `SPF is published for ${domain}.` };
  if (answers.includes(null)) return { id: 'spf', status: 'unknown', detail: offline };
  return {
    id: 'spf',
    status: 'missing',
    detail: `No SPF record was found for ${domain}. The provider's page for the domain shows the one to add.`,
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

function dmarcFinding(own: string[] | null, parent: string[] | null, domain: string): DnsFinding {
  const record = [...(own ?? []), ...(parent ?? [])].find((text) => /^v=DMARC1\b/i.test(text));
  if (record !== undefined) {
    const policy = /\bp=(\w+)/i.exec(record)?.[1]?.toLowerCase() ?? 'none';
    return {
      id: 'dmarc',
      status: 'ok',
      detail: `DMARC is published for ${domain}, with the policy “${policy}”.`,
    };
  }
  if (own === null || parent === null) return { id: 'dmarc', status: 'unknown', detail: offline };
  return {
    id: 'dmarc',
    status: 'missing',
    detail: `No DMARC record was found at _dmarc.${domain}. Gmail, Yahoo and Outlook want one: v=DMARC1; p=none is enough to begin.`,
  };
}
