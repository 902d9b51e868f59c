/**
 * Every page of the app in a real browser: accessible in every state, safe against hostile text in its fields,
 * announced to screen readers, without errors on the console; and the API's page, which loads from no other
 * host.
 */
import { gzipSync } from 'node:zlib';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ImportList } from '../../src/shared/schemas/imports.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

let product: Product;
/** An ended activation with issues, and one that waits for a person. */
let runs: { failing: string; paused: string };
let importId: string;

/** `from` to `to`, both of them. */
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

beforeAll(async () => {
  product = await startProduct({ leadCount: 100, env: { MAIL_BATCH_MAX: '2', MAIL_RATE: '50' } });
  // Mails whose calls are not answered during the tests, so their activations keep running or stay paused.
  const held = new Set(range(21, 80).map((number) => `lead-${String(number)}@example.com`));
  product.proxy.add({
    fault: { kind: 'hang' },
    when: ({ recipients }) => recipients.some((to) => held.has(to)),
  });
  product.proxy.rejectedAddresses.add('lead-1@example.com');
  runs = {
    failing: await product.startSession('An activation with issues', [1, 2, 3]),
    paused: await product.startSession('An activation that waits', range(21, 40)),
  };
  await product.untilRun(runs.paused, ({ activation }) => activation.activated > 0);
  await product.ask(`/crm/activation/${runs.paused}/pause`, {});
  await product.untilRun(runs.paused, ({ state }) => state === 'paused');
  await product.untilRun(runs.failing, ({ state }) => state === 'completed');
  await product.ask('/crm/suppressions', {
    addresses: ['gone@example.com'],
    reason: 'manual',
    note: 'asked us to',
  });
  importId = (await product.ask<ImportList>('/crm/imports')).imports[0]?.importId ?? '';
});
afterAll(() => product.close());

