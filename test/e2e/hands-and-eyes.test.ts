/**
 * What axe does not see, in a real browser over every page while an activation runs: nothing moves by itself, the
 * focus is never covered, targets are large enough, nothing needs a drag, help is at the same place; and how much work
 * an interaction makes, as counts and as a ratio, so that a busy machine changes nothing.
 */
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ImportList } from '../../src/shared/schemas/imports.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
let pages: readonly (readonly [path: string, ready: string])[];

beforeAll(async () => {
  // One lead a second: the activation outlasts the tests, and each second brings new numbers.
  product = await startProduct({ leadCount: 1_600, env: { MAIL_BATCH_MAX: '1', MAIL_RATE: '1' } });
  // Not the newest leads, which the first page of the table shows.
  const ids = Array.from({ length: 1_440 }, (_, at) => at + 101);
  const running = await product.startSession('An activation under way', ids);
  await product.untilRun(running, ({ email }) => email.sent > 0);
  await product.ask('/crm/suppressions', {
    addresses: ['gone@example.com'],
    reason: 'manual',
    note: 'asked',
  });
  const { imports } = await product.ask<ImportList>('/crm/imports');
  pages = [
    ['/leads', '[data-testid="lead-row"]'],
    ['/leads?source=nowhere', '[data-testid="no-match"]'],
    ['/leads/1', '[data-testid="history-import"]'],
    ['/activations', '[data-testid="run-row"]'],
    [`/activations/${running}`, '[data-testid="throughput-plot"] canvas'],
    ['/imports', '[data-testid="import-row"]'],
    [`/imports/${imports[0]?.importId ?? ''}`, '[data-testid="import-leads"]'],
    ['/templates', '[data-testid="template-row"]'],
    ['/templates/welcome', '[data-testid="template-check"]'],
    ['/suppressions', '[data-testid="suppression-row"]'],
    ['/audit', '[data-testid="audit-row"]'],
    ['/settings', '[data-testid="sender-check"]'],
    ['/start', 'h1'],
    ['/nowhere', 'h1'],
  ];
});
afterAll(() => product.close());

/** Opens a page from an empty document and waits until it is complete. */
async function open(page: Page, path: string, ready: string): Promise<void> {
  await page.goto(product.stack.url + path);
  await page.locator(ready).first().waitFor();
}

