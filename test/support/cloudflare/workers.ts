/**
 * The Workers part of the stand-in: scripts with their versions, deployments, schedules, addresses.
 *
 * Takes uploads as wrangler makes them. A version keeps the secrets of the one before, as Cloudflare's do.
 *
 * @module
 */
import type { Cloudflare } from 'cloudflare';
import type { Binding } from '../../../scripts/lib/deploy/deployed.ts';
import { answer, refuse, type Handler } from './server.ts';

type Settings = Cloudflare.Workers.Scripts.ScriptAndVersionSettingGetResponse;

interface Version {
  id: string;
  number: number;
  bindings: Binding[];
  /** Values of its secrets. No answer has them. */
  secrets: Record<string, string>;
  annotations: Record<string, string>;
  createdOn: string;
}

interface Script {
  versions: Version[];
  /** Newest first. */
  deployments: Cloudflare.Workers.Scripts.Deployment[];
  crons: string[];
  workersDev: boolean;
  previews: boolean;
  migrationTag: string | null;
}

interface UploadMetadata {
  bindings?: ({ name: string; type: string; text?: string; id?: string } & Record<string, unknown>)[];
  annotations?: Record<string, string>;
  keep_bindings?: string[];
  migrations?: { new_tag?: string };
}

export class WorkersState {
  readonly scripts = new Map<string, Script>();
  readonly domains: { hostname: string; service: string }[] = [];
  /** Host names that have DNS records of their own. */
  readonly takenHosts = new Set<string>();
  subdomain: string | null = 'acme';
  /** The permissions that the token lacks. */
  isForbidden = false;
  #count = 0;

