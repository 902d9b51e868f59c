/**
 * `GET /crm/activation/:sessionId/receipt`: the receipt of an activation that has ended; the key by which addresses are
 * found in it; and the public keys that verify it.
 *
 * @module
 */
import { createRoute, z } from '@hono/zod-openapi';
import { sessionStub } from '../../../durable/stubs.ts';
import { publicReceiptKeys } from '../../../runtime/receipt-keys.ts';
import { receiptKeySchema, receiptKeySetSchema } from '../../../shared/schemas/receipt.ts';
import type { App } from '../../app-env.ts';
import { attachment } from '../../http/csv-stream.ts';
import { json } from '../../http/openapi.ts';
import { sessionIdParams } from '../../http/params.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { requireReceipt } from '../../operations/receipt.ts';

const tags = ['activation'];

/** A plain `string`, because the types of hono take every media type with "json" in it for JSON. */
const jsonLines: string = 'application/jsonl';

const receipt = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/receipt',
  operationId: 'downloadReceipt',
  tags,
  summary: 'The receipt of an activation that has ended, as JSON Lines',
  description:
    'What it was started with, who commanded what, and each batch with its key and the result of every lead, in a signed chain of hashes (docs/RECEIPT.md). Verify it offline: `npx lead-activation verify FILE`. The same revision always has the same bytes. If results change during the download, it breaks off without a signature.',
  request: { params: sessionIdParams },
  responses: {
    200: { description: 'The receipt.', content: { [jsonLines]: { schema: z.string() } } },
    ...problems('invalid_request', 'session_not_found', 'session_not_ended', 'misconfigured', 'cross_site'),
  },
});

const addressKey = createRoute({
  method: 'get',
  path: '/crm/activation/{sessionId}/receipt/key',
  operationId: 'getReceiptKey',
  tags,
  summary: 'The key of the addresses in a receipt',
  description:
    'With it, an address can be looked for in the receipt of this activation: `npx lead-activation verify FILE --key KEY --person ADDRESS`.',
  request: { params: sessionIdParams },
  responses: {
    200: json('The key.', receiptKeySchema),
    ...problems('invalid_request', 'session_not_found', 'session_anonymized', 'cross_site'),
  },
});

const keys = createRoute({
  method: 'get',
  path: '/.well-known/lead-activation-receipt-keys.json',
  operationId: 'listReceiptKeys',
  tags: ['service'],
  summary:
    'The public keys that receipts are verified with, as a JSON Web Key Set; the present key is the first',
  responses: {
    200: json('The keys, also those that are no longer used.', receiptKeySetSchema),
    ...problems(),
  },
});

export function receiptRoutes(app: App): void {
  app.openapi(receipt, async (c) => {
    const { sessionId } = c.req.valid('param');
    const body = await requireReceipt(sessionStub(c.env, sessionId), c.get('requestId'));
    return c.body(body, 200, {
      'content-type': `${jsonLines}; charset=utf-8`,
      'content-disposition': attachment(`${sessionId}.receipt.jsonl`),
      'cache-control': 'no-store',
    });
  });

  app.openapi(addressKey, async (c) => {
    const { sessionId } = c.req.valid('param');
    const answer = await sessionStub(c.env, sessionId).receiptKey(c.get('requestId'));
    if (answer === null) throw new Refusal('session_not_found');
    const { key } = answer;
    if (key === null) throw new Refusal('session_anonymized');
    return c.json({ key }, 200, { 'cache-control': 'no-store' });
  });

  app.openapi(keys, async (c) =>
    c.json({ keys: await publicReceiptKeys(c.env) }, 200, { 'cache-control': 'max-age=300' }),
  );
}
