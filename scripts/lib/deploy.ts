/**
 * Deploying to a Cloudflare account, as steps over verbs: what is there is kept, what is missing is made.
 *
 * Owns: the order of the steps, what is asked, the configuration that is made from wrangler.toml. Never:
 * processes, files, terminals; those are handed in, so that tests deploy to an account of their own.
 * Keeps true: run again it changes nothing that was not changed; a secret is never on a command line, in
 * the configuration or in what is printed; the key of the address hash is made once and never replaced.
 *
 * @module
 */
import { UserError } from './processes.ts';

/** Name of the database, as in wrangler.toml. */
const databaseName = 'lead-activation';

/** What a command of wrangler came to. */
export interface WranglerAnswer {
  code: number | null;
  stdout: string;
  /** stdout and stderr, for a person. */
  output: string;
}

export interface DeployWorld {
  wrangler(args: readonly string[]): Promise<WranglerAnswer>;
  /** Asks a person; null where nobody is there to answer. */
  ask: ((question: string, options: { isSecret: boolean; standard: string }) => Promise<string>) | null;
  say(line: string): void;
  /** A setting or secret given with the command; empty where it was given empty, null where it was not given. */
  given(name: string): string | null;
  /** What was answered at earlier deploys; no secrets. */
  loadAnswers(): Record<string, string>;
  saveAnswers(answers: Record<string, string>): void;
  /** wrangler.toml. */
  baseConfig(): string;
  /** Writes the configuration beside it; its path. */
  saveConfig(text: string): string;
  /** Hands `use` the path of a file that only its owner can read, and that is gone afterwards. */
  withSecretsFile<T>(secrets: Record<string, string>, use: (path: string) => Promise<T>): Promise<T>;
  buildWeb(): Promise<void>;
  /** A new key for the address hash. */
  makeKey(): string;
  /** Status and body of a GET, redirects not followed; null when nothing answers. */
  probe(url: string): Promise<{ status: number; location: string | null; body: string } | null>;
}

interface Setting {
  name: string;
  question: string;
  /** What stands there when a person just presses Enter. */
  standard(account: Account): string;
}

interface Account {
  email: string;
  id: string;
}

/** Asked once and remembered; all other settings are in wrangler.toml or given as variables. */
const settings: readonly Setting[] = [
  {
    name: 'ROLE_ADMIN',
    question: 'Who may do everything? (addresses, *@your-domain, group:Name; commas between)',
    standard: (account) => account.email,
  },
  {
    name: 'ROLE_OPERATOR',
    question: 'Who may import leads and start runs?',
    standard: () => '',
  },
  { name: 'ROLE_VIEWER', question: 'Who may watch runs?', standard: () => '' },
  { name: 'MAIL_FROM', question: 'Sender of the mails (Name <you@your-domain>)', standard: () => '' },
  { name: 'MAIL_POSTAL_ADDRESS', question: "Sender's postal address, for the footer", standard: () => '' },
];

/** Settings that are taken over when they are given, and remembered, but not asked for. */
const quietSettings = [
  'PUBLIC_URL',
  'ACTIVATE_CONFIRM_ABOVE',
  'ACTIVATE_UNDO_SECONDS',
  'RETENTION_DAYS',
  'MAIL_PROVIDER',
  'MAIL_API_URL',
  'MAIL_RATE',
  'MAIL_BATCH_MAX',
  'MAIL_ACTION_URL',
  'MAIL_REPLY_TO',
  'MAIL_DAILY_CAP',
  'MAIL_MESSAGE_STREAM',
  'MAIL_SES_REGION',
  'MAIL_SES_CONFIGURATION_SET',
  'MAIL_GUARD_MIN_RESULTS',
  'MAIL_MAX_BOUNCE_PERCENT',
  'MAIL_MAX_COMPLAINT_PERCENT',
];

/** Secrets that are set when they are given, and otherwise left to later. */
const laterSecrets = ['RESEND_WEBHOOK_SECRET', 'POSTMARK_WEBHOOK_CREDENTIALS'];

/**
 * An environment variable. One that is set and empty is a word too: a role without anybody, a setting that
 * goes back to its standard.
 */
export function readVariable(env: Readonly<Record<string, string | undefined>>, name: string): string | null {
  return env[name]?.trim() ?? null;
}

/** What must not be empty: nothing there is as if it was not given. */
function givenText(world: DeployWorld, name: string): string | null {
  const value = world.given(name);
  return value === '' ? null : value;
}

/**
 * Deploys, from nothing or over what is there.
 *
 * @throws UserError in one line, with what to do
 */