/** The violations that axe reports, by rule and place. */
async function findings(page: Page, rules: readonly string[] | null = null): Promise<string[]> {
  // Legacy: this page alone. The mail's preview is a frame that runs no script, axe's neither.
  const axe = new AxeBuilder({ page }).setLegacyMode();
  const { violations } = await (rules === null ? axe : axe.withRules([...rules])).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}`));
}

describe.each([
  { colorScheme: 'light', other: 'dark', width: 1280, held: range(41, 60) },
  { colorScheme: 'dark', other: 'light', width: 390, held: range(61, 80) },
] as const)('in $colorScheme, $width wide', ({ colorScheme, other, width, held }) => {
  let browser: TestBrowser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await launchBrowser({ colorScheme, width });
    page = await browser.newPage();
    // No colour is in a transition when it is checked.
    await page.emulateMedia({ reducedMotion: 'reduce' });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
  });
  afterAll(() => browser.close());

  /** The faults of the page: its accessibility, in the other colours too, and its width. */
  async function faults(): Promise<string[]> {
    const found = await findings(page);
    await page.emulateMedia({ colorScheme: other });
    const inOther = (await findings(page, ['color-contrast'])).map((fault) => `${other} ${fault}`);
    await page.emulateMedia({ colorScheme });
    const shownWidth = await page.evaluate(() => document.documentElement.scrollWidth);
    return [...found, ...inOther, ...(shownWidth > width ? [`${shownWidth} pixels wide`] : [])];
  }
  async function faultsAt(path: string, ready: string): Promise<string[]> {
    await page.goto(product.stack.url + path);
    await page.locator(ready).first().waitFor();
    return faults();
  }

  test('the leads page has no accessibility faults', async () => {
    expect(await faultsAt('/leads?search=lead%20example.com', 'mark')).toEqual([]);
    expect(await faultsAt('/leads', '[data-testid="lead-row"]')).toEqual([]);
  });

  test('nor has the dialog that starts an activation', async () => {
    // The first new lead is one that the test of the other width has not activated.
    await page
      .locator('[data-testid="lead-row"][data-status="new"]')
      .first()
      .getByTestId('select-lead')
      .check();
    await page.getByTestId('activate').click();
    await page.getByTestId('preview-subject').waitFor();
    expect(await faults()).toEqual([]);
  });

  test('nor has a finished activation in the tracker, or its own page', async () => {
    await page.getByTestId('activate-start').click();
    await page.locator('[data-testid="tracked-session"][data-state="completed"]').waitFor();
    // The table is read again at the end, and is pale until then.
    await page.locator('[aria-busy="true"]').waitFor({ state: 'detached' });
    await expect
      .poll(() =>
        page.locator('table').evaluate((table) => getComputedStyle(table.parentElement ?? table).opacity),
      )
      .toBe('1');
    expect(await faults()).toEqual([]);
    expect(await faultsAt('/activations', '[data-testid="run-row"]')).toEqual([]);
    await page.getByTestId('run-row').first().getByRole('link').first().click();
    await page.getByTestId('run').waitFor();
    await page.getByTestId('event-log').waitFor();
    await page.getByTestId('throughput-plot').locator('canvas').waitFor();
    expect(await faults()).toEqual([]);
  });

  test('nor has a run while it goes on, while it is paused, and with issues', async () => {
    const running = await product.startSession('A run under way', held);
    expect(await faultsAt(`/activations/${running}`, '[data-testid="result-row"]')).toEqual([]);
    expect(await page.getByTestId('run').getAttribute('data-state')).toBe('running');
    expect(await faultsAt(`/activations/${runs.paused}`, '[data-testid="result-row"]')).toEqual([]);
    expect(await page.getByTestId('run').getAttribute('data-state')).toBe('paused');
    expect(await faultsAt(`/activations/${runs.failing}`, '[data-testid="issues"]')).toEqual([]);
  });

  test('nor has any other page', async () => {
    for (const [path, ready] of [
      ['/imports', '[data-testid="import-row"]'],
      [`/imports/${importId}`, '[data-testid="import-leads"]'],
      ['/leads/1', '[data-testid="history-import"]'],
      ['/templates', '[data-testid="template-row"]'],
      ['/templates/welcome', '[data-testid="template-check"]'],
      ['/suppressions', '[data-testid="suppression-row"]'],
      ['/audit', '[data-testid="audit-row"]'],
      ['/settings', '[data-testid="sender-check"]'],
    ] as const) {
      expect(await faultsAt(path, ready), path).toEqual([]);
    }
  });

  test('nor has a page while it loads', async () => {
    await page.route('**/crm/**', () => undefined);
    for (const path of ['/leads', `/activations/${runs.failing}`, '/templates/welcome', '/settings']) {
      await page.goto(product.stack.url + path);
      await page.getByLabel('Loading').first().waitFor();
      expect(await findings(page), path).toEqual([]);
    }
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  });

  test('nor has a page with an error, or one without results', async () => {
    for (const path of [
      '/nowhere',
      '/activations/activation_1704123456789_a7bc3d2f1',
      '/leads?search=nobodyhere',
    ]) {
      expect(await faultsAt(path, 'h1, h2'), path).toEqual([]);
    }
    // The browser itself logs that a call was answered 404.
    complaints.splice(0, complaints.length, ...complaints.filter((text) => !/status of 404/.test(text)));
  });

  test('every page is reached by the navigation, and none logs an error', async () => {
    const more = page.getByTestId('more-navigation');
    for (const name of [
      'Leads',
      'Imports',
      'Activations',
      'Templates',
      'Suppressions',
      'Audit',
      'Settings',
    ]) {
      const link = page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true });
      if (width < 640 && !(await link.isVisible())) {
        await more.press('Enter');
        expect(await findings(page), 'the sheet').toEqual([]);
      }
      await link.press('Enter');
      await page.getByRole('heading', { level: 1, name }).waitFor();
      await expect.poll(() => page.locator('#more-navigation:popover-open').count()).toBe(0);
    }
    expect(complaints).toEqual([]);
  });
});

describe('what hostile people write into fields', () => {
  const inHandler = '<img src=x onerror="window.owned=1">';
  const inTag = '"><svg onload=window.owned=1><script>window.owned=1</script>';
  const inLink = 'javascript:window.owned=1';
  let browser: TestBrowser;
  let page: Page;
  const dialogs: string[] = [];

  /** Scripts that ran or were blocked, and elements that were made from text. */
  async function signs(): Promise<string[]> {
    return page.evaluate(() => {
      const { owned, stopped } = window as unknown as { owned?: unknown; stopped: string[] };
      const made = document.querySelectorAll('[onerror], [onload], img[src="x"], a[href^="javascript:"]');
      return [
        ...(owned === undefined ? [] : ['a script ran']),
        ...stopped,
        ...[...made].map((element) => element.outerHTML),
      ];
    });
  }
  async function signsAt(path: string, ready: string): Promise<string[]> {
    await page.goto(product.stack.url + path);
    await page.locator(ready).first().waitFor();
    return signs();
  }

  beforeAll(async () => {
    browser = await launchBrowser();
    page = await browser.newPage();
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    await page.addInitScript(() => {
      const stopped: string[] = [];
      Object.assign(window, { stopped });
      document.addEventListener('securitypolicyviolation', (event) => {
        stopped.push(`${event.violatedDirective} ${event.sourceFile}`);
      });
    });
  });
  afterAll(() => browser.close());

  test('runs no script and becomes no element, from the imported file to the mail', async () => {
    await page.goto(`${product.stack.url}/imports`);
    const cells = ['xss@example.com', inHandler, inTag, inLink, inHandler, inTag];
    const header = ['Email', 'First name', 'Last name', 'Company', 'Source', `Notes ${inTag}`, inHandler];
    const row = (values: string[]): string =>
      values.map((value) => `"${value.replaceAll('"', '""')}"`).join(',');
    await page.getByTestId('import-file').setInputFiles({
      name: `${inHandler}.csv`,
      mimeType: 'text/csv',
      buffer: Buffer.from(`${row(header)}\n${row([...cells, inLink])}\n`),
    });
    await page.getByTestId('import-check').waitFor();
    expect(await signs(), 'the meaning of columns').toEqual([]);
    await page.getByTestId('import-consent').fill(inTag);
    await page.getByTestId('import-check').click();
    await page.locator('[data-testid="check-step"][data-done="true"]').waitFor();
    expect(await signs(), 'the check').toEqual([]);
    await page.getByTestId('import-start').click();
    await page.locator('[data-testid="current-import"][data-phase="done"]').waitFor();
    expect(await signs(), 'the import').toEqual([]);

    const { leads } = await product.ask<{ leads: { id: number }[] }>('/crm/leads?search=xss');
    const leadId = leads[0]?.id ?? 0;
    const { id: templateId } = await product.ask<{ id: string }>('/crm/templates', {
      name: `${inHandler} template`,
      description: inTag,
      subject: `${inTag} {{ firstName }}`,
      html: `<p>Hello {{ firstName }}</p><a href="${inLink}">link</a>${inHandler}${inTag}`,
      text: inTag,
    });
    await product.ask('/crm/views', { name: inHandler, query: '?search=xss' });
    await product.ask('/crm/suppressions', {
      addresses: ['held@example.com'],
      reason: 'manual',
      note: inHandler,
    });

    // An activation with all of these texts, started as a person does.
    expect(await signsAt('/leads?search=xss', '[data-testid="lead-row"]'), 'leads').toEqual([]);
    await page.getByTestId('saved-view').waitFor();
    expect(await signs(), 'views').toEqual([]);
    await page.getByTestId('select-page').check();
    await page.getByTestId('activate').click();
    await page.getByTestId('activate-name').fill(`${inHandler} ${inTag}`);
    await page.getByTestId(`template-${templateId}`).check();
    await page.getByTestId('preview-subject').filter({ hasText: 'svg' }).waitFor();
    expect(await signs(), 'the dialog').toEqual([]);
    await page.getByTestId('activate-start').click();
    await page.locator('[data-testid="tracked-session"][data-state="completed"]').waitFor();
    await page.getByTestId('toast').waitFor();
    expect(await signs(), 'the tracker').toEqual([]);

    const ended = page.locator('[data-testid="tracked-session"][data-state="completed"]');
    const sessionId = (await ended.getAttribute('data-session-id')) ?? '';
    for (const [path, ready] of [
      [`/leads/${leadId}`, '[data-testid="history-activation"]'],
      ['/activations', '[data-testid="run-row"]'],
      [`/activations/${sessionId}`, '[data-testid="result-row"]'],
      ['/imports', '[data-testid="import-row"]'],
      ['/templates', '[data-testid="template-row"]'],
      [`/templates/${templateId}?version=1`, '[data-testid="mail-frame"]'],
      ['/suppressions', '[data-testid="suppression-row"]'],
      ['/audit', '[data-testid="audit-row"]'],
    ] as const) {
      expect(await signsAt(path, ready), path).toEqual([]);
    }
    expect(dialogs).toEqual([]);
  });

  test('gets no rights in the frame that shows a mail', async () => {
    const { templates } = await product.ask<{ templates: { id: string; name: string }[] }>('/crm/templates');
    const hostile = templates.find(({ name }) => name.startsWith(inHandler))?.id ?? '';
    const said: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    await page.goto(`${product.stack.url}/templates/${hostile}`);
    const frame = page.getByTestId('mail-frame');
    await frame.contentFrame().getByText('Hello').waitFor();
    // The mail contains the hostile parts, as its author wanted. The frame stops them.
    expect(await frame.getAttribute('srcdoc')).toContain('window.owned=1');
    expect(await frame.getAttribute('sandbox')).toBe('');
    await expect.poll(() => said.some((text) => /Blocked script execution/.test(text))).toBe(true);
    await frame.contentFrame().getByText('link').click();
    expect(await signs()).toEqual([]);
    expect(dialogs).toEqual([]);
  });
});

