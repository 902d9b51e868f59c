/**
 * Judges the answers of a deployed address: without an identity, with a service token, and on a public path.
 *
 * @module
 */

export interface ProbeAnswer {
  status: number;
  location: string | null;
  body: string;
}

export interface Probes {
  /** `GET /healthz` without an identity. */
  health: ProbeAnswer | null;
  /** `GET /crm/settings` without an identity. */
  anonymous: ProbeAnswer | null;
  /** The same with the service token; undefined: no token was given. */
  token: ProbeAnswer | null | undefined;
}

export interface Verdict {
  /** Sentences, the worst first. */
  lines: string[];
  /** Something that must work does not: the command fails. */
  isFault: boolean;
}

export interface ProbeContext {
  url: string;
  vars: Readonly<Record<string, string>>;
  clientId: string | null;
}

/** Judges the answers and the settings; says so when nobody gets in. */
export function judge(probes: Probes, { url, vars, clientId }: ProbeContext): Verdict {
  const lines: string[] = [];
  let isFault = false;
  const fault = (line: string): void => {
    isFault = true;
    lines.push(line);
  };
  const { health, anonymous, token } = probes;
  if (health === null && anonymous === null) {
    const line = `Nothing answers at ${url}. A new domain takes some minutes for its certificate; deploy again then, to test it.`;
    const nobody = nobodyGetsIn(vars);
    return { lines: [line, ...nobody], isFault: token !== undefined || nobody.length > 0 };
  }

  if (anonymous?.status === 200) {
    fault(
      `${url}/crm/settings answers a request without an identity. Take the Worker off this address at once, and check what is in front of it.`,
    );
  }
  const isAccessThere = anonymous !== null && isAccessRedirect(anonymous);
  if (!isAccessThere && anonymous !== null && anonymous.status !== 200) {
    fault(
      `Cloudflare Access is not in front of ${url} (a request without an identity got ${anonymous.status}). Nobody gets in until it is.`,
    );
  }
  for (const line of nobodyGetsIn(vars)) fault(line);
  if (health?.status !== 200 || !health.body.includes('"ok"')) {
    fault(
      health !== null && isAccessRedirect(health)
        ? `${url}/healthz asks for a sign-in. The public paths need an Access application with a Bypass policy; until then no webhook and no unsubscribe arrives.`
        : `${url}/healthz answered ${health === null ? 'nothing' : String(health.status)} instead of "ok".`,
    );
  }

  if (token === undefined) {
    lines.push(
      'Sign-in was not tested: set CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET to a service token, and the deploy ends with a real request.',
    );
  } else if (token?.status !== 200) {
    fault(tokenFault(token, clientId ?? '', url));
  } else if (!isSettings(token.body)) {
    fault(
      `${url}/crm/settings answered the service token with something that is not the app's settings. Another app answers at this address.`,
    );
  }
  if (lines.length === 0)
    lines.push(
      `At ${url}, a request without an identity is sent to the sign-in, the public paths are open, and the service token is let in.`,
    );
  return { lines, isFault };
}

/** Reasons in the settings why nobody gets in. */
export function nobodyGetsIn(vars: Readonly<Record<string, string>>): string[] {
  const isEmpty = (name: string): boolean => (vars[name] ?? '').trim() === '';
  const lines: string[] = [];
  if (['ROLE_ADMIN', 'ROLE_APPROVER', 'ROLE_OPERATOR', 'ROLE_VIEWER'].every(isEmpty)) {
    lines.push('Nobody gets in: no role names anybody. Set ROLE_ADMIN.');
  }
  if (isEmpty('ACCESS_AUD')) {
    lines.push('Nobody gets in: ACCESS_AUD is not set, so the Worker trusts no Access application.');
  }
  if (isEmpty('ACCESS_TEAM_DOMAIN')) {
    lines.push('Nobody gets in: ACCESS_TEAM_DOMAIN is not set, so the Worker cannot check a sign-in.');
  }
  return lines;
}

function isAccessRedirect({ status, location }: ProbeAnswer): boolean {
  return status >= 300 && status < 400 && (location ?? '').includes('cloudflareaccess.com');
}

function tokenFault(answer: ProbeAnswer | null, clientId: string, url: string): string {
  if (answer === null) return `${url} did not answer the service token.`;
  if (isAccessRedirect(answer)) {
    return `Access refused the service token ${clientId}: its secret is wrong or expired, or no policy with the action Service Auth includes it.`;
  }
  if (answer.status === 403 && answer.body.includes('"forbidden"')) {
    return `Access let the service token in, but the app has no role for it. Add token:${clientId} to ROLE_VIEWER.`;
  }
  if (answer.status === 401) {
    return 'Access let the service token in, but the app refused its assertion: ACCESS_AUD or ACCESS_TEAM_DOMAIN is not that of the application in front.';
  }
  return `${url}/crm/settings answered the service token with ${answer.status}.`;
}

function isSettings(body: string): boolean {
  try {
    const settings = JSON.parse(body) as { user?: { role?: unknown } };
    return typeof settings.user?.role === 'string';
  } catch {
    return false;
  }
}