  /** Accepts an uploaded version; no requests go to it yet. */
  upload(name: string, metadata: UploadMetadata): Version {
    const script: Script = this.scripts.get(name) ?? {
      ...{ versions: [], deployments: [], crons: [], workersDev: false, previews: false, migrationTag: null },
    };
    this.scripts.set(name, script);
    const before = script.versions.at(-1);
    const secrets = { ...before?.secrets };
    const bindings: Binding[] = [];
    for (const binding of metadata.bindings ?? []) {
      if (binding.type === 'inherit') continue;
      if (binding.type === 'secret_text') secrets[binding.name] = binding.text ?? '';
      else if (binding.type === 'd1') {
        bindings.push({ name: binding.name, type: 'd1', database_id: binding.id ?? '' });
      } else bindings.push(binding as unknown as Binding);
    }
    const number = script.versions.length + 1;
    const version: Version = {
      id: `00000000-0000-4000-8000-${String(++this.#count).padStart(12, '0')}`,
      number,
      bindings: [
        ...bindings,
        ...Object.keys(secrets).map((secret): Binding => ({ name: secret, type: 'secret_text' })),
      ],
      secrets,
      annotations: metadata.annotations ?? {},
      createdOn: new Date(1_700_000_000_000 + this.#count * 60_000).toISOString(),
    };
    script.versions.push(version);
    script.migrationTag = metadata.migrations?.new_tag ?? script.migrationTag;
    return version;
  }

  deploy(name: string, versionId: string): Cloudflare.Workers.Scripts.Deployment {
    const deployment: Cloudflare.Workers.Scripts.Deployment = {
      id: `10000000-0000-4000-8000-${String(++this.#count).padStart(12, '0')}`,
      created_on: new Date(1_700_000_000_000 + this.#count * 60_000).toISOString(),
      source: 'wrangler',
      strategy: 'percentage',
      versions: [{ percentage: 100, version_id: versionId }],
    };
    this.scripts.get(name)?.deployments.unshift(deployment);
    return deployment;
  }

  /** The version that answers requests. */
  active(name: string): Version {
    const script = this.scripts.get(name);
    const id = script?.deployments[0]?.versions[0]?.version_id;
    const version = script?.versions.find((one) => one.id === id);
    if (version === undefined) throw new Error(`no Worker ${name}`);
    return version;
  }

  /** Settings of the version that answers requests, without secrets. */
  vars(name: string): Record<string, string> {
    return Object.fromEntries(
      this.active(name).bindings.flatMap((binding) =>
        binding.type === 'plain_text' ? [[binding.name, binding.text] as const] : [],
      ),
    );
  }
}

const noScript = (): Response => refuse(404, 10_007, 'This Worker does not exist on your account.');

export function workersHandlers(state: WorkersState): Handler[] {
  return [scriptHandler(state), accountHandler(state)];
}

function accountHandler(state: WorkersState): Handler {
  return async (request, path) => {
    if (/^\/accounts\/[^/]+\/workers\/subdomain$/.test(path)) {
      if (state.subdomain === null) return refuse(404, 10_007, 'No subdomain.');
      return answer<Cloudflare.Workers.SubdomainGetResponse>({ subdomain: state.subdomain });
    }
    if (!/^\/accounts\/[^/]+\/workers\/domains$/.test(path)) return null;
    if (request.method === 'GET') return answer(state.domains.map(describeDomain));
    const { hostname, service }: Cloudflare.Workers.DomainUpdateParams = await request.json();
    if (state.takenHosts.has(hostname)) {
      return refuse(409, 100_117, `Hostname "${hostname}" already has externally managed DNS records.`);
    }
    if (!state.scripts.has(service)) return noScript();
    if (!state.domains.some((domain) => domain.hostname === hostname))
      state.domains.push({ hostname, service });
    return answer<Cloudflare.Workers.DomainUpdateResponse>(describeDomain({ hostname, service }));
  };
}

function describeDomain({
  hostname,
  service,
}: {
  hostname: string;
  service: string;
}): Cloudflare.Workers.DomainListResponse {
  const zoneName = hostname.split('.').slice(-2).join('.');
  return {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- still in every answer
    ...{ id: hostname, cert_id: 'cert', environment: 'production', hostname, service },
    ...{ zone_id: 'zone', zone_name: zoneName },
  };
}

function scriptHandler(state: WorkersState): Handler {
  return async (request, path) => {
    const service = /^\/accounts\/[^/]+\/workers\/services\/([^/]+)$/.exec(path)?.[1];
    if (service !== undefined) return describeService(state, service);
    const beta = /^\/accounts\/[^/]+\/workers\/workers\/([^/]+)$/.exec(path)?.[1];
    if (beta !== undefined) return describeBeta(state, beta);
    const assets = /^\/accounts\/[^/]+\/workers\/assets\/upload$/.exec(path);
    if (assets !== null) return answer({ jwt: 'uploaded' }, {});
    const match = /^\/accounts\/[^/]+\/workers\/scripts\/([^/]+)(\/.*)?$/.exec(path);
    if (match === null) return null;
    const [, name = '', rest = ''] = match;
    if (state.isForbidden) return refuse(403, 10_000, 'Authentication error');
    if (rest === '/assets-upload-session') return answer({ jwt: 'session', buckets: [] });
    if (rest === '' && request.method === 'PUT') {
      const version = await takeUpload(state, name, request);
      state.deploy(name, version.id);
      return answer({
        id: name,
        etag: 'e',
        pipeline_hash: 'p',
        deployment_id: version.id,
        startup_time_ms: 5,
      });
    }
    if (rest === '/versions' && request.method === 'POST') {
      return answer({ ...describeVersion(await takeUpload(state, name, request)), startup_time_ms: 5 });
    }
    const script = state.scripts.get(name);
    if (script === undefined) return noScript();
    return describeScript(state, script, name, rest, request);
  };
}

async function takeUpload(state: WorkersState, name: string, request: Request): Promise<Version> {
  const form = await request.formData();
  return state.upload(name, JSON.parse(form.get('metadata') as string) as UploadMetadata);
}

function describeVersion(
  version: Version,
): Cloudflare.Workers.Scripts.VersionGetResponse & { annotations: Record<string, string> } {
  return {
    id: version.id,
    number: version.number,
    metadata: { created_on: version.createdOn, source: 'wrangler' },
    annotations: version.annotations,
    resources: { bindings: version.bindings, script: { etag: 'e', handlers: ['fetch', 'scheduled'] } },
  };
}

/** The part of the newer description of a Worker that wrangler reads. */
function describeBeta(state: WorkersState, name: string): Response {
  const script = state.scripts.get(name);
  if (script === undefined) return noScript();
  const subdomain: Cloudflare.Workers.Beta.Worker['subdomain'] = {
    enabled: script.workersDev,
    previews_enabled: script.previews,
  };
  return answer({ id: name, name, subdomain });
}

/** Requested by wrangler before a deploy; not part of the published API. */
function describeService(state: WorkersState, name: string): Response {
  const script = state.scripts.get(name);
  if (script === undefined) return refuse(404, 10_090, 'workers.api.error.service_not_found');
  return answer({
    id: name,
    default_environment: {
      environment: 'production',
      script: {
        last_deployed_from: 'wrangler',
        tag: name,
        migration_tag: script.migrationTag,
        observability: {},
      },
    },
  });
}

async function describeScript(
  state: WorkersState,
  script: Script,
  name: string,
  rest: string,
  request: Request,
): Promise<Response | null> {
  const active = state.active(name);
  if (rest === '/deployments') {
    if (request.method === 'GET') {
      return answer<Cloudflare.Workers.Scripts.DeploymentListResponse>({ deployments: script.deployments });
    }
    const body: Cloudflare.Workers.Scripts.DeploymentCreateParams = await request.json();
    const target = script.versions.find(({ id }) => id === body.versions[0]?.version_id);
    if (target === undefined) return refuse(404, 10_021, 'version not found');
    const changed = Object.keys(active.secrets).filter((key) => active.secrets[key] !== target.secrets[key]);
    const isForced = new URL(request.url).searchParams.get('force') === 'true';
    if (changed.length > 0 && !isForced) {
      return refuse(400, 10_220, `The following secrets have changed: ${changed.join(', ')}`);
    }
    return answer<Cloudflare.Workers.Scripts.Deployment>(state.deploy(name, target.id));
  }
  const versionId = /^\/versions\/([^/]+)$/.exec(rest)?.[1];
  if (versionId !== undefined) {
    const version = script.versions.find(({ id }) => id === versionId);
    if (version === undefined) return refuse(404, 10_021, 'version not found');
    return answer(describeVersion(version));
  }
  if (rest === '/versions') {
    return answer({
      items: [...script.versions]
        .reverse()
        .map(({ id, number, createdOn }): Cloudflare.Workers.Scripts.VersionListResponse => ({
          ...{ id, number, metadata: { created_on: createdOn, source: 'wrangler' } },
        })),
    });
  }
  if (rest === '/settings') {
    // Of the newest version, even if another one answers requests.
    const newest = script.versions.at(-1) ?? active;
    return answer<Settings>({ bindings: newest.bindings, annotations: newest.annotations });
  }
  if (rest === '/secrets') {
    return answer(active.bindings.filter(({ type }) => type === 'secret_text'));
  }
  if (rest === '/schedules') {
    if (request.method === 'PUT') {
      const schedules: { cron: string }[] = await request.json();
      script.crons = schedules.map(({ cron }) => cron);
    }
    return answer<Cloudflare.Workers.Scripts.ScheduleGetResponse>({
      schedules: script.crons.map((cron) => ({ cron })),
    });
  }
  if (rest === '/subdomain') {
    if (request.method === 'POST') {
      const body: Cloudflare.Workers.Scripts.SubdomainCreateParams = await request.json();
      script.workersDev = body.enabled;
      script.previews = body.previews_enabled ?? script.previews;
    }
    return answer<Cloudflare.Workers.Scripts.SubdomainGetResponse>({
      enabled: script.workersDev,
      previews_enabled: script.previews,
    });
  }
  // Tags, logs and tail consumers: Cloudflare keeps them, and nothing here reads them.
  if (rest === '/script-settings') return answer({});
  return null;
}
