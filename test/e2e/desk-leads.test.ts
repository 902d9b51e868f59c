/**
 * The desk of leads in a real browser: finding, ordering, selecting and changing leads, whom a dialog names, and
 * what the page of one lead tells.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LeadPage } from '../../src/shared/schemas/leads.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';
import { sidewaysPixels } from './look.ts';

const leadCount = 60;
let product: Product;
let browser: TestBrowser;
let page: Page;
const problems: string[] = [];

beforeAll(async () => {
  product = await startProduct({ leadCount });
  const edit = (ids: number[], field: string, value: string): Promise<unknown> =>
    product.ask('/crm/leads/bulk/edit', { audience: { leadIds: ids }, field, value });
  await edit([1, 2, 3], 'source', 'Fair');
  await edit([4, 5], 'source', 'Webinar');
  await edit([6], 'source', 'Website');
  await product.ask('/crm/suppressions', {
    addresses: ['lead-7@example.com'],
    reason: 'manual',
    note: 'asked by phone',
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  page.on('pageerror', (error) => problems.push(error.message));
});
afterAll(async () => {
  await browser.close();
  await product.close();
});

const rows = () => page.getByTestId('lead-row');
const rowOf = (leadId: number) => page.locator(`[data-lead-id="${leadId}"]`);
const boxOf = (leadId: number) => rowOf(leadId).getByTestId('select-lead');
const focused = (): Promise<string | null | undefined> =>
  page.evaluate(() => document.activeElement?.closest('[data-lead-id]')?.getAttribute('data-lead-id'));
const matching = async (query: string): Promise<number> =>
  (await product.ask<LeadPage>(`/crm/leads?${query}&limit=1`)).total;

async function open(query: string): Promise<void> {
  await page.goto(`${product.stack.url}/leads${query}`);
  await page.locator('[data-testid="lead-row"], [data-testid="no-match"]').first().waitFor();
}
async function clear(): Promise<void> {
  const button = page.getByTestId('clear-selection');
  if (await button.isVisible()) await button.click();
}

describe('finding leads', () => {
  test('by several values of one field and by the last days, each a chip that can go', async () => {
    await open('');
    await page.getByTestId('add-filter').click();
    await page.getByTestId('pick-filter-source').click();
    const value = (name: string) => page.locator(`[data-testid="filter-value"][data-value="${name}"]`);
    await value('Fair').check();
    await value('Webinar').check();
    await page.waitForURL(/source=Fair&source=Webinar/);
    await expect.poll(() => rows().count()).toBe(5);
    expect(await page.getByTestId('lead-total').innerText()).toBe('5 leads match');
    await page.keyboard.press('Escape');
    expect(await page.getByTestId('edit-filter-source').innerText()).toBe('Source: Fair, Webinar');
    await page.getByTestId('add-filter').click();
    await page.getByTestId('pick-filter-created').click();
    await page.locator('[data-testid="filter-within"][data-value="7"]').check();
    await page.waitForURL(/createdWithin=7/);
    await expect.poll(() => rows().count()).toBe(5);
    await page.keyboard.press('Escape');
    await page.getByTestId('remove-filter-source').click();
    await expect.poll(() => page.getByTestId('lead-total').innerText()).toBe(`${leadCount} leads match`);
  });

  test('in the order of a column, which says so', async () => {
    await open('?limit=25');
    const head = page.getByRole('columnheader', { name: 'Company' });
    expect(await head.getAttribute('aria-sort')).toBeNull();
    await page.getByTestId('sort-company').click();
    await page.waitForURL(/sort=company/);
    await expect.poll(() => head.getAttribute('aria-sort')).toBe('ascending');
    await expect.poll(() => rows().first().getAttribute('data-lead-id')).toBe('1');
    await page.getByTestId('sort-company').click();
    await expect.poll(() => head.getAttribute('aria-sort')).toBe('descending');
    await expect.poll(() => rows().first().getAttribute('data-lead-id')).toBe('9');
  });

  test('with columns that this browser remembers, and what became of the last email', async () => {
    const sessionId = await product.startSession('The result column', [8]);
    await product.untilRun(sessionId, ({ state }) => state === 'completed');
    await open('?search=lead-8%40');
    await page.getByTestId('columns').click();
    await page.getByTestId('column-phone').check();
    await page.getByTestId('column-result').check();
    await page.keyboard.press('Escape');
    await page.reload();
    await page.getByRole('columnheader', { name: 'Phone' }).waitFor();
    await rowOf(8)
      .locator('[data-column="result"]')
      .getByText(/Sent|Delivered/)
      .waitFor();
  });

  test('says what a search finds, and names the filters that leave nobody', async () => {
    await open('?search=ast1&status=new&source=Fair');
    await page.getByText('Searches the beginning of words, email and domain').waitFor();
    const notice = page.getByTestId('no-match');
    expect(await notice.innerText()).toContain('“ast1” · Status: New · Source: Fair');
    await page.getByTestId('clear-filters').click();
    await page.waitForURL((url) => url.search === '?search=ast1');
  });

  test('turns to the next page at its top', async () => {
    await open('?limit=25');
    await page.getByTestId('next-page').scrollIntoViewIfNeeded();
    await page.getByTestId('next-page').click();
    await page.waitForURL(/cursor=/);
    const top = (): Promise<number> =>
      page.getByRole('table').evaluate((table) => Math.round(table.getBoundingClientRect().top));
    await expect.poll(async () => (await top()) >= 0 && (await top()) < 120).toBe(true);
  });

  test('shows who will not be emailed, and why', async () => {
    await open('?search=lead-7%40');
    const chip = rowOf(7).locator('[data-testid="unmailable"]:visible');
    expect(await chip.getAttribute('data-reason')).toBe('manual');
    expect(await chip.getAttribute('title')).toBe('Will not be emailed: suppressed');
  });
});

describe('a saved view', () => {
  test('is a tab, says that it is the one that is shown, and comes back when it was deleted', async () => {
    await open('?source=Fair&sort=company');
    await page.getByTestId('views-menu').click();
    await page.getByTestId('view-name').fill('From the fair');
    await page.getByTestId('save-view').click();
    const tab = page.getByTestId('saved-view').filter({ hasText: 'From the fair' });
    await tab.and(page.locator('[aria-current="page"]')).waitFor();
    await page.getByRole('link', { name: 'All leads' }).click();
    await expect.poll(() => rows().count()).toBe(50);
    await tab.click();
    await expect.poll(() => rows().count()).toBe(3);
    await page.getByTestId('delete-view').click();
    await tab.waitFor({ state: 'detached' });
    await page.getByTestId('undo-view').click();
    await tab.and(page.locator('[aria-current="page"]')).waitFor();
  });
});

describe('selecting', () => {
  test('takes a range with Shift, outlives a search and a reload, and says who is not shown', async () => {
    await open('?sort=id&limit=25');
    await boxOf(2).click();
    await boxOf(4).click({ modifiers: ['Shift'] });
    const count = page.getByTestId('selected-count');
    expect(await count.getAttribute('data-value')).toBe('3');
    await page.getByTestId('lead-search').fill('lead-3@');
    await expect.poll(() => rows().count()).toBe(1);
    expect(await page.getByTestId('selection-bar').innerText()).toContain('3 selected, 2 not shown');
    await page.reload();
    await expect.poll(() => count.getAttribute('data-value')).toBe('3');
    await page.goto(`${product.stack.url}/imports`);
    await open('?sort=id&limit=25');
    await expect.poll(() => count.getAttribute('data-value')).toBe('3');
    expect(await boxOf(3).isChecked()).toBe(true);
    await clear();
    await page.getByTestId('selection-bar').waitFor({ state: 'detached' });
  });

  test('keeps all that match one search aside while another one is shown', async () => {
    await open('?source=Fair&limit=25');
    await page.getByTestId('select-page').check();
    await open('?limit=25');
    await clear();
    await page.getByTestId('select-page').check();
    await page.getByTestId('select-all-matching').click();
    await page.getByTestId('lead-search').fill('lead-3@');
    await page.getByTestId('selection-aside').waitFor();
    expect(await page.getByTestId('activate').count()).toBe(0);
    await page.getByTestId('restore-selection').click();
    await expect
      .poll(() => page.getByTestId('selected-count').getAttribute('data-value'))
      .toBe(String(leadCount));
    await clear();
  });

  test('by keys, which mean letters where somebody writes', async () => {
    await open('?sort=id&limit=25');
    for (const key of ['j', 'j', 'j', 'k']) await page.keyboard.press(key);
    expect(await focused()).toBe('2');
    await page.keyboard.press('x');
    expect(await boxOf(2).isChecked()).toBe(true);
    await page.getByTestId('lead-search').focus();
    await page.keyboard.type('jxk');
    expect(await page.getByTestId('lead-search').inputValue()).toBe('jxk');
    expect(await page.getByTestId('selected-count').getAttribute('data-value')).toBe('1');
    await open('?sort=id&limit=25');
    await clear();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/leads/1');
  });

  test('with a finger, in a place that is large enough', async () => {
    const phone = await browser.newPage();
    await phone.setViewportSize({ width: 390, height: 844 });
    await phone.goto(`${product.stack.url}/leads?sort=id&limit=25`);
    await phone.getByTestId('lead-row').first().waitFor();
    const size = await phone
      .locator('label:has([data-testid="select-lead"])')
      .first()
      .evaluate((label) => [label.clientWidth, label.clientHeight]);
    expect(Math.min(...size)).toBeGreaterThanOrEqual(24);
    expect(await sidewaysPixels(phone)).toBeLessThanOrEqual(0);
    await phone.close();
  });
});

describe('changing many leads', () => {
  test('edits the stage of all that are selected', async () => {
    await open('?source=Fair&limit=25');
    await page.getByTestId('select-page').check();
    await page.getByTestId('bulk-edit').click();
    await page.getByTestId('bulk-value').fill('Hot');
    // Enter in a field does nothing.
    await page.getByTestId('bulk-value').press('Enter');
    expect(await matching('stage=Hot')).toBe(0);
    await page.getByTestId('bulk-run').click();
    await page.getByText('3 leads changed').waitFor();
    expect(await matching('stage=Hot')).toBe(3);
    await clear();
  });

  test('adds and removes tags of all that are selected', async () => {
    await open('?source=Fair&limit=25');
    const folder = process.env.PICTURES;
    await page.getByTestId('select-page').check();
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 844 });
      expect(await sidewaysPixels(page), String(width)).toBeLessThanOrEqual(0);
      if (folder !== undefined) await page.screenshot({ path: `${folder}/bulk-bar-${width}.png` });
      await page.getByTestId('bulk-tag').click();
      await page.getByTestId('bulk-dialog').waitFor();
      if (folder !== undefined) await page.screenshot({ path: `${folder}/bulk-tags-${width}.png` });
      await page.keyboard.press('Escape');
      await page.getByTestId('bulk-dialog').waitFor({ state: 'detached' });
    }
    await page.getByTestId('bulk-tag').click();
    expect(await page.getByTestId('bulk-run').isDisabled()).toBe(true);
    await page.getByTestId('bulk-value').fill('autumn, , trial;autumn');
    await page.getByTestId('bulk-run').click();
    await page.getByText('3 leads changed').waitFor();
    expect([await matching('tag=autumn'), await matching('tag=trial')]).toEqual([3, 3]);
    await page.getByTestId('bulk-tag').click();
    await page.locator('label:has([data-testid="bulk-tags-remove"])').click();
    await page.getByTestId('bulk-value').fill('trial');
    await page.getByTestId('bulk-run').click();
    await page.getByTestId('bulk-dialog').waitFor({ state: 'detached' });
    expect([await matching('tag=autumn'), await matching('tag=trial')]).toEqual([3, 0]);
    await clear();
  });

  test('suppresses, exports and deletes them', async () => {
    await open('?source=Webinar&limit=25');
    await page.getByTestId('select-page').check();
    await page.getByTestId('bulk-suppress').click();
    await page.getByTestId('bulk-run').click();
    await page.getByText('2 leads suppressed').waitFor();
    await rowOf(4).locator('[data-testid="unmailable"]:visible').waitFor();
    await page.getByTestId('bulk-export').click();
    const saving = page.waitForEvent('download');
    await page.getByTestId('bulk-run').click();
    const chunks: Buffer[] = [];
    for await (const chunk of await (await saving).createReadStream()) chunks.push(chunk as Buffer);
    const lines = Buffer.concat(chunks).toString().trim().split('\r\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toContain('lead-4@example.com');
    await page.getByTestId('bulk-remove').click();
    await page.getByTestId('bulk-run').click();
    await page.getByText('2 leads deleted').waitFor();
    expect(await matching('source=Webinar')).toBe(0);
  });

  test('adds one by hand, and says where one with the address is', async () => {
    await open('');
    await page.getByTestId('add-lead').click();
    await page.getByTestId('new-email').fill('by-hand@example.org');
    await page.getByTestId('new-firstName').fill('Hanna');
    await page.getByTestId('create-lead').click();
    await page.getByTestId('toast').filter({ hasText: 'Lead added' }).waitFor();
    await rows().first().filter({ hasText: 'by-hand@example.org' }).waitFor();
    await page.getByTestId('add-lead').click();
    await page.getByTestId('new-email').fill('By-Hand@example.org');
    await page.getByTestId('create-lead').click();
    await page.getByRole('button', { name: 'Show the lead with this address' }).waitFor();
    await page.keyboard.press('Escape');
  });
});

describe('the Activate dialog', () => {
  test('says who is skipped and why, from whom, how long it takes, and sends a test', async () => {
    await open('?search=example.com&sort=id&limit=25');
    await page.getByTestId('select-page').check();
    await page.getByTestId('activate').click();
    await page.getByTestId('preview-subject').waitFor();
    expect(await page.getByTestId('preview-suppressed').getAttribute('data-value')).toBe('1');
    // What is none is not said.
    expect(await page.getByTestId('preview-invalid').count()).toBe(0);
    await page.getByTestId('preview-suppressed').click();
    const skipped = page.getByTestId('skipped-lead');
    await skipped.first().waitFor();
    expect(await skipped.allInnerTexts()).toEqual([expect.stringContaining('lead-7@example.com')]);
    await page.getByTestId('preview-suppressed').click();
    expect(await page.getByTestId('activate-facts').innerText()).toMatch(
      /about \d+ s\w* at [\d.]+ calls?\/s/,
    );
    await page.getByTestId('activate-test').click();
    await page.getByTestId('activate-test-result').getByText('Test sent to').waitFor();
    const nested = await page
      .getByRole('dialog')
      .locator('fieldset *')
      .evaluateAll(
        (all) =>
          all.filter(
            (it) => it.scrollHeight > it.clientHeight + 1 && getComputedStyle(it).overflowY === 'auto',
          ).length,
      );
    expect(nested).toBe(0);
    await page.keyboard.press('Escape');
    await clear();
  });
});

describe('leads that are activated', () => {
  const storedSelection = () => page.evaluate(() => sessionStorage.getItem('lead-activation:selection'));

  test('are not selected any more after a reload that came before the answer', async () => {
    await open('?search=lead-59%40');
    await boxOf(59).check();
    await page.getByTestId('activate').click();
    await page.getByTestId('preview-subject').waitFor();
    await page.getByTestId('activate-name').fill('Left at once');
    // The server takes it, and the page does not hear of that.
    await page.route('**/crm/activation', (route) => void route.fetch());
    await page.getByTestId('activate-start').click();
    await expect
      .poll(async () => JSON.stringify(await product.ask('/crm/activation')), { timeout: 15_000 })
      .toContain('Left at once');
    expect(await storedSelection()).toBe('{"kind":"some","ids":[59]}');
    await page.unroute('**/crm/activation');
    await page.reload();
    await expect.poll(storedSelection).toBe('{"kind":"some","ids":[]}');
    await rowOf(59).waitFor();
    expect(await page.getByTestId('selection-bar').count()).toBe(0);
  });

  test('stay selected where nothing was started', async () => {
    await open('?search=lead-60%40');
    await boxOf(60).check();
    await page.evaluate(() =>
      sessionStorage.setItem('lead-activation:selection-start', 'activation_1704123456789_a7bc3d2f1'),
    );
    const asked = page.waitForResponse('**/progress/activation_1704123456789_a7bc3d2f1');
    await page.reload();
    expect((await asked).status()).toBe(404);
    await page.getByTestId('selection-bar').waitFor();
    await clear();
  });
});

