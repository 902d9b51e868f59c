/**
 * Deploying an environment: read the account, plan, show the changes, ask, make them, and test the address.
 *
 * Owns the order of the steps: expand, deploy, contract. New tables and columns come first, then the Worker, and when it
 * answers, the removal of what no version needs.
 * Invariant: nothing on the account is changed before the changes were shown, and after a failed step the next deploy
 * can continue.
 *
 * @module
 */
import { findProvider } from '../../../src/mail/providers/index.ts';
import { UserError } from '../processes.ts';
import { applyAccess, describeAccess } from './access.ts';
import { makeConfig } from './config.ts';
import { must, type DeployContext, type DeployResult } from './context.ts';
import { readDeployed, type Deployed } from './deployed.ts';
import { migrationFaults, migrationPhases, schemaLevel, schemaTag } from './migrations.ts';
import { environmentNames, type EnvironmentNames } from './options.ts';
import { describeChanges, planDeploy, type DeployPlan } from './plan.ts';
import { judge, nobodyGetsIn, type Probes, type Verdict } from './probe.ts';

/**
 * Deploys for the first time, or updates.
 *
 * @throws UserError with what to do; it says so when nothing was changed
 */
export async function deploy(context: DeployContext): Promise<DeployResult> {
  const faults = migrationFaults(context.migrations);
  if (faults.length > 0) throw new UserError(`${faults.join('\n')}\nNothing was changed.`);
  const names = environmentNames(context.options.environment, context.base.name);
  const deployed = await readDeployed(context.api, context.accountId, names);
  const { plan, given } = await settle(context, deployed, names);
  await showAndConfirm(context, plan, names);

  context.say('Building the web app');
  await context.buildWeb();
  const databaseId = plan.databaseId ?? (await createDatabase(context, plan, names));
  const aud = await applyAccess(context.api, context.accountId, plan.access);
  if (aud !== null && !(plan.vars['ACCESS_AUD'] ?? '').includes(aud)) {
    plan.vars['ACCESS_AUD'] = [plan.vars['ACCESS_AUD'] ?? '', aud].filter((tag) => tag !== '').join(',');
  }
  const secrets = { ...plan.secrets };
  if (plan.needsHashKey) {
    const own = given('ADDRESS_HASH_KEY') ?? '';
    secrets['ADDRESS_HASH_KEY'] = own === '' ? context.makeKey() : own;
  }
  if (plan.receiptKey !== null) {
    const own = given('RECEIPT_SIGNING_KEY') ?? '';
    const key = own === '' ? context.makeSigningKey() : own;
    secrets['RECEIPT_SIGNING_KEY'] = key;
    plan.vars['RECEIPT_PUBLIC_KEYS'] = withPublicKey(key, plan.vars['RECEIPT_PUBLIC_KEYS'] ?? '');
  }
  const level = deployed.worker === null ? 'none' : deployed.worker.schemaLevel;
  const phases = migrationPhases(context.migrations, level);
  const configWith = (names_: readonly string[]): string =>
    context.saveConfig(
      makeConfig(context.base, {
        ...{ accountId: context.accountId, names, databaseId, vars: plan.vars },
        ...{ workersDev: plan.workersDev, crons: plan.crons, rateLimits: plan.rateLimits },
        ...{ sendEmail: plan.sendEmail, migrationsFolder: context.saveMigrations(names_) },
      }),
    );
  const migrate = (config: string): Promise<string> =>
    must(
      context,
      ['d1', 'migrations', 'apply', 'DB', '--remote', '--config', config],
      'The database could not be migrated; the Worker was not deployed',
    );
  const config = configWith(phases.before);
  context.say('Migrating the database');
  await migrate(config);

  // Before the deploy, which may turn the workers.dev address off. A first deploy has no Worker for a domain yet.
  if (!plan.isFirst) await attachDomains(context, plan, names);
  context.say('Deploying the Worker');
  await context.withSecretsFile(secrets, (path) =>
    must(
      context,
      [
        ...['deploy', '--config', config, '--tag', schemaTag(schemaLevel(context.migrations))],
        ...['--message', context.versionName],
        ...(Object.keys(secrets).length === 0 ? [] : ['--secrets-file', path]),
      ],
      'The Worker could not be deployed',
    ),
  );

  if (plan.isFirst) await attachDomains(context, plan, names);

  const verdict = await tryOut(context, plan.address, plan.vars);
  const left = [...plan.access.clicks, ...verdict.lines, ...plan.notes, ...webhookLeft(plan)];
  if (phases.after.length > 0 && !verdict.isFault) {
    context.say('Removing tables and columns that no version uses any more');
    await migrate(configWith([...phases.before, ...phases.after]));
  } else if (phases.after.length > 0) {
    left.push(
      `Not removed from the database, because the new version did not pass its test: ${phases.after.join(', ')}. The next deploy removes it.`,
    );
  }
  if (phases.held.length > 0) {
    left.push(
      `Not removed from the database yet, so that you can roll back: ${phases.held.join(', ')}. Deploy again when you no longer need the version before.`,
    );
  }
  return { address: plan.address, left, isFault: verdict.isFault };
}

/** The list of public keys with that of this signing key in front. A deploy with the same key again changes nothing. */
function withPublicKey(signingKey: string, list: string): string {
  const { x } = JSON.parse(signingKey) as { x: string };
  const known = list
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
  return [...new Set([x, ...known])].join(',');
}