describe('who does not look', () => {
  test('hears every quarter and the end of two simultaneous activations, and gets a notification of each', async () => {
    const browser = await launchBrowser();
    const letGo = product.proxy.hold();
    try {
      await browser.context.grantPermissions(['notifications'], { origin: product.stack.url });
      const page = await browser.newPage();
      await page.addInitScript(() => {
        const shown: { title: string; body: string; note: Notification }[] = [];
        const heard: string[] = [];
        let hidden = false;
        // The browser's own notification, with a record of it.
        class Observed extends Notification {
          constructor(title: string, options: NotificationOptions = {}) {
            super(title, options);
            shown.push({ title, body: options.body ?? '', note: this });
          }
        }
        Object.defineProperty(window, 'Notification', { value: Observed });
        // A tab under test control always counts as visible.
        Object.defineProperty(document, 'visibilityState', { get: () => (hidden ? 'hidden' : 'visible') });
        Object.assign(window, {
          shown,
          heard,
          hide: () => {
            hidden = true;
            document.dispatchEvent(new Event('visibilitychange'));
          },
        });
        // What assistive technology announces: only what is added to a live region.
        new MutationObserver((changes) => {
          for (const node of changes.flatMap(({ addedNodes }) => [...addedNodes])) {
            const region = node.parentElement?.closest('[role="log"][aria-live="polite"]');
            if (region) heard.push(node.textContent ?? '');
          }
        }).observe(document, { childList: true, subtree: true });
      });
      const heard = (): Promise<string[]> =>
        page.evaluate(() => (window as unknown as { heard: string[] }).heard);
      await page.goto(`${product.stack.url}/leads?status=new&limit=25&sort=-id`);
      for (const [index, name] of ['First', 'Second'].entries()) {
        await page.locator('[data-testid="lead-row"][data-status="new"]').first().waitFor();
        const row = page.locator('[data-testid="lead-row"][data-status="new"]').nth(index);
        await row.getByTestId('select-lead').check();
        await page.getByTestId('activate').click();
        await page.getByTestId('activate-name').fill(name);
        await page.getByTestId('preview-subject').waitFor();
        await page.getByTestId('activate-start').click();
        await page.getByTestId('tracked-session').filter({ hasText: name }).waitFor();
      }
      await page.getByTestId('notify').click();
      // The browser is asked first.
      await page.locator('[data-testid=notify][aria-pressed=true]').waitFor();
      await page.evaluate(() => (window as unknown as { hide: () => void }).hide());
      letGo();
      const notes = (): Promise<string[]> =>
        page.evaluate(() =>
          (window as unknown as { shown: { title: string; body: string }[] }).shown.map(
            ({ title, body }) => `${title}: ${body}`,
          ),
        );
      await expect
        .poll(async () => (await notes()).sort(), { timeout: 30_000 })
        .toEqual(['First is complete: 1 email sent', 'Second is complete: 1 email sent']);
      for (const name of ['First', 'Second']) {
        // Each sentence once. The last one has all quarters that a single mail crosses.
        const heardOf = async (): Promise<string[]> =>
          (await heard()).filter((text) => text.startsWith(`${name}:`));
        await expect
          .poll(async () => (await heardOf()).at(-1))
          .toMatch(/25%, 50%, 75%,? and 100% done, Completed$/);
        const sentences = await heardOf();
        expect(sentences.at(0)).toContain('0% done');
        expect(new Set(sentences).size).toBe(sentences.length);
      }
      await page.evaluate(() => {
        const { shown } = window as unknown as { shown: { note: Notification }[] };
        shown[0]?.note.dispatchEvent(new Event('click'));
      });
      await page.waitForURL('**/activations/activation_*');
    } finally {
      letGo();
      await browser.close();
    }
  });
});

