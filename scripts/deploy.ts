/**
 * `npm run deploy`: to a Cloudflare account, from nothing to running; again, to bring it up to date.
 *
 * Asks for what is missing when somebody is there to answer, and remembers it in .deploy/; every setting
 * and secret can be given as an environment variable instead. `--dry-run` bundles and checks everything,
 * and needs no account.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { deploy, makeConfig, readVariable, type DeployWorld, type WranglerAnswer } from './lib/deploy.ts';
import { projectRoot } from './lib/local-state.ts';
import { UserError, runToEnd, stopAll } from './lib/processes.ts';
import { buildWebIfChanged } from './lib/web-build.ts';

const folder = join(projectRoot, '.deploy');
const answersFile = join(folder, 'answers.json');
// Beside wrangler.toml, because the paths in it are relative.
const configFile = join(projectRoot, 'wrangler.deploy.toml');
const wranglerFile = join(projectRoot, 'node_modules/wrangler/bin/wrangler.js');

function wranglerEnv(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    // No questions of its own: all that is asked is asked here.
    CI: '1',
    NO_COLOR: '1',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_LOG_PATH: join(folder, 'logs'),
  };
}

async function runWrangler(args: readonly string[]): Promise<WranglerAnswer> {
  const { code, output } = await runToEnd(
    process.execPath,
    ['--no-warnings', wranglerFile, ...args],
    wranglerEnv(),
  );
  return { code, stdout: output, output };
}

/** Asks on the terminal; a secret is not shown while it is typed. */
async function ask(
  question: string,
  { isSecret, standard }: { isSecret: boolean; standard: string },
): Promise<string> {
  let isQuiet = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!isQuiet) process.stdout.write(chunk as Buffer);
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  const prompt = `${question}${standard === '' ? '' : ` [${standard}]`}: `;
  try {
    process.stdout.write(isSecret ? prompt : '');
    isQuiet = isSecret;
    const answer = (await terminal.question(isSecret ? '' : prompt)).trim();
    if (isSecret) process.stdout.write('\n');
    return answer === '' ? standard : answer;
  } finally {
    terminal.close();
  }
}

const world: DeployWorld = {
  wrangler: runWrangler,
  ask: process.stdin.isTTY ? ask : null,
  say: (line) => {
    console.log(`${line} …`);
  },
  given: (name) => readVariable(process.env, name),
  loadAnswers: () =>
    existsSync(answersFile) ? (JSON.parse(readFileSync(answersFile, 'utf8')) as Record<string, string>) : {},
  saveAnswers(answers) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(answersFile, `${JSON.stringify(answers, null, 2)}\n`);
  },
  baseConfig: () => readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8'),
  saveConfig(text) {
    writeFileSync(configFile, text);
    return configFile;
  },
  async withSecretsFile(secrets, use) {
    const temporary = mkdtempSync(join(tmpdir(), 'lead-activation-deploy-'));
    const file = join(temporary, 'secrets.json');
    try {
      writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 });
      return await use(file);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  },
  buildWeb: () => buildWebIfChanged(),
  makeKey: () => randomBytes(32).toString('base64url'),
  async probe(url) {
    try {
      const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(10_000) });
      return {
        status: response.status,
        location: response.headers.get('location'),
        body: await response.text(),
      };
    } catch {
      return null;
    }
  },
};

/** Everything of a deploy that needs no account: what CI looks at. */
async function dryRun(): Promise<void> {
  await buildWebIfChanged();
  const temporary = mkdtempSync(join(tmpdir(), 'lead-activation-dry-run-'));
  const config = join(projectRoot, `wrangler.dry-run-${String(process.pid)}.toml`);
  try {
    const vars = { ROLE_ADMIN: 'somebody@example.com', PUBLIC_URL: 'https://example.com' };
    const own = { accountId: null, databaseId: '00000000-0000-0000-0000-000000000000', vars };
    writeFileSync(config, makeConfig(world.baseConfig(), own));
    const { code, output } = await runWrangler([
      ...['deploy', '--dry-run', '--config', config, '--outdir', temporary],
    ]);
    if (code !== 0) throw new UserError(output.trim());
    console.log(/Total Upload.*/.exec(output)?.[0] ?? output.trim());
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    rmSync(config, { force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void stopAll().then(() => process.exit(130)));
}

try {
  if (process.argv.includes('--dry-run')) await dryRun();
  else {
    const { url, left } = await deploy(world);
    console.log(url === null ? '\nDeployed.' : `\nDeployed: ${url}`);
    if (left.length > 0) console.log(`\nLeft to do:\n${left.map((line) => `  * ${line}`).join('\n')}`);
    console.log(
      `\nYour answers are in ${relative(process.cwd(), answersFile)}; secrets are at Cloudflare only.`,
    );
  }
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}