export async function deploy(world: DeployWorld): Promise<{ url: string | null; left: string[] }> {
  const account = await findAccount(world);
  world.say(`Account of ${account.email}`);
  const databaseId = await findDatabase(world);
  const answers = await collectAnswers(world, account);

  const config = (): string =>
    world.saveConfig(makeConfig(world.baseConfig(), { accountId: account.id, databaseId, vars: answers }));
  let configPath = config();
  world.say('Building the web app');
  await world.buildWeb();
  world.say('Bringing the database up to date');
  await must(
    world,
    ['d1', 'migrations', 'apply', 'DB', '--remote', '--config', configPath],
    'The database could not be brought up to date',
  );
  const { secrets, present } = await collectSecrets(world, configPath);

  const upload = async (): Promise<string | null> => {
    const result = await world.withSecretsFile(secrets, (path) =>
      must(
        world,
        [
          ...['deploy', '--config', configPath],
          ...(Object.keys(secrets).length === 0 ? [] : ['--secrets-file', path]),
        ],
        'The Worker could not be deployed',
      ),
    );
    return /https:\/\/\S+\.workers\.dev/.exec(result.output)?.[0] ?? null;
  };
  world.say('Deploying');
  let url = await upload();
  if (url !== null && (answers['PUBLIC_URL'] ?? '') === '') {
    // Known only now; mails need it for their unsubscribe link.
    answers['PUBLIC_URL'] = url;
    world.saveAnswers(answers);
    configPath = config();
    world.say(`Deploying again, with its address ${url}`);
    url = (await upload()) ?? url;
  }
  const address = answers['PUBLIC_URL'] ?? url;
  const known = new Set([...present, ...Object.keys(secrets)]);
  return { url: address ?? null, left: await whatIsLeft(world, address ?? null, answers, known) };
}

/**
 * wrangler.toml with an account's own values. Line by line, so that its comments stay and a value that is
 * not there is an error and not a surprise.
 */
export function makeConfig(
  base: string,
  own: { accountId: string | null; databaseId: string; vars: Readonly<Record<string, string>> },
): string {
  const replaceLine = (text: string, name: string, value: string): string => {
    const line = new RegExp(`^${name} = ".*"$`, 'm');
    if (!line.test(text)) throw new Error(`wrangler.toml has no line for ${name}.`);
    // A function, because a value may hold `$&`. JSON's text is TOML's basic string.
    return text.replace(line, () => `${name} = ${JSON.stringify(value)}`);
  };
  let text = replaceLine(base, 'database_id', own.databaseId);
  for (const [name, value] of Object.entries(own.vars)) {
    if (value !== '') text = replaceLine(text, name, value);
  }
  const account = own.accountId === null ? '' : `account_id = ${JSON.stringify(own.accountId)}\n`;
  return `# Made by \`npm run deploy\` from wrangler.toml; changes here are lost.\n${account}${text}`;
}

async function must(world: DeployWorld, args: readonly string[], fault: string): Promise<WranglerAnswer> {
  const answer = await world.wrangler(args);
  if (answer.code !== 0) throw new UserError(`${fault}:\n${answer.output.trim()}`);
  return answer;
}

async function findAccount(world: DeployWorld): Promise<Account> {
  const answer = await world.wrangler(['whoami', '--json']);
  const who = answer.code === 0 ? readJson(answer.stdout) : null;
  const accounts = isRecord(who) && Array.isArray(who['accounts']) ? who['accounts'].filter(isRecord) : [];
  if (accounts.length === 0) {
    throw new UserError(
      'You are not signed in to Cloudflare. Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN, and come again.',
    );
  }
  const wanted = givenText(world, 'CLOUDFLARE_ACCOUNT_ID');
  const found = wanted === null ? accounts[0] : accounts.find((account) => account['id'] === wanted);
  if (found === undefined || (wanted === null && accounts.length > 1)) {
    const list = accounts
      .map((account) => `${String(account['id'])} (${String(account['name'])})`)
      .join(', ');
    throw new UserError(`Set CLOUDFLARE_ACCOUNT_ID to one of your accounts: ${list}`);
  }
  const email = isRecord(who) && typeof who['email'] === 'string' ? who['email'] : '';
  return { email, id: String(found['id']) };
}

