/**
 * The plan of a deploy: from the state of the account, the given settings and the code, to the next state and the
 * changes.
 *
 * Owns every decision of a deploy. Pure.
 * Invariant: what is deployed and not asked to change stays. An unclear value is asked for or refused, never guessed.
 *
 * @module
 */
import { planAccess, type AccessPlan } from './access.ts';
import type { WranglerConfig } from './config.ts';
import type { Deployed } from './deployed.ts';
import type { DeployOptions, EnvironmentNames } from './options.ts';
import {
  firstQuestions,
  mailKeyQuestion,
  secretNames,
  settingFaults,
  signingKeyFault,
  settings,
  type Question,
} from './settings.ts';

export interface DeployRequest {
  options: DeployOptions;
  names: EnvironmentNames;
  base: WranglerConfig;
  /** A setting or secret as given with the command; empty where it was given empty, null where it was not. */
  given: (name: string) => string | null;
}

export interface Change {
  what: string;
  /** Null: it did not exist. */
  from: string | null;
  /** Null: it is removed. */
  to: string | null;
}

export interface DeployPlan {
  isFirst: boolean;
  vars: Record<string, string>;
  /** Null: it will be created. */
  databaseId: string | null;
  jurisdiction: string;
  newDomains: string[];
  workersDev: boolean;
  crons: string[];
  rateLimits: Record<string, string>;
  sendEmail: { [key: string]: unknown; name: string }[];
  secrets: Record<string, string>;
  /** There is no key of the address hash yet; the given one is set, or one is made. */
  needsHashKey: boolean;
  /** The key of receipts is to be set: the given one, or one that is made. The public key joins RECEIPT_PUBLIC_KEYS. */
  receiptKey: 'first' | 'next' | null;
  presentSecrets: string[];
  /** Where the app answers, without a slash at the end. */
  address: string;
  access: AccessPlan;
  changes: Change[];
  notes: string[];
}

export type Planned =
  | { kind: 'ready'; plan: DeployPlan }
  /** The first deploy needs answers to these. */
  | { kind: 'unanswered'; questions: Question[] }
  | { kind: 'refused'; reasons: string[] };

