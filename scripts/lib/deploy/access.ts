/**
 * Cloudflare Access in front of an environment: the applications and policies that are needed, those that are missing,
 * and instructions for a person when the API token may not create them.
 *
 * There is one application for the address, and one per host for the paths that must be public.
 * Invariant: applications and policies that this command did not create are never changed.
 * In Access the more specific path wins and inherits nothing, so the second application opens its own paths only:
 * https://developers.cloudflare.com/cloudflare-one/access-controls/policies/app-paths/
 *
 * @module
 */
import type { Cloudflare } from 'cloudflare';
import {
  readApplication,
  type AccessApplicationState,
  type AccessPolicyState,
  type AccessState,
} from './deployed.ts';

/** Mail providers, recipients, health checks and whoever verifies a receipt cannot sign in. The routes are public in route permissions too. */
export const publicPaths = [
  '/webhooks/*',
  '/unsubscribe/*',
  '/healthz',
  '/.well-known/lead-activation-receipt-keys.json',
] as const;

type Rule = Cloudflare.ZeroTrust.Access.Applications.AccessRule;

export interface PolicyPlan {
  kind: 'create' | 'update' | 'keep';
  id: string | null;
  name: string;
  decision: 'allow' | 'non_identity' | 'bypass';
  include: readonly Rule[];
  /** Of the policy as it is; see {@link AccessPolicyState}. */
  kept: Readonly<Record<string, unknown>>;
}

export interface ApplicationPlan {
  kind: 'create' | 'update';
  /** The application as it is, for an update. */
  existing: AccessApplicationState | null;
  name: string;
  uris: readonly string[];
  /** Names of the policies in it, in their order. */
  policies: readonly string[];
  isPublic: boolean;
}

export interface AccessPlan {
  policies: PolicyPlan[];
  applications: ApplicationPlan[];
  /** Tag of the application that is there already. */
  aud: string | null;
  teamDomain: string | null;
  /** Steps that a person has to do, in detail. */
  clicks: string[];
  /** Information for a person, in sentences. */
  notes: string[];
}

export interface AccessWish {
  worker: string;
  hosts: readonly string[];
  /** The ROLE lists. */
  roles: readonly string[];
  /** ACCESS_ALLOW: who passes Access, when that is not derived from the roles. */
  allow: string | null;
  /** Client id of the token that probes, and of any other that ACCESS_TOKENS names. */
  tokens: readonly string[];
  /** ACCESS_AUD as it is deployed or given. */
  audiences: readonly string[];
}

/** The changes to make at Access. Pure. */
export function planAccess(state: AccessState, wish: AccessWish): AccessPlan {
  const plan: AccessPlan = {
    policies: [],
    applications: [],
    aud: null,
    teamDomain: state.kind === 'readable' ? state.teamDomain : null,
    clicks: [],
    notes: [],
  };
  if (wish.hosts.length === 0) return plan;
  const people = peopleRules(wish);
  if (state.kind === 'forbidden') {
    if (wish.audiences.length === 0) plan.clicks.push(...allClicks(wish, people));
    else plan.notes.push('The API token may not read Access, so Access was left as it is.');
    return plan;
  }
  if (state.teamDomain === null) {
    plan.clicks.push(
      'This account has no Zero Trust organization, or the API token may not read it (Access: Organizations, Identity Providers, and Groups: Read). Open Zero Trust in the Cloudflare dashboard once and choose a team name, or set ACCESS_TEAM_DOMAIN.',
    );
  }

  const names = policyNames(wish.worker);
  const own = (name: string): AccessPolicyState | undefined =>
    state.policies.find((policy) => policy.name === name);
  const main =
    state.applications.find(({ uris }) => wish.hosts.some((host) => uris.includes(host))) ??
    state.applications.find(({ aud }) => wish.audiences.includes(aud)) ??
    state.applications.find(({ name }) => name === wish.worker);
  plan.aud = main?.aud ?? null;
  const isOurs = main === undefined || main.name === wish.worker;

  const tokens = tokenRules(state, wish, plan);
  if (isOurs) {
    const peoplePolicy = own(names.people);
    // Derived from the roles once; changed only when ACCESS_ALLOW asks for it.
    if (peoplePolicy === undefined || wish.allow !== null) {
      if (people.length === 0) {
        plan.clicks.push(
          `The roles name groups or everybody, which does not say whom Access lets in. Set ACCESS_ALLOW to addresses and *@domain, or add a policy to the application "${wish.worker}" in Zero Trust → Access → Applications.`,
        );
      } else plan.policies.push(policyPlan(peoplePolicy, names.people, 'allow', people));
    }
    const tokenPolicy = own(names.tokens);
    const added = [
      ...(tokenPolicy?.include ?? []),
      ...tokens.filter((rule) => !has(tokenPolicy, rule)),
    ] as Rule[];
    if (tokens.length > 0) plan.policies.push(policyPlan(tokenPolicy, names.tokens, 'non_identity', added));
    const linked = (name: string): boolean => main?.policies.some((policy) => policy.name === name) ?? false;
    const wanted = [names.people, names.tokens].filter(
      (name) =>
        linked(name) || own(name) !== undefined || plan.policies.some((policy) => policy.name === name),
    );
    const missingHosts = wish.hosts.filter((host) => !(main?.uris.includes(host) ?? false));
    if (main === undefined) {
      plan.applications.push({
        ...{ kind: 'create', existing: null, name: wish.worker, uris: wish.hosts, isPublic: false },
        policies: wanted,
      });
    } else if (missingHosts.length > 0 || wanted.some((name) => !linked(name))) {
      plan.applications.push({
        ...{ kind: 'update', existing: main, name: wish.worker, isPublic: false },
        uris: [...main.uris, ...missingHosts],
        policies: wanted.filter((name) => !linked(name)),
      });
    }
  } else {
    plan.notes.push(
      `The Access application "${main.name}" is in front of the address and was left as it is.`,
    );
    for (const rule of tokens) {
      if (main.policies.some((policy) => has(policy, rule) || has(policy, { any_valid_service_token: {} })))
        continue;
      plan.clicks.push(
        `Zero Trust → Access → Applications → ${main.name} → Policies: add one with the action Service Auth that includes the service token ${tokenName(state, rule)}.`,
      );
    }
  }
  planPublicPaths(state, wish, plan, names.publicPaths);
  return plan;
}