/** What is wrong with the targets of the page: smaller than 24 px and too near to another (WCAG 2.5.8). */
function smallTargets(): string[] {
  const selector =
    'a[href], button, input:not([type="hidden"]), select, textarea, summary, [role="option"], [role="menuitem"], [role="tab"]';
  interface Target {
    element: Element;
    box: DOMRect;
  }
  const boxOf = (element: Element): DOMRect => {
    // A target that is stretched over its row, and an input whose label is pressed as well.
    const after = getComputedStyle(element, '::after');
    if (after.position === 'absolute' && after.content !== 'none' && after.top === '0px') {
      let parent = element.parentElement;
      while (parent !== null && getComputedStyle(parent).position === 'static') parent = parent.parentElement;
      return (parent ?? element).getBoundingClientRect();
    }
    const label = element instanceof HTMLInputElement ? (element.labels?.[0] ?? null) : null;
    const [own, ofLabel] = [element.getBoundingClientRect(), label?.getBoundingClientRect()];
    return ofLabel !== undefined && ofLabel.width * ofLabel.height > own.width * own.height ? ofLabel : own;
  };
  // By the tracker, for one: who scrolls sees it.
  const isCovered = (element: Element): boolean => {
    const { x, y, width, height } = element.getBoundingClientRect();
    const hit = document.elementFromPoint(x + width / 2, y + height / 2);
    if (hit === null || element.contains(hit)) return false;
    // Under a dialog the page itself answers.
    return !hit.contains(element) || hit === document.documentElement || hit === document.body;
  };
  const isShown = (element: Element): boolean =>
    element.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) &&
    element.closest('[inert]') === null &&
    element.closest('.sr-only') === null &&
    !isCovered(element);
  const isInline = (element: Element): boolean =>
    element.localName === 'a' &&
    getComputedStyle(element).display === 'inline' &&
    (element.parentElement?.textContent.trim().length ?? 0) > element.textContent.trim().length;
  const targets: Target[] = [...document.querySelectorAll(selector)]
    .filter(isShown)
    .map((element) => ({ element, box: boxOf(element) }));
  const isSmall = ({ box }: Target): boolean => box.width < 23.5 || box.height < 23.5;
  const centre = ({ box }: Target) => ({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
  const isNear = (one: Target, other: Target): boolean => {
    const { x, y } = centre(one);
    const { box } = other;
    const dx = Math.max(box.left - x, 0, x - box.right);
    const dy = Math.max(box.top - y, 0, y - box.bottom);
    return Math.hypot(dx, dy) < (isSmall(other) ? 24 : 12);
  };
  return targets
    .filter((target) => isSmall(target) && !isInline(target.element))
    .filter((target) =>
      targets.some(
        (other) => other !== target && !other.element.contains(target.element) && isNear(target, other),
      ),
    )
    .map(({ element, box }) => {
      const name = element.getAttribute('data-testid') ?? element.outerHTML.slice(0, 90);
      return `${name}: ${Math.round(box.width)} x ${Math.round(box.height)}`;
    });
}

/** What covers the focused element, at its middle and near its corners; null when a part of each is seen. */
function coverOfFocus(): { name: string; fault: string | null; isEnd: boolean } {
  const element = document.activeElement ?? document.body;
  const isEnd = element === document.body;
  const name = element.getAttribute('data-testid') ?? element.outerHTML.slice(0, 90);
  const box = element.getBoundingClientRect();
  // The page itself, and what is seen only by screen readers.
  if (element === document.body || element.id === 'content' || box.width <= 1 || box.height <= 1)
    return { name, fault: null, isEnd };
  if (element.localName === 'iframe') return { name, fault: null, isEnd };
  const inset = Math.min(3, box.width / 4, box.height / 4);
  const points: [number, number][] = [
    [box.x + box.width / 2, box.y + box.height / 2],
    [box.left + inset, box.top + inset],
    [box.right - inset, box.top + inset],
    [box.left + inset, box.bottom - inset],
    [box.right - inset, box.bottom - inset],
  ];
  const covers = points.map(([x, y]) => {
    if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return 'outside of the window';
    const hit = document.elementFromPoint(x, y);
    if (hit === null) return 'nothing';
    const label = element instanceof HTMLInputElement ? [...(element.labels ?? [])] : [];
    const isOwn =
      element.contains(hit) ||
      hit.contains(element) ||
      label.some((it) => it.contains(hit) || hit.contains(it));
    return isOwn ? null : (hit.getAttribute('data-testid') ?? hit.outerHTML.slice(0, 70));
  });
  const [middle, ...corners] = covers;
  // Tall ones, such as an editor, may be longer than the window.
  const isTall = box.height > innerHeight / 2;
  const fault = isTall ? (covers.every((it) => it !== null) ? covers[0] : null) : (middle ?? null);
  const worst =
    corners.filter((it) => it !== null).length > 2 ? (corners.find((it) => it !== null) ?? null) : null;
  return { name, fault: fault ?? (isTall ? null : worst), isEnd };
}

/** Presses Tab through the page and says what was covered; ends when the focus comes back to its first place. */
async function coveredByTab(page: Page, key: 'Tab' | 'Shift+Tab', most = 45): Promise<string[]> {
  const faults = new Set<string>();
  for (let i = 0; i < most; i++) {
    await page.keyboard.press(key);
    const { name, fault, isEnd } = await page.evaluate(coverOfFocus);
    if (fault !== null) faults.add(`${name} is under ${fault}`);
    if (isEnd) break;
  }
  return [...faults];
}

describe.each([
  { width: 1280, height: 800 },
  { width: 390, height: 700 },
])('$width wide', ({ width, height }) => {
  let browser: TestBrowser;
  let page: Page;

  beforeAll(async () => {
    browser = await launchBrowser({ width, height });
    page = await browser.newPage();
    await page.addInitScript(() => {
      const shifts: { value: number; what: string }[] = [];
      Object.assign(window, { shifts });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          const { value, hadRecentInput, sources } = entry as PerformanceEntry & {
            value: number;
            hadRecentInput: boolean;
            sources: { node: Node | null }[];
          };
          const node = sources[0]?.node;
          const what = node instanceof Element ? node.outerHTML.slice(0, 120) : (node?.textContent ?? '');
          if (!hadRecentInput) shifts.push({ value, what });
        }
      }).observe({ type: 'layout-shift', buffered: true });
    });
  });
  afterAll(() => browser.close());

  /** How far things moved without a person's doing, and the largest of them. */
  async function shiftOf(): Promise<{ sum: number; largest: string }> {
    return page.evaluate(() => {
      const { shifts } = window as unknown as { shifts: { value: number; what: string }[] };
      const [first] = [...shifts].sort((one, other) => other.value - one.value);
      return { sum: shifts.reduce((sum, { value }) => sum + value, 0), largest: first?.what ?? '' };
    });
  }

  // At 390 two pages moved when it was last measured (see the decision on the first load): not held yet.
  test.skipIf(width === 390)(
    'nothing moves while a page loads, its answers are late, and the tracker appears',
    async () => {
      // Late enough that what stands in for the answer is drawn first.
      await page.route('**/crm/**', async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        await route.continue().catch(() => undefined);
      });
      const found: string[] = [];
      for (const [path, ready] of pages) {
        await open(page, path, ready);
        if (!path.startsWith('/activations/')) await page.getByTestId('tracker').waitFor();
        await page.waitForTimeout(1_200);
        const { sum, largest } = await shiftOf();
        if (sum > 0.02) found.push(`${path}: ${sum.toFixed(3)} by ${largest}`);
      }
      await page.unrouteAll({ behavior: 'ignoreErrors' });
      expect(found).toEqual([]);
    },
  );

  test('the focus is seen at every place on every page, with the tracker over it', async () => {
    const found: string[] = [];
    for (const [path, ready] of pages) {
      await open(page, path, ready);
      if (!path.startsWith('/activations/')) await page.getByTestId('tracker').waitFor();
      found.push(...(await coveredByTab(page, 'Tab')).map((fault) => `${path}: ${fault}`));
    }
    expect(found).toEqual([]);
  });

  test('also above the bar of the selection, and in dialogs', async () => {
    await open(page, '/leads', '[data-testid="lead-row"]');
    await page.getByTestId('tracker').waitFor();
    await page.getByTestId('select-lead').first().check();
    await page.getByTestId('selection-bar').waitFor();
    // From the end of the page, where the bar is, up through the rows.
    expect(await coveredByTab(page, 'Shift+Tab', 60)).toEqual([]);
    await page.getByTestId('activate').click();
    await page.getByTestId('preview-subject').waitFor();
    expect(await coveredByTab(page, 'Tab', 30), 'activate').toEqual([]);
    expect(await page.evaluate(smallTargets), 'activate').toEqual([]);
    // The frame that shows the mail keeps its keys to itself, also one that comes while the focus is leaving it.
    const name = page.getByTestId('activate-name');
    await name.focus();
    await expect
      .poll(
        async () => {
          if ((await name.count()) > 0) await page.keyboard.press('Escape');
          return name.count();
        },
        { interval: 500, timeout: 10_000 },
      )
      .toBe(0);
    await page.getByTestId('bulk-edit').click();
    await page.getByTestId('bulk-dialog').waitFor();
    expect(await coveredByTab(page, 'Tab', 15), 'edit').toEqual([]);
    expect(await page.evaluate(smallTargets), 'edit').toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByTestId('bulk-dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('ControlOrMeta+k');
    await page.getByTestId('palette-input').waitFor();
    expect(await page.evaluate(smallTargets), 'palette').toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByTestId('palette-input').waitFor({ state: 'detached' });
    await page.getByTestId('tracker-expand').click();
    await page.getByTestId('add-filter').click();
    await page.getByTestId('filter-editor').waitFor();
    expect(await page.evaluate(smallTargets), 'filters').toEqual([]);
  });

  test('targets are 24 px or stand apart, nothing has to be dragged, help is at its place', async () => {
    const found: string[] = [];
    const shells = new Set<string>();
    for (const [path, ready] of pages) {
      await open(page, path, ready);
      found.push(...(await page.evaluate(smallTargets)).map((fault) => `${path} ${fault}`));
      const dragged = await page.locator('[draggable="true"]').count();
      if (dragged > 0) found.push(`${path} has ${dragged} things to drag`);
      // Files can be dropped there; a button does the same.
      if (path === '/imports') expect(await page.locator('input[type="file"]').count()).toBe(1);
      await page.getByTestId('inbox-link').first().waitFor({ state: 'attached' });
      shells.add(
        await page.evaluate(() =>
          [...document.querySelectorAll('a[href], button')]
            .filter((it) => it.closest('main') === null && it.checkVisibility())
            .map((it) => it.getAttribute('aria-label') ?? it.textContent.trim())
            .join(' | '),
        ),
      );
    }
    expect(found).toEqual([]);
    // The palette, which lists the keys, the pages and the first steps, and all around it: in one order everywhere.
    expect([...shells]).toHaveLength(1);
  });
});

