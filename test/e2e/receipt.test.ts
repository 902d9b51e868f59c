/**
 * A person downloads a receipt in the app and verifies it with the one file that the app serves, before and after the
 * erasure of somebody in it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;
let folder: string;
let sessionId: string;

const inFolder = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'receipt-'));
  product = await startProduct({ leadCount: 120, env: { MAIL_RATE: '100', MAIL_BATCH_MAX: '20' } });
  product.proxy.rejectedAddresses.add('lead-4@example.com');
  browser = await launchBrowser();
  page = await browser.newPage();
});
afterAll(async () => {
  await browser.close();
  await product.close();
  await rm(folder, { recursive: true, force: true });
});

/** Fetches what an address of the app serves, as a stranger would. */
async function fetchTo(name: string, path: string): Promise<string> {
  const response = await fetch(product.stack.url + path);
  expect(response.status, path).toBe(200);
  await writeFile(inFolder(name), await response.text());
  return inFolder(name);
}

async function openReceipt(): Promise<void> {
  await page.goto(`${product.stack.url}/activations/${sessionId}`);
  await page.getByTestId('run-menu').click();
  await page.getByTestId('open-receipt').click();
  await page.getByTestId('receipt-dialog').waitFor();
}

async function download(name: string): Promise<string> {
  const saving = page.waitForEvent('download');
  await page.getByTestId('download-receipt').click();
  const saved = await saving;
  expect(saved.suggestedFilename()).toBe(`${sessionId}.receipt.jsonl`);
  await saved.saveAs(inFolder(name));
  return inFolder(name);
}

function verify(...args: string[]): { code: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [inFolder('lead-activation.mjs'), 'verify', ...args, '--keys', inFolder('keys.json')],
    { encoding: 'utf8', cwd: folder },
  );
  return { code: status, text: stdout + stderr };
}

test('the receipt that the menu downloads is proved by the verifier of the app', async () => {
  sessionId = await product.startSession(
    'Receipt',
    Array.from({ length: 110 }, (_, at) => at + 1),
  );
  await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
  await fetchTo('lead-activation.mjs', '/lead-activation.mjs');
  await fetchTo('keys.json', '/.well-known/lead-activation-receipt-keys.json');
  await openReceipt();
  const file = await download('first.jsonl');
  const { code, text } = verify(file);
  expect(text).toContain('109 sent, 1 failed');
  expect(text).toMatch(/\nProved\.\n$/);
  expect(code).toBe(0);
});

test('the key in the dialog shows one person in it', async () => {
  await page.getByTestId('show-receipt-key').click();
  const key = (await page.getByTestId('receipt-key').innerText()).trim();
  const file = inFolder('first.jsonl');
  expect(verify(file, '--key', key, '--person', 'lead-4@example.com').text).toContain(
    'failed: the mail was certainly not taken',
  );
  // The list that the app exports has ids.
  const csv = await fetchTo('results.csv', `/crm/activation/${sessionId}/leads.csv`);
  expect(verify(file, '--leads', csv).text).toContain('all 110 leads of the file are in the receipt');
});

test('after an erasure the receipt is still proved, with the same signature and without the person', async () => {
  const erased = await fetch(`${product.stack.url}/crm/leads/7`, { method: 'DELETE' });
  expect(erased.status).toBe(204);
  const file = await download('second.jsonl');
  const signatureOf = async (name: string): Promise<string> =>
    (await readFile(inFolder(name), 'utf8')).trimEnd().split('\n').at(-1) ?? '';
  expect(await signatureOf('second.jsonl')).toBe(await signatureOf('first.jsonl'));
  expect(verify(file).code).toBe(0);
  const key = (await page.getByTestId('receipt-key').innerText()).trim();
  expect(verify(file, '--key', key, '--person', 'lead-7@example.com').text).toContain(
    'is not in this receipt',
  );
  expect(verify(inFolder('first.jsonl'), '--key', key, '--person', 'lead-7@example.com').text).toContain(
    'lead 7',
  );
});

test('an activation that has not ended says when there will be a receipt', async () => {
  const release = product.proxy.hold();
  sessionId = await product.startSession('Not yet', [111, 112]);
  await openReceipt();
  const dialog = page.getByTestId('receipt-dialog');
  await dialog.getByText('once the activation has ended').waitFor();
  expect(await page.getByTestId('download-receipt').count()).toBe(0);
  release();
  await page.getByTestId('download-receipt').waitFor();
});
