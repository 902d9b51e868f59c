/**
 * The command line of `npm run deploy`, and the names that an environment has on the account.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { isJurisdiction, jurisdictions, type Jurisdiction } from '../../../src/runtime/settings.ts';
import { UserError } from '../processes.ts';

export interface DeployOptions {
  environment: string;
  /** A host name of a zone of the account; null: not given. */
  domain: string | null;
  /** Empty: explicitly none. Null: not given. */
  jurisdiction: Jurisdiction | '' | null;
  /** Whether the workers.dev address stays on; null: not given. */
  workersDev: boolean | null;
  isDryRun: boolean;
  isRollback: boolean;
  acceptsOldSecrets: boolean;
  /** Makes the next key of receipts. */
  rotatesReceiptKey: boolean;
  /** Skips the question before the deploy. */
  isConfirmed: boolean;
}

export const usage = `npm run deploy -- [options]

  --env NAME              environment: production (the default), staging, or a name of yours
  --domain HOST           custom domain, such as leads.example.com; its zone must be on the account
  --jurisdiction NAME     where all data is kept: ${jurisdictions.join(', ')} or none; only at creation
  --workers-dev on|off    the workers.dev address beside a domain
  --rotate-receipt-key    sign receipts with a new key; the public keys of before are kept
  --yes                   do not ask before the deploy
  --rollback              go back to the version before
  --accept-old-secrets    with --rollback: also where secrets were changed since
  --dry-run               bundle and check; needs no account

Settings and secrets are environment variables, such as MAIL_FROM; docs/OPERATIONS.md lists them.`;

/**
 * Reads the command line. DEPLOY_DOMAIN and DEPLOY_WORKERS_DEV replace their flags, for CI.
 *
 * @throws UserError for an unknown flag or value; nothing has been changed then
 */
export function parseOptions(
  args: readonly string[],
  given: (name: string) => string | null = () => null,
): DeployOptions {
  const values = parse(args);
  if (values.help === true) throw new UserError(usage);
  const jurisdiction = values.jurisdiction === 'none' ? '' : (values.jurisdiction ?? null);
  if (jurisdiction !== null && jurisdiction !== '' && !isJurisdiction(jurisdiction)) {
    throw new UserError(
      `--jurisdiction is ${jurisdictions.join(', ')} or none, not "${jurisdiction}". Nothing was changed.`,
    );
  }
  const workersDevFlag = values['workers-dev'];
  const workersDev = workersDevFlag ?? orUndefined(given('DEPLOY_WORKERS_DEV'));
  if (workersDev !== undefined && workersDev !== 'on' && workersDev !== 'off') {
    throw new UserError(`--workers-dev is on or off, not "${workersDev}". Nothing was changed.`);
  }
  if (values.rollback === true && (values.domain ?? values.jurisdiction ?? workersDevFlag) !== undefined) {
    throw new UserError(
      '--rollback changes the version only: leave out --domain, --jurisdiction and --workers-dev. Nothing was changed.',
    );
  }
  const environment = values.env ?? 'production';
  // The Worker's name is part of a host name: letters, digits, dashes, 63 characters at most.
  if (!/^[a-z][a-z0-9-]{0,29}$/.test(environment) || environment.endsWith('-')) {
    throw new UserError(
      `--env is up to 30 lower-case letters, digits and dashes, not "${environment}". Nothing was changed.`,
    );
  }
  const domain = (values.domain ?? orUndefined(given('DEPLOY_DOMAIN')))?.toLowerCase() ?? null;
  if (domain !== null && !/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/.test(domain)) {
    throw new UserError(
      `--domain is a host name such as leads.example.com, not "${domain}". Nothing was changed.`,
    );
  }
  if (values['accept-old-secrets'] === true && values.rollback !== true) {
    throw new UserError('--accept-old-secrets goes with --rollback only. Nothing was changed.');
  }
  if (values['rotate-receipt-key'] === true && values.rollback === true) {
    throw new UserError('--rotate-receipt-key does not go with --rollback. Nothing was changed.');
  }
  return {
    environment,
    domain,
    jurisdiction,
    workersDev: workersDev === undefined ? null : workersDev === 'on',
    isDryRun: values['dry-run'] === true,
    isRollback: values.rollback === true,
    acceptsOldSecrets: values['accept-old-secrets'] === true,
    rotatesReceiptKey: values['rotate-receipt-key'] === true,
    isConfirmed: values.yes === true,
  };
}

function orUndefined(value: string | null): string | undefined {
  return value === null || value === '' ? undefined : value;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      options: {
        env: { type: 'string' },
        domain: { type: 'string' },
        jurisdiction: { type: 'string' },
        'workers-dev': { type: 'string' },
        yes: { type: 'boolean', short: 'y' },
        rollback: { type: 'boolean' },
        'accept-old-secrets': { type: 'boolean' },
        'rotate-receipt-key': { type: 'boolean' },
        'dry-run': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${reason}\nNothing was changed.\n\n${usage}`);
  }
}

export interface EnvironmentNames {
  worker: string;
  database: string;
  /** For a counter of the account's rate limiter that `base` has in production. */
  rateLimit(base: string): string;
}

/** The names of an environment's resources on the account; no two environments share one. */
export function environmentNames(environment: string, project = 'lead-activation'): EnvironmentNames {
  const isProduction = environment === 'production';
  const name = isProduction ? project : `${project}-${environment}`;
  return {
    worker: name,
    database: name,
    // Two Workers of an account that name the same namespace share its counters:
    // https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/
    rateLimit: (base) =>
      isProduction
        ? base
        : String(1_000_000 + createHash('sha256').update(`${environment}/${base}`).digest().readUInt32BE(0)),
  };
}
