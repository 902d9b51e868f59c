/**
 * `npm run screenshots`: makes the pictures in docs/images from the running app.
 *
 * Starts the product in its own folder with sample leads, slow enough to show an activation half done.
 * `--all DIR` makes pictures of every page in both colours and widths, in another folder.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import type { LeadPage } from '../src/shared/schemas/leads.ts';
import { launchBrowser } from '../test/support/browser.ts';
import { startFaultProxy } from '../test/support/fault-proxy.ts';
import { projectRoot } from './lib/local-state.ts';
import { UserError, runToEnd } from './lib/processes.ts';
import { localPerson, startStack } from './lib/stack.ts';
import { startStandInMail } from './lib/stand-in-mail.ts';
import { buildWebIfChanged } from './lib/web-build.ts';

/** The pictures that README.md shows; `--all` takes the others too. */
const published = new Set([
  'run-light',
  'run-dark',
  'dialog-light',
  'run-phone-light',
  'activations-light',
  'results-light',
  'import-light',
]);

const { values } = parseArgs({ options: { all: { type: 'string' } } });
const folder = values.all === undefined ? join(projectRoot, 'docs/images') : resolve(values.all);
mkdirSync(folder, { recursive: true });

type Look = 'light' | 'dark';
type Device = 'desk' | 'phone';

/** Converts a PNG to WebP with the browser, which needs a quarter of the bytes. */
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

const isWanted = (name: string): boolean => values.all !== undefined || published.has(name);

/** A file as a person would have it, with a custom column. */
const tradeFairCsv = [
  'E-mail;First name;Surname;Company;Plan',
  'ines.albrecht@example.com;Ines;Albrecht;Albrecht Optik;gold',
  'tom.okafor@example.org;Tom;Okafor;Okafor & Sons;silver',
  'mara.lindqvist@example.net;Mara;Lindqvist;Nordljus AB;gold',
  'jean.petit@example.com;Jean;Petit;Petit Frères;',
  '',
].join('\n');

/** Takes one picture when the page has come to rest; `height` makes the window taller for it. */
async function picture(page: Page, name: string, height?: number): Promise<void> {
  if (!isWanted(name)) return;
  const window = page.viewportSize();
  if (window !== null && height !== undefined) await page.setViewportSize({ ...window, height });
  await page.evaluate('document.fonts.ready.then(() => undefined)');
  const png = await page.screenshot({ animations: 'disabled', caret: 'hide' });
  if (window !== null && height !== undefined) await page.setViewportSize(window);
  writeFileSync(join(folder, `${name}.webp`), await toWebp(page, png));
  console.log(`${name}.webp`);
}

async function waitForShare(page: Page, share: number): Promise<void> {
  const read = async (id: string): Promise<number> =>
    Number(await page.getByTestId(id).first().getAttribute('data-value'));
  while ((await read('count-processed')) < share * (await read('count-total')))
    await page.waitForTimeout(100);
}

/** Every page in one colour and width, with an activation of all sample leads under way. */
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
    if (!['activity', 'results', 'import'].some((what) => isWanted(name(what)))) return;
    await page.goto(`${url}/activations`);
    await page.getByTestId('run-row').first().waitFor();
    await picture(page, name('activations'));
    await page.getByTestId('run-row').first().getByRole('link').first().click();
    await page.getByTestId('run').waitFor();
    await page.getByTestId('throughput-plot').locator('canvas').waitFor();
    await picture(page, name('running'), device === 'desk' ? 1_000 : size.height);
    if (isWanted(name('cancel'))) {
      await page.getByTestId('control-cancel').click();
      await page.getByTestId('cancel-dialog').waitFor();
      await picture(page, name('cancel'));
      await page.getByTestId('cancel-close').click();
    }
    await page.locator('[data-testid="run"][data-state="completed"]').waitFor();
    await page.getByTestId('throughput-plot').locator('canvas').waitFor();
    await page.getByTestId('issues').waitFor();
    await page.getByTestId('result-row').first().waitFor();
    // Down to the first leads: issues, plot, timeline and proof are what this page has and no other.
    await picture(page, name('results'), device === 'desk' ? 1_200 : size.height);
    await page.goto(`${url}/imports`);
    await page.getByTestId('import-file').setInputFiles({
      name: 'trade-fair.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from(tradeFairCsv),
    });
    await page.getByTestId('import-preview').waitFor();
    await page.getByTestId('import-consent').fill('Sign-up sheet at the trade fair, 19 November');
    await page.mouse.move(0, 0);
    await picture(page, name('import'));
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
  // 3,000 leads in 150 calls, 10 a second: long enough for a picture in the middle.
  const env = {
    LOCAL_PERSON: localPerson,
    ...{ MAIL_BATCH_MAX: '20', MAIL_RATE: '10' },
    ACTIVATE_UNDO_SECONDS: '0',
    // All sample leads are started without a count to be typed.
    ACTIVATE_CONFIRM_ABOVE: '1000000',
  };
  const standIn = await startStandInMail();
  const proxy = await startFaultProxy({ target: standIn.url, seed: 1 });
  const { inboxUrl } = standIn;
  const stack = await startStack({ stateDir, mail: new URL(proxy.url), inboxUrl, env });
  try {
    // A few mails fail, so that the page shows issues.
    const { leads } = (await (await fetch(`${stack.url}/crm/leads?limit=25`)).json()) as LeadPage;
    for (const { email } of leads.slice(0, 2)) proxy.rejectedAddresses.add(email);
    const addresses = leads.slice(2, 14).map(({ email }) => email);
    await fetch(`${stack.url}/crm/suppressions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ addresses, reason: 'manual', note: 'For the pictures' }),
    });
    await takePictures(stack.url, look, device);
  } finally {
    await stack.stop();
    await proxy.close();
    await standIn.close();
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
