/**
 * Reads what is on the account, through Cloudflare's own client, so that a deploy keeps what it is not asked to change.
 *
 * Changes nothing. The bindings are those of the version that answers requests; after a rollback that is not the
 * newest one.
 *
 * @module
 */
import type { Cloudflare } from 'cloudflare';
import type { ScriptAndVersionSettingGetResponse as Settings } from 'cloudflare/resources/workers/scripts/script-and-version-settings';
import type { EnvironmentNames } from './options.ts';
import { readSchemaTag } from './migrations.ts';
import { UserError } from '../processes.ts';

export interface DeployedWorker {
  versionId: string;
  vars: Record<string, string>;
  secretNames: string[];
  databaseId: string | null;
  /** By the name of the binding. */
  rateLimits: Record<string, string>;
  sendEmail: { [key: string]: unknown; name: string }[];
  /** Classes of its objects, by binding. */
  objectClasses: Record<string, string>;
  /** Names and types of bindings of any other kind. */
  otherBindings: { name: string; type: string }[];
  crons: string[];
  workersDev: boolean;
  previewUrls: boolean;
  /** Null for versions deployed before levels were noted. */
  schemaLevel: number | null;
}

export interface DeployedDatabase {
  id: string;
  name: string;
  jurisdiction: string | null;
}

export interface AccessPolicyState {
  id: string;
  name: string;
  decision: string;
  include: readonly unknown[];
  /** Fields that a person may have set. An update is a PUT, so they are sent back with it. */
  kept: Readonly<Record<string, unknown>>;
}

const keptPolicyFields: ReadonlySet<string> = new Set([
  'exclude',
  'require',
  'session_duration',
  'approval_required',
  'approval_groups',
  'isolation_required',
  'purpose_justification_required',
  'purpose_justification_prompt',
]);

export interface AccessApplicationState {
  id: string;
  name: string;
  aud: string;
  /** Hosts with their paths, no scheme, no `/*` for a whole host. */
  uris: string[];
  policies: AccessPolicyState[];
  /** As the API has it: what an update must send back. */
  raw: Readonly<Record<string, unknown>>;
}

export type AccessState =
  | {
      kind: 'readable';
      teamDomain: string | null;
      applications: AccessApplicationState[];
      /** Reusable policies of the account. */
      policies: AccessPolicyState[];
      /** Ids of service tokens by client id; null where the token may not list them. */
      serviceTokens: Readonly<Record<string, string>> | null;
    }
  | { kind: 'forbidden' };

export interface Deployed {
  worker: DeployedWorker | null;
  database: DeployedDatabase | null;
  /** Suppressions in the database, and the migrations it has had; null where there is no database. */
  contents: { suppressionCount: number; migrations: string[] } | null;
  /** Custom domains of the Worker. */
  domains: string[];
  /** Other Workers that have a custom domain. */
  foreignDomains: Record<string, string>;
  /** The account's name under workers.dev. */
  subdomain: string | null;
  access: AccessState;
}

/**
 * Reads everything that an environment has on the account.
 *
 * @throws UserError where the token may not read the Worker or the database: what cannot be read cannot be kept
 */
export async function readDeployed(
  api: Cloudflare,
  accountId: string,
  names: EnvironmentNames,
): Promise<Deployed> {
  const account = { account_id: accountId };
  const worker = await readable('Workers Scripts', () => readWorker(api, accountId, names.worker));
  const databases = await readable('D1', () => collect(api.d1.database.list(account)));
  const found =
    databases.find(({ uuid }) => worker !== null && uuid === worker.databaseId) ??
    databases.find(({ name }) => name === names.database);
  const database =
    found?.uuid === undefined
      ? null
      : { id: found.uuid, name: found.name ?? names.database, jurisdiction: found.jurisdiction ?? null };
  const domains = await readable('Workers Scripts', () => collect(api.workers.domains.list(account)));
  const subdomain = await readable('Workers Scripts', () =>
    missingIsNull(api.workers.subdomains.get(account)),
  );
  return {
    worker,
    database,
    contents:
      database === null ? null : await readable('D1', () => readContents(api, accountId, database.id)),
    domains: domains.filter(({ service }) => service === names.worker).map(({ hostname }) => hostname),
    foreignDomains: Object.fromEntries(
      domains
        .filter(({ service }) => service !== names.worker)
        .map(({ hostname, service }) => [hostname, service]),
    ),
    subdomain: subdomain === null || subdomain.subdomain === '' ? null : subdomain.subdomain,
    access: await readAccess(api, accountId),
  };
}

