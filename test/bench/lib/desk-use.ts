/**
 * A person's use of the app by script, and how long each interaction took until the next paint.
 *
 * Does not judge: it returns every interaction with its duration, as the browser's Event Timing says. A step that
 * cannot be done is counted and not repeated.
 *
 * @module
 */
import type { Page } from 'playwright-core';

/** The browser reports no event that is shorter; it rounds durations to 8 ms. */
export const shortestReportedMs = 16;

export interface Interaction {
  /** The step of the script in which it happened, such as `type a search`. */
  step: string;
  /** From the input to the paint that shows its effect. */
  ms: number;
}

export interface DeskUse {
  /** All interactions; one below {@link shortestReportedMs} counts as that. */
  interactions: Interaction[];
  /** The same on a page that only changes a text: what browser and machine take by themselves. */
  emptyPageMs: number[];
  roundCount: number;
  skippedSteps: string[];
}

interface Seen {
  interactionCount: number;
  durations: [interactionId: number, ms: number][];
}

declare global {
  interface Window {
    seenEvents: Seen;
  }
  interface Performance {
    readonly interactionCount: number;
  }
}

/** Run in the page before its own scripts. */
function watchEvents(): void {
  window.seenEvents = { interactionCount: 0, durations: [] };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { interactionId, duration } = entry as PerformanceEventTiming & { interactionId: number };
      if (interactionId > 0) window.seenEvents.durations.push([interactionId, duration]);
    }
  }).observe({ type: 'event', durationThreshold: 16, buffered: true } as PerformanceObserverInit);
}

/** The interactions of the page since the last call: the longest event of each, and the short ones by their count. */
async function takeInteractions(page: Page, step: string): Promise<Interaction[]> {
  // The last interaction's entry comes with a paint after it.
  await page.waitForTimeout(150);
  const { count, durations } = await page.evaluate(() => {
    const { interactionCount: before, durations } = window.seenEvents;
    const now = performance.interactionCount;
    window.seenEvents.interactionCount = now;
    window.seenEvents.durations = [];
    return { count: now - before, durations };
  });
  const longest = new Map<number, number>();
  for (const [id, ms] of durations) longest.set(id, Math.max(ms, longest.get(id) ?? 0));
  const shortCount = Math.max(0, count - longest.size);
  return [...longest.values(), ...Array.from({ length: shortCount }, () => shortestReportedMs)].map((ms) => ({
    step,
    ms,
  }));
}

type Step = readonly [name: string, run: (page: Page) => Promise<void>];

const byId = (page: Page, id: string) => page.getByTestId(id).first();
const pause = (page: Page): Promise<void> => page.waitForTimeout(250 + Math.random() * 350);
const link = (page: Page, name: string) =>
  page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true });

/** One page to the next by the navigation, as a step. */
const goTo = (name: string): Step => [
  `go to ${name}`,
  async (page) => {
    await link(page, name).click();
    await page.getByRole('heading', { level: 1, name }).waitFor();
    await pause(page);
  },
];

