/**
 * A second pair of eyes: Mia starts, Bob approves or rejects, each in a browser of their own, signed in through Access.
 */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Colleagues, untilState } from '../support/colleagues.ts';

const leadCount = 25;
const wait = { timeout: 15_000 };

let people: Colleagues;
let mia: Page;
let bob: Page;

beforeAll(async () => {
  people = await Colleagues.start({ leadCount });
  ({ mia, bob } = people);
});
afterAll(() => people.close());

const mailCount = async (): Promise<number> => (await people.mailCounts()).length;
const nav = (page: Page) => page.getByRole('navigation', { name: 'Main' }).getByRole('link');

/** Asks for an approval of all leads with a word in their address. */
async function askFor(name: string, search = 'example.com'): Promise<void> {
  await people.openDialog(search, name);
  await people.ask(name);
}

test('the dialog says before the start that a colleague has to approve it', async () => {
  await people.openDialog('example.com', 'Autumn');
  expect(await mia.getByTestId('activate-approval').innerText()).toBe(
    'More than 10 leads: a colleague has to approve this before anything is sent.',
  );
  expect(await mia.getByTestId('activate-start').innerText()).toBe(`Ask to activate ${leadCount} leads`);
  await mia.keyboard.press('Escape');
});

test('who started it sees until when it waits, may withdraw it, and cannot approve it', async () => {
  await askFor('Withdrawn');
  await mia.getByTestId('approval-own').waitFor();
  expect(await mia.getByTestId('approval-card').innerText()).toContain('Waiting for approval');
  expect(await mia.getByTestId('control-approve').count()).toBe(0);
  expect(await mia.getByTestId('control-pause').count()).toBe(0);
  expect(await nav(mia).allInnerTexts()).not.toContain('Approvals');
  await mia.getByTestId('control-cancel').click();
  await mia.getByTestId('confirm').click();
  await mia.getByTestId('cancel-dialog').locator('visible=true').first().waitFor();
  await mia.getByTestId('cancel-close').click();
  await untilState(mia, 'cancelled');
});

test('an approver finds it by the count in the navigation, and sees plan, five emails and what is new', async () => {
  await askFor('Autumn');
  await bob.goto(`${people.url}/leads`);
  await expect.poll(() => bob.getByTestId('nav-waiting').first().innerText(), wait).toBe('1');
  await nav(bob).filter({ hasText: 'Approvals' }).click();
  const row = bob.getByTestId('approval-row');
  expect(await row.innerText()).toContain('by mia@example.com');
  expect(await row.getByTestId('approval-total').innerText()).toBe(`${leadCount} leads`);
  await row.getByRole('link').click();
  await bob.getByTestId('approval-review').waitFor();
  const facts = bob.getByTestId('manifest-facts').first();
  await expect.poll(() => facts.innerText(), wait).toContain('25 get the email');
  await expect.poll(() => bob.getByTestId('approval-mail-count').innerText(), wait).toBe('1 of 5');
  const first = await bob.getByTestId('approval-mail-to').innerText();
  await bob.getByRole('button', { name: 'Next email' }).click();
  await expect.poll(() => bob.getByTestId('approval-mail-to').innerText(), wait).not.toBe(first);
  await expect
    .poll(() => bob.getByTestId('approval-last').innerText(), wait)
    .toContain('no earlier activation');
  expect(await mailCount()).toBe(0);
});

test('the approval sends it, and everybody sees by whom', async () => {
  await people.approve('Autumn');
  // Sooner than it is asked for again.
  await expect.poll(() => bob.getByTestId('nav-waiting').count(), wait).toBe(0);
  await untilState(bob, 'completed');
  await untilState(mia, 'completed');
  expect(await mia.getByTestId('approval-card').innerText()).toContain('Approved by bob@example.com');
  await mia.getByTestId('event-log').locator('[data-kind="approved"]').waitFor();
  expect(await mailCount()).toBe(leadCount);
});

test('what has changed since it was asked for cannot be approved; a rejection says why', async () => {
  await people.addLeads('winter', 12);
  await askFor('Winter', 'winter');
  await people.product.stack.stop();
  await people.product.restart({ MAIL_FROM: 'After <after@example.com>' });
  await people.review('Winter');
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
  await bob.goto(`${people.url}/approvals`);
  await bob.getByText('Nothing waits for approval').waitFor();
  expect(people.complaints).toEqual([]);
});