describe('who has no mouse, and wants no motion', () => {
  test('chooses a lead, looks at the dialog, leaves it, comes back to where they were, and starts', async () => {
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      await page.emulateMedia({ reducedMotion: 'reduce' });
      /** Presses Tab until the element has the focus, as a person with a screen reader does. */
      const tabTo = async (testId: string): Promise<void> => {
        for (let presses = 0; presses < 200; presses += 1) {
          await page.keyboard.press('Tab');
          const focused = await page.evaluate(() => document.activeElement?.getAttribute('data-testid'));
          if (focused === testId) return;
        }
        throw new Error(`${testId} is out of the keyboard's reach`);
      };
      const focusedTestId = (): Promise<string | null | undefined> =>
        page.evaluate(() => document.activeElement?.getAttribute('data-testid'));
      await page.goto(`${product.stack.url}/leads?status=new&sort=id&limit=25`);
      await page.getByTestId('lead-row').first().waitFor();
      await tabTo('select-lead');
      await page.keyboard.press('Space');
      await expect.poll(() => page.getByTestId('selected-count').getAttribute('data-value')).toBe('1');
      // What can be done with it comes after the list.
      await tabTo('activate');
      await page.keyboard.press('Enter');
      const dialog = page.getByRole('dialog');
      await page.getByTestId('preview-subject').waitFor();
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
      await expect.poll(focusedTestId).toBe('activate');
      await page.keyboard.press('Enter');
      await page.getByTestId('preview-subject').waitFor();
      expect(await focusedTestId()).toBe('activate-name');
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.type('By hand');
      await tabTo('activate-start');
      expect(await dialog.evaluate((element) => element.contains(document.activeElement))).toBe(true);
      await page.keyboard.press('Enter');
      const tracked = page.getByTestId('tracked-session').filter({ hasText: 'By hand' });
      await tracked.and(page.locator('[data-state="completed"]')).waitFor();
      const longestMs = await tracked
        .getByRole('progressbar')
        .locator('div')
        .evaluateAll((bars) =>
          Math.max(
            ...bars.flatMap((bar) => {
              const { transitionDuration, animationDuration } = getComputedStyle(bar);
              return [transitionDuration, animationDuration]
                .flatMap((list) => list.split(','))
                .map((duration) => Number.parseFloat(duration) * 1_000);
            }),
          ),
        );
      expect(longestMs).toBeLessThan(1);
      // A transition of no length ends with the next frame.
      await expect.poll(() => page.evaluate(() => document.getAnimations().length)).toBe(0);
    } finally {
      await browser.close();
    }
  });
});

