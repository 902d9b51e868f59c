/**
 * What a person agrees to is what happens, in a real browser: the dialog says exactly what will be done, a start that
 * would do something else by now is not made and says what has changed, and the activation's page keeps what was
 * started.
 */
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StartedActivation } from '../../src/shared/schemas/activation.ts';
import type { SessionManifest } from '../../src/shared/schemas/manifest.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let browser: TestBrowser;
let page: Page;
/** Answers to starts. */
const answers: { status: number; sessionId: string | null; manifestHash: string | null }[] = [];

beforeAll(async () => {
  product = await startProduct({ leadCount: 40, env: { ACTIVATE_UNDO_SECONDS: '0' } });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('response', (response) => {
    if (response.request().method() !== 'POST' || !response.url().endsWith('/crm/activation')) return;
    void response.json().then((body: Partial<StartedActivation>) => {
      answers.push({
        status: response.status(),
        sessionId: body.sessionId ?? null,
        manifestHash: body.manifestHash ?? null,
      });
    });
  });
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

const fact = (name: string): Locator => page.locator(`[data-testid="manifest-facts"] [data-fact="${name}"]`);
const willActivate = (value: number): Locator =>
  page.locator(`[data-testid="preview-will-activate"][data-value="${String(value)}"]`);
const mailCount = async (): Promise<number> => (await readMailbox(product.standIn.url)).countByAddress.size;

test('the dialog says exactly what will be done, when it is asked', async () => {
  await page.goto(`${product.stack.url}/leads?search=example.com&limit=25`);
  await page.getByTestId('select-page').check();
  await page.getByTestId('select-all-matching').click();
  await page.getByTestId('activate').click();
  await willActivate(40).waitFor();
  const facts = page.getByTestId('manifest-facts');
  expect(await facts.isVisible()).toBe(false);
  await page.getByTestId('manifest').locator('summary').click();
  expect(await fact('leads').textContent()).toBe('40 leads matching "example.com"');
  expect(await fact('outcomes').textContent()).toBe('40 get the email');
  expect(await fact('template').textContent()).toContain(', version ');
  expect(await page.getByTestId('manifest-hash').textContent()).toMatch(/^[0-9a-f]{64}$/);
});

test('a start that would do something else by now is not made, and the dialog says what has changed', async () => {
  const shown = await page.getByTestId('manifest-hash').textContent();
  await product.ask('/crm/suppressions', {
    addresses: ['lead-3@example.com', 'lead-4@example.com'],
    reason: 'manual',
    note: '',
  });
  await page.keyboard.press('ControlOrMeta+Enter');
  const changed = page.getByTestId('manifest-changed');
  await changed.waitFor();
  expect(await changed.getByRole('listitem').allTextContents()).toEqual([
    '38 leads would get the email, 40 before.',
    '2 leads suppressed, 0 before.',
  ]);
  // The numbers and the hash are the present ones, and the dialog waits for the person.
  await willActivate(38).waitFor();
  expect(await fact('outcomes').textContent()).toBe('38 get the email, 2 suppressed');
  expect(await page.getByTestId('manifest-hash').textContent()).not.toBe(shown);
  expect(await page.getByRole('dialog').isVisible()).toBe(true);
  expect(answers.map(({ status }) => status)).toEqual([409]);
  expect(await mailCount()).toBe(0);
  expect(await page.getByTestId('tracked-session').count()).toBe(0);
});

test('the second start does what is shown, and the activation keeps what was started', async () => {
  const shown = await page.getByTestId('manifest-hash').textContent();
  await page.keyboard.press('ControlOrMeta+Enter');
  const tracked = page.getByTestId('tracked-session');
  await tracked.and(page.locator('[data-state="completed"]')).waitFor();
  expect(await mailCount()).toBe(38);
  const sessionId = (await tracked.getAttribute('data-session-id')) ?? '';
  expect(answers.at(-1)).toEqual({ status: 201, sessionId, manifestHash: shown });
  expect((await product.ask<SessionManifest>(`/crm/activation/${sessionId}/manifest`)).hash).toBe(shown);

  await page.goto(`${product.stack.url}/activations/${sessionId}`);
  await page.getByTestId('kept-manifest').locator('summary').click();
  await page.getByTestId('manifest-hash').waitFor();
  expect(await page.getByTestId('manifest-hash').textContent()).toBe(shown);
  // The words of the search are deleted at the end.
  expect(await fact('leads').textContent()).toBe('all leads that a search found');
});

test('a template that somebody changes meanwhile is named, and the new mail is shown', async () => {
  const content = { name: 'Spring', description: '', subject: 'One', html: '<p>One</p>', text: '' };
  const { id } = await product.ask<{ id: string }>('/crm/templates', content);
  await product.ask('/crm/leads', { email: 'late@example.com' });
  await page.goto(`${product.stack.url}/leads?search=${encodeURIComponent('late@')}`);
  await page.getByTestId('lead-row').first().waitFor();
  await page.getByTestId('select-page').check();
  await page.getByTestId('activate').click();
  await page.getByTestId(`template-${id}`).check();
  await page.getByTestId('preview-subject').filter({ hasText: 'One' }).waitFor();
  const saved = await fetch(`${product.stack.url}/crm/templates/${id}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...content, subject: 'Two', baseVersion: 1 }),
  });
  expect(saved.status).toBe(200);
  await page.getByTestId('activate-start').click();
  await page.getByTestId('manifest-changed').waitFor();
  expect(await page.getByTestId('manifest-changed').getByRole('listitem').allTextContents()).toEqual([
    'The template is now “Spring” in version 2.',
  ]);
  await page.getByTestId('preview-subject').filter({ hasText: 'Two' }).waitFor();
  expect(await mailCount()).toBe(38);
  await page.getByTestId('activate-start').click();
  // The tracker also has the completed activation of the tests before.
  await expect.poll(mailCount, { timeout: 30_000 }).toBe(39);
});

test('the list leaves out whom an activation has emailed lately', async () => {
  await page.goto(`${product.stack.url}/leads?limit=25`);
  await page.getByTestId('add-filter').click();
  await page.getByTestId('pick-filter-notMailed').click();
  await page.locator('[data-testid="filter-within"][data-value="7"]').check();
  await page.keyboard.press('Escape');
  await page.getByText('Not emailed: last 7 days').waitFor();
  // The two that are suppressed.
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="lead-row"]').length === 2);
});
