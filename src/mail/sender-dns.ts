/**
 * What DNS says about a sender's domain: SPF, DKIM and DMARC, without which the large mailbox providers refuse
 * bulk mail.
 *
 * Owns the queries and how answers are read. Makes no judgement where nobody answered: offline is `unknown`
 * and not `missing`.
 *
 * @module
 */
import { type FetchLike, parseJson, property } from './providers/http.ts';
import { findProvider } from './providers/index.ts';

export interface DnsFinding {
  id: 'spf' | 'dkim' | 'dmarc';
  status: 'ok' | 'missing' | 'warning' | 'unknown';
  detail: string;
}

/** DNS over HTTPS, in the JSON form (https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-https/make-api-requests/dns-json/). */
const resolverUrl = 'https://cloudflare-dns.com/dns-query';
/** A person waits for the page; a reachable resolver answers within some tens of milliseconds. */
const timeoutMs = 2_500;

/** The TXT records of a name; null when nobody answered. */
async function textRecords(fetchLike: FetchLike, name: string): Promise<string[] | null> {
  try {
    const response = await fetchLike(`${resolverUrl}?name=${encodeURIComponent(name)}&type=TXT`, {
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
      // A long record comes as several quoted strings that belong together.
      return property(answer, 'type') === 16 && typeof data === 'string'
        ? [data.replace(/^"|"$/g, '').replace(/"\s*"/g, '')]
        : [];
    });
  } catch {
    return null;
  }
}

const offline = 'The domain name system did not answer; look again when there is a network.';

/** Looks up all three at once. */
export async function lookUpSender(
  fetchLike: FetchLike,
  sender: { domain: string; provider: string },
): Promise<DnsFinding[]> {
  const { domain, provider } = sender;
  // Unknown where it differs by account.
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
  // DMARC's own walk up the tree takes as many.
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