test('the leads page loads at most 72 kB of JavaScript at first, and no plot', async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const scripts: Promise<number>[] = [];
    page.on('response', (response) => {
      if (!/\.js($|\?)/.test(response.url())) return;
      scripts.push(response.body().then((body) => gzipSync(body, { level: 9 }).byteLength));
    });
    // The tracker is loaded when there is something to track, and earlier tests have left paused activations.
    await page.route('**/crm/activation?mine=*', (route) =>
      route.fulfill({ json: { activations: [], nextCursor: null } }),
    );
    // What is loaded once the page is at rest is not first.
    await page.addInitScript((restMs) => {
      const later = window.setTimeout.bind(window);
      const unlessAtRest = (run: TimerHandler, ms?: number, ...rest: unknown[]): number =>
        ms === restMs ? 0 : later(run, ms, ...rest);
      Object.assign(window, { setTimeout: unlessAtRest });
    }, 2_500);
    await page.goto(`${product.stack.url}/leads`);
    await page.getByTestId('lead-row').first().waitFor();
    await page.waitForLoadState('networkidle');
    const sizes = await Promise.all(scripts);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(sizes.length).toBeGreaterThan(3);
    expect(bytes, `${bytes} bytes`).toBeLessThanOrEqual(72_000);
  } finally {
    await browser.close();
  }
});

