/**
 * The connected CRM in Settings, with a HubSpot on this machine: it is tested, its fields are chosen, a list is pulled, and
 * the page says how that went. With PICTURES=<folder> it takes pictures.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { FakeHubSpot } from '../support/fake-crms.ts';
import { look } from './look.ts';
import { type Product, startProduct } from '../support/product.ts';

/** The fake behind a real address. */
class HubSpotServer extends FakeHubSpot {
  answer(request: Request, body: unknown): Response {
    return this.handle(request, body);
  }
}

let product: Product;
let browser: TestBrowser;
let page: Page;
let server: Server;
const hubspot = new HubSpotServer();
/** True: nothing answers. */
let isDown = false;
const complaints: string[] = [];

beforeAll(async () => {
  for (let at = 1; at <= 120; at++)
    hubspot.records.set(String(at), {
      ...{
        email: `contact${at}@example.com`,
        firstname: `Ann${at}`,
        jobtitle: 'CTO',
        lead_activation: 'new',
      },
    });
  hubspot.lists.set('42', [...hubspot.records.keys()]);
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const call = new Request(`http://${request.headers.host ?? ''}${request.url ?? ''}`, {
        ...{ method: request.method ?? 'GET', headers: request.headers as Record<string, string> },
        ...(text === '' ? {} : { body: text }),
      });
      const answer = isDown
        ? new Response('<html>', { status: 502 })
        : hubspot.answer(call, text === '' ? undefined : JSON.parse(text));
      void answer.text().then((body) => {
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body);
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  product = await startProduct({
    leadCount: 1,
    env: {
      ...{ CRM_PROVIDER: 'hubspot', CRM_API_KEY: 'crm-key', CRM_API_URL: `http://127.0.0.1:${port}` },
      WEBHOOKS_ALLOW_LOCAL: '1',
    },
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
});
afterAll(async () => {
  await browser.close();
  await product.close();
  server.close();
});

const field = (name: string) => page.getByTestId(name);

test('an admin tests the connection and chooses the fields among those of HubSpot', async () => {
  await page.goto(`${product.stack.url}/settings#crm`);
  await page.getByText('Connected to HubSpot').waitFor();
  await page.getByText('None yet').waitFor();
  await field('crm-test').click();
  await page.getByText('The CRM accepted the key').waitFor();

  await field('crm-fields-change').click();
  await page.getByLabel('Stage', { exact: true }).selectOption({ label: 'Job Title (jobtitle)' });
  await page.getByLabel('Last name').selectOption({ label: 'Not filled' });
  await page.getByLabel('Company').selectOption({ label: 'Job Title (jobtitle)' });
  await page.getByText('The field jobtitle is selected twice. Select it once.').waitFor();
  expect(await field('crm-fields-save').isDisabled()).toBe(true);
  await page.getByLabel('Company').selectOption({ label: 'Not filled' });
  await look(page, 'fields', field('crm-connection'));
  await field('crm-fields-save').click();
  await page.getByText('email → email, firstname → firstName, jobtitle → stage').waitFor();
});

test('a list is pulled with these fields, and the page says when, by whom and how many', async () => {
  await field('crm-list-id').fill('42');
  await field('crm-pull').click();
  const last = field('crm-last-pull');
  await last.getByText('List 42: 120 leads, 120 new').waitFor();
  const { leads } = await product.ask<{ leads: { stage: string }[] }>(
    '/crm/leads?externalSource=hubspot&limit=1',
  );
  expect(leads[0]?.stage).toBe('CTO');

  isDown = true;
  await field('crm-pull').click();
  await last.getByText('Stopped:').waitFor();
  isDown = false;
  await page.reload();
  await last.getByText('Stopped:').waitFor();
  expect(await last.innerText()).toContain('@');
  await look(page, 'pulled', field('crm-connection'));
});

test('a field that HubSpot does not have any more is refused in words', async () => {
  await field('crm-fields-change').click();
  await page.getByLabel('Stage', { exact: true }).waitFor();
  hubspot.properties.delete('jobtitle');
  await field('crm-fields-save').click();
  const refusal = field('crm-fields').getByRole('alert');
  await refusal.waitFor();
  expect(await refusal.locator('p').allInnerTexts()).toEqual([
    'The fields weren’t saved',
    'HubSpot has no field “jobtitle”. Choose one that it has.',
  ]);
  await look(page, 'refused', field('crm-connection'));
  await page.getByRole('button', { name: 'Use the fields of the settings' }).click();
  await page.getByText('lastname → lastName').waitFor();
  expect(complaints).toEqual([]);
});
