/**
 * A file of leads, dropped into the browser: interrupted by a reload, continued, and activated as an import.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Import } from '../../src/shared/schemas/imports.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

/** Rows of people, on four chunks; most of them are one of these addresses again, or none. */
const personCount = 60;
const rowCount = 7_000;

/** Windows code page, semicolons, quoted line ends, two columns of addresses: as exports really are. */
function csv(): Buffer {
  const rows = Array.from({ length: rowCount }, (_, at) => {
    const number = at % 100;
    // Spread over all of the file, so that every chunk has some of the people.
    const isPerson = at % 100 === Math.floor(at / 100) && at / 100 < personCount;
    if (isPerson) return `Jörg ${number};Müller;person-${Math.floor(at / 100)}@example.org;;"one\r\ntwo"`;
    return at % 2 === 0 ? `Nobody;;none;n/a;` : `Jörg 0;Müller;;PERSON-0@example.org;`;
  });
  return Buffer.from(`Vorname;Nachname;E-Mail 1;E-Mail 2;Notes\r\n${rows.join('\r\n')}\r\n`, 'latin1');
}

describe('a file that is dropped into the browser', () => {
  let product: Product;
  let browser: TestBrowser;
  let page: Page;
  let folder: string;
  let path: string;
  let importId: string;
  const pageErrors: string[] = [];
  /** Numbers of the chunks that reached the server, in order. */
  const sentSeqs: number[] = [];

  const get = async <T>(from: string): Promise<T> =>
    (await fetch(`${product.stack.url}${from}`)).json() as Promise<T>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lead-activation-files-'));
    path = join(folder, 'Messe 2026.csv');
    await writeFile(path, csv());
    product = await startProduct({ leadCount: 0, env: { MAIL_RATE: '100' } });
    browser = await launchBrowser();
    page = await browser.newPage();
    page.on('pageerror', (error) => pageErrors.push(String(error)));
    page.on('response', (response) => {
      const seq = /\/chunks\/(\d+)$/.exec(new URL(response.url()).pathname)?.[1];
      if (seq !== undefined && response.ok()) sentSeqs.push(Number(seq));
    });
  });
  afterAll(async () => {
    await browser.close();
    await product.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Drops the file onto the page, as from a folder's window. */
  async function drop(): Promise<void> {
    const bytes = csv().toString('base64');
    const transfer = await page.evaluateHandle(
      ({ bytes, name }) => {
        const data = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
        const dropped = new DataTransfer();
        dropped.items.add(new File([data], name, { type: 'text/csv' }));
        return dropped;
      },
      { bytes, name: 'Messe 2026.csv' },
    );
    await page.getByTestId('drop-zone').dispatchEvent('drop', { dataTransfer: transfer });
  }

  test('is looked at: encoding, delimiter, header and columns are known', async () => {
    await page.goto(`${product.stack.url}/imports`);
    await page.getByTestId('drop-zone').waitFor();
    await drop();
    await page.getByTestId('mapping-step').waitFor();
    expect(await page.getByTestId('import-encoding').inputValue()).toBe('windows-1252');
    expect(await page.getByTestId('import-delimiter').inputValue()).toBe(';');
    expect(await page.getByTestId('import-has-header').isChecked()).toBe(true);
    const fields = await Promise.all(
      [0, 1, 2, 3, 4].map((at) => page.getByTestId(`import-column-${at}`).inputValue()),
    );
    expect(fields).toEqual(['firstName', 'lastName', 'email', 'email', 'notes']);
    const preview = page.getByTestId('import-preview').locator('tbody tr');
    expect(await preview.count()).toBe(20);
    expect(await preview.first().innerText()).toContain('Jörg');
    // Whoever does not say how these people agreed cannot import them.
    expect(await page.getByTestId('import-start').isDisabled()).toBe(true);
  });

  test('goes up in chunks, and is interrupted by a reload in the middle', async () => {
    // The third chunk gets no answer: the network is gone.
    const isHeld = new Promise<void>((resolve) => {
      void page.route('**/chunks/2', (route: Route) => {
        resolve();
        return route.abort();
      });
    });
    await page.getByTestId('import-consent').fill('Messe 2026');
    await page.getByTestId('import-start').click();
    await isHeld;
    await page.getByTestId('import-retrying').waitFor();
    importId = (await page.getByTestId('current-import').getAttribute('data-import-id')) ?? '';
    const half = await get<Import>(`/crm/imports/${importId}`);
    expect(half).toMatchObject({ state: 'open', nextSeq: 2, consentSource: 'Messe 2026' });
    expect(half.counts.created).toBeGreaterThan(0);
    expect(half.counts.created).toBeLessThan(personCount);
    await page.unroute('**/chunks/2');
    await page.reload();
    const row = page.getByTestId('import-row');
    await row.waitFor();
    expect(await row.getAttribute('data-state')).toBe('open');
    expect(await page.getByTestId('drop-zone').isVisible()).toBe(true);
  });

  test('goes on where it was when the same file is chosen again, and asks nothing twice', async () => {
    expect(sentSeqs).toEqual([0, 1]);
    await page.getByTestId('import-file').setInputFiles(path);
    const current = page.getByTestId('current-import');
    await current.waitFor();
    expect(await current.getAttribute('data-resumed')).toBe('true');
    expect(await current.getAttribute('data-import-id')).toBe(importId);
    await page.locator('[data-testid="current-import"][data-phase="done"]').waitFor();
    expect(sentSeqs).toEqual([0, 1, 2, 3]);
  });

  test('says what became of every row', async () => {
    const done = await get<Import>(`/crm/imports/${importId}`);
    expect(done).toMatchObject({ state: 'done', owner: 'ana@example.com', fileName: 'Messe 2026.csv' });
    const { created, updated, unchanged, duplicate, rejected } = done.counts;
    expect({ created, updated, unchanged }).toEqual({ created: personCount, updated: 0, unchanged: 0 });
    expect(created + duplicate + rejected).toBe(rowCount);
    expect(rejected).toBe(Number(await page.getByTestId('import-count-rejected').getAttribute('data-value')));
    const download = page.waitForEvent('download');
    await page.getByTestId('download-rejected').click();
    expect((await download).suggestedFilename()).toBe(`${importId}-rejected.csv`);
    const csvLines = (
      await (await fetch(`${product.stack.url}/crm/imports/${importId}/rejected.csv`)).text()
    ).trim();
    expect(csvLines.split('\r\n')).toHaveLength(rejected + 1);
  });

  test('is activated as an import, and each of its people gets one mail', async () => {
    await page.getByTestId('activate-import').click();
    await page.getByTestId('preview-will-activate').waitFor();
    await expect
      .poll(() => page.getByTestId('preview-will-activate').innerText(), { timeout: 15_000 })
      .toContain(String(personCount));
    await page.getByTestId('activate-start').click();
    await page.getByTestId('tracked-session').waitFor();
    await page
      .locator('[data-testid="tracked-session"][data-state="completed"]')
      .waitFor({ timeout: 60_000 });
    const { mails, countByAddress, duplicates } = await readMailbox(product.standIn.url);
    expect(mails).toHaveLength(personCount);
    expect(duplicates).toEqual([]);
    expect([...countByAddress.keys()].sort()).toEqual(
      Array.from({ length: personCount }, (_, at) => `person-${at}@example.org`).sort(),
    );
    expect(mails.some((mail) => `${mail.html}${mail.text}`.includes('Jörg'))).toBe(true);
  });

  test('is a filter of the leads page, kept in the address and in a saved view', async () => {
    await page.goto(`${product.stack.url}/imports/${importId}`);
    await page.getByTestId('import-leads').click();
    await page.getByTestId('filter-importId').waitFor();
    await expect
      .poll(() => page.getByTestId('filter-importId').innerText(), { timeout: 15_000 })
      .toContain('Messe 2026.csv');
    await page.getByTestId('filter-consentSource').selectOption('Messe 2026');
    await page.waitForURL(/importId=.*consentSource|consentSource=.*importId/);
    await expect
      .poll(() => page.getByTestId('lead-total').innerText(), { timeout: 15_000 })
      .toContain(String(personCount));
    await page.getByTestId('views-menu').click();
    await page.getByTestId('view-name').fill('The fair');
    await page.getByTestId('save-view').click();
    await page.getByTestId('saved-view').waitFor();
    await page.goto(`${product.stack.url}/leads`);
    await page.getByTestId('views-menu').click();
    await page.getByTestId('saved-view').click();
    await page.waitForURL(/importId=/);
    await page.goBack();
    await page.waitForURL((url) => url.pathname === '/leads' && url.search === '');
  });

  test('shows on the page of each of its leads, which can be edited and erased', async () => {
    const { leads } = await get<{ leads: { id: number }[] }>(`/crm/leads?importId=${importId}&limit=1`);
    await page.goto(`${product.stack.url}/leads?importId=${importId}`);
    await page.getByTestId('lead-link').first().click();
    await page.waitForURL(`**/leads/${leads[0]?.id}`);
    expect(await page.getByTestId('history-import').innerText()).toContain(
      'Created by the import of Messe 2026.csv',
    );
    expect(await page.getByTestId('history-activation').innerText()).toContain('ana@example.com');
    expect(await page.getByTestId('history-mail').getAttribute('data-state')).toMatch(/sent|delivered/);
    await page.getByTestId('lead-company').fill('Müller & Söhne');
    await page.getByTestId('save-lead').click();
    await expect.poll(() => page.getByTestId('lead-saved').innerText(), { timeout: 15_000 }).toBe('Saved');
    expect(await get(`/crm/leads/${leads[0]?.id}`)).toMatchObject({
      company: 'Müller & Söhne',
      consentSource: 'Messe 2026',
    });
    await page.getByTestId('erase-lead').click();
    await page.getByTestId('confirm').click();
    await page.waitForURL(/\/leads$/);
    expect((await fetch(`${product.stack.url}/crm/leads/${leads[0]?.id}`)).status).toBe(404);
  });

  test('has nothing left to undo once all are active', async () => {
    await page.goto(`${product.stack.url}/imports/${importId}`);
    await page.getByTestId('undo-import').click();
    await page.getByTestId('confirm').click();
    await expect
      .poll(async () => (await get<Import>(`/crm/imports/${importId}`)).state, { timeout: 15_000 })
      .toBe('undone');
    expect(await get(`/crm/leads?importId=${importId}`)).toMatchObject({ total: personCount - 1 });
    expect(pageErrors).toEqual([]);
  });

  test('is deleted by an admin, and its people stay', async () => {
    const { total } = await get<{ total: number }>('/crm/leads');
    await page.goto(`${product.stack.url}/imports/${importId}`);
    await page.getByTestId('delete-import').click();
    await page.getByTestId('confirm').click();
    await page.waitForURL(/\/imports$/);
    await expect
      .poll(() => page.locator(`[data-import-id="${importId}"]`).count(), { timeout: 15_000 })
      .toBe(0);
    expect((await fetch(`${product.stack.url}/crm/imports/${importId}`)).status).toBe(404);
    expect(await get('/crm/leads')).toMatchObject({ total });
    expect(pageErrors).toEqual([]);
  });
});