function planPublicPaths(
  state: AccessState & { kind: 'readable' },
  wish: AccessWish,
  plan: AccessPlan,
  policyName: string,
): void {
  const isOpen = (uri: string): boolean =>
    state.applications.some(
      ({ uris, policies }) =>
        uris.some((own) => own.replace(/\/\*$/, '') === uri.replace(/\/\*$/, '')) &&
        policies.some(({ decision }) => decision === 'bypass'),
    );
  for (const host of wish.hosts) {
    const closed = publicPaths.map((path) => `${host}${path}`).filter((uri) => !isOpen(uri));
    if (closed.length === 0) continue;
    if (!plan.policies.some(({ name }) => name === policyName)) {
      const existing = state.policies.find(({ name }) => name === policyName);
      plan.policies.push(policyPlan(existing, policyName, 'bypass', [{ everyone: {} }]));
    }
    plan.applications.push({
      ...{ kind: 'create', existing: null, name: `${wish.worker}: public paths of ${host}`, isPublic: true },
      uris: closed,
      policies: [policyName],
    });
  }
}

export function policyNames(worker: string): { people: string; tokens: string; publicPaths: string } {
  return {
    people: `${worker}: people`,
    tokens: `${worker}: service tokens`,
    publicPaths: `${worker}: public paths`,
  };
}

function policyPlan(
  existing: AccessPolicyState | undefined,
  name: string,
  decision: PolicyPlan['decision'],
  include: readonly Rule[],
): PolicyPlan {
  const isSame =
    existing !== undefined &&
    existing.include.length === include.length &&
    include.every((rule) => has(existing, rule));
  const kind = existing === undefined ? 'create' : isSame ? 'keep' : 'update';
  return { kind, id: existing?.id ?? null, name, decision, include, kept: existing?.kept ?? {} };
}

function has(policy: AccessPolicyState | undefined, rule: Rule): boolean {
  const wanted = JSON.stringify(rule);
  return policy?.include.some((own) => JSON.stringify(own) === wanted) ?? false;
}

/** Who passes Access: the people in ACCESS_ALLOW, or those in the roles. */
function peopleRules({ allow, roles }: AccessWish): Rule[] {
  const rules = new Map<string, Rule>();
  for (const item of (allow ?? roles.join(',')).split(',')) {
    const text = item.trim().toLowerCase();
    if (text.startsWith('*@')) rules.set(text, { email_domain: { domain: text.slice(2) } });
    else if (text.includes('@') && !text.includes(':')) rules.set(text, { email: { email: text } });
  }
  return [...rules.values()];
}

function tokenRules(state: AccessState & { kind: 'readable' }, wish: AccessWish, plan: AccessPlan): Rule[] {
  return wish.tokens.flatMap((clientId) => {
    const id = state.serviceTokens?.[clientId];
    if (id !== undefined) return [{ service_token: { token_id: id } }];
    plan.clicks.push(
      state.serviceTokens === null
        ? `The API token may not list service tokens (Access: Service Tokens: Read). In Zero Trust → Access → Applications → ${wish.worker} → Policies add one with the action Service Auth that includes the token ${clientId}.`
        : `There is no service token ${clientId} on this account. Make one in Zero Trust → Access → Service credentials, and set CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET to it.`,
    );
    return [];
  });
}

function tokenName(state: AccessState & { kind: 'readable' }, rule: Rule): string {
  const id = 'service_token' in rule ? rule.service_token.token_id : '';
  return Object.entries(state.serviceTokens ?? {}).find(([, own]) => own === id)?.[0] ?? id;
}

