/**
 * `npm run explore -- --minutes 60 [--seed 7]`: walks the real app by itself and stops at the first thing that is
 * wrong. The seed is printed; the same seed makes the same choices.
 *
 * @module
 */
import { parseArgs } from 'node:util';
import { launchBrowser } from '../support/browser.ts';
import { startProduct } from '../support/product.ts';
import { explore, reportOf } from './explorer.ts';

/** A walk is a product of its own, so that what one has changed does not grow without end. */
const walkMs = 5 * 60_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const endsAt = performance.now() + Number(values.minutes) * 60_000;
let seed = Number(values.seed);
while (performance.now() < endsAt && process.exitCode === undefined) {
  const product = await startProduct({ leadCount: 60, env: { MAIL_RATE: '5' } });
  const browser = await launchBrowser();
  try {
    console.log(`Seed ${String(seed)}`);
    const ms = Math.min(walkMs, endsAt - performance.now());
    const result = await explore({ product, context: browser.context, seed, ms, killEveryMs: 40_000 });
    console.log(reportOf(result));
    if (result.violations.length > 0) process.exitCode = 1;
  } finally {
    await browser.close();
    await product.close();
  }
  seed += 1;
}