test('the API page shows every call, and makes no request to another host', async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const hosts = new Set<string>();
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(`${product.stack.url}/docs`);
    await page.locator('.opblock').first().waitFor();
    const response = await fetch(`${product.stack.url}/openapi.json`);
    const { paths } = (await response.json()) as { paths: Record<string, Record<string, unknown>> };
    const callCount = Object.values(paths).flatMap((path) => Object.keys(path)).length;
    expect(await page.locator('.opblock').count()).toBe(callCount);
    expect([...hosts]).toEqual([new URL(product.stack.url).host]);
    // Its colours, nested buttons, order of parts and list of servers come from Swagger UI; the page around it is ours.
    const theirs = /^(color-contrast|nested-interactive|heading-order|region|select-name):/;
    expect((await findings(page)).filter((fault) => !theirs.test(fault))).toEqual([]);
  } finally {
    await browser.close();
  }
});

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  test('the unsubscribe pages have no accessibility faults', async () => {
    const { mails } = await readMailbox(product.standIn.url);
    const mail = mails.find(({ to }) => to[0] === 'lead-2@example.com');
    const link = /<(http[^>]+)>/.exec(mail?.headers['List-Unsubscribe'] ?? '')?.[1] ?? '';
    const browser = await launchBrowser({ colorScheme, width: 390 });
    try {
      const page = await browser.newPage();
      await page.goto(link);
      const button = page.getByRole('button', { name: 'Unsubscribe' });
      await button.waitFor();
      expect(await findings(page), 'the question').toEqual([]);
      await button.press('Enter');
      await page.getByRole('heading', { name: 'You are unsubscribed' }).waitFor();
      expect(await findings(page), 'the end').toEqual([]);
      await page.goto(`${product.stack.url}/unsubscribe/damaged`);
      await page.getByRole('heading', { name: 'This link does not work' }).waitFor();
      expect(await findings(page), 'a damaged link').toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
