/**
 * `npm start`: the app on this machine, ready to use, with sample leads and a mail API that sends nothing.
 *
 * Reads PORT, STATE_DIR and the settings of src/runtime/settings.ts. One signal ends everything; a fault is one
 * line; no process is left running.
 *
 * @module
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stateDir } from './lib/local-state.ts';
import { UserError, runToEnd, stopAll } from './lib/processes.ts';
import { allSettings } from './lib/settings.ts';
import { type Stack, localPerson, prepareState, startStack } from './lib/stack.ts';
import { keepSweeping } from './lib/sweep.ts';
import { buildWebIfChanged } from './lib/web-build.ts';

/** The address of the mail API and the local person have defaults of their own here; the state keeps the keys. */
const handledHere = ['MAIL_API_URL', 'LOCAL_PERSON', 'ADDRESS_HASH_KEY', 'RECEIPT_SIGNING_KEY'];

/** Settings that are passed on to the Worker when they are set. */
const passedOn = allSettings
  .filter(({ name, takenBy }) => takenBy.includes('start') && !handledHere.includes(name))
  .map(({ name }) => name);

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
  // The stack stops in order, which rewrites the databases without what was erased; then everything else.
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
// The parent process has ended without a signal.
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
  // With an Access application, the sign-in itself is to be tried: nobody is signed in without it.
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
  // While the stack stops, work that was under way fails. That is expected.
  if (!stopping.signal.aborted) {
    console.error(error instanceof UserError ? error.message : error);
    await shutDown(1);
  }
}
