/**
 * The product as a person runs it, in its own state folder, with a fault proxy in front of its mail API.
 *
 * The mail API stays up when the Worker is killed, as a provider would. `close` ends all processes and removes the
 * folder.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { runToEnd } from '../../scripts/lib/processes.ts';
import {
  type Stack,
  type StackOptions,
  localPerson,
  prepareState,
  startStack,
} from '../../scripts/lib/stack.ts';
import { type StandInMail, startStandInMail } from '../../scripts/lib/stand-in-mail.ts';
import { buildWebIfChanged } from '../../scripts/lib/web-build.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { ActivationList } from '../../src/shared/schemas/activation.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import { clockPath } from './clock-path.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

/** The product without a mail API. */
export interface BareProduct {
  readonly stack: Stack;
  readonly stateDir: string;
  /**
   * Starts the stack again on the same port and folder, after it was stopped or killed.
   *
   * @param env - settings of the Worker from now on, in addition to the first ones
   * @param onSpawn - gets the process before it answers, so that it can be killed during its start
   */
  restart(env?: Record<string, string>, onSpawn?: StackOptions['onSpawn']): Promise<void>;
  /** The JSON answer of the API to a GET, or to a POST of the body. Throws at any refusal. */
  ask<T>(path: string, body?: unknown): Promise<T>;
  /** What the clock of the Worker shows; epoch ms. */
  now(): number;
  /** Sets the clock of the Worker forward; where it {@link ProductOptions.hasMovableClock}, and until a restart. */
  moveClockTo(atMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface Product extends BareProduct {
  readonly proxy: FaultProxy;
  readonly standIn: StandInMail;
  /** Starts a session with the welcome mail; resolves to its id. */
  startSession(name: string, leadIds: readonly number[]): Promise<string>;
  /** Waits until the session's progress fits the condition. */
  untilRun(sessionId: string, isThere: (progress: Progress) => boolean): Promise<void>;
  /** The activation of a name, once the list has it: that is written after the start was answered. */
  listed(name: string): Promise<Progress>;
}

/** Long enough for a session of a hundred leads on a busy machine. */
const maxRunWaitMs = 60_000;

export interface ProductOptions {
  /** Leads in the CRM: `lead-1@example.com` and so on. */
  leadCount: number;
  /** Settings of the Worker, by the names in wrangler.toml; an empty LOCAL_PERSON runs it as in production. */
  env?: Record<string, string>;
  /** The seed of the fault proxy's random choices. */
  seed?: number;
  /** The clock of the Worker can be moved ({@link BareProduct.moveClockTo}). */
  hasMovableClock?: boolean;
}

/** A CSV of realistic leads, as a person would export it. */
function leadsCsv(count: number): string {
  const rows = Array.from({ length: count }, (_, at) => {
    const number = String(at + 1);
    return `lead-${number}@example.com,First${number},Last${number},Company ${number}`;
  });
  return ['Email,First name,Last name,Company', ...rows, ''].join('\n');
}

/** Imports a CSV into a state folder the way a person does. */
async function importLeads(stateDir: string, count: number): Promise<void> {
  const file = join(stateDir, 'leads.csv');
  await writeFile(file, leadsCsv(count));
  const { code, output } = await runToEnd(process.execPath, ['scripts/leads-import.ts', file], {
    ...process.env,
    STATE_DIR: stateDir,
  });
  if (code !== 0) throw new Error(`the leads could not be imported:\n${output}`);
}

/** The inputs that determine the content of a state folder with imported leads. */
const stateSources = ['migrations', 'scripts', 'src/crm', 'src/shared', 'package-lock.json'];

/**
 * State folders of other sources are removed when they are older than this; younger ones may be in use by another
 * test file.
 */
const maxStateAgeMs = 3_600_000;

async function hashOfStateSources(): Promise<string> {
  const hash = createHash('sha256');
  for (const source of stateSources) {
    const path = join(projectRoot, source);
    const isFolder = (await stat(path)).isDirectory();
    const names = isFolder ? (await readdir(path, { recursive: true })).sort() : [''];
    for (const name of names) {
      const file = join(path, name);
      if ((await stat(file)).isFile()) hash.update(`${source}/${name}\0`).update(await readFile(file));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * A state folder with a migrated database and `leadCount` leads, kept for later tests. Migration and import each
 * start a process with a runtime; a copy takes milliseconds. So all counts share one migrated folder.
 */
async function stateTemplate(leadCount: number): Promise<string> {
  const cache = join(projectRoot, 'node_modules/.cache/lead-activation/test-states');
  const hash = await hashOfStateSources();
  const template = join(cache, `${hash}-${String(leadCount)}`);
  if (existsSync(template)) return template;
  await mkdir(cache, { recursive: true });
  for (const name of await readdir(cache)) {
    const age = Date.now() - (await stat(join(cache, name)).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (!name.startsWith(hash) && age > maxStateAgeMs) {
      await rm(join(cache, name), { recursive: true, force: true });
    }
  }
  const fresh = await mkdtemp(join(cache, 'new-'));
  if (leadCount === 0) await prepareState(fresh);
  else {
    await cp(await stateTemplate(0), fresh, { recursive: true });
    await importLeads(fresh, leadCount);
  }
  try {
    await rename(fresh, template);
  } catch (error) {
    // Another test file has made it meanwhile.
    if (!existsSync(template)) throw error;
    await rm(fresh, { recursive: true, force: true });
  }
  return template;
}

/**
 * Starts the product with a mail API of the caller.
 *
 * @param mail - the address of its API, and of its inbox page if it has one
 */
export async function startBareProduct(
  options: ProductOptions,
  mail: { url: string; inboxUrl?: string },
): Promise<BareProduct> {
  await buildWebIfChanged();
  const stateDir = await mkdtemp(join(tmpdir(), 'lead-activation-state-'));
  await cp(await stateTemplate(options.leadCount), stateDir, { recursive: true });
  async function start(
    env: Record<string, string>,
    again: Pick<StackOptions, 'port' | 'onSpawn'> = {},
  ): Promise<Stack> {
    return startStack({
      stateDir,
      mail: new URL(mail.url),
      ...(mail.inboxUrl === undefined ? {} : { inboxUrl: mail.inboxUrl }),
      ...(options.hasMovableClock === true ? { main: 'test/support/clocked-worker.ts' } : {}),
      // A start begins at once, unless undoing it is under test.
      env: { LOCAL_PERSON: localPerson, ACTIVATE_UNDO_SECONDS: '0', ...options.env, ...env },
      ...again,
    });
  }
  let stack = await start({});
  let aheadMs = 0;
  return {
    now: () => Date.now() + aheadMs,
    async moveClockTo(atMs) {
      const byMs = atMs - (Date.now() + aheadMs);
      if (byMs < 0) throw new Error('the clock is only set forward');
      const response = await fetch(stack.url + clockPath, { method: 'POST', body: String(byMs) });
      if (!response.ok) throw new Error(`the clock was not moved: ${String(response.status)}`);
      aheadMs += byMs;
    },
    async ask<T>(path: string, body?: unknown): Promise<T> {
      const response = await fetch(
        stack.url + path,
        body === undefined
          ? {}
          : {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify(body),
            },
      );
      if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`);
      const answer: unknown = await response.json();
      return answer as T;
    },
    get stack() {
      return stack;
    },
    stateDir,
    async restart(env = {}, onSpawn) {
      aheadMs = 0;
      const port = Number(new URL(stack.url).port);
      stack = await start(env, { port, ...(onSpawn === undefined ? {} : { onSpawn }) });
    },
    async close() {
      await stack.stop();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** Starts the product with the given number of leads. */
export async function startProduct(options: ProductOptions): Promise<Product> {
  const standIn = await startStandInMail();
  const proxy = await startFaultProxy({ target: standIn.url, seed: options.seed ?? 1 });
  const bare = await startBareProduct(options, { url: proxy.url, inboxUrl: standIn.inboxUrl });
  const { ask, now, moveClockTo } = bare;
  /** Asks until the answer is not null. */
  async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
    const deadlineMs = performance.now() + maxRunWaitMs;
    for (;;) {
      const found = await look();
      if (found !== null) return found;
      if (performance.now() > deadlineMs) throw new Error(`${what}: waited in vain`);
      await setTimeout(100);
    }
  }
  return {
    ask,
    now,
    moveClockTo,
    async startSession(name, leadIds) {
      const sessionId = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
      await ask('/crm/activation', { sessionId, name, audience: { leadIds }, templateId: 'welcome' });
      return sessionId;
    },
    async untilRun(sessionId, isThere) {
      await until(`the run ${sessionId}`, async () => {
        const progress = await ask<Progress>(`/crm/activation/progress/${sessionId}`);
        return isThere(progress) ? progress : null;
      });
    },
    listed: (name) =>
      until(`"${name}" in the list`, async () => {
        const path = `/crm/activation?search=${encodeURIComponent(name)}`;
        return (await ask<ActivationList>(path)).activations[0] ?? null;
      }),
    get stack() {
      return bare.stack;
    },
    proxy,
    standIn,
    stateDir: bare.stateDir,
    restart: (env, onSpawn) => bare.restart(env, onSpawn),
    async close() {
      await bare.close();
      await proxy.close();
      await standIn.close();
    },
  };
}