/** One round of work, about a minute. */
const round: readonly Step[] = [
  [
    'type a search',
    async (page) => {
      await byId(page, 'lead-search').click();
      await page.keyboard.type('name12', { delay: 120 });
      await page.getByTestId('lead-row').first().waitFor();
      await page.waitForTimeout(600);
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.press('Delete');
      await page.waitForTimeout(600);
    },
  ],
  [
    'set and clear a filter',
    async (page) => {
      await byId(page, 'add-filter').click();
      await byId(page, 'pick-filter-source').click();
      await byId(page, 'filter-value').click();
      await pause(page);
      await page.keyboard.press('Escape');
      await pause(page);
      await byId(page, 'remove-filter-source').click();
      await pause(page);
    },
  ],
  [
    'sort',
    async (page) => {
      for (let i = 0; i < 3; i++) {
        await page
          .locator('thead button')
          .nth(i % 2)
          .click();
        await pause(page);
      }
    },
  ],
  [
    'select',
    async (page) => {
      const boxes = page.getByTestId('select-lead');
      await boxes.nth(1).click();
      await boxes.nth(9).click({ modifiers: ['Shift'] });
      await pause(page);
      await boxes.nth(4).click();
      await byId(page, 'select-page').click();
      await pause(page);
    },
  ],
  [
    'open and close the dialog to activate',
    async (page) => {
      await byId(page, 'activate').click();
      await byId(page, 'preview-subject').waitFor();
      await byId(page, 'activate-name').click();
      await page.keyboard.type(' by hand', { delay: 90 });
      await pause(page);
      await page.keyboard.press('Escape');
      await pause(page);
    },
  ],
  [
    'open and close a bulk dialog',
    async (page) => {
      await byId(page, 'bulk-edit').click();
      await byId(page, 'bulk-dialog').waitFor();
      await pause(page);
      await page.keyboard.press('Escape');
      await pause(page);
      await byId(page, 'clear-selection').click();
      await pause(page);
    },
  ],
  [
    'turn pages',
    async (page) => {
      for (let i = 0; i < 3; i++) {
        await byId(page, 'next-page').click();
        await page.waitForTimeout(700);
      }
      await byId(page, 'previous-page').click();
      await pause(page);
    },
  ],
  [
    'use keys in the list',
    async (page) => {
      await byId(page, 'select-lead').focus();
      for (const key of ['j', 'j', 'x', 'j', 'x', 'k', 'x', 'x', 'k', 'x']) {
        await page.keyboard.press(key);
        await page.waitForTimeout(120);
      }
      await pause(page);
      if (await byId(page, 'clear-selection').isVisible()) await byId(page, 'clear-selection').click();
    },
  ],
  [
    'expand the tracker, pause and resume',
    async (page) => {
      await byId(page, 'tracker-expand').click();
      await pause(page);
      await byId(page, 'tracker-pause').click();
      await byId(page, 'tracker-resume').waitFor();
      await pause(page);
      await byId(page, 'tracker-resume').click();
      await byId(page, 'tracker-pause').waitFor();
      await byId(page, 'tracker-expand').click();
      await pause(page);
    },
  ],
  [
    'use the palette',
    async (page) => {
      await page.keyboard.press('ControlOrMeta+k');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.type('templ', { delay: 100 });
      await pause(page);
      await page.keyboard.press('Escape');
      await pause(page);
    },
  ],
  goTo('Imports'),
  goTo('Activations'),
  [
    'look at the activation',
    async (page) => {
      await byId(page, 'run-row').getByRole('link').first().click();
      await byId(page, 'run').waitFor();
      await page.waitForTimeout(6_000);
      await page.mouse.wheel(0, 600);
      await pause(page);
      await page.mouse.wheel(0, -600);
    },
  ],
  goTo('Templates'),
  goTo('Suppressions'),
  goTo('Audit'),
  goTo('Settings'),
  [
    'change the colours',
    async (page) => {
      for (let i = 0; i < 2; i++) {
        await page
          .getByRole('button', { name: /theme|dark|light/i })
          .first()
          .click();
        await pause(page);
      }
    },
  ],
  goTo('Leads'),
];

const emptyPage = `<!doctype html><button style="position:fixed;inset:0" onclick="this.textContent=Math.random()">0</button>`;

/** Clicks and keys on a page without any work, in the same browser at the same time. */
async function useEmptyPage(page: Page, url: string): Promise<number[]> {
  await page.route('**/empty', (route) => route.fulfill({ contentType: 'text/html', body: emptyPage }));
  await page.goto(`${url}/empty`);
  const button = page.getByRole('button');
  await button.focus();
  for (let i = 0; i < 5; i++) {
    await button.click();
    await page.waitForTimeout(150);
    await page.keyboard.press('Enter');
    await page.waitForTimeout(150);
  }
  return (await takeInteractions(page, '')).map(({ ms }) => ms);
}

/** Uses the app for `forMs`, at least one round, on a processor slowed by `cpuSlowdown`. */
export async function useDesk(
  page: Page,
  url: string,
  cpuSlowdown: number,
  forMs: number,
  onRound: (round: number) => void,
): Promise<DeskUse> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: cpuSlowdown });
  await page.addInitScript(watchEvents);
  page.setDefaultTimeout(15_000);
  const use: DeskUse = { interactions: [], emptyPageMs: [], roundCount: 0, skippedSteps: [] };
  const endsAt = Date.now() + forMs;
  do {
    onRound(use.roundCount + 1);
    await page.goto(`${url}/leads`);
    await byId(page, 'lead-row').waitFor();
    // The page at rest has loaded what it loads late.
    await page.waitForTimeout(4_000);
    for (const [name, run] of round) {
      try {
        await run(page);
      } catch {
        use.skippedSteps.push(name);
        await page.keyboard.press('Escape');
      }
      use.interactions.push(...(await takeInteractions(page, name)));
      if (use.roundCount > 0 && Date.now() >= endsAt) break;
    }
    use.emptyPageMs.push(...(await useEmptyPage(page, url)));
    use.roundCount += 1;
  } while (Date.now() < endsAt);
  return use;
}