async function readWorker(api: Cloudflare, accountId: string, name: string): Promise<DeployedWorker | null> {
  const account = { account_id: accountId };
  const versionId = await activeVersion(api, accountId, name);
  if (versionId === null) return null;
  const [version, schedules, subdomain] = await Promise.all([
    readVersion(api, accountId, name, versionId),
    api.workers.scripts.schedules.get(name, account),
    api.workers.scripts.subdomain.get(name, account),
  ]);
  return {
    ...version,
    versionId,
    crons: schedules.schedules.map(({ cron }) => cron),
    workersDev: subdomain.enabled,
    previewUrls: subdomain.previews_enabled,
  };
}

/**
 * The version that all requests go to, or null where there is no such Worker.
 *
 * @throws UserError while a gradual deployment is under way
 */
export async function activeVersion(
  api: Cloudflare,
  accountId: string,
  name: string,
): Promise<string | null> {
  const deployments = await listDeployments(api, accountId, name);
  const versions = deployments?.[0]?.versions ?? [];
  if (versions.length > 1) {
    throw new UserError(
      `A gradual deployment of ${name} is under way, with ${versions.length} versions. Finish it first: npx wrangler versions deploy`,
    );
  }
  return versions[0]?.version_id ?? null;
}

/** Deployments of a Worker, newest first; null where there is no such Worker. */
export async function listDeployments(api: Cloudflare, accountId: string, name: string) {
  const page = await missingIsNull(api.workers.scripts.deployments.list(name, { account_id: accountId }));
  // The client's page type expects `items`; the API answers `deployments`, as its own item type says.
  const result = page?.result as Cloudflare.Workers.Scripts.DeploymentListResponse | undefined;
  return result?.deployments ?? null;
}

export type VersionSettings = Omit<DeployedWorker, 'versionId' | 'crons' | 'workersDev' | 'previewUrls'>;

/** The kinds of bindings that a deploy handles; a KV namespace stands for all others. */
export type Binding =
  | Settings.WorkersBindingKindPlainText
  | Settings.WorkersBindingKindSecretText
  | Settings.WorkersBindingKindD1
  | Settings.WorkersBindingKindRatelimit
  | Settings.WorkersBindingKindSendEmail
  | Settings.WorkersBindingKindDurableObjectNamespace
  | Settings.WorkersBindingKindAssets
  | Settings.WorkersBindingKindKVNamespace;

/** Settings of one version. */
export async function readVersion(
  api: Cloudflare,
  accountId: string,
  name: string,
  versionId: string,
): Promise<VersionSettings> {
  const version = await api.workers.scripts.versions.get(versionId, {
    account_id: accountId,
    script_name: name,
  });
  // The client's types leave these two open; wrangler reads them in this form.
  const bindings = (version.resources.bindings ?? []) as readonly Binding[];
  const tag = (version as { annotations?: Record<string, string> }).annotations?.['workers/tag'];
  return { ...sortBindings(bindings), schemaLevel: readSchemaTag(tag) };
}

/** Sorts bindings by how a deploy treats them. */
function sortBindings(bindings: readonly Binding[]): Omit<VersionSettings, 'schemaLevel'> {
  const sorted: Omit<VersionSettings, 'schemaLevel'> = {
    vars: {},
    secretNames: [],
    databaseId: null,
    rateLimits: {},
    sendEmail: [],
    objectClasses: {},
    otherBindings: [],
  };
  for (const binding of bindings) {
    const { name } = binding;
    if (binding.type === 'plain_text') sorted.vars[name] = binding.text;
    else if (binding.type === 'secret_text') sorted.secretNames.push(name);
    else if (binding.type === 'd1' && name === 'DB') sorted.databaseId = binding.database_id;
    else if (binding.type === 'ratelimit') sorted.rateLimits[name] = binding.namespace_id;
    else if (binding.type === 'send_email') {
      // eslint-disable-next-line @typescript-eslint/no-unused-vars -- wrangler's configuration has no type
      const { type, ...rest } = binding;
      sorted.sendEmail.push(rest);
    } else if (binding.type === 'durable_object_namespace') {
      sorted.objectClasses[name] = binding.class_name ?? '';
    } else if (binding.type !== 'assets') sorted.otherBindings.push({ name, type: binding.type });
  }
  return sorted;
}

