/**
 * An activation of ten thousand leads through the whole product: Worker, objects, database, mail API.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import { readMailbox } from '../support/mailbox.ts';
import { type Product, startProduct } from '../support/product.ts';

const leadCount = 10_000;

describe('a bulk activation of 10,000 leads', () => {
  let product: Product;
  let progress: Progress;

  beforeAll(async () => {
    // The provider's pace is not what is looked at here.
    product = await startProduct({ leadCount, env: { MAIL_RATE: '1000' } });
  });
  afterAll(() => product.close());

  test('runs to its end with every lead activated and mailed', async () => {
    const sessionId = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
    const started = await fetch(`${product.stack.url}/crm/activation`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sessionId, name: 'Everyone', audience: { filter: {} }, templateId: 'welcome' }),
    });
    expect(started.status).toBe(201);
    await expect
      .poll(
        async () => {
          const response = await fetch(`${product.stack.url}/crm/activation/progress/${sessionId}`);
          progress = (await response.json()) as Progress;
          return progress.state;
        },
        { timeout: 120_000, interval: 500 },
      )
      .toBe('completed');
    expect(progress).toMatchObject({
      total: leadCount,
      processed: leadCount,
      activation: { activated: leadCount, skipped: 0, failed: 0 },
      email: { sent: leadCount, failed: 0, unknown: 0 },
    });
  });

  test('the mail API holds 10,000 mails, and no address twice', async () => {
    const { mails, countByAddress, duplicates } = await readMailbox(product.standIn.url);
    expect(mails).toHaveLength(leadCount);
    expect(countByAddress.size).toBe(leadCount);
    expect(duplicates).toEqual([]);
  });

  test('one call carried one batch of a hundred, under a key of its own', () => {
    expect(product.proxy.calls).toHaveLength(leadCount / 100);
    expect(product.proxy.acceptedKeys.size).toBe(leadCount / 100);
  });
});
