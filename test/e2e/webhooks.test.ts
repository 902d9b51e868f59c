/**
 * Webhooks in the settings, with a receiver of another company: signed events arrive in order, what it refuses is sent
 * again, and the log says so.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';
import { sidewaysPixels } from './look.ts';

interface Received {
  type: string;
  data: { sessionId: string; leads?: { leadId: number }[] };
}

let product: Product;
let browser: TestBrowser;
let page: Page;
let receiver: Server;
let address: string;
let secret = '';
/** Answers 410 to every request. */
let isGone = false;
/** Answers with 500 to so many requests. */
let refusalsLeft = 0;
let refusedCount = 0;
const received: Received[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (isGone) {
        response.writeHead(410).end();
        return;
      }
      if (refusalsLeft > 0) {
        refusalsLeft -= 1;
        refusedCount += 1;
        response.writeHead(500).end();
        return;
      }
      try {
        const headers = Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        );
        received.push(new Webhook(secret).verify(Buffer.concat(chunks).toString(), headers) as Received);
        response.writeHead(204).end();
      } catch (error) {
        complaints.push(String(error));
        response.writeHead(400).end();
      }
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/events`;
  product = await startProduct({
    leadCount: 25,
    env: { WEBHOOKS_ALLOW_LOCAL: '1', MAIL_RATE: '100', MAIL_BATCH_MAX: '10' },
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
});
afterAll(async () => {
  await browser.close();
  await product.close();
  receiver.close();
});

const row = () => page.getByTestId('webhook');

test('an address that is none is refused in words, and one is added with a secret that is shown once', async () => {
  await page.goto(`${product.stack.url}/settings`);
  await page.getByRole('button', { name: 'Add webhook' }).click();
  await page.getByLabel('URL', { exact: true }).fill('ftp://example.com/events');
  await page.getByRole('button', { name: 'Save webhook' }).click();
  await page.getByText('The webhook wasn’t saved').waitFor();
  await page.getByLabel('URL', { exact: true }).fill(address);
  await page.getByLabel('Description (optional)').fill('Warehouse');
  for (const name of ['Activation started', 'Leads activated', 'Leads emailed'])
    await page.getByLabel(name).check();
  await page.getByRole('button', { name: 'Save webhook' }).click();
  secret = (await page.getByTestId('webhook-secret').locator('code').innerText()).trim();
  expect(secret).toMatch(/^whsec_/);
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await page.getByTestId('webhook-secret').waitFor({ state: 'detached' });
  await page.reload();
  await row().getByText('Warehouse').waitFor();
  expect(await page.getByText(secret).count()).toBe(0);
});

test('a test event arrives signed, and its delivery is in the log', async () => {
  await row().getByRole('button', { name: 'Send test' }).click();
  await row().getByText('Test event').waitFor();
  await row().getByText('Delivered').first().waitFor();
  expect(received).toHaveLength(1);
});

test('an activation is told in order, also to a receiver that fails at first', async () => {
  received.length = 0;
  refusalsLeft = 1;
  const sessionId = await product.startSession(
    'Told',
    Array.from({ length: 25 }, (_, at) => at + 1),
  );
  await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
  await expect
    .poll(() => received.map(({ type }) => type).at(-1), { timeout: 30_000 })
    .toBe('activation.completed');
  expect(refusedCount).toBe(1);
  const types = received.map(({ type }) => type);
  expect(types[0]).toBe('activation.started');
  for (const type of ['lead.activated', 'lead.emailed']) {
    const leads = received.filter((event) => event.type === type).flatMap(({ data }) => data.leads ?? []);
    expect(new Set(leads.map(({ leadId }) => leadId)).size, type).toBe(25);
  }
  expect(received.every(({ data }) => data.sessionId === sessionId)).toBe(true);
});

test('one that was turned off by its failures is said on every page and in its row, until it is on again', async () => {
  isGone = true;
  await product.ask('/crm/leads', { email: 'gone@example.com' });
  const { leads } = await product.ask<{ leads: [{ id: number }] }>('/crm/leads?search=gone&limit=1');
  const sessionId = await product.startSession('Gone', [leads[0].id]);
  await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
  const off = async (): Promise<number> =>
    (await product.ask<{ failedWebhookCount: number }>('/crm/settings')).failedWebhookCount;
  await expect.poll(off, { timeout: 30_000 }).toBe(1);
  isGone = false;
  await page.goto(`${product.stack.url}/leads`);
  await page.getByTestId('webhooks-off').click();
  await row().getByTestId('webhook-off').getByText('it answered 410').waitFor();
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 844 });
    expect(await sidewaysPixels(page), String(width)).toBeLessThanOrEqual(0);
    await row().getByTestId('webhook-off').scrollIntoViewIfNeeded();
    const folder = process.env.PICTURES;
    if (folder !== undefined) await page.screenshot({ path: `${folder}/webhook-off-${width}.png` });
  }
  await page.setViewportSize({ width: 1280, height: 844 });
  received.length = 0;
  await row().getByRole('button', { name: 'Turn on' }).click();
  await expect
    .poll(() => received.map(({ type }) => type).at(-1), { timeout: 30_000 })
    .toBe('activation.completed');
  await page.reload();
  await row().getByText('On', { exact: true }).waitFor();
  expect(await page.getByTestId('webhooks-off').count()).toBe(0);
});

test('one that is off gets nothing; on again, it gets what was kept; deleted, it is gone', async () => {
  await row().getByRole('button', { name: 'Turn off' }).click();
  await row().getByText('Events are kept and sent when you turn it on.').waitFor();
  received.length = 0;
  await product.ask('/crm/leads', { email: 'one-more@example.com' });
  const sessionId = await product.startSession('While off', [26]);
  await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
  expect(received).toEqual([]);
  await row().getByRole('button', { name: 'Turn on' }).click();
  await expect
    .poll(() => received.map(({ type }) => type).at(-1), { timeout: 30_000 })
    .toBe('activation.completed');
  await row().getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('No webhooks yet.').waitFor();
  expect(complaints).toEqual([]);
});
