/**
 * What people of each role see in a real browser: no control that the server would refuse, and all others.
 *
 * The person of local development gets the role from the lists in the settings, like everybody. The activations and
 * leads are the same for all roles.
 */
import { get } from 'node:http';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TemplateDetail } from '../../src/shared/schemas/mail.ts';
import type { Role } from '../../src/shared/roles.ts';
import type { ImportList } from '../../src/shared/schemas/imports.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;
let finished: string;
let paused: string;
let template: string;
let importId: string;
/** Calls that the server refused because of the role, since the last check. */
let refusals: string[] = [];

beforeAll(async () => {
  // Calls of one mail, five a second: an activation that is paused immediately has most of its leads remaining.
  product = await startProduct({
    leadCount: 30,
    env: { MAIL_BATCH_MAX: '1', MAIL_RATE: '5', APPROVAL_ABOVE: '25' },
  });
  product.proxy.rejectedAddresses.add('lead-2@example.com');
  finished = await product.startSession('An activation with a failure', [1, 2, 3]);
  await product.untilRun(finished, ({ state }) => state === 'completed');
  const letGo = product.proxy.hold();
  paused = await product.startSession('An activation that waits', [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  await product.ask(`/crm/activation/${paused}/pause`, {});
  letGo();
  await product.untilRun(paused, ({ state }) => state === 'paused');
  const { name, description, subject, html, text } =
    await product.ask<TemplateDetail>('/crm/templates/welcome');
  const copy = { name: `${name} 2`, description, subject, html, text };
  ({ id: template } = await product.ask<TemplateDetail>('/crm/templates', copy));
  importId = (await product.ask<ImportList>('/crm/imports')).imports[0]?.importId ?? '';

  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('response', (response) => {
    if (response.status() === 403) refusals.push(new URL(response.url()).pathname);
  });
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

/** Opens a page, waits until it has loaded, and returns the test ids of its controls. */
async function controlsAt(path: string, ready: string): Promise<string[]> {
  await page.goto(product.stack.url + path);
  await page.locator(ready).first().waitFor();
  await page.waitForLoadState('networkidle');
  const ids = await page
    .getByRole('main')
    .locator('button[data-testid], a[data-testid]')
    // The tracker lies over every page.
    .evaluateAll((found) =>
      found
        .filter((element) => element.closest('[data-testid="tracker"]') === null)
        .map((element) => element.getAttribute('data-testid') ?? ''),
    );
  return [...new Set(ids)].sort();
}

interface Expected {
  home: string;
  pages: string[];
  /** Of an ended activation with a failure. */
  ofFinished: string[];
  ofPaused: string[];
  /** Null: the page is not open to them. */
  ofLead: string[] | null;
  ofTemplate: string[];
  /** Null: the page is not open to them. */
  ofImport: string[] | null;
}

const expected: Record<Role, Expected> = {
  viewer: {
    home: '/activations',
    pages: ['Activations', 'Templates', 'Settings'],
    ofFinished: [],
    ofPaused: [],
    ofLead: null,
    ofTemplate: [],
    ofImport: null,
  },
  operator: {
    home: '/leads',
    pages: ['Leads', 'Imports', 'Activations', 'Templates', 'Settings'],
    ofFinished: [
      'control-retryFailed',
      'download-csv',
      'drop-failed',
      'duplicate-run',
      'issue-leads',
      'open-receipt',
      'open-take-back',
      'result-lead',
      'retry-issue',
      'run-menu',
    ],
    ofPaused: [
      'control-cancel',
      'control-resume',
      'download-csv',
      'duplicate-run',
      'open-receipt',
      'result-lead',
      'run-menu',
    ],
    ofLead: ['activate-lead', 'add-custom', 'save-lead'],
    ofTemplate: [],
    ofImport: ['activate-import', 'import-leads', 'undo-import'],
  },
  approver: {
    home: '/leads',
    pages: ['Leads', 'Imports', 'Activations', 'Approvals', 'Templates', 'Settings'],
    ofFinished: [
      'control-retryFailed',
      'download-csv',
      'drop-failed',
      'duplicate-run',
      'issue-leads',
      'open-receipt',
      'open-take-back',
      'result-lead',
      'retry-issue',
      'run-menu',
    ],
    ofPaused: [
      'control-cancel',
      'control-resume',
      'download-csv',
      'duplicate-run',
      'open-receipt',
      'result-lead',
      'run-menu',
    ],
    ofLead: ['activate-lead', 'add-custom', 'save-lead'],
    ofTemplate: [],
    ofImport: ['activate-import', 'import-leads', 'undo-import'],
  },
  admin: {
    home: '/leads',
    pages: ['Leads', 'Imports', 'Activations', 'Approvals', 'Templates', 'Suppressions', 'Audit', 'Settings'],
    ofFinished: [
      'control-retryFailed',
      'download-csv',
      'drop-failed',
      'duplicate-run',
      'erase-run',
      'issue-leads',
      'open-receipt',
      'open-take-back',
      'result-lead',
      'retry-issue',
      'run-menu',
    ],
    ofPaused: [
      'control-cancel',
      'control-resume',
      'download-csv',
      'duplicate-run',
      'erase-run',
      'open-receipt',
      'result-lead',
      'run-menu',
    ],
    ofLead: ['activate-lead', 'add-custom', 'erase-lead', 'export-person', 'save-lead'],
    ofTemplate: ['save-template', 'send-test'],
    ofImport: ['activate-import', 'delete-import', 'import-leads', 'undo-import'],
  },
};

/** The status of a GET with any Host header, as in a DNS rebinding attack. */
function statusFor(host: string, path: string): Promise<number | undefined> {
  const { hostname, port } = new URL(product.stack.url);
  return new Promise((resolve, reject) => {
    get({ hostname, port, path, headers: { host }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
}

describe('local development', () => {
  // The Worker refuses them, except the platform's own pages, which wrangler protects itself.
  const paths = {
    '/': 421,
    '/leads': 421,
    '/favicon.svg': 421,
    '/docs-assets/swagger-ui.css': 421,
    '/healthz': 421,
    '/crm/settings': 421,
    '/crm/leads': 421,
    '/unsubscribe/x': 421,
    '/cdn-cgi/local/explorer/api/d1/database': 403,
  };

  test.each(Object.entries(paths))('answers %s only under a name of this machine', async (path, refusal) => {
    for (const host of ['evil.com', 'evil.com:8787', 'localhost.evil.com', '192.168.1.7']) {
      expect(await statusFor(host, path), host).toBe(refusal);
    }
    const { host } = new URL(product.stack.url);
    for (const own of [host, 'localhost']) {
      const status = await statusFor(own, path);
      expect([200, 404], own).toContain(status);
    }
  });
});

describe('an admin who handles the request of a person', () => {
  test('saves all data about the address, and no URL contains any of it', async () => {
    const urls: string[] = [];
    page.on('request', (request) => urls.push(request.url()));
    await page.goto(`${product.stack.url}/settings`);
    await page.getByTestId('export-address').fill(' lead-1@example.com ');
    const saving = page.waitForEvent('download');
    await page.getByTestId('export-person').click();
    const file = await saving;
    expect(file.suggestedFilename()).toMatch(/^personal-data-\d{4}-\d\d-\d\d\.json$/);
    const chunks: Buffer[] = [];
    for await (const chunk of await file.createReadStream()) chunks.push(chunk as Buffer);
    expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({
      email: 'lead-1@example.com',
      lead: { email: 'lead-1@example.com', status: 'active' },
      activations: [{ sessionId: finished }],
    });
    await page.getByText('Personal data exported').waitFor();
    expect(urls.filter((url) => url.includes('lead-1'))).toEqual([]);
  });

  test('erases an activation after a dialog has said what is deleted, and it disappears from every tab', async () => {
    const sessionId = await product.startSession('An activation to erase', [7]);
    await product.untilRun(sessionId, ({ state }) => state === 'completed');
    const path = `/activations/${sessionId}`;
    const other = await browser.newPage();
    await other.goto(product.stack.url + path);
    await other.getByTestId('run').waitFor();
    await page.goto(product.stack.url + path);
    await page.getByTestId('run-menu').click();
    await page.getByTestId('erase-run').click();
    const dialog = page.getByRole('alertdialog');
    expect(await dialog.innerText()).toContain('the results of 1 lead are removed for good');
    await dialog.getByRole('button', { name: 'Not now' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByTestId('run-menu').click();
    await page.getByTestId('erase-run').click();
    await page.getByTestId('confirm').click();
    await page.waitForURL('**/activations');
    await page.getByText('An activation to erase was erased').waitFor();
    await expect.poll(() => page.getByTestId('run-row').count()).toBe(2);
    await other.reload();
    await other.getByRole('heading', { name: 'There is no such activation' }).waitFor();
    await other.close();
  });
});

// The person of local development is an admin while no list names them. So the admin comes first and needs no
// restart, and the others find what the admin has left.
describe.each(['admin', 'approver', 'operator', 'viewer'] as const)('with the role %s', (role) => {
  beforeAll(async () => {
    // The app remembers the role of the last visit; this one is a first visit.
    await page.evaluate(() => localStorage.clear());
    await page.goto('about:blank');
    if (role !== 'admin') {
      await product.stack.stop();
      await product.restart({ [`ROLE_${role.toUpperCase()}`]: 'ana@example.com' });
    }
    refusals = [];
  });

  test('a person starts on a page that their role allows, and sees no page that refuses them', async () => {
    await page.goto(product.stack.url);
    await page.waitForURL(`**${expected[role].home}`);
    const nav = page.getByRole('navigation', { name: 'Main' }).getByRole('link');
    await expect.poll(() => nav.allInnerTexts(), { timeout: 10_000 }).toEqual(expected[role].pages);
    for (const name of expected[role].pages) {
      await nav.filter({ hasText: name }).click();
      await page.getByRole('heading', { level: 1, name }).waitFor();
      await page.waitForLoadState('networkidle');
      expect(await page.getByRole('alert').allInnerTexts(), name).toEqual([]);
    }
    expect(refusals).toEqual([]);
  });

  test('an activation, a lead, a template and an import show exactly the controls that the role allows', async () => {
    const it = expected[role];
    const found = {
      finished: await controlsAt(`/activations/${finished}`, '[data-testid="issues"]'),
      paused: await controlsAt(`/activations/${paused}`, '[data-testid="event-log"]'),
      template: await controlsAt(`/templates/${template}`, '[data-testid="template-subject"]'),
      import: await controlsAt(
        `/imports/${importId}`,
        it.ofImport === null ? 'h1' : '[data-testid="import-leads"]',
      ),
      lead: await controlsAt('/leads/6', it.ofLead === null ? 'h1' : '[data-testid="lead-history"]'),
    };
    expect(found).toEqual({
      finished: it.ofFinished,
      paused: it.ofPaused,
      template: it.ofTemplate,
      import: it.ofImport ?? [],
      lead: it.ofLead ?? [],
    });
    if (it.ofLead === null) {
      await page.getByRole('heading', { name: 'You don’t have access to this page' }).waitFor();
      expect(await page.getByRole('main').innerText()).not.toContain('lead-6@');
    }
    expect(refusals).toEqual([]);
  });
});
