/**
 * The configuration for wrangler: wrangler.toml with the values of one environment.
 *
 * Owns which parts of wrangler.toml an environment replaces. All other parts belong to the code and are deployed with
 * it.
 *
 * @module
 */
import { parse } from 'smol-toml';
import type { EnvironmentNames } from './options.ts';

/** The parts of wrangler.toml that a deploy reads or replaces; the rest is carried as it is. */
export interface WranglerConfig {
  [key: string]: unknown;
  name: string;
  vars: Record<string, string>;
  d1_databases: { [key: string]: unknown; binding: string; migrations_dir?: string }[];
  durable_objects: { bindings: { name: string; class_name: string }[] };
  ratelimits?: { [key: string]: unknown; name: string; namespace_id: string }[];
  send_email?: { [key: string]: unknown; name: string }[];
  observability?: { logs?: Record<string, unknown> };
  analytics_engine_datasets?: { binding: string; dataset: string }[];
  triggers?: { crons?: string[] };
  secrets?: { required?: string[] };
}

/** The values of one environment. */
export interface OwnConfig {
  accountId: string | null;
  names: Pick<EnvironmentNames, 'worker' | 'database'>;
  databaseId: string;
  vars: Readonly<Record<string, string>>;
  workersDev: boolean;
  crons: readonly string[];
  /** By the name of the binding. */
  rateLimits: Readonly<Record<string, string>>;
  sendEmail: readonly { [key: string]: unknown; name: string }[];
  /** Folder with the migrations of this step, from the project's root. */
  migrationsFolder: string;
}

export function readConfig(toml: string): WranglerConfig {
  return parse(toml) as unknown as WranglerConfig;
}

/**
 * Sections that are not deployed: those of local development, and wrangler's own environments. Domains are attached by
 * the API, because wrangler without a terminal replaces the DNS records that a host name has.
 */
const notCarried = ['access', 'dev', 'env', 'route', 'routes'];

/** JSON for wrangler, which takes it as it takes TOML: https://developers.cloudflare.com/workers/wrangler/configuration/ */
export function makeConfig(base: WranglerConfig, own: OwnConfig): WranglerConfig {
  const config: WranglerConfig = {
    ...(Object.fromEntries(
      Object.entries(base).filter(([key]) => !notCarried.includes(key)),
    ) as WranglerConfig),
    ...(own.accountId === null ? {} : { account_id: own.accountId }),
    name: own.names.worker,
    workers_dev: own.workersDev,
    // The Access application does not cover preview addresses.
    preview_urls: false,
    vars: { ...own.vars },
    d1_databases: base.d1_databases.map((database) => ({
      ...database,
      database_name: own.names.database,
      database_id: own.databaseId,
      migrations_dir: own.migrationsFolder,
    })),
    triggers: { crons: [...own.crons] },
  };
  if (base.ratelimits !== undefined) {
    config.ratelimits = base.ratelimits.map((limit) => ({
      ...limit,
      namespace_id: own.rateLimits[limit.name] ?? limit.namespace_id,
    }));
  }
  const { LOGS_DESTINATION: logs = '', METRICS_DATASET: dataset = '' } = own.vars;
  // https://developers.cloudflare.com/workers/observability/opentelemetry-export/
  if (logs !== '') {
    const { observability = {} } = base;
    config.observability = { ...observability, logs: { ...observability.logs, destinations: [logs] } };
  }
  if (dataset !== '') config.analytics_engine_datasets = [{ binding: 'METRICS', dataset }];
  if (own.sendEmail.length > 0) config.send_email = own.sendEmail.map((binding) => ({ ...binding }));
  return config;
}
