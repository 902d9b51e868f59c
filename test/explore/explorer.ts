/**
 * Walks the real app by itself: seeded clicks, typing, keys and navigation in two tabs of one browser, while the
 * server is killed and started again now and then. After each action every property is asked.
 *
 * Invariant: the same seed makes the same choices among the same things on the screen. What is on the screen
 * depends on the server's pace, so a seed repeats a walk and not its every step; the trail tells what was done.
 *
 * @module
 */
import type { BrowserContext, Page } from 'playwright-core';
import { readMailbox } from '../support/mailbox.ts';
import type { Product } from '../support/product.ts';
import { seededRandom } from '../support/random.ts';
import { faultsOf, type Shown, type Violation } from './properties.ts';

export interface ExploreOptions {
  product: Product;
  context: BrowserContext;
  seed: number;
  /** For so long it walks, unless something is found. */
  ms: number;
  /** The server is killed about this often; null: never. */
  killEveryMs: number | null;
  /** Starting activations is left out for this share of the time, in which no email may be sent. */
  quietShare?: number;
}

export interface Exploration {
  violations: Violation[];
  actionCount: number;
  killCount: number;
  startCount: number;
  /** The newest actions, the last one at the end. */
  trail: string[];
}

const paths = [
  ...['/', '/leads', '/leads/1', '/leads?search=lead', '/imports', '/activations', '/templates'],
  ...[
    '/templates/welcome',
    '/templates/new',
    '/suppressions',
    '/audit',
    '/settings',
    '/inbox',
    '/start',
    '/lost',
  ],
];
const keys = ['Escape', 'Enter', 'Tab', '/', '?', 'Control+k', 'g', 'l', 'a', 'i', 't', 's', 'j', 'k', 'x'];
const texts = ['lead', 'example.com', '0', 'a b', '<b>', 'ä', 'nobody@', '{{ firstName }}'];

const clickable =
  'a[href]:not([download], [target="_blank"], [href^="/crm/"], [href^="/docs"], [href^="http"], [href^="mailto:"]), button:not(:disabled), [role="option"], input[type="checkbox"], summary';
const writable = 'input:not([type="checkbox"], [type="file"], [type="radio"]), textarea';
/** These start an activation or send a test: they are what an email needs. */
const sends = '[data-testid="activate-start"], [data-testid="activate-test"], [data-testid="send-test"]';
/** A retry takes failures back, so its numbers fall for a reason; a form for files is the browser's own. */
const avoided = '[data-testid^="control-retry"], [data-testid="retry-issue"], [data-testid="export-person"]';

/** The browser's own words about calls that failed; the app's words about them are on the page. */
const isNetworkNoise = (text: string): boolean => /Failed to load resource|net::ERR_/.test(text);

const trailLength = 25;
const restMs = 120;

