/**
 * Mail in a real browser: the built-in mails in both widths and colours, the template editor with its preview
 * (which runs no script and loads nothing), suppressions, and the settings.
 */
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { compileTemplate } from '../../src/mail/templates/render.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import { fullContext, recipientOf } from '../support/mail-fixtures.ts';
import { type Product, startProduct } from '../support/product.ts';
import { readMailbox } from '../support/mailbox.ts';

/** A mail to a person with very long names that cannot be wrapped. */
function worstMail(id: string): string {
  const template = builtinTemplates.find((found) => found.id === id);
  const compiled = template === undefined ? null : compileTemplate(template);
  if (compiled?.kind !== 'compiled') throw new Error(`no template ${id}`);
  const long = 'Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen';
  const mail = compiled.render(
    recipientOf({ company: long, email: `${long.toLowerCase()}@lead.test` }),
    fullContext,
  );
  if (mail.kind === 'refused') throw new Error(mail.message);
  return mail.html;
}

/** The smallest visible font size. */
function smallestFontPx(page: Page): Promise<number> {
  return page.evaluate(() => {
    const written = [...document.body.querySelectorAll('*')].filter(
      (element) =>
        element.checkVisibility() &&
        [...element.childNodes].some(
          ({ nodeType, textContent }) => nodeType === 3 && textContent?.trim() !== '',
        ),
    );
    return Math.min(...written.map((element) => Number.parseFloat(getComputedStyle(element).fontSize)));
  });
}

/** Left, top, width and height of the parts of the frame. */
function boxes(page: Page): Promise<Record<string, number[]>> {
  return page.evaluate(() => {
    const parts = {
      card: '.card',
      brand: '.brand div',
      title: '.title h1',
      paragraph: '.ink p',
      button: '.button a',
      point: '.rail',
      foot: '.foot p',
    };
    return Object.fromEntries(
      Object.entries(parts).map(([name, selector]) => {
        const { x, y, width, height } =
          document.querySelector(selector)?.getBoundingClientRect() ?? new DOMRect();
        return [name, [x, y, width, height]];
      }),
    );
  });
}

/** Colours of a screenshot, as #rrggbb, at points by name. */
async function coloursAt(
  page: Page,
  points: Readonly<Record<string, readonly [x: number, y: number]>>,
): Promise<Record<string, string>> {
  const picture = (await page.screenshot({ fullPage: true })).toString('base64');
  return page.evaluate(
    async ({ picture, points }) => {
      const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
      canvas?.drawImage(bitmap, 0, 0);
      const hex = (value: number): string => value.toString(16).padStart(2, '0');
      return Object.fromEntries(
        Object.entries(points).map(([name, [x, y]]) => {
          const [red = 0, green = 0, blue = 0] = canvas?.getImageData(x, y, 1, 1).data ?? [];
          return [name, `#${hex(red)}${hex(green)}${hex(blue)}`];
        }),
      );
    },
    { picture, points },
  );
}

const drawnBoxes = {
  600: {
    card: [0, 32, 600, 606],
    brand: [45, 73, 510, 20],
    title: [45, 115, 510, 36],
    paragraph: [45, 173, 510, 25],
    button: [45, 265, 60, 48],
    point: [45, 343, 510, 50],
    foot: [22, 660, 556, 63],
  },
  // Narrow layout: edge to edge, a smaller heading, the button as wide as the text.
  320: {
    card: [0, 0, 320, 577],
    brand: [23, 29, 274, 20],
    title: [23, 71, 274, 31],
    paragraph: [23, 124, 274, 25],
    button: [23, 216, 274, 48],
    point: [23, 294, 274, 50],
    foot: [22, 599, 276, 63],
  },
} as const;

const drawnPoints = {
  600: { page: [5, 10], card: [300, 50], border: [300, 32], button: [75, 289], rail: [46, 368] },
  320: { page: [5, 590], card: [160, 15], border: [160, 0], button: [160, 240], rail: [24, 319] },
} as const;

