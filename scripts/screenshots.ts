/**
 * `npm run screenshots`: takes the pictures of docs/images from the running app.
 *
 * Starts the product in a folder of its own with sample leads, at a pace that can be caught in the middle. `--all DIR` takes every page in both colours and widths into another folder.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { launchBrowser } from '../test/support/browser.ts';
import { projectRoot } from './lib/local-state.ts';
import { UserError, runToEnd } from './lib/processes.ts';
import { startStack } from './lib/stack.ts';
import { buildWebIfChanged } from './lib/web-build.ts';

/** The pictures that README.md shows; `--all` takes the others too. */
const published = new Set(['run-light', 'run-dark', 'dialog-light', 'run-phone-light']);

const { values } = parseArgs({ options: { all: { type: 'string' } } });
const folder = values.all === undefined ? join(projectRoot, 'docs/images') : resolve(values.all);
mkdirSync(folder, { recursive: true });

type Look = 'light' | 'dark';
type Device = 'desk' | 'phone';

/** WebP of a PNG, made by the browser that is there anyway: a quarter of the bytes. */
async function toWebp(page: Page, png: Buffer): Promise<Buffer> {
  const blank = await page.context().newPage();
  const dataUrl: string = await blank.evaluate(`(async () => {
    const image = new Image();
    image.src = 'data:image/png;base64,${png.toString('base64')}';
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext('2d').drawImage(image, 0, 0);
    return canvas.toDataURL('image/webp', 0.9);
  })()`);
  await blank.close();
  return Buffer.from(dataUrl.slice(dataUrl.indexOf(',') + 1), 'base64');
}

/** Takes one picture when the page has come to rest. */
async function picture(page: Page, name: string): Promise<void> {
  if (values.all === undefined && !published.has(name)) return;
  await page.evaluate('document.fonts.ready.then(() => undefined)');
  const png = await page.screenshot({ animations: 'disabled', caret: 'hide' });
  writeFileSync(join(folder, `${name}.webp`), await toWebp(page, png));
  console.log(`${name}.webp`);
}

async function waitForShare(page: Page, share: number): Promise<void> {
  const read = async (id: string): Promise<number> =>
    Number(await page.getByTestId(id).first().getAttribute('data-value'));
  while ((await read('count-processed')) < share * (await read('count-total')))
    await page.waitForTimeout(100);
}

/** Every page in one colour and width, with a run of all sample leads under way. */
async function takePictures(url: string, look: Look, device: Device): Promise<void> {
  const size = device === 'desk' ? { width: 1280, height: 800 } : { width: 390, height: 844 };
  const name = (what: string): string => `${what}${device === 'desk' ? '' : '-phone'}-${look}`;
  const browser = await launchBrowser({ ...size, colorScheme: look, scale: device === 'desk' ? 1.5 : 2 });
  try {
    const page = await browser.newPage();
    // Latin names come first in this order; machines that take pictures seldom have fonts for the others.
    await page.goto(`${url}/leads?sort=lastName`);
    await page.getByTestId('lead-row').first().waitFor();
    await picture(page, name('leads'));
    await page.getByTestId('select-page').check();
    await page.getByTestId('select-all-matching').click();
    await page.getByTestId('activate').click();
    await page.getByTestId('activate-name').fill('November sign-ups');
    await page.getByTestId('preview-subject').waitFor();
    await picture(page, name('dialog'));
    await page.getByTestId('activate-start').click();
    await page.getByTestId('tracked-session').waitFor();
    await waitForShare(page, 0.4);
    await page.mouse.move(0, 0);
    await picture(page, name('run'));
    if (values.all === undefined) return;
    await page.goto(`${url}/activity`);
    await page.getByTestId('run-row').first().waitFor();
    await picture(page, name('activity'));
    await page.getByTestId('run-row').first().getByRole('link').first().click();
    await page.getByTestId('run').waitFor();
    await waitForShare(page, 1);
    await picture(page, name('results'));
  } finally {
    await browser.close();
  }
}

/** A product of its own with fresh sample leads, for one colour and width. */
async function takeFromFreshProduct(look: Look, device: Device): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), 'lead-activation-pictures-'));
  const seeded = await runToEnd(process.execPath, ['scripts/seed.ts'], {
    ...process.env,
    STATE_DIR: stateDir,
  });
  if (seeded.code !== 0) throw new UserError(seeded.output);
  // 3,000 leads in 150 calls, 10 a second: long enough to be caught in the middle.
  const env = { MAIL_BATCH_MAX: '20', MAIL_RATE: '10' };
  const stack = await startStack({ stateDir, mail: 'stand-in', env });
  try {
    await takePictures(stack.url, look, device);
  } finally {
    await stack.stop();
    rmSync(stateDir, { recursive: true });
  }
}

await buildWebIfChanged(() => console.log('Building the web app …'));
for (const device of ['desk', 'phone'] as const) {
  for (const look of ['light', 'dark'] as const) {
    if (values.all !== undefined || device === 'desk' || look === 'light')
      await takeFromFreshProduct(look, device);
  }
}
