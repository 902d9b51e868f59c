/**
 * `npm run chaos:storage`: the running product while another process holds the database of its session; with
 * `-- --full`, as root, while the disk of its databases is full.
 *
 * Nobody reads the session while its storage fails and for five seconds after, so that it must go on by itself. In a
 * second round everything is read once a second, and must never answer 500.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepSweeping } from '../../scripts/lib/sweep.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { startProduct, type Product } from '../support/product.ts';

/** Longer than the platform's first retries of an alarm, which come after 2, 4, 8 and 16 seconds. */
const awayMs = 40_000;
const leadCount = 4_000;
/** What is promised, and what a machine of two cores needs beside. */
const maxBackMs = 5_000;

/** Puts the storage away, and returns how to bring it back. */
type TakeAway = (product: Product) => () => void;

/** The database files of all sessions; the largest is the one that runs. */
function sessionDatabase(stateDir: string): string {
  const folder = join(stateDir, 'v3/do/lead-activation-ActivationSession');
  const files = readdirSync(folder).filter(
    (name) => name.endsWith('.sqlite') && !name.startsWith('metadata'),
  );
  const [largest] = files
    .map((name) => ({ path: join(folder, name), size: walSize(join(folder, name)) }))
    .sort((a, b) => b.size - a.size);
  if (largest === undefined) throw new Error('There is no session on disk.');
  return largest.path;
}

function walSize(path: string): number {
  return statSync(path).size + (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
}

const lock: TakeAway = ({ stateDir }) => {
  const database = new DatabaseSync(sessionDatabase(stateDir), { timeout: 10_000 });
  database.exec('BEGIN EXCLUSIVE');
  return () => {
    database.exec('COMMIT');
    database.close();
  };
};

const fill: TakeAway = ({ stateDir }) => {
  const file = join(stateDir, 'v3/filler');
  for (const size of [1_048_576, 4_096]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch {
      // Full, to that size.
    }
  }
  return () => {
    rmSync(file);
  };
};

async function round(product: Product, takeAway: TakeAway, isRead: boolean): Promise<string[]> {
  const faults: string[] = [];
  const { proxy, stack } = product;
  const sentCount = (): number => proxy.calls.length;
  const leadIds = Array.from({ length: leadCount }, (_, at) => at + 1);
  const sessionId = await product.startRun('Storage', leadIds);
  while (sentCount() < 5) await sleep(50);
  const giveBack = takeAway(product);
  console.log('  storage is away');
  const statuses = new Map<number, number>();
  for (let waitedMs = 0; waitedMs < awayMs; waitedMs += 1_000) {
    if (isRead) {
      const answer = await fetch(`${stack.url}/crm/activation/progress/${sessionId}`).catch(() => null);
      await answer?.body?.cancel();
      const status = answer?.status ?? 0;
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 503 && answer?.headers.get('retry-after') === null)
        faults.push('503 without Retry-After');
    }
    await sleep(1_000);
  }
  if (isRead) console.log(`  answers meanwhile: ${JSON.stringify(Object.fromEntries(statuses))}`);
  for (const status of statuses.keys())
    if (status !== 200 && status !== 503) faults.push(`answered ${String(status)}`);
  const countThen = sentCount();
  giveBack();
  const backAt = performance.now();
  while (sentCount() === countThen && performance.now() - backAt < 60_000) await sleep(50);
  const tookMs = Math.round(performance.now() - backAt);
  console.log(`  first call ${String(tookMs)} ms after its return`);
  if (tookMs > maxBackMs) faults.push(`it took ${String(tookMs)} ms to go on`);
  const end = await untilEnd(product, sessionId);
  console.log(`  ${end.state}: ${JSON.stringify(end.email)}`);
  if (end.state !== 'completed' || end.email.sent !== leadCount) faults.push('not everybody was mailed');
  return faults;
}

async function untilEnd(product: Product, sessionId: string): Promise<Progress> {
  for (;;) {
    const view = await product.ask<Progress>(`/crm/activation/progress/${sessionId}`);
    if (view.finishedAt !== null) return view;
    await sleep(500);
  }
}

async function run(words: string, takeAway: TakeAway, isRead: boolean): Promise<boolean> {
  console.log(words);
  const product = await startProduct({ leadCount, env: { MAIL_RATE: '8', MAIL_BATCH_MAX: '20' } });
  const unmount = takeAway === fill ? await ontoSmallDisk(product) : (): void => undefined;
  const sweeping = new AbortController();
  void keepSweeping(product.stack.url, sweeping.signal);
  try {
    const faults = await round(product, takeAway, isRead);
    for (const fault of faults) console.error(`  FAULT: ${fault}`);
    return faults.length === 0;
  } finally {
    sweeping.abort();
    await product.stack.stop();
    unmount();
    await product.close();
  }
}

/** Moves the databases, and not the logs, to a disk that can be filled; returns how to take that away. */
async function ontoSmallDisk(product: Product): Promise<() => void> {
  await product.stack.stop();
  const folder = join(product.stateDir, 'v3');
  const aside = mkdtempSync(join(tmpdir(), 'lead-activation-v3-'));
  cpSync(folder, aside, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', folder]);
  cpSync(aside, folder, { recursive: true });
  rmSync(aside, { recursive: true });
  await product.restart();
  return () => {
    execFileSync('umount', ['-l', folder]);
  };
}

let isSound = true;
if (!process.argv.includes('--full')) {
  isSound = await run('Locked, and nobody reads', lock, false);
  isSound = (await run('Locked, and read every second', lock, true)) && isSound;
} else {
  isSound = await run('Full, and nobody reads', fill, false);
  isSound = (await run('Full, and read every second', fill, true)) && isSound;
}
process.exit(isSound ? 0 : 1);
