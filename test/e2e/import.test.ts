/**
 * A file of leads, dropped into the browser: interrupted by a reload, continued, and activated as an import.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeXlsx } from 'hucre/xlsx';
import type { Page, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Import } from '../../src/shared/schemas/imports.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

/** Rows for four chunks. Most rows repeat an address or have none. */
const personCount = 60;
const rowCount = 7_000;

/** Windows code page, semicolons, quoted line ends, two columns of addresses: as in real exports. */
function csv(): Buffer {
  const rows = Array.from({ length: rowCount }, (_, at) => {
    const number = at % 100;
    // They are spread over the whole file, so that every chunk has some of them.
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

  /** Drops the file onto the page, as from a file manager. */
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
    const columns = page.getByTestId('import-preview').locator('li');
    expect(await columns.count()).toBe(5);
    // The columns of addresses come first, whatever their place in the file.
    expect(await columns.first().innerText()).toContain('E-Mail 1');
    expect(await columns.filter({ hasText: 'Vorname' }).innerText()).toContain('Jörg');
    expect(await page.getByTestId('import-file-head').innerText()).toContain('Messe 2026.csv');
    await page.getByText('7,000 rows').waitFor();
    expect(await page.getByTestId('import-used').innerText()).toBe('5 of 5 columns used');
    // Without consent it cannot go on, and the reason is at the field.
    expect(await page.getByTestId('import-check').isDisabled()).toBe(true);
    expect(await page.getByTestId('import-consent-hint').innerText()).toContain(
      'Say how these people agreed',
    );
  });

  test('is checked before a row is written: what becomes leads, what is rejected and why', async () => {
    await page.getByTestId('import-consent').fill('Messe 2026');
    await page.getByTestId('import-check').click();
    await page.locator('[data-testid="check-step"][data-done="true"]').waitFor();
    expect(await page.getByTestId('check-verdict').innerText()).toBe(
      `${personCount} leads will be imported.`,
    );
    expect(await page.getByTestId('import-count-created').getAttribute('data-value')).toBe(
      String(personCount),
    );
    const reasons = await page.getByTestId('check-reasons').innerText();
    expect(reasons).toMatch(/the email cell holds no address/i);
    expect(reasons).toMatch(/the address is in an earlier row/i);
    expect(await get('/crm/leads')).toMatchObject({ total: 0 });
    expect(await get<{ imports: unknown[] }>('/crm/imports')).toMatchObject({ imports: [] });
  });

  test('goes up in chunks, and is interrupted by a reload in the middle', async () => {
    // The third chunk gets no answer: the network is gone.
    const isHeld = new Promise<void>((resolve) => {
      void page.route('**/chunks/2', (route: Route) => {
        resolve();
        return route.abort();
      });
    });
    await page.getByTestId('import-start').click();
    await isHeld;
    await page.getByTestId('import-retrying').waitFor();
    // In rows, and not in chunks.
    expect(await page.getByTestId('import-progress').innerText()).toMatch(/^4,000 of 7,000 rows$/);
    expect(await page.getByTestId('import-row').getAttribute('data-shown-state')).toBe('importing');
    importId = (await page.getByTestId('current-import').getAttribute('data-import-id')) ?? '';
    const half = await get<Import>(`/crm/imports/${importId}`);
    expect(half).toMatchObject({ state: 'open', nextSeq: 2, consentSource: 'Messe 2026' });
    expect(half.counts.created).toBeGreaterThan(0);
    expect(half.counts.created).toBeLessThan(personCount);
    // Another page shows it in a line, and says nothing of it on its own page.
    expect(await page.getByTestId('import-line').count()).toBe(0);
    await page.getByRole('link', { name: 'Templates' }).first().click();
    const line = page.getByTestId('import-line');
    await line.waitFor();
    expect(await line.innerText()).toContain('4,000 of 7,000 rows');
    expect((await line.boundingBox())?.height).toBe(44);
    await line.getByRole('link', { name: 'Show' }).click();
    await page.getByTestId('current-import').waitFor();
    // Leaving asks first: the rest of the file would not be sent.
    const asked: string[] = [];
    page.once('dialog', (dialog) => {
      asked.push(dialog.type());
      void dialog.accept();
    });
    await page.reload();
    expect(asked).toEqual(['beforeunload']);
    // Not sooner: a chunk that the old page repeats reaches the server, and no page sees its answer.
    await page.unroute('**/chunks/2');
    const row = page.getByTestId('import-row');
    await row.waitFor();
    expect(await row.getAttribute('data-state')).toBe('open');
    expect(await page.getByTestId('drop-zone').isVisible()).toBe(true);
  });

  test('continues where it stopped when the same file is chosen again, and repeats no question', async () => {
    expect(sentSeqs).toEqual([0, 1]);
    await page.getByTestId('import-file').setInputFiles(path);
    const current = page.getByTestId('current-import');
    await current.waitFor();
    expect(await current.getAttribute('data-resumed')).toBe('true');
    expect(await current.getAttribute('data-import-id')).toBe(importId);
    await page.locator('[data-testid="current-import"][data-phase="done"]').waitFor();
    expect(sentSeqs).toEqual([0, 1, 2, 3]);
  });

  test('shows the outcome of every row', async () => {
    const done = await get<Import>(`/crm/imports/${importId}`);
    expect(done).toMatchObject({ state: 'done', owner: 'ana@example.com', fileName: 'Messe 2026.csv' });
    const { created, updated, unchanged, duplicate, rejected } = done.counts;
    expect({ created, updated, unchanged }).toEqual({ created: personCount, updated: 0, unchanged: 0 });
    expect(created + duplicate + rejected).toBe(rowCount);
    expect(rejected).toBe(Number(await page.getByTestId('import-count-rejected').getAttribute('data-value')));
    const download = page.waitForEvent('download');
    await page.getByTestId('download-rejected').click();
    expect((await download).suggestedFilename()).toBe('Messe 2026-rejected.csv');
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
    await page.getByTestId('add-filter').click();
    await page.getByTestId('pick-filter-consentSource').click();
    await page.locator('[data-testid="filter-value"][data-value="Messe 2026"]').check();
    await page.waitForURL(/importId=.*consentSource|consentSource=.*importId/);
    await expect
      .poll(() => page.getByTestId('lead-total').innerText(), { timeout: 15_000 })
      .toContain(String(personCount));
    await page.keyboard.press('Escape');
    await page.getByTestId('views-menu').click();
    await page.getByTestId('view-name').fill('The fair');
    await page.getByTestId('save-view').click();
    await page.getByTestId('saved-view').waitFor();
    await page.goto(`${product.stack.url}/leads`);
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
    expect(await page.getByTestId('history-import').innerText()).toContain('Imported from “Messe 2026.csv”');
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

  test('of another kind is refused in words that say what to do', async () => {
    await page.goto(`${product.stack.url}/imports`);
    const choose = (name: string, bytes: readonly number[]) =>
      page
        .getByTestId('import-file')
        .setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes) });
    for (const [name, bytes, words] of [
      ['leads.pdf', [0x25, 0x50, 0x44, 0x46, 0x2d], 'This is a PDF. Export the list'],
      ['leads.xls', [0xd0, 0xcf, 0x11, 0xe0], 'old Excel file (.xls)'],
      ['leads.xlsx', [0xd0, 0xcf, 0x11, 0xe0], 'has a password'],
    ] as const) {
      await choose(name, bytes);
      const fault = page.getByTestId('import-fault');
      await fault.getByText(words).waitFor();
      await page.getByTestId('import-close').click();
    }
  });

  test('from Excel is read, sheet by sheet, with the mapping of the last time', async () => {
    const sheet = (city: string) => [
      ['Vor- und Nachname', 'E-Mail', 'City', 'Einwilligung'],
      ['Zoë Nakamura', 'zoe@excel.example', city, 'fair'],
    ];
    const buffer = Buffer.from(
      await writeXlsx({
        sheets: [
          { name: 'Cover', rows: [] },
          { name: 'People & co', rows: sheet('Łódź') },
        ],
      }),
    );
    const choose = () =>
      page.getByTestId('import-file').setInputFiles({ name: 'people.xlsx', mimeType: '', buffer });
    await choose();
    await page.getByTestId('import-sheet').selectOption('People & co');
    await page.getByTestId('mapping-step').waitFor();
    expect(await page.getByTestId('import-column-2').inputValue()).toBe('custom:city');
    await page.getByTestId('import-column-0').selectOption('fullName');
    await page.getByTestId('import-check').click();
    await page.getByTestId('import-start').click();
    await page.locator('[data-testid="current-import"][data-phase="done"]').waitFor();
    const { leads } = await get<{ leads: object[] }>('/crm/leads?search=zoe@excel.example');
    expect(leads).toMatchObject([{ firstName: 'Zoë', lastName: 'Nakamura', custom: { city: 'Łódź' } }]);
    await page.getByTestId('import-close').click();
    await choose();
    await page.getByTestId('import-sheet').selectOption('People & co');
    await page.getByTestId('import-remembered').waitFor();
    expect(await page.getByTestId('import-column-0').inputValue()).toBe('fullName');
    await page.getByTestId('import-check').click();
    await page.locator('[data-testid="check-step"][data-done="true"]').waitFor();
    expect(await page.getByTestId('import-count-unchanged').getAttribute('data-value')).toBe('1');
    expect(await page.getByTestId('import-count-created').count()).toBe(0);
  });

  test('with ids of another system is imported under its name, and says which ids mean another lead', async () => {
    const choose = async (rows: readonly string[]) => {
      await page.goto(`${product.stack.url}/imports`);
      const buffer = Buffer.from(['Email,External ID,Consent', ...rows, ''].join('\n'));
      await page.getByTestId('import-file').setInputFiles({ name: 'crm.csv', mimeType: 'text/csv', buffer });
      await page.getByTestId('mapping-step').waitFor();
    };
    const check = async () => {
      await page.getByTestId('import-check').click();
      await page.locator('[data-testid="check-step"][data-done="true"]').waitFor();
    };
    await choose(['ida@ids.example,901,fair', 'jon@ids.example,902,fair']);
    expect(await page.getByTestId('import-column-1').inputValue()).toBe('externalId');
    const system = page.getByTestId('import-external-source');
    expect(await page.getByTestId('import-check').isDisabled()).toBe(true);
    await system.fill('Hub Spot');
    await page.getByText('Name the system the external IDs come from').waitFor();
    expect(await page.getByTestId('import-check').isDisabled()).toBe(true);
    await system.fill('hubspot');
    await check();
    await page.getByTestId('import-start').click();
    await page.locator('[data-testid="current-import"][data-phase="done"]').waitFor();
    const { leads } = await get<{ leads: object[] }>('/crm/leads?externalSource=hubspot&externalId=901');
    expect(leads).toMatchObject([{ email: 'ida@ids.example', externalId: { source: 'hubspot', id: '901' } }]);

    await choose(['ida@new.example,901,fair', 'jon@ids.example,902,fair', 'kim@ids.example,903,fair']);
    // Its name is remembered with the columns, so that the same export is matched the same way.
    expect(await system.inputValue()).toBe('hubspot');
    await check();
    expect(await page.getByTestId('check-verdict').innerText()).toBe('2 leads will be imported.');
    const reasons = await page.getByTestId('check-reasons').innerText();
    expect(reasons).toMatch(/the external id belongs to a lead with another address/i);
    expect(reasons).toContain('Line 2');
    expect(await page.getByTestId('import-count-rejected').getAttribute('data-value')).toBe('1');
    await page.getByTestId('import-start').click();
    await page.locator('[data-testid="current-import"][data-phase="done"]').waitFor();
    expect(await page.getByTestId('import-count-created').getAttribute('data-value')).toBe('1');
    expect(await page.getByTestId('import-count-unchanged').getAttribute('data-value')).toBe('1');
    expect(await page.getByTestId('import-count-rejected').getAttribute('data-value')).toBe('1');
    expect(pageErrors).toEqual([]);
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