/** Plans; asks for missing settings, or refuses when there is no terminal. */
async function settle(
  context: DeployContext,
  deployed: Deployed,
  names: EnvironmentNames,
): Promise<{ plan: DeployPlan; given: (name: string) => string | null }> {
  const answers = new Map<string, string>();
  const given = (name: string): string | null => answers.get(name) ?? context.given(name);
  const request = { options: context.options, names, base: context.base, given };
  for (;;) {
    const planned = planDeploy(deployed, request);
    if (planned.kind === 'ready') return { plan: planned.plan, given };
    if (planned.kind === 'refused') {
      throw new UserError(`${planned.reasons.join('\n')}\nNothing was changed.`);
    }
    const isFirstRound = answers.size === 0;
    const required = planned.questions.filter(({ isRequired }) => isRequired);
    if (required.length > 0 && (context.ask === null || !isFirstRound)) {
      const list = required.map(({ name, text }) => `  ${name}: ${text}`).join('\n');
      throw new UserError(
        `The first deploy of ${names.worker} needs answers, as environment variables:\n${list}\nNothing was changed.`,
      );
    }
    for (const question of planned.questions) {
      const answer = (await context.ask?.(question)) ?? '';
      // An empty answer means the default and is not asked again.
      answers.set(question.name, answer.trim());
    }
  }
}

async function showAndConfirm(
  context: DeployContext,
  plan: DeployPlan,
  names: EnvironmentNames,
): Promise<void> {
  const lines = [...describeChanges(plan.changes), ...describeAccess(plan.access)];
  const title = plan.isFirst
    ? `${names.worker} will be created`
    : `${names.worker} will be brought up to date`;
  context.say(
    lines.length === 0
      ? `${title}: a new version; no setting changes.`
      : `${title}. What changes:\n${lines.map((line) => `  ${line}`).join('\n')}`,
  );
  if (context.options.isConfirmed || context.confirm === null) return;
  if (!(await context.confirm('Go on?'))) throw new UserError('Nothing was changed.');
}

async function createDatabase(
  context: DeployContext,
  plan: DeployPlan,
  names: EnvironmentNames,
): Promise<string> {
  context.say(`Creating the database ${names.database}`);
  const made = await context.api.d1.database.create({
    account_id: context.accountId,
    name: names.database,
    ...(plan.jurisdiction === '' ? {} : { jurisdiction: plan.jurisdiction as 'eu' | 'us' | 'fedramp' }),
  });
  if (made.uuid === undefined) throw new Error('Cloudflare created a database and returned no id.');
  return made.uuid;
}

/** By the API and not by wrangler: the API refuses a host name that has DNS records, and wrangler replaces them. */
async function attachDomains(
  context: DeployContext,
  { newDomains }: DeployPlan,
  names: EnvironmentNames,
): Promise<void> {
  for (const hostname of newDomains) {
    context.say(`Attaching ${hostname}`);
    try {
      await context.api.workers.domains.update({
        account_id: context.accountId,
        hostname,
        service: names.worker,
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UserError(
        `${hostname} could not be attached: ${reason}\nIts zone must be on this account, the API token needs "Workers Routes: Edit" for it, and the host name must have no DNS record of its own. Correct that and deploy again.`,
      );
    }
  }
}

/** A new version is active everywhere within seconds; the certificate of a new domain takes up to minutes. */
const probeAttempts = 24;
const probeWaitMs = 5_000;

/** Sends requests to the address: without an identity, to a public path, and with the service token if one is given. */
export async function tryOut(
  context: DeployContext,
  address: string,
  vars: Readonly<Record<string, string>>,
): Promise<Verdict> {
  const clientId = context.given('CF_ACCESS_CLIENT_ID') ?? '';
  const secret = context.given('CF_ACCESS_CLIENT_SECRET') ?? '';
  const hasToken = clientId !== '' && secret !== '';
  const once = async (): Promise<Verdict> => {
    const [health, anonymous, token] = await Promise.all([
      context.probe(`${address}/healthz`, {}),
      context.probe(`${address}/crm/settings`, {}),
      hasToken
        ? context.probe(`${address}/crm/settings`, {
            'CF-Access-Client-Id': clientId,
            'CF-Access-Client-Secret': secret,
          })
        : undefined,
    ]);
    const probes: Probes = { health, anonymous, token };
    return judge(probes, { url: address, vars, clientId: hasToken ? clientId : null });
  };
  context.say(`Trying ${address}`);
  let verdict = await once();
  // Settings that let nobody in do not change by waiting.
  const mayPass = nobodyGetsIn(vars).length === 0;
  for (let attempt = 1; mayPass && verdict.isFault && attempt < probeAttempts; attempt++) {
    await context.wait(probeWaitMs);
    verdict = await once();
  }
  return verdict;
}

function webhookLeft({ vars, presentSecrets, secrets, address }: DeployPlan): string[] {
  const has = (name: string): boolean =>
    presentSecrets.includes(name) || name in secrets || (vars[name] ?? '') !== '';
  const lines: string[] = [];
  const provider = findProvider(vars['MAIL_PROVIDER'] ?? '');
  if (provider?.webhook !== undefined && !has(provider.webhook.proof.setting)) {
    const { name, title } = provider;
    const { setting, what, example } = provider.webhook.proof;
    lines.push(
      `Add a webhook at ${title} for ${address}/webhooks/${name}, and set ${what}: ${setting}=${example} npm run deploy`,
    );
  }
  if ((vars['MAIL_POSTAL_ADDRESS'] ?? '') === '') {
    lines.push(
      'Set MAIL_POSTAL_ADDRESS; no activation starts without it: MAIL_POSTAL_ADDRESS="…" npm run deploy',
    );
  }
  return lines;
}
