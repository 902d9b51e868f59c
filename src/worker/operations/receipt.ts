/**
 * The receipt of a session as a stream, page by page. At most one page is in memory.
 *
 * @module
 */
import type { ActivationSession, ReceiptCursor } from '../../durable/activation-session.ts';
import { Refusal } from '../http/problem.ts';

/**
 * The stream of a receipt. It ends with an error where results change meanwhile: the file then has no signature, and a
 * browser reports that the download failed.
 *
 * @throws Refusal before the first byte, when there is no receipt
 */
export async function requireReceipt(
  session: DurableObjectStub<ActivationSession>,
  requestId: string,
): Promise<ReadableStream<Uint8Array>> {
  const first = await session.receipt(null, requestId);
  switch (first.kind) {
    case 'unknown_session':
      throw new Refusal('session_not_found');
    case 'not_ended':
    case 'changed':
      throw new Refusal('session_not_ended');
    case 'no_key':
      throw new Refusal(
        'misconfigured',
        'There is no key to sign receipts with. `npm run deploy` makes one; nothing else is affected.',
      );
    case 'page':
      break;
    default:
      throw new Error(`unknown answer: ${String(first satisfies never)}`);
  }
  const encoder = new TextEncoder();
  let next: ReceiptCursor | null = first.next;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(first.text));
    },
    async pull(controller) {
      if (next === null) {
        controller.close();
        return;
      }
      const page: Awaited<ReturnType<typeof session.receipt>> = await session.receipt(next);
      if (page.kind !== 'page')
        throw new Error(`The activation has changed while its receipt was made: ${page.kind}`);
      controller.enqueue(encoder.encode(page.text));
      next = page.next;
    },
  });
}