export function planDeploy(deployed: Deployed, request: DeployRequest): Planned {
  const { options, names, base, given } = request;
  const { worker } = deployed;
  const isProduction = options.environment === 'production';
  const reasons = refusals(deployed, request);
  if (reasons.length > 0) return { kind: 'refused', reasons };

  const questions = unanswered(deployed, request);
  if (questions.length > 0) return { kind: 'unanswered', questions };

  const domains = [...new Set([...deployed.domains, ...(options.domain === null ? [] : [options.domain])])];
  const newDomains = domains.filter((domain) => !deployed.domains.includes(domain));
  const workersDev =
    options.workersDev ??
    (worker === null ? domains.length === 0 : worker.workersDev && newDomains.length === 0);
  const devHost = deployed.subdomain === null ? null : `${names.worker}.${deployed.subdomain}.workers.dev`;
  const hosts = [...domains, ...(workersDev && devHost !== null ? [devHost] : [])];

  const vars = nextVars(deployed, request);
  // The address of links in mails: a new domain replaces it, unless it was given.
  const isToMove = given('PUBLIC_URL') === null && newDomains.length > 0;
  const host = newDomains[0] ?? hosts[0];
  if ((vars['PUBLIC_URL'] === '' || isToMove) && host !== undefined) vars['PUBLIC_URL'] = `https://${host}`;
  vars['PUBLIC_URL'] = (vars['PUBLIC_URL'] ?? '').replace(/\/+$/, '');

  const audiences = (vars['ACCESS_AUD'] ?? '')
    .split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '');
  const roles = ['ROLE_ADMIN', 'ROLE_APPROVER', 'ROLE_OPERATOR', 'ROLE_VIEWER'].map(
    (name) => vars[name] ?? '',
  );
  const access = planAccess(deployed.access, {
    worker: names.worker,
    hosts: [...new Set([...hosts, ...hostOf(vars['PUBLIC_URL'])])],
    roles,
    allow: given('ACCESS_ALLOW') === '' ? null : given('ACCESS_ALLOW'),
    tokens: tokenIds(roles, given('CF_ACCESS_CLIENT_ID')),
    audiences,
  });
  if (access.aud !== null && !audiences.includes(access.aud))
    vars['ACCESS_AUD'] = [...audiences, access.aud].join(',');
  if (vars['ACCESS_TEAM_DOMAIN'] === '' && access.teamDomain !== null)
    vars['ACCESS_TEAM_DOMAIN'] = access.teamDomain;

  const faults = settingFaults(vars, { isProduction, mustHave: true });
  if (faults.length > 0) return { kind: 'refused', reasons: faults };

  const crons = [...new Set([...(worker?.crons ?? []), ...(base.triggers?.crons ?? [])])];
  const rateLimits = Object.fromEntries(
    (base.ratelimits ?? []).map(({ name, namespace_id }) => [
      name,
      worker?.rateLimits[name] ?? names.rateLimit(namespace_id),
    ]),
  );
  const secrets = Object.fromEntries(
    secretNames.flatMap((name) => {
      const value = given(name);
      return value === null || value === '' ? [] : [[name, value] as const];
    }),
  );
  const presentSecrets = worker?.secretNames ?? [];
  const plan: DeployPlan = {
    isFirst: worker === null,
    vars,
    databaseId: deployed.database?.id ?? null,
    jurisdiction: vars['DATA_JURISDICTION'] ?? '',
    newDomains,
    workersDev,
    crons,
    rateLimits,
    sendEmail: worker?.sendEmail ?? base.send_email ?? [],
    secrets,
    needsHashKey: !presentSecrets.includes('ADDRESS_HASH_KEY'),
    receiptKey: receiptKeyStep(presentSecrets, request),
    presentSecrets,
    address: vars['PUBLIC_URL'],
    access,
    changes: [],
    notes: [...access.notes],
  };
  plan.changes = difference(deployed, plan, names);
  if (!plan.needsHashKey && (given('ADDRESS_HASH_KEY') ?? '') !== '') {
    plan.notes.push(
      'ADDRESS_HASH_KEY is set already and was left: another key would forget every suppression.',
    );
  }
  if (!hosts.some((host) => hostOf(plan.address).includes(host))) {
    plan.notes.push(
      `PUBLIC_URL is ${plan.address}, which is not an address of this Worker in the API; a route of a zone may lead to it.`,
    );
  }
  return { kind: 'ready', plan };
}

/** A receipt key is made once, and again when it is asked for; a given one is taken. */
function receiptKeyStep(
  presentSecrets: readonly string[],
  { options, given }: DeployRequest,
): DeployPlan['receiptKey'] {
  if (!presentSecrets.includes('RECEIPT_SIGNING_KEY')) return 'first';
  return options.rotatesReceiptKey || (given('RECEIPT_SIGNING_KEY') ?? '') !== '' ? 'next' : null;
}

