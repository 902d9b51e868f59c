import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { runToEnd, spawnSupervised } from '../../scripts/lib/processes.ts';
import { localPerson, startStack, type Stack } from '../../scripts/lib/stack.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { startProduct, type Product } from '../support/product.ts';
import { readMailbox } from '../support/mailbox.ts';

const passphrase = 'correct horse battery staple';
const leadCount = 40;

let product: Product;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lead-activation-recovery-'));
  product = await startProduct({ leadCount });
});

afterAll(async () => {
  await product.close();
  await rm(folder, { recursive: true, force: true });
});

const env = (): NodeJS.ProcessEnv => ({ ...process.env, BACKUP_PASSPHRASE: passphrase, INIT_CWD: folder });

/** A script of recovery as npm runs it. */
async function run(script: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
  return runToEnd(process.execPath, [`scripts/${script}.ts`, ...args], env());
}

async function mustRun(script: string, ...args: string[]): Promise<string> {
  const { code, output } = await run(script, ...args);
  if (code !== 0) throw new Error(output);
  return output;
}

/** Kills a restore with SIGKILL when it prints these words. */
async function killRestoreAt(words: string, ...args: string[]): Promise<void> {
  let output = '';
  let reached: () => void;
  const isThere = new Promise<void>((resolve) => (reached = resolve));
  const restore = spawnSupervised(process.execPath, ['scripts/restore.ts', ...args], {
    env: env(),
    cwd: projectRoot,
    output(text) {
      output += text;
      if (output.includes(words)) reached();
    },
  });
  await Promise.race([isThere, restore.ended]);
  if (!output.includes(words)) throw new Error(`never said ${words}: ${output}`);
  await restore.killHard();
}

/** The restored product, beside the same mail API. */
async function withRestored<T>(stateDir: string, use: (stack: Stack) => Promise<T>): Promise<T> {
  const stack = await startStack({
    stateDir,
    mail: new URL(product.proxy.url),
    env: { LOCAL_PERSON: localPerson, ACTIVATE_UNDO_SECONDS: '0' },
  });
  try {
    return await use(stack);
  } finally {
    await stack.stop();
  }
}

async function api<T>(stack: Stack, path: string, body?: unknown): Promise<T> {
  const response = await fetch(stack.url + path, {
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

async function activateAll(stack: Stack): Promise<Progress> {
  const sessionId = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
  await api(stack, '/crm/activation', { sessionId, audience: { filter: {} }, templateId: 'welcome' });
  for (;;) {
    const progress = await api<Progress>(stack, `/crm/activation/progress/${sessionId}`);
    if (progress.finishedAt !== null) return progress;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('backup and restore of the product as it runs', () => {
  it('restores leads, suppressions and unsubscribe links into a new folder, and mails nobody twice', async () => {
    // Twelve are mailed, one of them unsubscribes after the backup, one is suppressed by hand before.
    const sessionId = await product.startSession(
      'First',
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
    await product.ask('/crm/suppressions', {
      addresses: ['lead-40@example.com'],
      reason: 'manual',
      note: 'asked',
    });
    const [mail] = (await readMailbox(product.standIn.url)).mails;
    const link = /https?:\/\/[^\s"<>]+\/unsubscribe\/[\w.-]+/.exec(JSON.stringify(mail))?.[0];
    if (link === undefined) throw new Error(`no unsubscribe link in ${JSON.stringify(mail)}`);

    const said = await mustRun('backup', '--out', 'one', '--state-dir', product.stateDir);
    expect(said).toContain(`${String(leadCount)} leads, 1 suppressions, 1 activations`);
    const backup = join(folder, 'one');
    const key = readFileSync(join(product.stateDir, 'address-hash-key'), 'utf8').trim();
    for (const name of readdirSync(backup)) {
      expect(statSync(join(backup, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(backup, name), 'utf8')).not.toContain(key);
    }

    const restored = join(folder, 'restored');
    await mustRun('restore', 'one', '--state-dir', restored);
    await withRestored(restored, async (stack) => {
      const leads = await api<{ total: number }>(stack, '/crm/leads?limit=1');
      expect(leads.total).toBe(leadCount);
      expect((await api<{ leads: unknown[] }>(stack, '/crm/leads?search=Last17')).leads).toHaveLength(1);
      await expect(activateAll(stack)).rejects.toThrow('recovery_open');
      await mustRun('reconcile', '--url', stack.url, '--state-dir', restored);

      // A link from a mail that was sent before the backup, and its address.
      const path = new URL(link).pathname;
      expect((await fetch(stack.url + path, { method: 'POST' })).status).toBe(200);
      const suppressions = await api<{ total: number }>(stack, '/crm/suppressions');
      expect(suppressions.total).toBe(2);

      const progress = await activateAll(stack);
      expect(progress.activation).toMatchObject({ activated: leadCount - 12 - 1 });
      const { countByAddress, duplicates } = await readMailbox(product.standIn.url);
      expect(countByAddress.size).toBe(leadCount - 1);
      expect(duplicates).toEqual([]);
      expect(countByAddress.has('lead-40@example.com')).toBe(false);
    });
  });

  it('replaces the database of running sessions by an older one, and mails nobody twice after the reconciliation', async () => {
    await mustRun('backup', '--out', 'early', '--state-dir', product.stateDir);
    const sessionId = await product.startSession('Second', [20, 21, 22]);
    await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
    const busy = await run('restore', 'early', '--state-dir', product.stateDir, '--into-existing');
    expect(busy.output).toContain('is in use');
    await product.stack.stop();
    const refused = await run('restore', 'early', '--state-dir', product.stateDir);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.output).toContain('is not empty');

    // After a kill in the middle the folder refuses to start until the restore was repeated.
    await killRestoreAt(
      'Replacing the database',
      'early',
      '--state-dir',
      product.stateDir,
      '--into-existing',
    );
    await expect(product.restart()).rejects.toThrow('was broken off');
    await mustRun('restore', 'early', '--state-dir', product.stateDir, '--into-existing');
    await product.restart();
    const lead = await product.ask<{ status: string }>('/crm/leads/20');
    expect(lead.status).toBe('new');
    const said = await mustRun('reconcile', '--url', product.stack.url, '--state-dir', product.stateDir);
    expect(said).toContain('3 leads set active again');
    const again = await product.startSession('Third', [20, 21, 22, 23]);
    await product.untilRun(again, ({ finishedAt }) => finishedAt !== null);
    const progress = await product.ask<Progress>(`/crm/activation/progress/${again}`);
    expect(progress.activation).toMatchObject({ activated: 1, skipped: 3 });
  });

  it('leaves no incomplete new folder when it is killed, and finishes when it is repeated', async () => {
    const target = join(folder, 'killed');
    for (const words of ['Building the database', 'Preparing the database']) {
      await killRestoreAt(words, 'one', '--state-dir', target);
      expect(existsSync(target)).toBe(false);
    }
    await mustRun('restore', 'one', '--state-dir', target);
    expect(readFileSync(join(target, 'address-hash-key'), 'utf8')).toBe(
      readFileSync(join(product.stateDir, 'address-hash-key'), 'utf8').trim(),
    );
    expect(readdirSync(folder).filter((name) => name.includes('restoring'))).toEqual([]);
  });
});