async function readContents(
  api: Cloudflare,
  accountId: string,
  databaseId: string,
): Promise<NonNullable<Deployed['contents']>> {
  const query = async (sql: string): Promise<Record<string, unknown>[]> => {
    const [answer] = await collect(api.d1.database.query(databaseId, { account_id: accountId, sql }));
    return (answer?.results ?? []) as Record<string, unknown>[];
  };
  const tables = await query(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('suppressions', 'd1_migrations')",
  );
  const has = (table: string): boolean => tables.some(({ name }) => name === table);
  const [count] = has('suppressions') ? await query('SELECT count(*) AS count FROM suppressions') : [];
  const migrations = has('d1_migrations') ? await query('SELECT name FROM d1_migrations ORDER BY id') : [];
  return {
    suppressionCount: Number(count?.['count'] ?? 0),
    migrations: migrations.map(({ name }) => String(name)),
  };
}

async function readAccess(api: Cloudflare, accountId: string): Promise<AccessState> {
  const account = { account_id: accountId };
  try {
    const access = api.zeroTrust.access;
    const applications = await collect(access.applications.list(account));
    const policies = await collect(access.policies.list(account));
    const organization = await forbiddenIsNull(missingIsNull(api.zeroTrust.organizations.list(account)));
    const tokens = await forbiddenIsNull(collect(access.serviceTokens.list(account)));
    return {
      kind: 'readable',
      teamDomain: organization?.auth_domain ?? null,
      applications: applications
        .filter(({ type }) => type === 'self_hosted')
        .map((application) => readApplication(application as unknown as Record<string, unknown>)),
      policies: policies.map((policy) => readPolicy(policy as unknown as Record<string, unknown>)),
      serviceTokens:
        tokens === null
          ? null
          : Object.fromEntries(tokens.map(({ id = '', client_id = '' }) => [client_id, id])),
    };
  } catch (error) {
    if (isRefusal(error) || isMissing(error)) return { kind: 'forbidden' };
    throw error;
  }
}

/** Maps a self-hosted application of the API. */
export function readApplication(raw: Readonly<Record<string, unknown>>): AccessApplicationState {
  const destinations = Array.isArray(raw['destinations'])
    ? (raw['destinations'] as { type?: string; uri?: string }[])
    : [];
  const domains = Array.isArray(raw['self_hosted_domains']) ? (raw['self_hosted_domains'] as string[]) : [];
  const uris = [
    ...destinations.filter(({ type = 'public' }) => type === 'public').map(({ uri = '' }) => uri),
    ...domains,
    text(raw['domain']),
  ].map((uri) => uri.replace(/^https?:\/\//, '').replace(/^([^/]+)\/\*?$/, '$1'));
  return {
    id: text(raw['id']),
    name: text(raw['name']),
    aud: text(raw['aud']),
    uris: [...new Set(uris.filter((uri) => uri !== ''))],
    policies: Array.isArray(raw['policies'])
      ? raw['policies'].map((policy) => readPolicy(policy as object))
      : [],
    raw,
  };
}

function readPolicy(raw: object): AccessPolicyState {
  const policy = raw as Record<string, unknown>;
  return {
    id: text(policy['id']),
    name: text(policy['name']),
    decision: text(policy['decision']),
    include: Array.isArray(policy['include']) ? policy['include'] : [],
    kept: Object.fromEntries(Object.entries(policy).filter(([name]) => keptPolicyFields.has(name))),
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

async function collect<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

function statusOf(error: unknown): number | null {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' ? status : null;
}

/** True when the token may not do this: 403, or 401 from some products of the API. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error);
  return status === 401 || status === 403;
}

export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

async function missingIsNull<T>(promise: Promise<T>): Promise<T | null> {
  return promise.catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
}

async function forbiddenIsNull<T>(promise: Promise<T>): Promise<T | null> {
  return promise.catch((error: unknown) => {
    if (isRefusal(error)) return null;
    throw error;
  });
}

async function readable<T>(permission: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (isRefusal(error)) {
      throw new UserError(
        `The API token may not read what is deployed: it needs the permission "${permission}: Edit" (docs/OPERATIONS.md lists all). Nothing was changed.`,
      );
    }
    throw error;
  }
}