/** Reasons to refuse the deploy, each in a sentence with what to do. */
function refusals(deployed: Deployed, { options, names, base, given }: DeployRequest): string[] {
  const { worker, database, contents } = deployed;
  const reasons: string[] = [];
  if ((given('LOCAL_PERSON') ?? '') !== '' || 'LOCAL_PERSON' in base.vars) {
    reasons.push(
      'LOCAL_PERSON is set. It signs everybody in as one person, for local development only, and no deploy carries it. Remove it from the environment and from wrangler.toml.',
    );
  }
  if (worker !== null && Object.keys(worker.objectClasses).length > 0) {
    const own = base.durable_objects.bindings.map(({ name }) => name);
    if (!own.some((name) => name in worker.objectClasses)) {
      reasons.push(
        `The Worker ${names.worker} on this account is another app. Choose another --env, or rename that Worker.`,
      );
    }
  }
  const bound = worker?.otherBindings ?? [];
  if (bound.length > 0) {
    const list = bound.map(({ name, type }) => `${name} (${type})`).join(', ');
    reasons.push(
      `The deployed Worker has bindings that wrangler.toml has not, and a deploy would remove them: ${list}. Add them to wrangler.toml, or remove them in the dashboard.`,
    );
  }

  const wanted = given('DATA_JURISDICTION') ?? options.jurisdiction;
  if (
    options.jurisdiction !== null &&
    given('DATA_JURISDICTION') !== null &&
    options.jurisdiction !== given('DATA_JURISDICTION')
  ) {
    reasons.push('--jurisdiction and DATA_JURISDICTION differ. Give one of them.');
  }
  if (database !== null) {
    const actual = database.jurisdiction ?? '';
    const objects = worker === null ? actual : (worker.vars['DATA_JURISDICTION'] ?? '');
    const say = (value: string): string => (value === '' ? 'no jurisdiction' : `the jurisdiction ${value}`);
    if (wanted !== null && wanted !== actual) {
      reasons.push(
        `The database ${database.name} was created with ${say(actual)}, and that cannot be changed: Cloudflare fixes it at creation, and an activation under another jurisdiction is another object, so that running activations would be lost. Make a new environment with --env and move the data by backup and restore.`,
      );
    } else if (objects !== actual) {
      reasons.push(
        `The database ${database.name} has ${say(actual)}, but the deployed Worker keeps its objects in ${say(objects)} (DATA_JURISDICTION). Somebody changed it by hand; set it back in the dashboard.`,
      );
    }
  }
  if (worker !== null && worker.databaseId !== null && database?.id !== worker.databaseId) {
    reasons.push(
      `The Worker ${names.worker} uses the database ${worker.databaseId}, which is not on this account any more. Restore it, or bind the right one in the dashboard.`,
    );
  }
  const receiptKeyFault = signingKeyFault(given('RECEIPT_SIGNING_KEY') ?? '');
  if (receiptKeyFault !== null) reasons.push(receiptKeyFault);
  const suppressionCount = contents?.suppressionCount ?? 0;
  const hasHashKey = worker?.secretNames.includes('ADDRESS_HASH_KEY') ?? false;
  if (suppressionCount > 0 && !hasHashKey && (given('ADDRESS_HASH_KEY') ?? '') === '') {
    reasons.push(
      `The database has ${suppressionCount} suppressions, and the Worker has no ADDRESS_HASH_KEY. A new key would forget all of them. Set ADDRESS_HASH_KEY to the key of before (a backup has it).`,
    );
  }

  if (options.domain !== null && deployed.foreignDomains[options.domain] !== undefined) {
    reasons.push(
      `${options.domain} belongs to the Worker ${String(deployed.foreignDomains[options.domain])}. Choose another --domain, or take it off there first.`,
    );
  }
  const publicUrl = worker?.vars['PUBLIC_URL'] ?? '';
  const isNewDomain = options.domain !== null && !deployed.domains.includes(options.domain);
  const isDevOn = worker?.workersDev === true;
  if (
    isDevOn &&
    publicUrl.endsWith('.workers.dev') &&
    options.workersDev !== true &&
    (isNewDomain || options.workersDev === false)
  ) {
    if (options.workersDev === null) {
      reasons.push(
        `Emails already sent have unsubscribe links to ${publicUrl}. Say what is to become of that address: --workers-dev on keeps the links working (Access covers both addresses), --workers-dev off ends them.`,
      );
    }
  }
  if (options.workersDev === false && deployed.domains.length === 0 && options.domain === null) {
    reasons.push(
      '--workers-dev off without a domain would leave the app without an address. Give --domain too.',
    );
  }
  const hasAddress = options.domain !== null || deployed.domains.length > 0 || deployed.subdomain !== null;
  if (worker === null && !hasAddress && (given('PUBLIC_URL') ?? '') === '') {
    reasons.push(
      'The account has no workers.dev subdomain. Give a domain with --domain, or open Workers & Pages in the dashboard once to choose a subdomain.',
    );
  }
  return reasons;
}

