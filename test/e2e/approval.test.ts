/**
 * A second pair of eyes: Mia starts, Bob approves or rejects, each in a browser of their own, signed in through Access.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AccessStandIn, signIn } from '../support/access-stand-in.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

const leadCount = 25;
const wait = { timeout: 15_000 };

let product: Product;
let access: AccessStandIn;
let browsers: TestBrowser[] = [];
let mia: Page;
let bob: Page;
const complaints: string[] = [];

beforeAll(async () => {
  access = await AccessStandIn.start({
    app: () => new URL(product.stack.url),
    people: { 'mia@example.com': { groups: [] }, 'bob@example.com': { groups: [] } },
  });
  product = await startProduct({
    leadCount,
    env: {
      ...access.settings,
      ROLE_OPERATOR: 'mia@example.com',
      ROLE_APPROVER: 'bob@example.com',
      APPROVAL_ABOVE: '10',
      ACTIVATE_UNDO_SECONDS: '0',
    },
  });
  browsers = [await launchBrowser(), await launchBrowser()];
  const pages = await Promise.all(browsers.map((browser) => browser.newPage()));
  [mia, bob] = pages as [Page, Page];
  for (const page of pages) page.on('pageerror', (error) => complaints.push(String(error)));
  await signIn(mia, `${access.url}/leads`, 'mia@example.com');
  await signIn(bob, `${access.url}/leads`, 'bob@example.com');
});
afterAll(async () => {
  for (const browser of browsers) await browser.close();
  await access.close();
  await product.close();
});

const mailCount = async (): Promise<number> => (await readMailbox(product.standIn.url)).mails.length;
const nav = (page: Page) => page.getByRole('navigation', { name: 'Main' }).getByRole('link');

/** Opens the Activate dialog for the first leads on the page, or for all. */
async function openDialog(page: Page, name: string): Promise<void> {
  await page.goto(`${access.url}/leads`);
  await page.getByTestId('lead-row').first().waitFor();
  // Those who are active already get nothing.
  await page.getByTestId('select-page').check();
  await page.getByTestId('activate').click();
  await page.getByTestId('preview-subject').waitFor();
  await page.getByTestId('activate-name').fill(name);
}

/** Asks for an approval, and opens the page of the activation. */
async function askFor(page: Page, name: string): Promise<void> {
  await openDialog(page, name);
  await page.getByTestId('activate-start').click();
  await page.getByText(`${name} waits for approval`).waitFor();
  await page.getByRole('link', { name: 'Show' }).click();
  await page.locator('[data-testid="run"][data-state="awaiting_approval"]').waitFor();
}

/** Opens what waits, by the list. */
async function review(page: Page, name: string): Promise<void> {
  await page.goto(`${access.url}/approvals`);
  await page.getByTestId('approval-row').filter({ hasText: name }).getByRole('link').click();
  await page.getByTestId('approval-review').waitFor();
}

test('the dialog says before the start that a colleague has to approve it', async () => {
  await openDialog(mia, 'Autumn');
  expect(await mia.getByTestId('activate-approval').innerText()).toBe(
    'More than 10 leads: a colleague has to approve this before anything is sent.',
  );
  expect(await mia.getByTestId('activate-start').innerText()).toBe(`Ask to activate ${leadCount} leads`);
  await mia.keyboard.press('Escape');
});

test('who started it sees until when it waits, may withdraw it, and cannot approve it', async () => {
  await askFor(mia, 'Withdrawn');
  await mia.getByTestId('approval-own').waitFor();
  expect(await mia.getByTestId('approval-card').innerText()).toContain('Waiting for approval');
  expect(await mia.getByTestId('control-approve').count()).toBe(0);
  expect(await mia.getByTestId('control-pause').count()).toBe(0);
  expect(await nav(mia).allInnerTexts()).not.toContain('Approvals');
  await mia.getByTestId('control-cancel').click();
  await mia.getByTestId('confirm').click();
  await mia.getByTestId('cancel-dialog').locator('visible=true').first().waitFor();
  await mia.getByTestId('cancel-close').click();
  await mia.locator('[data-testid="run"][data-state="cancelled"]').waitFor();
});

test('an approver finds it by the count in the navigation, and sees plan, five emails and what is new', async () => {
  await askFor(mia, 'Autumn');
  await bob.goto(`${access.url}/leads`);
  await expect.poll(() => bob.getByTestId('nav-waiting').first().innerText(), wait).toBe('1');
  await nav(bob).filter({ hasText: 'Approvals' }).click();
  const row = bob.getByTestId('approval-row');
  expect(await row.innerText()).toContain('by mia@example.com');
  expect(await row.getByTestId('approval-total').innerText()).toBe(`${leadCount} leads`);
  await row.getByRole('link').click();
  await bob.getByTestId('approval-review').waitFor();
  expect(await bob.getByTestId('manifest-facts').first().innerText()).toContain('25 get the email');
  expect(await bob.getByTestId('approval-mail-count').innerText()).toBe('1 of 5');
  const first = await bob.getByTestId('approval-mail-to').innerText();
  await bob.getByRole('button', { name: 'Next email' }).click();
  expect(await bob.getByTestId('approval-mail-to').innerText()).not.toBe(first);
  expect(await bob.getByTestId('approval-last').innerText()).toContain('no earlier activation');
  expect(await mailCount()).toBe(0);
});

test('the approval sends it, and everybody sees by whom', async () => {
  await bob.getByTestId('control-approve').click();
  await bob.getByText('Autumn was approved').waitFor();
  await bob.locator('[data-testid="run"][data-state="completed"]').waitFor();
  await mia.locator('[data-testid="run"][data-state="completed"]').waitFor();
  expect(await mia.getByTestId('approval-card').innerText()).toContain('Approved by bob@example.com');
  await mia.getByTestId('event-log').locator('[data-kind="approved"]').waitFor();
  expect(await mailCount()).toBe(leadCount);
});

test('what has changed since it was asked for cannot be approved; a rejection says why', async () => {
  await addLeads(12);
  await askFor(mia, 'Winter');
  await product.stack.stop();
  await product.restart({ MAIL_FROM: 'After <after@example.com>' });
  await review(bob, 'Winter');
  expect(await bob.getByTestId('approval-changed').innerText()).toContain('The sender is now');
  expect(await bob.getByTestId('control-approve').isDisabled()).toBe(true);
  expect(await bob.getByTestId('approval-last').innerText()).toContain('Autumn');
  await bob.getByTestId('control-reject').click();
  expect(await bob.getByTestId('confirm').isDisabled()).toBe(true);
  await bob.getByTestId('reject-reason').fill('Other sender, please.');
  await bob.getByTestId('confirm').click();
  await bob.getByText('Winter was rejected').waitFor();
  await mia.reload();
  await expect
    .poll(() => mia.getByTestId('approval-card').innerText(), wait)
    .toContain('Rejected by bob@example.com');
  await expect
    .poll(() => mia.getByTestId('approval-reason').innerText(), wait)
    .toContain('Other sender, please.');
  expect(await mailCount()).toBe(leadCount);
  await bob.goto(`${access.url}/approvals`);
  await bob.getByText('Nothing waits for approval').waitFor();
  expect(complaints).toEqual([]);
});

/** New leads, by the API, as Mia. */
async function addLeads(count: number): Promise<void> {
  for (let at = 1; at <= count; at++) {
    const status = await mia.evaluate(
      async (email) =>
        (
          await fetch('/crm/leads', {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ email, firstName: 'New', lastName: 'Lead' }),
          })
        ).status,
      `winter-${String(at)}@example.com`,
    );
    expect(status).toBe(201);
  }
}
