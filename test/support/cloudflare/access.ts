/**
 * The Access part of the stand-in: applications, reusable policies, service tokens, the organization.
 *
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Cloudflare } from 'cloudflare';
import { answer, answerPage, refuse, type Handler } from './server.ts';

type Application = Cloudflare.ZeroTrust.Access.ApplicationListResponse & {
  type: 'self_hosted';
  domain: string;
};
type Policy = Cloudflare.ZeroTrust.Access.PolicyListResponse;
type ApplicationBody = Cloudflare.ZeroTrust.Access.ApplicationCreateParams & {
  domain?: string;
  policies?: ({ id?: string; precedence?: number } | string)[];
};

export class AccessState {
  readonly applications: Application[] = [];
  readonly policies: Policy[] = [];
  readonly serviceTokens: Cloudflare.ZeroTrust.Access.ServiceToken[] = [];
  teamDomain: string | null = 'acme.cloudflareaccess.com';
  isForbidden = false;

  application(name: string): Application {
    const application = this.applications.find((one) => 'name' in one && one.name === name);
    if (application === undefined) throw new Error(`no application ${name}`);
    return application;
  }

  policy(name: string): Policy {
    const policy = this.policies.find((one) => one.name === name);
    if (policy === undefined) throw new Error(`no policy ${name}`);
    return policy;
  }
}

export function accessHandlers(state: AccessState): Handler[] {
  return [
    async (request, path) => {
      const rest = /^\/accounts\/[^/]+\/access\/(.+)$/.exec(path)?.[1];
      if (rest === undefined) return null;
      if (state.isForbidden) return refuse(403, 10_000, 'Authentication error');
      const [kind = '', id] = rest.split('/');
      if (kind === 'organizations') {
        if (state.teamDomain === null) return refuse(404, 9_999, 'access.api.error.not_enabled');
        return answer<Cloudflare.ZeroTrust.OrganizationListResponse>({
          auth_domain: state.teamDomain,
          name: 'Acme',
        });
      }
      if (kind === 'service_tokens') return answerPage(state.serviceTokens, request);
      if (kind === 'apps') return handleApplication(state, request, id);
      return kind === 'policies' ? handlePolicy(state, request, id) : null;
    },
  ];
}

async function handleApplication(
  state: AccessState,
  request: Request,
  id: string | undefined,
): Promise<Response | null> {
  if (request.method === 'GET') return answerPage(state.applications, request);
  const body: ApplicationBody = await request.json();
  const links = (body.policies ?? []).map((link) => (typeof link === 'string' ? link : link.id));
  const policies = links.map((link) => state.policies.find((policy) => policy.id === link));
  if (policies.some((policy) => policy === undefined))
    return refuse(400, 12_130, 'access.api.error.invalid_request: policy not found');
  const existing = state.applications.find((one) => one.id === id);
  const application = {
    ...body,
    id: existing?.id ?? randomUUID(),
    aud: existing?.aud ?? createHash('sha256').update(randomUUID()).digest('hex'),
    policies,
  } as unknown as Application;
  if (existing === undefined) state.applications.push(application);
  else state.applications.splice(state.applications.indexOf(existing), 1, application);
  return answer(application);
}

async function handlePolicy(
  state: AccessState,
  request: Request,
  id: string | undefined,
): Promise<Response | null> {
  if (request.method === 'GET') return answerPage(state.policies, request);
  const body: Cloudflare.ZeroTrust.Access.PolicyCreateParams = await request.json();
  const { name, decision, include } = body;
  if (name === '' || include.length === 0) return refuse(400, 12_130, 'access.api.error.invalid_request');
  const existing = state.policies.find((one) => one.id === id);
  if (existing !== undefined) {
    Object.assign(existing, { name, decision, include });
    return answer(existing);
  }
  const policy = { id: randomUUID(), name, decision, include, reusable: true } as Policy;
  state.policies.push(policy);
  return answer(policy);
}
