/**
 * `npm run dev`: the app with hot reload of the pages and the Worker, and a fixed port for a debugger.
 *
 * Runs `npm start` and, in front of it, Vite's development server, which passes the API's paths on to the
 * Worker. `wrangler dev` itself bundles the Worker again after each change.
 * Takes the settings of `npm start`, and DEV_PORT and INSPECTOR_PORT.
 *
 * @module
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from './lib/local-state.ts';
import { type SupervisedProcess, UserError, isPortTaken, spawnSupervised, stopAll } from './lib/processes.ts';

/** The port that a setting names, or its default. */
function port(name: string, standard: number): number {
  const text = process.env[name] ?? '';
  const number = text === '' ? standard : Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw new UserError(`${name} is not a port number: ${text}`);
  return number;
}

async function requireFree(name: string, number: number): Promise<void> {
  if (await isPortTaken(number))
    throw new UserError(`Port ${String(number)} is taken; free it or set ${name} to another.`);
}

const stopping = new AbortController();

async function shutDown(exitCode: number): Promise<never> {
  stopping.abort();
  await stopAll();
  process.exit(exitCode);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!stopping.signal.aborted) void shutDown(0);
  });
}
process.on('disconnect', () => {
  if (!stopping.signal.aborted) void shutDown(1);
});

/** Waits until the address answers; stops waiting when its process ends. */
async function waitForAnswer(url: string, process: SupervisedProcess, name: string): Promise<void> {
  const ended = new AbortController();
  void process.ended.then(() => {
    ended.abort();
  });
  for (;;) {
    if (ended.signal.aborted) throw new UserError(`${name} ended; its reason is above.`);
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) }).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok === true) return;
    await sleep(200);
  }
}

async function main(): Promise<void> {
  const workerPort = port('PORT', 8787);
  const devPort = port('DEV_PORT', 5173);
  const inspectorPort = port('INSPECTOR_PORT', 9229);
  await requireFree('DEV_PORT', devPort);
  await requireFree('INSPECTOR_PORT', inspectorPort);
  const workerUrl = `http://127.0.0.1:${String(workerPort)}`;
  const devUrl = `http://127.0.0.1:${String(devPort)}`;
  const output = (text: string): void => void process.stdout.write(text);
  const app = spawnSupervised(process.execPath, ['--no-warnings', join(projectRoot, 'scripts/start.ts')], {
    cwd: projectRoot,
    env: { ...process.env, PORT: String(workerPort), INSPECTOR_PORT: String(inspectorPort) },
    output,
  });
  await waitForAnswer(`${workerUrl}/healthz`, app, 'npm start');
  const vite = spawnSupervised(
    process.execPath,
    [
      join(projectRoot, 'node_modules/vite/bin/vite.js'),
      ...['dev', '--host', '127.0.0.1', '--port', String(devPort), '--strictPort', '--clearScreen', 'false'],
    ],
    { cwd: join(projectRoot, 'web'), env: { ...process.env, WORKER_ORIGIN: workerUrl }, output },
  );
  await waitForAnswer(devUrl, vite, 'Vite');
  console.log(`
  With hot reload   ${devUrl}
  Debugger          127.0.0.1:${String(inspectorPort)}   (chrome://inspect, or attach from an editor)`);
  await Promise.race([app.ended, vite.ended]);
  if (!stopping.signal.aborted)
    throw new UserError('A part of the development server ended; its reason is above.');
}

try {
  await main();
} catch (error) {
  if (!stopping.signal.aborted) {
    console.error(error instanceof UserError ? error.message : error);
    await shutDown(1);
  }
}