/** The same steps in the dashboard. */
function allClicks({ worker, hosts, tokens }: AccessWish, people: readonly Rule[]): string[] {
  const whom = people
    .map((rule) =>
      'email' in rule
        ? rule.email.email
        : 'email_domain' in rule
          ? `emails ending in @${rule.email_domain.domain}`
          : '',
    )
    .join(', ');
  return [
    'The API token may not change Access (it needs Access: Apps and Policies: Edit). By hand, in the Cloudflare dashboard:',
    `Zero Trust → Access → Applications → Add an application → Self-hosted: name "${worker}", public hostname ${hosts.join(' and ')}, no path.`,
    `In it: Policies → Add a policy: action Allow, include ${whom === '' ? 'your people' : whom}. ${tokens.length === 0 ? 'For scripts, one' : 'And one'} with the action Service Auth, include Service Token ${tokens.join(', ') || 'of theirs'}.`,
    `A second application: name "${worker}: public paths", the same hostname with the paths ${publicPaths.map((path) => path.slice(1)).join(', ')}; policy: action Bypass, include Everyone.`,
    'From the first application copy the Application Audience (AUD) tag, and from Zero Trust → Settings the team domain, and deploy again: ACCESS_AUD=… ACCESS_TEAM_DOMAIN=….cloudflareaccess.com npm run deploy',
  ];
}

/** The changes as lines, shown before they are made. */
export function describeAccess({ policies, applications }: AccessPlan): string[] {
  return [
    ...policies
      .filter(({ kind }) => kind !== 'keep')
      .map(
        ({ kind, name, decision, include }) =>
          `${kind} the Access policy "${name}" (${decision}): ${include.map((rule) => JSON.stringify(rule)).join(', ')}`,
      ),
    ...applications.map(
      ({ kind, name, uris }) => `${kind} the Access application "${name}": ${uris.join(', ')}`,
    ),
  ];
}

/** Fields that an update must send back: the API resets fields that are left out to their defaults. */
const keptFields = [
  ...['allow_authenticate_via_warp', 'allow_iframe', 'allowed_idps', 'app_launcher_visible'],
  ...['auto_redirect_to_identity', 'cors_headers', 'custom_deny_message', 'custom_deny_url'],
  ...['custom_non_identity_deny_url', 'custom_pages', 'enable_binding_cookie', 'http_only_cookie_attribute'],
  ...[
    'logo_url',
    'mfa_config',
    'options_preflight_bypass',
    'path_cookie_attribute',
    'same_site_cookie_attribute',
  ],
  ...['service_auth_401_redirect', 'session_duration', 'skip_interstitial', 'tags'],
];

/**
 * Makes the changes. Policies come first, so that an application never exists without them.
 *
 * @returns the tag of the application in front of the address
 */
export async function applyAccess(
  api: Cloudflare,
  accountId: string,
  plan: AccessPlan,
): Promise<string | null> {
  const account = { account_id: accountId };
  const { access } = api.zeroTrust;
  const ids = new Map<string, string>();
  for (const { kind, id, name, decision, include, kept } of plan.policies) {
    const body = { ...kept, ...account, name, decision, include: [...include] };
    if (kind === 'keep') ids.set(name, id ?? '');
    else if (kind === 'update') await access.policies.update(id ?? '', body);
    const made = kind === 'create' ? await access.policies.create(body) : null;
    ids.set(name, made?.id ?? id ?? '');
  }
  let aud = plan.aud;
  for (const { kind, existing, name, uris, policies, isPublic } of plan.applications) {
    const links = [
      ...(existing?.policies.map(({ id }) => id) ?? []),
      ...(await Promise.all(
        policies.map(async (policy) => ids.get(policy) ?? (await findPolicy(api, accountId, policy))),
      )),
    ];
    const body = {
      ...account,
      type: 'self_hosted' as const,
      name,
      domain: uris[0] ?? '',
      destinations: uris.map((uri) => ({ type: 'public' as const, uri })),
      policies: links.map((id, index) => ({ id, precedence: index + 1 })),
      ...(isPublic
        ? { app_launcher_visible: false }
        : { session_duration: '24h', http_only_cookie_attribute: true }),
    };
    const kept = Object.fromEntries(
      Object.entries(existing?.raw ?? {}).filter(([field]) => keptFields.includes(field)),
    );
    const made =
      kind === 'create'
        ? await access.applications.create(body)
        : await access.applications.update(existing?.id ?? '', { ...body, ...kept });
    if (!isPublic) aud = readApplication(made as unknown as Record<string, unknown>).aud;
  }
  return aud;
}

async function findPolicy(api: Cloudflare, accountId: string, name: string): Promise<string> {
  for await (const policy of api.zeroTrust.access.policies.list({ account_id: accountId })) {
    if (policy.name === name) return policy.id ?? '';
  }
  throw new Error(`no Access policy named ${name}`);
}