const drawnColours = {
  light: { page: '#f3f5f9', card: '#fdfdfe', border: '#e2e7f0', button: '#3d55c4', rail: '#c9d3f5' },
  dark: { page: '#10141c', card: '#1a2030', border: '#2b3448', button: '#3d55c4', rail: '#40508f' },
} as const;

describe.each([
  { width: 600, colorScheme: 'light' },
  { width: 600, colorScheme: 'dark' },
  { width: 320, colorScheme: 'light' },
  { width: 320, colorScheme: 'dark' },
] as const)('the built-in mails, $width px wide in $colorScheme', ({ width, colorScheme }) => {
  let browser: TestBrowser;
  let page: Page;

  beforeAll(async () => {
    browser = await launchBrowser({ width, height: 800, colorScheme });
    page = await browser.newPage();
  });
  afterAll(() => browser.close());

  test.each(builtinTemplates.map(({ id }) => id))(
    '%s: fits, is readable, and its button can be pressed',
    async (id) => {
      await page.setContent(worstMail(id));
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      const button = await page.getByRole('link').first().boundingBox();
      // WCAG 2.5.5: 44 by 44 CSS pixels.
      expect(button?.height).toBeGreaterThanOrEqual(44);
      expect(button?.width).toBeGreaterThanOrEqual(44);
      const { violations } = await new AxeBuilder({ page })
        .withRules(['color-contrast', 'link-name'])
        .analyze();
      expect(violations.flatMap(({ nodes }) => nodes.map(({ failureSummary }) => failureSummary))).toEqual(
        [],
      );
      expect(await smallestFontPx(page)).toBeGreaterThanOrEqual(14);
    },
  );

  test('are framed as drawn, to the pixel', async () => {
    await page.setContent(worstMail('welcome'));
    // Line breaks and smoothing depend on the fonts of a machine. With words of no width the picture has only the
    // frame, which is the same everywhere.
    await page.evaluate(() => {
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
        if (node.textContent?.trim() !== '') node.textContent = '\u200b';
      }
    });
    expect(await boxes(page)).toEqual(drawnBoxes[width]);
    expect(await coloursAt(page, drawnPoints[width])).toEqual(drawnColours[colorScheme]);
  });
});

const webhookSecret = 'whsec_ZTJlLXdlYmhvb2stc2VjcmV0';

