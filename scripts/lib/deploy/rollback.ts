/**
 * `npm run deploy -- --rollback`: sends all requests to the version before the present one.
 *
 * Owns which version that is, the reasons against it, and the list of what is not undone. Only what belongs to a version
 * goes back: code, web app, settings. Cloudflare itself refuses when the classes of objects were changed in between:
 * https://developers.cloudflare.com/workers/versions-and-deployments/rollbacks/
 *
 * @module
 */
import { UserError } from '../processes.ts';
import type { DeployContext, DeployResult } from './context.ts';
import { tryOut } from './deploy.ts';
import { activeVersion, listDeployments, readDeployed, readVersion } from './deployed.ts';
import { stepsAgainst } from './migrations.ts';
import { environmentNames } from './options.ts';
import { describeChanges, type Change } from './plan.ts';

interface DeploymentLike {
  versions: readonly { version_id: string }[];
}

/**
 * The version that answered before the active one was first deployed; null where there is none.
 *
 * Counted from the first deployment of the active version, so two rollbacks go two versions back.
 *
 * @param deployments - newest first, as the API has them
 */
export function versionBefore(deployments: readonly DeploymentLike[], active: string): string | null {
  const isAlone = ({ versions }: DeploymentLike): boolean => versions.length === 1;
  const first = deployments.findLastIndex((one) => isAlone(one) && one.versions[0]?.version_id === active);
  if (first < 0) return null;
  return deployments.slice(first + 1).find(isAlone)?.versions[0]?.version_id ?? null;
}

/** Code of Cloudflare's refusal where secrets were changed since the version was uploaded. */
const secretsChangedCode = 10220;

/** Rolls back. @throws UserError with the reason when it is refused; the present version then stays */
export async function rollback(context: DeployContext): Promise<DeployResult> {
  const { api, accountId } = context;
  const names = environmentNames(context.options.environment, context.base.name);
  const deployed = await readDeployed(api, accountId, names);
  const active = await activeVersion(api, accountId, names.worker);
  if (active === null || deployed.worker === null) {
    throw new UserError(`There is no Worker ${names.worker} on this account. Nothing was changed.`);
  }
  const target = versionBefore((await listDeployments(api, accountId, names.worker)) ?? [], active);
  if (target === null) {
    throw new UserError(`${names.worker} has no earlier version to roll back to. Nothing was changed.`);
  }
  const version = await readVersion(api, accountId, names.worker, target);
  const against = stepsAgainst(context.migrations, deployed.contents?.migrations ?? [], version.schemaLevel);
  if (against.length > 0) {
    throw new UserError(
      `That version still uses what was removed from the database by ${against.join(', ')}. It cannot be rolled back to; deploy a corrected version instead. Nothing was changed.`,
    );
  }
  const jurisdiction = version.vars['DATA_JURISDICTION'] ?? '';
  if (jurisdiction !== (deployed.database?.jurisdiction ?? '')) {
    throw new UserError(
      'That version keeps its objects in another jurisdiction, which has no activations. Nothing was changed.',
    );
  }

  const changes = settingChanges(deployed.worker.vars, version.vars);
  context.say(
    [
      `${names.worker} goes back to version ${target}.`,
      ...(changes.length === 0
        ? ['No setting changes.']
        : ['Its settings come back with it:', ...describeChanges(changes).map((line) => `  ${line}`)]),
      'Not undone: the data in the database and in running activations, the schema (the version before works with the newer one), emails that were sent, secrets, domains, schedules, Access.',
    ].join('\n'),
  );
  if (!context.options.isConfirmed && context.confirm !== null && !(await context.confirm('Roll back?'))) {
    throw new UserError('Nothing was changed.');
  }
  try {
    await api.workers.scripts.deployments.create(names.worker, {
      account_id: accountId,
      strategy: 'percentage',
      versions: [{ percentage: 100, version_id: target }],
      annotations: { 'workers/message': `Rollback from ${active}` },
      ...(context.options.acceptsOldSecrets ? { force: true } : {}),
    });
  } catch (error) {
    if (!hasCode(error, secretsChangedCode)) throw error;
    throw new UserError(
      'A secret was changed since that version was deployed, and it would come back with its old value: a mail key that was replaced would be refused by the provider. If you want that, add --accept-old-secrets. Nothing was changed.',
    );
  }
  const address = version.vars['PUBLIC_URL'] ?? '';
  const verdict = await tryOut(context, address, version.vars);
  return { address, left: verdict.lines, isFault: verdict.isFault };
}

function settingChanges(
  from: Readonly<Record<string, string>>,
  to: Readonly<Record<string, string>>,
): Change[] {
  return [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .sort()
    .filter((name) => from[name] !== to[name])
    .map((name) => ({ what: name, from: from[name] ?? null, to: to[name] ?? null }));
}

function hasCode(error: unknown, code: number): boolean {
  const errors = (error as { errors?: unknown } | null)?.errors;
  return (
    Array.isArray(errors) &&
    errors.some((item: unknown) => (item as { code?: unknown } | null)?.code === code)
  );
}
