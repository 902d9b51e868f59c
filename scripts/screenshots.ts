/**
 * `npm run screenshots`: makes the pictures in docs/images from the running app.
 *
 * Starts the product in its own folder with sample leads, slow enough to show an activation half done.
 * `--all DIR` makes pictures of more screens in both colours and widths, in another folder. `--sheets DIR` makes one
 * contact sheet for every page and state (full, loading, empty, failing) with its four looks, to look through.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import type { LeadPage } from '../src/shared/schemas/leads.ts';
import { newSessionId } from '../src/shared/session-id.ts';
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

const { values } = parseArgs({ options: { all: { type: 'string' }, sheets: { type: 'string' } } });
const folder = resolve(values.sheets ?? values.all ?? join(projectRoot, 'docs/images'));
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

/** Every page: what its sheets are called, where it is, and what shows that it is complete. */
const everyPage: readonly (readonly [name: string, path: string, ready: string])[] = [
  ['leads', '/leads?sort=lastName', '[data-testid="lead-row"]'],
  ['lead', '/leads/1', '[data-testid="history-import"]'],
  ['activations', '/activations', '[data-testid="run-row"]'],
  ['activation', '/activations/RUN', '[data-testid="result-row"]'],
  ['imports', '/imports', '[data-testid="import-row"]'],
  ['import', '/imports/IMPORT', '[data-testid="import-leads"]'],
  ['templates', '/templates', '[data-testid="template-row"]'],
  ['template', '/templates/welcome', '[data-testid="template-check"]'],
  ['suppressions', '/suppressions', '[data-testid="suppression-row"]'],
  ['audit', '/audit', '[data-testid="audit-row"]'],
  ['settings', '/settings', '[data-testid="sender-check"]'],
  ['start', '/start', 'h1'],
  ['inbox', '/inbox', 'h1'],
  ['not-found', '/nowhere', 'h1'],
];
const states = ['full', 'loading', 'empty', 'failing'] as const;

/** The same answer of the API without anything in its lists. */
function emptied(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, of]) => [
      key,
      key === 'total' ? 0 : key === 'nextCursor' ? null : emptied(of),
    ]),
  );
}

/** Makes the API answer as the state wants. Who is signed in is always known. */
async function bringAbout(page: Page, state: (typeof states)[number]): Promise<void> {
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  if (state === 'full') return;
  await page.route(/\/crm\/(?!settings)/, async (route) => {
    if (state === 'loading') return;
    if (state === 'failing') {
      const problem = { type: 'about:blank', title: 'Error', status: 500, code: 'internal' };
      await route.fulfill({ status: 500, json: problem, contentType: 'application/problem+json' });
      return;
    }
    const answer = await route.fetch().catch(() => null);
    if (answer === null) return;
    const body: unknown = await answer.json().catch(() => null);
    await route.fulfill({ response: answer, json: emptied(body) }).catch(() => undefined);
  });
}

/** An activation that is under way as long as the sheets are made. */
async function startForSheets(url: string): Promise<void> {
  const random = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count));
  const body = {
    sessionId: newSessionId(Date.now(), random),
    audience: { filter: {} },
    templateId: 'welcome',
  };
  const response = await fetch(`${url}/crm/activation`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, name: 'November sign-ups' }),
  });
  if (!response.ok) throw new UserError(await response.text());
}

/** One picture per page and state, with both widths in both colours side by side. */
async function takeSheets(url: string): Promise<void> {
  const ask = async (path: string): Promise<unknown> => (await fetch(`${url}/crm/${path}`)).json();
  const { imports } = (await ask('imports')) as { imports: { importId: string }[] };
  const { activations } = (await ask('activation')) as { activations: { sessionId: string }[] };
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const sheet = await browser.newPage();
    await sheet.setViewportSize({ width: 1_720, height: 520 });
    for (const state of states) {
      for (const [name, path, ready] of everyPage) {
        const address =
          url +
          path.replace('RUN', activations[0]?.sessionId ?? '').replace('IMPORT', imports[0]?.importId ?? '');
        if (state !== 'full' && ready === 'h1') continue;
        await bringAbout(page, state);
        const images: string[] = [];
        for (const size of [
          { width: 1_280, height: 1_000 },
          { width: 390, height: 1_000 },
        ]) {
          await page.setViewportSize(size);
          // Without transitions, a change of the colours is complete at once.
          await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
          await page.goto(address);
          await page
            .locator(state === 'full' ? ready : 'h1')
            .first()
            .waitFor({ timeout: 10_000 })
            .catch(() => console.log(`${name} ${state}: not complete`));
          await page.waitForTimeout(state === 'full' ? 800 : 2_000);
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
            await page.waitForTimeout(300);
            const png = await page.screenshot({ animations: 'disabled', caret: 'hide' });
            const width = size.width === 390 ? 200 : 640;
            images.push(`<img width="${width}" src="data:image/png;base64,${png.toString('base64')}">`);
          }
        }
        await sheet.setContent(`<body style="margin:8px;background:#888">${images.join(' ')}</body>`);
        writeFileSync(join(folder, `${name}-${state}.png`), await sheet.screenshot({ fullPage: true }));
        console.log(`${name}-${state}.png`);
      }
    }
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
    // The sheets take minutes, and all of them show it under way.
    ...(values.sheets === undefined ? {} : { MAIL_BATCH_MAX: '4', MAIL_RATE: '1' }),
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
    if (values.sheets === undefined) await takePictures(stack.url, look, device);
    else {
      await startForSheets(stack.url);
      await takeSheets(stack.url);
    }
  } finally {
    await stack.stop();
    await proxy.close();
    await standIn.close();
    rmSync(stateDir, { recursive: true });
  }
}

await buildWebIfChanged(() => console.log('Building the web app …'));
if (values.sheets !== undefined) await takeFromFreshProduct('light', 'desk');
else {
  for (const device of ['desk', 'phone'] as const) {
    for (const look of ['light', 'dark'] as const) {
      if (values.all !== undefined || device === 'desk' || look === 'light')
        await takeFromFreshProduct(look, device);
    }
  }
}
