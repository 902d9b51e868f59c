import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SessionStore } from '../../src/durable/store/session-store.ts';
import type { ReceiptCursor } from '../../src/durable/activation-session.ts';
import { sampleBatch, sampleSession } from '../support/sample-batches.ts';
import { freshSessionId, stubOf } from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';

/** A million, with the time: `RECEIPT_LEADS=1000000 npm run test:workerd -- --silent=false test/workerd/receipt-scale.test.ts`. */
const leadCount = Number(env.RECEIPT_LEADS);
const batchSize = 100;

beforeEach(() => setUpSession());
afterEach(tearDownSession);

it(`makes the receipt of ${leadCount} leads in few pages`, { timeout: 600_000 }, async () => {
  const sessionId = freshSessionId();
  await runInDurableObject(stubOf(sessionId), (_, { storage }) => {
    const store = new SessionStore(storage);
    store.transact(() => store.create(sampleSession(sessionId, leadCount)));
    for (let seq = 1; (seq - 1) * batchSize < leadCount; seq++) {
      const batch = sampleBatch(
        seq,
        (seq - 1) * batchSize + 1,
        Math.min(batchSize, leadCount - (seq - 1) * batchSize),
      );
      store.transact(() => {
        store.batches.append([batch]);
        store.batches.update(batch);
      });
    }
  });
  const startedAt = Date.now();
  let cursor: ReceiptCursor | null = null;
  let [pageCount, length, longestMs] = [0, 0, 0];
  let lastText = '';
  do {
    const pageAt = Date.now();
    const page: Awaited<ReturnType<ReturnType<typeof stubOf>['receipt']>> =
      await stubOf(sessionId).receipt(cursor);
    if (page.kind !== 'page') throw new Error(page.kind);
    longestMs = Math.max(longestMs, Date.now() - pageAt);
    cursor = page.next;
    lastText = page.text;
    length += page.text.length;
    pageCount++;
  } while (cursor !== null);
  const seconds = (Date.now() - startedAt) / 1_000;
  expect(lastText).toContain('"kind":"signature"');
  expect(pageCount).toBeLessThanOrEqual(Math.ceil(leadCount / 25_000) + 2);
  console.log(
    `receipt of ${leadCount} leads: ${seconds.toFixed(1)} s in ${pageCount} pages, ${(length / 1e6).toFixed(0)} MB, longest page ${longestMs} ms`,
  );
});
