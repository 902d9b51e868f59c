/**
 * Signing in through a stand-in of Cloudflare Access in front of the built product, without a local person.
 */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Settings } from '../../src/shared/schemas/common.ts';
import { AccessStandIn, fillInSignIn, signIn } from '../support/access-stand-in.ts';
import { type TestBrowser, launchBrowser } from '../support/browser.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';
import { waitForTracker } from './tracker-samples.ts';

const leadCount = 25;
const nightly = { id: 'e367826f93b8d71185e03fe518aff3b4.access', secret: 'cfast_of-this-test' };

let product: Product;
let access: AccessStandIn;
let browser: TestBrowser;
let page: Page;

beforeAll(async () => {
  access = await AccessStandIn.start({
    app: () => new URL(product.stack.url),
    people: {
      'mia@example.com': { groups: ['Sales'] },
      'eve@example.com': { groups: [] },
    },
    serviceTokens: { [nightly.id]: nightly.secret },
  });
  product = await startProduct({
    leadCount,
    env: {
      ...access.settings,
      ROLE_OPERATOR: 'group:Sales',
      ROLE_VIEWER: `token:${nightly.id}`,
      ACCESS_TOKEN_LABELS: `${nightly.id}=nightly import`,
      MAIL_BATCH_MAX: '2',
    },
  });
  browser = await launchBrowser();
  page = await browser.newPage();
});
afterAll(async () => {
  await browser.close();
  await access.close();
  await product.close();
});

const ask = (url: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { headers, redirect: 'manual' });

describe('a visitor without a sign-in', () => {
  test('is redirected to the sign-in by every page, file and call, and a script gets 401', async () => {
    for (const path of ['/', '/leads', '/favicon.svg', '/crm/settings', '/docs']) {
      const response = await ask(access.url + path);
      expect(response.status).toBe(302);
      expect(response.headers.get('location')).toContain(`${access.team.issuer}/cdn-cgi/access/login`);
    }
    const script = await ask(`${access.url}/crm/settings`, { 'x-requested-with': 'XMLHttpRequest' });
    expect(script.status).toBe(401);
  });

  test('reaches the paths for providers and recipients, and no other path through them', async () => {
    expect((await ask(`${access.url}/healthz`)).status).toBe(200);
    const forged = await access.team.sign(access.team.personClaims('mia@example.com'));
    const response = await fetch(`${access.url}/webhooks/resend`, {
      method: 'POST',
      headers: { 'cf-access-jwt-assertion': forged, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: 'invalid_signature' });
  });

  test('who bypasses Access has no identity, whatever they send', async () => {
    for (const headers of [
      {},
      { 'cf-access-authenticated-user-email': 'mia@example.com' },
      { 'cf-access-client-id': nightly.id, 'cf-access-client-secret': nightly.secret },
      { cookie: `CF_Authorization=${await access.team.sign(access.team.personClaims('mia@example.com'))}` },
      { 'cf-access-jwt-assertion': 'forged' },
    ] as Record<string, string>[]) {
      const response = await ask(`${product.stack.url}/crm/settings`, headers);
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ code: 'unauthenticated' });
    }
  });
});

describe('an unknown path', () => {
  const nightlyHeaders = { 'cf-access-client-id': nightly.id, 'cf-access-client-secret': nightly.secret };

  test('is a page of the app for a browser that opens it, and 404 for a program', async () => {
    for (const path of ['/crm/nothing', '/api/leads', '/v1/leads', '/leads', '/openapi.yaml']) {
      for (const accept of ['application/json', '*/*']) {
        const response = await ask(access.url + path, { ...nightlyHeaders, accept });
        expect(response.status, `${path} ${accept}`).toBe(404);
        expect(await response.json()).toMatchObject({ code: 'not_found' });
      }
    }
    // As a browser says it, and as one says it that is too old for `Sec-Fetch-Mode`.
    for (const headers of [{ 'sec-fetch-mode': 'navigate' }, { accept: 'text/html,*/*' }]) {
      const page = await getPlainly(`${access.url}/leads`, { ...nightlyHeaders, ...headers });
      expect(page.status).toBe(200);
      expect(page.body).toContain('<!doctype html>');
    }
  });

  /** `fetch` of Node says its own `Sec-Fetch-Mode`. */
  async function getPlainly(url: string, headers: Record<string, string>) {
    const [response] = (await once(get(url, { headers }), 'response')) as [IncomingMessage];
    return { status: response.statusCode, body: await text(response) };
  }

  test('under /crm is no page for anybody', async () => {
    const response = await ask(`${access.url}/crm/nothing`, { ...nightlyHeaders, accept: 'text/html' });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'not_found' });
  });
});

describe('a service token', () => {
  test('has the role of its client id, and its label as its name', async () => {
    const headers = { 'cf-access-client-id': nightly.id, 'cf-access-client-secret': nightly.secret };
    const response = await ask(`${access.url}/crm/settings`, headers);
    const { user } = (await response.json()) as Settings;
    expect(user).toEqual({ email: nightly.id, name: 'nightly import', role: 'viewer' });
    expect((await ask(`${access.url}/crm/leads`, headers)).status).toBe(403);
  });

  test('with a wrong secret is not signed in', async () => {
    const headers = { 'cf-access-client-id': nightly.id, 'cf-access-client-secret': 'guessed' };
    expect((await ask(`${access.url}/crm/settings`, headers)).status).toBe(302);
  });
});

describe('a person', () => {
  test('whom no list names is told so after signing in', async () => {
    const other = await launchBrowser();
    const tab = await other.newPage();
    await signIn(tab, `${access.url}/leads`, 'eve@example.com');
    await tab.getByText('no role is assigned to you').waitFor();
    await other.close();
  });

  test('gets the role of their group, which is requested from Access once', async () => {
    const questions = (): number => access.asked.filter((path) => path.endsWith('/get-identity')).length;
    const before = questions();
    await signIn(page, `${access.url}/leads`, 'mia@example.com');
    await page.getByTestId('lead-row').first().waitFor();
    await page.reload();
    await page.getByTestId('lead-row').first().waitFor();
    expect(questions() - before).toBe(1);
  });

  test('whose sign-in expires during an activation is told so, signs in again, and sees it complete', async () => {
    const letGo = product.proxy.hold();
    await page.getByTestId('select-page').check();
    await page.getByTestId('activate').click();
    await page.getByTestId('preview-subject').waitFor();
    await page.getByTestId('activate-start').click();
    await waitForTracker(page, 'the total', ({ total }) => total === leadCount);
    // An open stream stays open, because Access checks requests only.
    access.revokeSessions();
    await page.reload();
    await fillInSignIn(page, 'mia@example.com');
    await page.waitForURL(`${access.url}/leads`);
    await page.getByTestId('tracker').waitFor();
    access.revokeSessions();
    await expect
      .poll(() => page.getByTestId('run-note').first().innerText(), { timeout: 10_000 })
      .toContain('You are signed out');
    letGo();
    await page.getByRole('button', { name: 'Sign in again' }).first().click();
    await fillInSignIn(page, 'mia@example.com');
    await page.waitForURL(`${access.url}/leads`);
    await waitForTracker(page, 'the end', ({ state, sent }) => state === 'completed' && sent === leadCount);
    const { mails, duplicates } = await readMailbox(product.standIn.url);
    expect(mails).toHaveLength(leadCount);
    expect(duplicates).toEqual([]);
  });
});
