/**
 * `npm start`: the app on this machine, ready to use, with sample leads and a mail API that sends nothing.
 *
 * Reads PORT, STATE_DIR, MAIL_API_URL, MAIL_API_KEY, MAIL_FROM, MAIL_RATE and the other settings of
 * docs/OPERATIONS.md. Keeps true: one signal ends all of it, a fault is one line, nothing is left running.
 *
 * @module
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stateDir } from './lib/local-state.ts';
import { UserError, runToEnd, stopAll } from './lib/processes.ts';
import { type Stack, localPerson, prepareState, startStack } from './lib/stack.ts';
import { keepSweeping } from './lib/sweep.ts';
import { buildWebIfChanged } from './lib/web-build.ts';

/** Settings of the Worker that are passed on when they are set. */
const passedOn = [
  'MAIL_PROVIDER',
  'MAIL_API_KEY',
  'MAIL_FROM',
  'MAIL_REPLY_TO',
  'MAIL_RATE',
  'MAIL_BATCH_MAX',
  'MAIL_ACTION_URL',
  'MAIL_POSTAL_ADDRESS',
  'PUBLIC_URL',
  'ACTIVATE_CONFIRM_ABOVE',
  'ACTIVATE_UNDO_SECONDS',
  'RETENTION_DAYS',
  'ACCESS_TEAM_DOMAIN',
  'ACCESS_AUD',
  'ACCESS_TOKEN_LABELS',
  'ROLE_VIEWER',
  'ROLE_OPERATOR',
  'ROLE_ADMIN',
  'MAIL_DAILY_CAP',
  'MAIL_GUARD_MIN_RESULTS',
  'MAIL_MAX_BOUNCE_PERCENT',
  'MAIL_MAX_COMPLAINT_PERCENT',
  'MAIL_MESSAGE_STREAM',
  'MAIL_SES_REGION',
  'MAIL_SES_CONFIGURATION_SET',
  'RESEND_WEBHOOK_SECRET',
  'POSTMARK_WEBHOOK_CREDENTIALS',
];

function setting(name: string): string | null {
  const value = process.env[name]?.trim();
  return value === undefined || value === '' ? null : value;
}

function readPort(name: string, text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535)
    throw new UserError(`${name} is not a port number: ${text}`);
  return port;
}

/** The mail API to use; a real one must come with its key. */
function readMailApi(): URL | 'stand-in' {
  const text = setting('MAIL_API_URL');
  if (text === null) return 'stand-in';
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new UserError(`MAIL_API_URL is not an http(s) address: ${text}`);
  }
  const url = new URL(text);
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (!isLocal && setting('MAIL_API_KEY') === null) {
    throw new UserError('MAIL_API_URL names a real mail API, so MAIL_API_KEY must be set too.');
  }
  return url;
}

function step(words: string): void {
  console.log(`${words} …`);
}

/** Fills an empty database with sample leads, once in the life of a state folder. */
async function seedOnce(folder: string): Promise<void> {
  const stamp = join(folder, 'seeded');
  if (existsSync(stamp)) return;
  step('Making sample leads');
  const result = await runToEnd(process.execPath, ['scripts/seed.ts'], { ...process.env, STATE_DIR: folder });
  if (result.code !== 0) {
    console.error(result.output.trimEnd());
    throw new UserError('The sample leads could not be made, see above.');
  }
  writeFileSync(stamp, '');
}

const stopping = new AbortController();
let stack: Stack | null = null;

/** Ends everything, then this process. */
async function shutDown(exitCode: number): Promise<never> {
  stopping.abort();
  // In order, which takes what was erased out of the files; then whatever else was started.
  await stack?.stop().catch((error: unknown) => {
    console.error(error);
  });
  await stopAll();
  process.exit(exitCode);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) return;
    console.log('Stopping …');
    void shutDown(0);
  });
}
// The process that npm runs, gone without a word.
process.on('disconnect', () => {
  if (!stopping.signal.aborted) void shutDown(1);
});

async function main(): Promise<void> {
  const port = readPort('PORT', setting('PORT') ?? '8787');
  const inspector = setting('INSPECTOR_PORT');
  const mail = readMailApi();
  const folder = stateDir();
  await buildWebIfChanged(() => {
    step('Building the web app');
  });
  await prepareState(folder, step);
  await seedOnce(folder);
  const env = Object.fromEntries(
    passedOn.flatMap((name) => {
      const value = setting(name);
      return value === null ? [] : [[name, value]];
    }),
  );
  // Whoever names an Access application wants to see its sign-in, and nobody let in without it.
  const person = setting('LOCAL_PERSON') ?? (setting('ACCESS_TEAM_DOMAIN') === null ? localPerson : null);
  if (person !== null) env['LOCAL_PERSON'] = person;
  stack = await startStack({
    port,
    ...(inspector === null ? {} : { inspectorPort: readPort('INSPECTOR_PORT', inspector) }),
    ...{ stateDir: folder, mail, env, onStep: step },
  });

  console.log(`\n  Lead Activation   ${stack.url}`);
  if (stack.inboxUrl === null) console.log(`  Mail goes to      ${stack.mailUrl}`);
  else console.log(`  Mail, not sent    ${stack.inboxUrl}   (kept in memory until you stop)`);
  console.log(`  Signed in as      ${person ?? 'whom Cloudflare Access names; nobody without it'}`);
  console.log(`  Data and logs     ${relative(process.cwd(), folder) || '.'}\n\nPress Ctrl-C to stop.`);

  void keepSweeping(stack.url, stopping.signal);
  const end = await stack.ended;
  if (stopping.signal.aborted) return;
  throw new UserError(
    `The Worker ended by itself (${end.signal ?? `code ${String(end.code)}`}); its log is ${relative(process.cwd(), stack.logFile)}`,
  );
}

try {
  await main();
} catch (error) {
  // While stopping, what was under way fails; that is no news.
  if (!stopping.signal.aborted) {
    console.error(error instanceof UserError ? error.message : error);
    await shutDown(1);
  }
}