describe('the page of a lead', () => {
  test('tells what happened, with the email as it was sent, and who is not emailed', async () => {
    const sessionId = await product.startSession('For the page', [10]);
    await product.untilRun(sessionId, ({ state }) => state === 'completed');
    await page.goto(`${product.stack.url}/leads/10`);
    await page.getByTestId('history-mail').waitFor();
    expect(await page.getByTestId('history-mail').locator('time').count()).toBe(1);
    await page.getByTestId('show-mail').click();
    await page.frameLocator('[data-testid="sent-mail"] iframe').getByText('First10').first().waitFor();
    expect(await page.getByTestId('activate-lead').count()).toBe(0);
    await page.goto(`${product.stack.url}/leads/7`);
    expect(await page.getByTestId('lead-unmailable').innerText()).toContain('asked by phone');
    await page.getByTestId('history-suppressed').waitFor();
    expect(await page.getByTestId('activate-lead').count()).toBe(0);
  });

  test('keeps edits that are not saved from being lost, and activates', async () => {
    await page.goto(`${product.stack.url}/leads/11`);
    await page.getByTestId('lead-company').fill('Changed Ltd');
    await page.getByRole('link', { name: 'Imports' }).first().click();
    const question = page.getByRole('alertdialog');
    await question.waitFor();
    await question.getByRole('button', { name: 'Keep editing' }).click();
    expect(new URL(page.url()).pathname).toBe('/leads/11');
    expect(await page.getByTestId('lead-company').inputValue()).toBe('Changed Ltd');
    await page.getByTestId('save-lead').click();
    await page.getByTestId('history-edited').getByText('Edited company').waitFor();
    await page.getByTestId('activate-lead').click();
    await page.getByTestId('preview-subject').waitFor();
    await page.getByTestId('activate-start').click();
    await page.getByTestId('history-mail').waitFor();
    await page.getByRole('link', { name: 'Imports' }).first().click();
    await page.waitForURL('**/imports');
    expect(problems).toEqual([]);
  });
});
