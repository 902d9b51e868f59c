/**
 * Reads the settings that name the Access application in front of this Worker.
 *
 * Owns their format and the words for their faults. Does not fetch and does not verify.
 * Invariant: with missing or faulty settings, no assertion is accepted.
 *
 * @module
 */

/** The values that an assertion is verified against. */
export interface AccessSettings {
  /** The team's domain as an origin: `https://acme.cloudflareaccess.com`. The `iss` of every assertion. */
  issuer: string;
  /** Audience tags of the applications that stand in front of this Worker; one is enough. */
  audiences: readonly string[];
  /** Names that the audit shows beside the client ids of service tokens. */
  tokenLabels: ReadonlyMap<string, string>;
}

/** The variables, by their names in wrangler.toml. One that is missing refuses every sign-in and throws nothing. */
export type AccessVariables = Partial<Pick<Env, 'ACCESS_TEAM_DOMAIN' | 'ACCESS_AUD' | 'ACCESS_TOKEN_LABELS'>>;

/**
 * Reads the settings.
 *
 * @returns `faults`: sentences for the log about settings that are missing or wrong
 */
export function readAccessSettings(env: AccessVariables): AccessSettings | { faults: string[] } {
  const teamDomain = env.ACCESS_TEAM_DOMAIN?.trim() ?? '';
  const issuer = teamOrigin(teamDomain);
  const audiences = listOf(env.ACCESS_AUD ?? '');
  const faults: string[] = [];
  if (teamDomain === '') {
    faults.push('Set ACCESS_TEAM_DOMAIN to your team domain, like acme.cloudflareaccess.com.');
  } else if (issuer === null) {
    faults.push('ACCESS_TEAM_DOMAIN is not a domain like acme.cloudflareaccess.com.');
  }
  if (audiences.length === 0) {
    faults.push("Set ACCESS_AUD to the Access application's audience tag.");
  }
  if (issuer === null || faults.length > 0) return { faults };
  return { issuer, audiences, tokenLabels: labelsOf(env.ACCESS_TOKEN_LABELS ?? '') };
}

/**
 * The origin of a team domain, or null. A name alone means https. Plain http is accepted for a loopback name only,
 * for a stand-in of Access in tests: over a network, an attacker in between could send keys of their own.
 */
function teamOrigin(text: string): string | null {
  const written = /^[a-z][a-z0-9+.-]*:/i.test(text) && text.includes('//') ? text : `https://${text}`;
  if (!URL.canParse(written)) return null;
  const { protocol, hostname, pathname, search, hash, username, password, origin } = new URL(written);
  const isLoopback = isLoopbackName(hostname);
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLoopback);
  const isOrigin = pathname === '/' && `${search}${hash}${username}${password}` === '';
  return isSafe && isOrigin && (isLoopback || hostname.includes('.')) ? origin : null;
}

/** True for names that mean this machine, as {@link URL.hostname} writes them (RFC 6761 §6.3 for `localhost`). */
export function isLoopbackName(hostname: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(hostname) || hostname.endsWith('.localhost');
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** `<client id>=label, …`. An entry that lacks one of the two is ignored. */
function labelsOf(text: string): Map<string, string> {
  return new Map(
    listOf(text).flatMap((entry): [string, string][] => {
      const at = entry.indexOf('=');
      const [clientId, label] = [entry.slice(0, Math.max(0, at)).trim(), entry.slice(at + 1).trim()];
      return clientId === '' || label === '' ? [] : [[clientId.toLowerCase(), label]];
    }),
  );
}