/** Open questions of a first deploy, or of one that broke off before its secrets were set. */
function unanswered({ worker, database }: Deployed, { given, options }: DeployRequest): Question[] {
  const questions: Question[] = [];
  if (worker === null) {
    questions.push(
      ...firstQuestions.filter(({ name }) => {
        if (given(name) !== null) return false;
        // Fixed when the database was created.
        return name !== 'DATA_JURISDICTION' || (options.jurisdiction === null && database === null);
      }),
    );
  }
  const hasKey = worker?.secretNames.includes('MAIL_API_KEY') ?? false;
  if (!hasKey && (given('MAIL_API_KEY') ?? '') === '') questions.push(mailKeyQuestion);
  return questions;
}

/** The next variables: a given value comes before a deployed one, and that before wrangler.toml. */
function nextVars(
  { worker, database }: Deployed,
  { base, given, options }: DeployRequest,
): Record<string, string> {
  const known = settings.map(({ name }) => name);
  const vars: Record<string, string> = {};
  for (const name of new Set([...Object.keys(base.vars), ...known, ...Object.keys(worker?.vars ?? {})])) {
    const standard = base.vars[name] ?? '';
    const own = known.includes(name) ? given(name) : null;
    // A setting that is given empty goes back to its default.
    vars[name] = own === '' ? standard : (own ?? worker?.vars[name] ?? standard);
  }
  delete vars['LOCAL_PERSON'];
  vars['DATA_JURISDICTION'] =
    database?.jurisdiction ?? given('DATA_JURISDICTION') ?? options.jurisdiction ?? '';
  return vars;
}

function difference({ worker, database }: Deployed, plan: DeployPlan, names: EnvironmentNames): Change[] {
  const changes: Change[] = [];
  const add = (what: string, from: string | null, to: string | null): void => {
    if (from !== to) changes.push({ what, from, to });
  };
  if (database === null) {
    add(
      `database ${names.database}`,
      null,
      plan.jurisdiction === '' ? 'new' : `new, jurisdiction ${plan.jurisdiction}`,
    );
  }
  for (const name of [...new Set([...Object.keys(worker?.vars ?? {}), ...Object.keys(plan.vars)])].sort()) {
    const from = worker?.vars[name] ?? null;
    const to = plan.vars[name] ?? null;
    // A new setting that is empty changes nothing.
    if (!(from === null && to === '')) add(name, from, to);
  }
  for (const name of Object.keys(plan.secrets)) {
    changes.push({
      what: `secret ${name}`,
      from: plan.presentSecrets.includes(name) ? 'set' : null,
      to: 'set anew',
    });
  }
  if (plan.needsHashKey) add('secret ADDRESS_HASH_KEY', null, 'made once');
  if (plan.receiptKey === 'first') add('secret RECEIPT_SIGNING_KEY', null, 'made once');
  if (plan.receiptKey === 'next') {
    add('secret RECEIPT_SIGNING_KEY', 'set', 'another key; receipts of before stay verifiable');
  }
  for (const domain of plan.newDomains) add('domain', null, domain);
  add('workers.dev', worker === null ? null : onOff(worker.workersDev), onOff(plan.workersDev));
  if (worker !== null) add('preview addresses', onOff(worker.previewUrls), 'off');
  for (const cron of plan.crons) if (!(worker?.crons.includes(cron) ?? false)) add('cron', null, cron);
  return changes;
}

function onOff(value: boolean): string {
  return value ? 'on' : 'off';
}

function hostOf(url: string): string[] {
  return URL.canParse(url) ? [new URL(url).host] : [];
}

/** Client ids of the service tokens in the roles, and of the one that tests the address. */
function tokenIds(roles: readonly string[], own: string | null): string[] {
  const named = roles
    .flatMap((list) => list.split(','))
    .map((item) => item.trim())
    .filter((item) => /^token:.+\.access(?:\.[a-z0-9.-]+)?$/i.test(item))
    .map((item) => item.slice('token:'.length));
  return [...new Set([...named, ...(own === null || own === '' ? [] : [own])])];
}

/** The changes as lines: `from → to`. */
export function describeChanges(changes: readonly Change[]): string[] {
  const show = (value: string | null): string => (value === null ? '–' : value === '' ? '""' : value);
  return changes.map(({ what, from, to }) => `${what}: ${show(from)} → ${show(to)}`);
}
