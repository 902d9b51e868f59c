/**
 * The product as a person runs it, in a state folder of its own, with a fault proxy before its mail API.
 *
 * Keeps true: the mail API outlives a killed Worker, as a provider would, and everything is gone after `close`.
 *
 * @module
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runToEnd } from '../../scripts/lib/processes.ts';
import { type Stack, localPerson, startStack } from '../../scripts/lib/stack.ts';
import { type StandInMail, startStandInMail } from '../../scripts/lib/stand-in-mail.ts';
import { buildWebIfChanged } from '../../scripts/lib/web-build.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

export interface Product {
  readonly stack: Stack;
  readonly proxy: FaultProxy;
  readonly standIn: StandInMail;
  readonly stateDir: string;
  /**
   * Starts the stack again on the same port and folder, after it was stopped or killed.
   *
   * @param env - settings of the Worker from now on, beside those it began with
   */
  restart(env?: Record<string, string>): Promise<void>;
  /** What the API answers, as JSON: to a GET, or to a POST of the body. Throws at any refusal. */
  ask<T>(path: string, body?: unknown): Promise<T>;
  /** Starts a run of the welcome mail; resolves with its id. */
  startRun(name: string, leadIds: readonly number[]): Promise<string>;
  /** Waits until a run has come to something. */
  untilRun(sessionId: string, isThere: (progress: Progress) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Long enough for a run of a hundred leads on a machine that builds something else at the same time. */
const maxRunWaitMs = 60_000;

export interface ProductOptions {
  /** Leads in the CRM: `lead-1@example.com` and so on. */
  leadCount: number;
  /** Settings of the Worker, by the names in wrangler.toml; an empty LOCAL_PERSON runs it as in production. */
  env?: Record<string, string>;
  /** Of the fault proxy's random choices. */
  seed?: number;
}

/** A CSV of believable leads, as a person would export it. */
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

/** Starts the product with as many leads as asked for. */
export async function startProduct(options: ProductOptions): Promise<Product> {
  await buildWebIfChanged();
  const stateDir = await mkdtemp(join(tmpdir(), 'lead-activation-state-'));
  if (options.leadCount > 0) await importLeads(stateDir, options.leadCount);
  const standIn = await startStandInMail();
  const proxy = await startFaultProxy({ target: standIn.url, seed: options.seed ?? 1 });
  async function start(env: Record<string, string>, port?: number): Promise<Stack> {
    return startStack({
      stateDir,
      mail: new URL(proxy.url),
      inboxUrl: standIn.inboxUrl,
      // A start begins at once, unless the test is about undoing it.
      env: { LOCAL_PERSON: localPerson, ACTIVATE_UNDO_SECONDS: '0', ...options.env, ...env },
      ...(port === undefined ? {} : { port }),
    });
  }
  let stack = await start({});
  async function ask<T>(path: string, body?: unknown): Promise<T> {
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
  }
  return {
    ask,
    async startRun(name, leadIds) {
      const sessionId = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
      await ask('/crm/activation', { sessionId, name, audience: { leadIds }, templateId: 'welcome' });
      return sessionId;
    },
    async untilRun(sessionId, isThere) {
      const deadlineMs = performance.now() + maxRunWaitMs;
      while (!isThere(await ask<Progress>(`/crm/activation/progress/${sessionId}`))) {
        if (performance.now() > deadlineMs) throw new Error(`the run ${sessionId} did not get there`);
        await setTimeout(100);
      }
    },
    get stack() {
      return stack;
    },
    proxy,
    standIn,
    stateDir,
    async restart(env = {}) {
      stack = await start(env, Number(new URL(stack.url).port));
    },
    async close() {
      await stack.stop();
      await proxy.close();
      await standIn.close();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}