/** Walks until the time is over or a property does not hold. */
export async function explore(options: ExploreOptions): Promise<Exploration> {
  const { product, context, seed, ms, killEveryMs, quietShare = 0.4 } = options;
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const result: Exploration = { violations: [], actionCount: 0, killCount: 0, startCount: 0, trail: [] };
  const startedAt = performance.now();
  const elapsed = (): number => performance.now() - startedAt;
  const mailsBefore = (await readMailbox(product.standIn.url)).mails.length;
  let nextKillAt = killEveryMs ?? Number.POSITIVE_INFINITY;

  const tabs: { page: Page; shown: Shown }[] = [];
  for (let tab = 0; tab < 2; tab += 1) {
    const page = await context.newPage();
    page.setDefaultTimeout(5_000);
    page.setDefaultNavigationTimeout(30_000);
    const shown: Shown = new Map();
    const complain = (detail: string): void => {
      if (!isNetworkNoise(detail)) {
        result.violations.push({ property: 'no console errors', detail, url: new URL(page.url()).pathname });
      }
    };
    page.on('console', (message) => {
      if (message.type() === 'error') complain(message.text());
    });
    page.on('pageerror', (error) => complain(String(error)));
    page.on('dialog', (dialog) => void dialog.accept().catch(() => undefined));
    page.on('framenavigated', (frame) => {
      if (frame === page.mainFrame()) shown.clear();
    });
    await page.goto(`${product.stack.url}/leads`);
    tabs.push({ page, shown });
  }

  /** One of the elements that are on the screen and not covered by another. */
  async function reachable(page: Page, selector: string) {
    const isQuiet = elapsed() < quietShare * ms;
    const found = await page.locator(selector).all();
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const element = pick(found);
      if (element === undefined) return null;
      const isFit = await element
        .evaluate(
          (node, [without, skip]) => {
            if (!node.checkVisibility({ visibilityProperty: true })) return false;
            return !node.matches(without) && (skip === null || !node.matches(skip));
          },
          [avoided, isQuiet ? sends : null] as const,
        )
        .catch(() => false);
      if (isFit) return element;
    }
    return null;
  }

  async function act(page: Page): Promise<string> {
    const dice = random();
    if (dice < 0.55) {
      const element = await reachable(page, clickable);
      if (element === null) return 'nothing to click';
      const name = await element.evaluate(
        (node) => node.getAttribute('data-testid') ?? node.textContent.trim().slice(0, 40),
      );
      if (await element.evaluate((node, selector) => node.matches(selector), sends)) result.startCount += 1;
      await element.click({ timeout: 1_500 });
      return `click ${name}`;
    }
    if (dice < 0.68) {
      const element = await reachable(page, writable);
      const text = pick(texts) ?? '';
      await element?.fill(text, { timeout: 1_500 });
      return `write ${text}`;
    }
    if (dice < 0.82) {
      const key = pick(keys) ?? 'Escape';
      await page.keyboard.press(key);
      return `press ${key}`;
    }
    if (dice < 0.92) {
      const path = pick(paths) ?? '/';
      await page.goto(product.stack.url + path, { timeout: 5_000 });
      return `go to ${path}`;
    }
    if (dice < 0.97) {
      await page.goBack({ timeout: 3_000 });
      return 'go back';
    }
    await page.reload({ timeout: 5_000 });
    return 'reload';
  }

  while (elapsed() < ms && result.violations.length === 0) {
    const tab = pick(tabs);
    if (tab === undefined) break;
    if (elapsed() > nextKillAt) {
      nextKillAt = elapsed() + (killEveryMs ?? 0);
      result.killCount += 1;
      result.trail.push('kill the server');
      await product.stack.killHard();
      // A person goes on meanwhile, on the page that they see.
      await tab.page.keyboard.press('Escape');
      await product.restart();
    }
    // What moved away, was covered or went with its page is no fault of the app.
    const did = await act(tab.page).catch((error: unknown) => `(${String(error).split('\n')[0] ?? ''})`);
    result.actionCount += 1;
    result.trail = [...result.trail, `${String(tabs.indexOf(tab))}: ${did}`].slice(-trailLength);
    await tab.page.waitForTimeout(restMs);
    if (/^(?:about|chrome-error):/.test(tab.page.url())) {
      await tab.page.goto(`${product.stack.url}/leads`);
    }
    const faults = await faultsOf(tab.page, tab.shown).catch(() => []);
    result.violations.push(...faults);
    if (result.startCount === 0 && result.actionCount % 5 === 0) {
      const { mails } = await readMailbox(product.standIn.url);
      if (mails.length > mailsBefore) {
        const detail = `${String(mails.length - mailsBefore)} emails, and nobody started anything`;
        result.violations.push({ property: 'no accidental send', detail, url: tab.page.url() });
      }
    }
  }
  for (const { page } of tabs) await page.close();
  return result;
}

/** What was found, for a person. */
export function reportOf({ violations, actionCount, killCount, startCount, trail }: Exploration): string {
  return [
    `${String(actionCount)} actions, ${String(startCount)} starts, ${String(killCount)} kills`,
    ...violations.map(({ property, detail, url }) => `${property}: ${detail} (at ${url})`),
    ...(violations.length === 0 ? [] : ['What was done:', ...trail]),
  ].join('\n');
}