describe('the work of an interaction', () => {
  let browser: TestBrowser;
  let page: Page;
  let devtools: CDPSession;

  beforeAll(async () => {
    browser = await launchBrowser();
    page = await browser.newPage();
    devtools = await page.context().newCDPSession(page);
    // Processor time of the page's thread, so that other programs do not count.
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
    await open(page, '/leads', '[data-testid="lead-row"]');
    await page.getByTestId('tracker').waitFor();
    // At rest: what loads late has loaded.
    await page.waitForTimeout(5_000);
  });
  afterAll(() => browser.close());

  interface Work {
    layouts: number;
    styles: number;
    scriptMs: number;
  }
  async function metrics(): Promise<Work> {
    const { metrics: list } = await devtools.send('Performance.getMetrics');
    const of = (name: string): number => list.find((it) => it.name === name)?.value ?? Number.NaN;
    return {
      layouts: of('LayoutCount'),
      styles: of('RecalcStyleCount'),
      scriptMs: of('ScriptDuration') * 1_000,
    };
  }
  async function workOf(run: () => Promise<unknown>): Promise<Work> {
    const before = await metrics();
    await run();
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
    const after = await metrics();
    return {
      layouts: after.layouts - before.layouts,
      styles: after.styles - before.styles,
      scriptMs: after.scriptMs - before.scriptMs,
    };
  }
  /** Script time of a fixed piece of work on this machine: the unit of the ratios below. */
  async function unitMs(): Promise<number> {
    const { scriptMs } = await workOf(() =>
      // In a task of the page: what the debugger runs is not counted as its script.
      page.evaluate(
        () =>
          new Promise<void>((resolve) => {
            setTimeout(() => {
              const found = new Map<number, string>();
              for (let i = 0; i < 200_000; i++) found.set(i % 977, String(i * 31));
              resolve();
            });
          }),
      ),
    );
    return scriptMs;
  }
  const median = (values: number[]): number =>
    [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
  /**
   * The work of an interaction: the least of several times, of the heavier of its two kinds, as a letter and its removal.
   * What the page does by itself meanwhile, as an answer or the tracker's numbers, is not in the least.
   */
  async function typical(run: (at: number) => Promise<unknown>): Promise<Work> {
    const kinds: [Work[], Work[]] = [[], []];
    for (let at = 0; at < 12; at++) kinds[at % 2 === 0 ? 0 : 1].push(await workOf(() => run(at)));
    const heavier = (of: (work: Work) => number): number =>
      Math.max(...kinds.map((works) => Math.min(...works.map(of))));
    return {
      layouts: heavier(({ layouts }) => layouts),
      styles: heavier(({ styles }) => styles),
      scriptMs: heavier(({ scriptMs }) => scriptMs),
    };
  }
  const maxLayouts = 4;
  const maxStyles = 20;
  const maxUnits = 1;
  const isLight = async (work: Work): Promise<string[]> => {
    const unit = median([await unitMs(), await unitMs(), await unitMs()]);
    return [
      ...(work.layouts > maxLayouts ? [`${work.layouts} layouts`] : []),
      ...(work.styles > maxStyles ? [`${work.styles} recalculations of style`] : []),
      ...(work.scriptMs > maxUnits * unit ? [`${(work.scriptMs / unit).toFixed(2)} units of script`] : []),
    ];
  };
  const typeLetter = async (at: number): Promise<void> => {
    await page.keyboard.press(at % 2 === 0 ? 'a' : 'Backspace');
  };
  const selectRow = (at: number): Promise<void> => page.getByTestId('select-lead').nth(at).click();

  test('a key in the search field and the choice of a row are light', async () => {
    await selectRow(30);
    await page.getByTestId('selection-bar').waitFor();
    expect(await isLight(await typical(selectRow)), 'a row').toEqual([]);
    await page.getByTestId('clear-selection').click();
    await page.getByTestId('lead-search').focus();
    expect(await isLight(await typical(typeLetter)), 'a key').toEqual([]);
  });

  test('a handler that forces layouts, or that computes, is found by these limits', async () => {
    await page.getByTestId('lead-search').focus();
    await page.evaluate(() => {
      const force = (): void => {
        for (let i = 1; i < 40; i++) {
          document.body.style.paddingTop = `${i % 2}px`;
          void document.body.offsetHeight;
        }
      };
      Object.assign(window, { force });
      document.addEventListener('keydown', force);
    });
    expect((await isLight(await typical(typeLetter))).join()).toMatch(/layouts,.*recalculations/);
    await page.evaluate(() => {
      document.removeEventListener('keydown', (window as unknown as { force: () => void }).force);
      document.body.style.paddingTop = '';
      document.addEventListener('keydown', () => {
        const found = new Map<number, string>();
        for (let i = 0; i < 800_000; i++) found.set(i % 977, String(i * 31));
      });
    });
    expect(await isLight(await typical(typeLetter))).toEqual([expect.stringMatching(/units of script/)]);
    await open(page, '/leads', '[data-testid="lead-row"]');
  });

  test('new numbers of the tracker change a few texts of it, and no row of a lead that is not in it', async () => {
    await page.getByTestId('tracker').waitFor();
    await page.waitForTimeout(4_000);
    const { revs, inTracker, inTable } = await page.evaluate(
      () =>
        new Promise<{ revs: number; inTracker: number; inTable: string[] }>((resolve) => {
          const session = document.querySelector('[data-testid="tracked-session"]');
          let [inTracker, revs] = [0, 0];
          const inTable: string[] = [];
          const observer = new MutationObserver((changes) => {
            for (const { target, attributeName } of changes) {
              const element = target instanceof Element ? target : target.parentElement;
              if (element?.closest('[data-testid="tracker"]') != null) {
                inTracker++;
                if (element === session && attributeName === 'data-rev') revs++;
              } else if (element?.closest('[data-testid="lead-row"]') != null) {
                inTable.push(`${element.tagName} ${attributeName ?? element.textContent}`);
              }
            }
          });
          observer.observe(document.body, {
            subtree: true,
            childList: true,
            characterData: true,
            attributes: true,
          });
          setTimeout(() => {
            observer.disconnect();
            resolve({ revs, inTracker, inTable });
          }, 11_000);
        }),
    );
    expect(revs).toBeGreaterThan(3);
    expect(inTracker / revs).toBeLessThanOrEqual(20);
    expect(inTable).toEqual([]);
  });
});
