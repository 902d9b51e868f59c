/**
 * Where events may be sent: https addresses of public hosts by name.
 *
 * Pure. The name is checked when an endpoint is saved and before every attempt; what it resolves to is looked up by the
 * object (durable/webhooks/addresses.ts). Invariant: an address that is not certainly public is refused.
 *
 * @module
 */

/** Ends of names that the public name system does not have (RFC 6761, 6762, 8375, 9476 and ICANN's `.internal`). */
const privateEndings = [
  ...['localhost', 'local', 'internal', 'intranet', 'private', 'corp', 'home', 'lan', 'home.arpa', 'alt'],
  ...['test', 'example', 'invalid', 'onion', 'arpa'],
];
/** What https is served on. Other ports are services that were not meant to be called from outside. */
const ports = ['', '443', '8443'];

/** Why an address cannot be an endpoint; null: it can. @param allowLocal - of local development: every address may */
export function targetFault(text: string, allowLocal: boolean): string | null {
  if (!URL.canParse(text)) return 'It is not an address.';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'It has a user name or password in it.';
  if (allowLocal && (url.protocol === 'http:' || url.protocol === 'https:')) return null;
  if (url.protocol !== 'https:') return 'It does not begin with https://.';
  if (!ports.includes(url.port))
    return `Port ${url.port} is not one that events are sent to; 443 and 8443 are.`;
  const host = url.hostname.replace(/\.$/, '').toLowerCase();
  // The parser has turned 0x7f.1, 2130706433 and the like into four numbers.
  if (host.startsWith('[') || /^[\d.]+$/.test(host)) return 'It has a number for a host; use a host name.';
  const isPrivate = privateEndings.some((ending) => host === ending || host.endsWith(`.${ending}`));
  if (isPrivate || !host.includes('.')) return 'It is a name of a private network.';
  return null;
}

/** Networks that are not the public internet: IANA's special-purpose registries. */
const privateV4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15'],
  ...['198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
].map((text) => {
  const [base = '', bits = '32'] = text.split('/');
  return { base: v4Number(base) ?? 0, size: 2 ** (32 - Number(bits)) };
});

/** True for an IP address that is not certainly public. @param text - as a name server answers it */
export function isPrivateAddress(text: string): boolean {
  const v4 = v4Number(text);
  if (v4 !== null) return isPrivateV4(v4);
  const groups = v6Groups(text);
  if (groups === null) return true;
  const [first = 0, second = 0] = groups;
  // Addresses that have one of version 4 inside: mapped, NAT64, 6to4.
  const low = (groups[6] ?? 0) * 65_536 + (groups[7] ?? 0);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return isPrivateV4(low);
  if (first === 0x64 && second === 0xff9b) return groups[2] !== 0 || isPrivateV4(low);
  if (first === 0x2002) return isPrivateV4(second * 65_536 + (groups[2] ?? 0));
  // Only 2000::/3 is given out; in it are Teredo, ORCHID and documentation.
  const isGlobal = first >= 0x2000 && first <= 0x3fff;
  const isSpecial = (first === 0x2001 && (second < 0x200 || second === 0xdb8)) || first === 0x3fff;
  return !isGlobal || isSpecial;
}

function isPrivateV4(address: number): boolean {
  return privateV4.some(({ base, size }) => address >= base && address < base + size);
}

function v4Number(text: string): number | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** The eight groups of an address of version 6; null when it is none. */
function v6Groups(text: string): number[] | null {
  // The parser of addresses writes it in one way, and an embedded address of version 4 in hexadecimal.
  if (!text.includes(':') || !URL.canParse(`http://[${text}]`)) return null;
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const groupsOf = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array.from({ length: missing }, () => 0), ...after];
}
