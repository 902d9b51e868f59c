import { startProduct } from '/work/wt/d-activations/test/support/product.ts';
import { launchBrowser } from '/work/wt/d-activations/test/support/browser.ts';
import { mkdirSync } from 'node:fs';
const out = '/tmp/shots2'; mkdirSync(out, { recursive: true });
const range = (a: number, b: number) => Array.from({ length: b - a + 1 }, (_, i) => a + i);
const product = await startProduct({ leadCount: 800, env: { MAIL_BATCH_MAX: '5', MAIL_RATE: '4' } });
const sizes = [[1280, 800], [390, 844]] as const; const looks = ['light', 'dark'] as const;
for (const [width, height] of sizes) for (const colorScheme of looks) {
  const browser = await launchBrowser({ width, height, colorScheme });
  const page = await browser.newPage();
  await page.goto(product.stack.url + '/activations');
  await page.getByText('No activations yet').waitFor();
  await page.screenshot({ path: `${out}/list-empty-${width}-${colorScheme}.png` });
  await browser.close();
}
for (const n of range(1, 7)) product.proxy.rejectedAddresses.add(`lead-${n * 9}@example.com`);
await product.ask('/crm/suppressions', { addresses: range(20, 31).map((n) => `lead-${n}@example.com`), reason: 'manual', note: 'x' });
const failing = await product.startRun('November sign-ups', range(1, 150));
await product.untilRun(failing, ({ email }) => email.sent > 60);
await product.ask(`/crm/activation/${failing}/pause`, {}); await new Promise((r) => setTimeout(r, 4000));
await product.ask(`/crm/activation/${failing}/resume`, {});
await product.untilRun(failing, ({ state }) => state === 'completed');
const auth0 = product.proxy.add({ fault: { kind: 'refuseKey', status: 401 } });
const auth = await product.startRun('Win-back spring', range(151, 230));
await product.untilRun(auth, ({ state }) => state === 'paused'); auth0();
const big = await product.startRun('Trade fair Berlin, second day', range(231, 790));
for (const [width, height] of sizes) for (const colorScheme of looks) {
  const browser = await launchBrowser({ width, height: height, colorScheme });
  const page = await browser.newPage();
  page.on('pageerror', (e) => console.log('ERR', String(e)));
  page.on('console', (m) => m.type() === 'error' && console.log('CONSOLE', m.text()));
  const tag = `${width}-${colorScheme}`;
  const tall = { width, height: width > 1000 ? 1150 : 1700 };
  const shot = async (name: string) => { await page.waitForTimeout(600); await page.screenshot({ path: `${out}/${name}-${tag}.png` }); };
  await page.goto(product.stack.url + '/leads'); await page.getByTestId('tracked-session').first().waitFor(); await page.waitForTimeout(2500);
  await shot('tracker-running');
  await page.getByTestId('tracker-expand').click(); await shot('tracker-many'); await page.getByTestId('tracker-expand').click();
  await page.setViewportSize(tall);
  await page.goto(`${product.stack.url}/activations/${big}`); await page.getByTestId('throughput-plot').locator('canvas').waitFor();
  await shot('page-running');
  await page.getByTestId('throughput-plot').hover({ position: { x: 150, y: 100 } }); await shot('page-hover');
  await page.setViewportSize({ width, height });
  await page.getByTestId('control-cancel').click(); await shot('cancel'); await page.getByTestId('cancel-close').click();
  await page.setViewportSize(tall);
  await page.goto(`${product.stack.url}/activations/${failing}?email=failed`); await page.getByTestId('throughput-plot').locator('canvas').waitFor(); await page.getByTestId('proof-line').click();
  await shot('page-failures');
  await page.goto(`${product.stack.url}/activations/${auth}`); await page.getByTestId('cause').waitFor(); await shot('page-auth');
  await page.setViewportSize({ width, height });
  await page.goto(`${product.stack.url}/activations`); await page.getByTestId('run-row').first().waitFor(); await shot('list');
  if (width === 390 && colorScheme === 'dark') {
    const gone = product.proxy.add({ fault: { kind: 'reset' } });
    await product.untilRun(big, ({ state, waitingUntil }) => state === 'paused' && waitingUntil !== null);
    await page.goto(product.stack.url + '/leads'); await page.getByTestId('tracked-session').first().waitFor(); await shot('tracker-retrying');
    await page.setViewportSize({ width: 1280, height: 1000 }); await shot('tracker-retrying-wide');
    await page.goto(`${product.stack.url}/activations/${big}`); await page.getByTestId('cause').waitFor(); await shot('page-retrying');
    gone();
    await product.ask(`/crm/activation/${big}/cancel`, {}); await page.waitForTimeout(2500); await shot('page-cancelled');
  }
  await browser.close();
}
await product.close();