describe('in the app', () => {
  let product: Product;
  let browser: TestBrowser;
  let page: Page;
  /** Requests that did not go to the app itself. */
  const foreignRequests: string[] = [];
  const complaints: string[] = [];
  const dialogs: string[] = [];

  beforeAll(async () => {
    product = await startProduct({ leadCount: 5, env: { RESEND_WEBHOOK_SECRET: webhookSecret } });
    browser = await launchBrowser({ width: 1280 });
    page = await browser.newPage();
    page.on('request', (request) => {
      if (!request.url().startsWith(product.stack.url) && request.url().startsWith('http'))
        foreignRequests.push(request.url());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.type());
      void dialog.accept();
    });
  });
  afterAll(async () => {
    await browser.close();
    await product.close();
  });

  const findings = async (): Promise<string[]> => {
    const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}`));
  };

  test('a built-in template is copied, changed with a live preview, and saved in versions', async () => {
    await page.goto(`${product.stack.url}/templates/welcome`);
    await page.getByTestId('copy-template').click();
    // A copy has a note of its own.
    await expect.poll(() => page.getByTestId('template-description').inputValue()).toBe('');
    await page.getByTestId('template-name').fill('Spring offer');
    const subject = page.getByTestId('template-subject');
    await subject.fill('Hello {{ firstNam }}');
    await page.getByTestId('template-fault').waitFor();
    expect(await page.getByTestId('template-fault').innerText()).toBe(
      '{{ firstNam }} is not a field. Did you mean firstName?',
    );
    // Once, and at the field.
    expect(await page.getByText('firstNam }}').count()).toBe(1);
    expect(await subject.getAttribute('aria-invalid')).toBe('true');
    expect(await subject.getAttribute('aria-describedby')).toBe('template-fault');
    await page.getByTestId('save-template').click();
    expect(await subject.evaluate((field) => field === document.activeElement)).toBe(true);
    await subject.fill('Hello ');
    await page.locator('[data-field="company"]').click();
    expect(await subject.inputValue()).toBe('Hello {{ company }}');
    await subject.fill('Hello {{ firstName }}');
    await page.getByTestId('template-fault').waitFor({ state: 'detached' });
    await page.getByTestId('template-preheader').fill('A word before');
    expect(await page.getByTestId('template-html').inputValue()).toContain('>A word before</div>');
    await page.getByTestId('preview-lead').selectOption({ index: 1 });
    await page.getByText(/^Subject: Hello First\d$/).waitFor();
    await page.getByTestId('save-template').click();
    await page.waitForURL(/\/templates\/spring-offer\?version=1$/);
    await page.getByText('Version 1, by').waitFor();
    expect(await findings()).toEqual([]);
  });

  test('its preview runs no script and makes no request', async () => {
    const hostile =
      '<img src="https://tracker.test/a.png"><script>parent.document.title = "owned"</script>' +
      '<style>@import "https://tracker.test/b.css"; p { background: url(https://tracker.test/c.png) }</style>' +
      '<iframe src="https://tracker.test/d"></iframe><p onclick="1">Hi {{ firstName }}</p>';
    await page.getByTestId('template-html').fill(hostile);
    const frame = page.frameLocator('[data-testid="mail-frame"]');
    await frame.getByText(/^Hi First/).waitFor();
    expect(await page.title()).not.toContain('owned');
    expect(foreignRequests).toEqual([]);
  });

  test('unsaved work is kept: leaving asks, and the next visit offers it', async () => {
    await page.getByTestId('template-html').fill('<p>Half a thought {{ firstName }}</p>');
    await page.getByTestId('template-unsaved').waitFor();
    await page.reload();
    expect(dialogs).toEqual(['beforeunload']);
    const draft = page.getByTestId('template-draft');
    await draft.waitFor();
    expect(await findings()).toEqual([]);
    await page.getByTestId('restore-draft').click();
    expect(await page.getByTestId('template-html').inputValue()).toContain('Half a thought');
    // Another page of the app: nothing is asked, and it is kept too.
    await page.getByRole('link', { name: 'Suppressions' }).first().click();
    await page.getByText('Unsaved changes are kept in this browser').waitFor();
    await page.waitForURL('**/suppressions');
    // The address changes before the page does; who goes back in between never left the editor.
    await page.getByRole('heading', { level: 1, name: 'Suppressions' }).waitFor();
    await page.goBack();
    await draft.waitFor();
    await page.getByTestId('discard-draft').click();
    await draft.waitFor({ state: 'detached' });
    await page.reload();
    await page.getByTestId('template-check').waitFor();
    expect(await draft.count()).toBe(0);
    expect(dialogs).toHaveLength(1);
  });

  test('a template without an unsubscribe link or postal address causes a warning in the editor and in the start dialog', async () => {
    const spring = `${product.stack.url}/templates/spring-offer`;
    await page.goto(spring);
    await page.getByTestId('template-check').waitFor();
    expect(await page.getByTestId('footer-missing').count()).toBe(0);
    await page.getByTestId('template-html').fill('<p>Hi {{ firstName }}</p>{{ postalAddress }}');
    await page.getByTestId('footer-missing').getByText('link to unsubscribe').waitFor();
    expect(await page.getByTestId('footer-missing').innerText()).not.toContain('postal address');
    expect(await findings()).toEqual([]);
    await page.getByTestId('save-template').click();
    await page.waitForURL(/\?version=2$/);

    await page.goto(`${product.stack.url}/leads`);
    await page.getByTestId('select-page').check();
    await page.getByTestId('activate').click();
    await page.getByTestId('preview-subject').waitFor();
    expect(await page.getByTestId('activate-footer-missing').count()).toBe(0);
    await page.getByTestId('template-spring-offer').check();
    await page.getByTestId('activate-footer-missing').getByText('link to unsubscribe').waitFor();
    expect(await findings()).toEqual([]);
    await page.getByTestId('template-welcome').check();
    await page.getByTestId('activate-footer-missing').waitFor({ state: 'detached' });
    await page.keyboard.press('Escape');
    await page.goto(spring);
    await page.getByTestId('template-check').waitFor();
  });

  test('a preview is for any lead that a person can find, and a check for an import or a saved view', async () => {
    const view = { name: 'The fourth', query: '?search=lead-4' };
    await product.ask('/crm/views', view);
    await page.reload();
    const lead = page.getByTestId('preview-lead');
    await page.getByTestId('preview-search').fill('lead-4');
    await expect.poll(() => lead.locator('option').allInnerTexts()).toEqual(['Sample lead', 'First4 Last4']);
    await lead.selectOption('First4 Last4');
    await page.getByText('Subject: Hello First4').waitFor();
    // The chosen lead stays chosen during the next search.
    await page.getByTestId('preview-search').fill('lead-5');
    await lead.getByText('First5').waitFor({ state: 'attached' });
    expect(await lead.evaluate((select: HTMLSelectElement) => select.selectedOptions[0]?.text)).toBe(
      'First4 Last4',
    );
    const check = page.getByTestId('template-check');
    await page.getByTestId('check-audience').selectOption('leads.csv');
    await check.getByText('5 leads would get it').waitFor();
    await page.getByTestId('check-audience').selectOption('The fourth');
    await check.getByText('1 lead would get it').waitFor();
    expect(await findings()).toEqual([]);
  });

  test('a test mail goes to the person who asks', async () => {
    await page.getByTestId('send-test').click();
    await page.getByText('Test sent to ana@example.com').waitFor();
    const { mails } = await readMailbox(product.standIn.url);
    expect(mails.map(({ to, subject }) => [to[0], subject])).toEqual([
      ['ana@example.com', expect.stringMatching(/^\[Test\] Hello First\d$/)],
    ]);
  });

  test('a custom field is added to a lead, offered by the editor and printed by a template', async () => {
    await page.goto(`${product.stack.url}/leads/2`);
    await page.getByTestId('add-custom').click();
    const row = page.getByTestId('custom-row');
    await row.getByLabel('Name', { exact: true }).fill('plan');
    await row.getByLabel('Value of plan').fill('gold <b>');
    await page.getByTestId('save-lead').click();
    await page.getByText('Saved', { exact: true }).waitFor();
    expect(await findings()).toEqual([]);
    await page.goto(`${product.stack.url}/templates/new`);
    await page.getByTestId('template-subject').fill('Your ');
    await page.locator('[data-field="custom.plan"]').click();
    await page.keyboard.type(' plan');
    expect(await page.getByTestId('template-subject').inputValue()).toBe('Your {{ custom.plan }} plan');
    await page.getByTestId('preview-lead').selectOption('2');
    await page.getByText('Subject: Your gold <b> plan').waitFor();
    await page.getByText(/^\d+ leads have no plan\.$/).waitFor();
  });

  test('addresses are suppressed, found, and allowed again for a reason', async () => {
    await page.goto(`${product.stack.url}/suppressions`);
    await page.getByTestId('open-suppression-add').click();
    const field = page.getByTestId('suppression-addresses');
    await field.fill('Name,Email\nA,lead-1@example.com\nB,other@example.com\nnobody at all');
    await page.getByTestId('suppression-add').click();
    await page.getByTestId('suppression-row').nth(1).waitFor({ state: 'attached' });
    await page.getByTestId('suppression-result').waitFor();
    expect(await page.getByTestId('suppression-result').innerText()).toMatch(
      /2 added[^]*1 line is not an address: nobody at all/,
    );
    expect(await field.inputValue()).toBe('nobody at all');
    expect(await findings()).toEqual([]);
    await page.keyboard.press('Escape');
    expect(await page.getByTestId('suppression-row').allInnerTexts()).toEqual(
      expect.arrayContaining([expect.stringContaining('First1 Last1')]),
    );
    expect(await findings()).toEqual([]);
    await page.getByTestId('suppression-search').fill('LEAD-1@example.com');
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByTestId('suppression-row').and(page.locator(':only-child')).waitFor();
    await page.getByRole('button', { name: 'Allow again: lead-1@example.com' }).click();
    await page.getByLabel('Why may this address be emailed again?').fill('asked us to');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.getByText('The address may be emailed again').waitFor();
    await page.getByTestId('suppression-row').and(page.locator(':only-child')).waitFor();
    expect(await page.getByTestId('suppression-row').innerText()).toContain('other@example.com');
  });

  test('a signed event of the provider shows in an activation, and a link in its mail unsubscribes with one click', async () => {
    const sessionId = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
    const post = (path: string, body: string, headers: Record<string, string> = {}) =>
      fetch(`${product.stack.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body,
      });
    const start = { sessionId, audience: { leadIds: [3] }, templateId: 'welcome' };
    expect((await post('/crm/activation', JSON.stringify(start))).status).toBe(201);
    const link = await vi.waitUntil(
      async () => {
        const { mails } = await readMailbox(product.standIn.url);
        const mail = mails.find(({ to }) => to[0] === 'lead-3@example.com');
        return /<(http[^>]+)>/.exec(mail?.headers['List-Unsubscribe'] ?? '')?.[1];
      },
      { timeout: 20_000, interval: 100 },
    );

    const event = JSON.stringify({
      type: 'email.delivered',
      data: { to: ['lead-3@example.com'], tags: { session: sessionId, batch: '1', lead: '3' } },
    });
    const at = new Date();
    const signed = {
      'svix-id': 'msg_1',
      'svix-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'svix-signature': new Webhook(webhookSecret).sign('msg_1', at, event),
    };
    expect((await post('/webhooks/resend', event, signed)).status).toBe(200);
    await page.goto(`${product.stack.url}/templates`);
    const used = page.getByTestId('template-row').filter({ hasText: 'Your account is ready' });
    await used.getByTestId('template-last-used').waitFor();
    await used.locator('[data-ready="true"]').waitFor();
    await page.getByTestId('template-search').fill('spring');
    await expect.poll(() => page.getByTestId('template-row').count()).toBe(1);
    expect(await findings()).toEqual([]);
    const progress = await fetch(`${product.stack.url}/crm/activation/progress/${sessionId}`);
    expect(await progress.json()).toMatchObject({ email: { delivered: 1 } });

    await page.goto(link);
    await page.getByRole('button', { name: 'Unsubscribe' }).click();
    await page.getByRole('heading', { name: 'You are unsubscribed' }).waitFor();
    await page.goto(`${product.stack.url}/suppressions`);
    await page.getByTestId('suppression-row').filter({ hasText: 'lead-3@example.com' }).waitFor();
  });

  test('the settings say that no real email is sent, and nothing complained', async () => {
    await page.goto(`${product.stack.url}/settings`);
    await page.getByTestId('sender-verdict').waitFor();
    expect(await page.getByTestId('sender-verdict').innerText()).toContain(
      'Test mode: no real email is sent',
    );
    expect(await page.getByTestId('data-location').innerText()).toContain('Not restricted to a region');
    expect(await findings()).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