async function findDatabase(world: DeployWorld): Promise<string> {
  const find = async (): Promise<string | null> => {
    const { stdout } = await must(world, ['d1', 'list', '--json'], 'The databases could not be listed');
    const list = readJson(stdout);
    const found = Array.isArray(list)
      ? list.filter(isRecord).find((database) => database['name'] === databaseName)
      : undefined;
    return typeof found?.['uuid'] === 'string' ? found['uuid'] : null;
  };
  const existing = await find();
  if (existing !== null) return existing;
  world.say(`Creating the database ${databaseName}`);
  await must(world, ['d1', 'create', databaseName], 'The database could not be created');
  const created = await find();
  if (created === null)
    throw new UserError('The database was created, and is not in the list. Run it again.');
  return created;
}

async function collectAnswers(world: DeployWorld, account: Account): Promise<Record<string, string>> {
  const answers = { ...world.loadAnswers() };
  for (const name of quietSettings) {
    const value = world.given(name);
    if (value !== null) answers[name] = value;
  }
  for (const { name, question, standard } of settings) {
    const value = world.given(name);
    if (value !== null) answers[name] = value;
    else if (answers[name] === undefined) {
      answers[name] =
        world.ask === null
          ? standard(account)
          : await world.ask(question, { isSecret: false, standard: standard(account) });
    }
  }
  world.saveAnswers(answers);
  return answers;
}

/** Secrets to be set now, and the names of those that are set. */
async function collectSecrets(
  world: DeployWorld,
  configPath: string,
): Promise<{ secrets: Record<string, string>; present: string[] }> {
  const answer = await world.wrangler(['secret', 'list', '--format', 'json', '--config', configPath]);
  // 10007: there is no such Worker yet.
  if (answer.code !== 0 && !/10007|does not exist|not found/i.test(answer.output)) {
    throw new UserError(`The secrets could not be listed:\n${answer.output.trim()}`);
  }
  const list = answer.code === 0 ? readJson(answer.stdout) : [];
  if (!Array.isArray(list)) throw new UserError('The list of secrets could not be read.');
  const present = list.filter(isRecord).map((secret) => String(secret['name']));

  const secrets: Record<string, string> = {};
  for (const name of ['MAIL_API_KEY', ...laterSecrets]) {
    const value = givenText(world, name);
    if (value !== null) secrets[name] = value;
  }
  if (!present.includes('MAIL_API_KEY') && secrets['MAIL_API_KEY'] === undefined) {
    const key = await world.ask?.("Key of your mail provider's API", { isSecret: true, standard: '' });
    if (key === undefined || key.trim() === '') {
      throw new UserError("Set MAIL_API_KEY to the key of your mail provider's API and come again.");
    }
    secrets['MAIL_API_KEY'] = key.trim();
  }
  if (!present.includes('ADDRESS_HASH_KEY')) {
    // Never replaced: another key would forget every suppression.
    secrets['ADDRESS_HASH_KEY'] = givenText(world, 'ADDRESS_HASH_KEY') ?? world.makeKey();
  }
  return { secrets, present };
}

async function whatIsLeft(
  world: DeployWorld,
  url: string | null,
  answers: Readonly<Record<string, string>>,
  secretNames: ReadonlySet<string>,
): Promise<string[]> {
  const left: string[] = [];
  if (url === null) left.push('Give the Worker an address: a workers.dev subdomain or a domain of yours.');
  else {
    const door = await world.probe(`${url}/crm/settings`);
    const isBehindAccess = (door?.location ?? '').includes('cloudflareaccess.com');
    if (door === null) left.push(`Nothing answers at ${url} yet; a new address takes a few minutes.`);
    if (!isBehindAccess) {
      left.push(
        'Put Cloudflare Access in front of it; until then nobody gets in. How: README, "Put it on your account".',
      );
    }
    if (!secretNames.has('RESEND_WEBHOOK_SECRET') && (answers['MAIL_PROVIDER'] ?? 'resend') === 'resend') {
      left.push(
        `Add a webhook at Resend for ${url}/webhooks/resend, and set its signing secret: RESEND_WEBHOOK_SECRET=… npm run deploy`,
      );
    }
  }
  if ((answers['ROLE_ADMIN'] ?? '') === '')
    left.push('Name an admin: ROLE_ADMIN=you@your-domain npm run deploy');
  for (const name of ['MAIL_FROM', 'MAIL_POSTAL_ADDRESS']) {
    if ((answers[name] ?? '') === '')
      left.push(`Set ${name}; no run starts without it: ${name}="…" npm run deploy`);
  }
  return left;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** wrangler prints a banner before its JSON, at times. */
function readJson(text: string): unknown {
  const from = text.search(/[[{]/);
  try {
    return JSON.parse(from < 0 ? '' : text.slice(from));
  } catch {
    return null;
  }
}
