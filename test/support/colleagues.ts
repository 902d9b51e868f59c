/**
 * Mia, who starts activations, and Bob, who approves them: the product behind Access, and a browser for each.
 *
 * Owns what browser tests of both do in the same way: signing in, the Activate dialog, asking and reviewing.
 *
 * @module
 */
import type { Page } from 'playwright-core';
import { AccessStandIn, signIn } from './access-stand-in.ts';
import { type TestBrowser, launchBrowser } from './browser.ts';
import { readMailbox } from './mailbox.ts';
import { type Product, type ProductOptions, startProduct } from './product.ts';

export const miaEmail = 'mia@example.com';
export const bobEmail = 'bob@example.com';

export class Colleagues {
  readonly product: Product;
  /** Where people open the app. */
  readonly url: string;
  /** An operator. */
  readonly mia: Page;
  /** An approver. */
  readonly bob: Page;
  /** Errors of their pages; a test expects none. */
  readonly complaints: string[] = [];
  readonly #access: AccessStandIn;
  readonly #browsers: readonly TestBrowser[];

  private constructor(
    product: Product,
    access: AccessStandIn,
    browsers: readonly TestBrowser[],
    [mia, bob]: readonly [Page, Page],
  ) {
    [this.product, this.#access, this.#browsers, this.mia, this.bob] = [product, access, browsers, mia, bob];
    this.url = access.url;
    for (const page of [mia, bob]) page.on('pageerror', (error) => this.complaints.push(String(error)));
  }

  /** Starts the product, in which more than ten leads have to be approved, and signs both in. */
  static async start(options: ProductOptions): Promise<Colleagues> {
    const access: AccessStandIn = await AccessStandIn.start({
      app: () => new URL(product.stack.url),
      people: { [miaEmail]: { groups: [] }, [bobEmail]: { groups: [] } },
      now: () => product.now(),
    });
    const product: Product = await startProduct({
      ...options,
      env: {
        ...access.settings,
        ROLE_OPERATOR: miaEmail,
        ROLE_APPROVER: bobEmail,
        APPROVAL_ABOVE: '10',
        ...options.env,
      },
    });
    const browsers: [TestBrowser, TestBrowser] = [await launchBrowser(), await launchBrowser()];
    const pages: [Page, Page] = [await browsers[0].newPage(), await browsers[1].newPage()];
    if (options.hasMovableClock === true) {
      for (const page of pages) await page.clock.install({ time: product.now() });
    }
    const colleagues = new Colleagues(product, access, browsers, pages);
    await colleagues.#signIn();
    return colleagues;
  }

  async close(): Promise<void> {
    for (const browser of this.#browsers) await browser.close();
    await this.#access.close();
    await this.product.close();
  }

  async #signIn(): Promise<void> {
    await signIn(this.mia, `${this.url}/leads`, miaEmail);
    await signIn(this.bob, `${this.url}/leads`, bobEmail);
  }

  /** It is that time, for the Worker and for both browsers. After hours, both have signed in again. */
  async moveClockTo(atMs: number): Promise<void> {
    const pages = [this.mia, this.bob];
    const areSignedOut = atMs - this.product.now() > 1_800_000;
    const addresses = pages.map((page) => page.url());
    await this.product.moveClockTo(atMs);
    for (const page of pages) await page.clock.setSystemTime(this.product.now());
    if (areSignedOut) {
      this.#access.revokeSessions();
      await this.#signIn();
    }
    for (const [index, page] of pages.entries()) await page.goto(addresses[index] ?? this.url);
  }

  /** How many mails each lead got that got any. */
  async mailCounts(): Promise<number[]> {
    return [...(await readMailbox(this.product.standIn.url)).countByAddress.values()];
  }

  /** New leads `<word>-1@example.com` and so on, by the API, as Mia. */
  async addLeads(word: string, count: number): Promise<void> {
    for (let at = 1; at <= count; at++) {
      const status = await this.mia.evaluate(
        async (email) =>
          (
            await fetch('/crm/leads', {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify({ email, firstName: 'New', lastName: 'Lead' }),
            })
          ).status,
        `${word}-${String(at)}@example.com`,
      );
      if (status !== 201) throw new Error(`the lead was not added: ${String(status)}`);
    }
  }

  /**
   * Opens Mia's Activate dialog for leads that match.
   *
   * @param all - also for those that are not on the page
   */
  async openDialog(search: string, name: string, all = false): Promise<void> {
    const { mia } = this;
    await mia.goto(`${this.url}/leads?search=${encodeURIComponent(search)}&limit=25`);
    await mia.getByTestId('lead-row').first().waitFor();
    await mia.getByTestId('select-page').check();
    if (all) await mia.getByTestId('select-all-matching').click();
    await mia.getByTestId('activate').click();
    await mia.getByTestId('preview-subject').waitFor();
    await mia.getByTestId('activate-name').fill(name);
  }

  /** Mia starts what is in the dialog, and opens the page of the activation. */
  async startAndOpen(name: string): Promise<void> {
    const { mia } = this;
    await mia.getByTestId('activate-start').click();
    // The tracker is there before the answer, and whoever leaves then keeps the selection until the page asks.
    await mia.getByTestId('activate-start').waitFor({ state: 'detached' });
    await mia.goto(`${this.url}/activations`);
    await mia.getByRole('link', { name }).first().click();
  }

  /** Mia asks for what is in the dialog, and opens the page of the activation; its id. */
  async ask(name: string): Promise<string> {
    const { mia } = this;
    await mia.getByTestId('activate-start').click();
    await mia.getByText(`${name} waits for approval`).waitFor();
    // Not *Show activation*, of an earlier one that has just ended.
    await mia.getByRole('link', { name: 'Show', exact: true }).click();
    await untilState(mia, 'awaiting_approval');
    return mia.url().split('/').at(-1) ?? '';
  }

  /** Bob opens what waits, by the list. */
  async review(name: string): Promise<void> {
    const { bob } = this;
    await bob.goto(`${this.url}/approvals`);
    await bob.getByTestId('approval-row').filter({ hasText: name }).getByRole('link').click();
    await bob.getByTestId('approval-review').waitFor();
  }

  /** Bob approves what he looks at. */
  async approve(name: string): Promise<void> {
    await this.bob.getByTestId('control-approve').click();
    await this.bob.getByText(`${name} was approved`).waitFor();
  }
}

/** Waits until the activation whose page is open has a state. */
export function untilState(page: Page, state: string): Promise<void> {
  return page.locator(`[data-testid="run"][data-state="${state}"]`).waitFor();
}
