/**
 * Receipts of made-up sessions, of any size, line by line: signed with a key of this file, in the form that the session
 * object writes.
 *
 * @module
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import type { Batch } from '../../src/core/batch/batch.ts';
import { batchContent, eventContent, receiptContent } from '../../src/core/session/receipt.ts';
import { addressHasher, saltsFrom, sha256Text } from '../../src/durable/session/receipt-hash.ts';
import {
  beginChain,
  nextLine,
  receiptVersion,
  signatureLine,
  signedText,
  thumbprintText,
  type SealedMember,
} from '../../src/shared/receipt.ts';
import { sampleBatch, sampleSession } from './sample-batches.ts';

export interface SampleOptions {
  sessionId?: string;
  revision?: number;
  leadCount: number;
  batchSize?: number;
  /** Changes the head before it is signed: what a faulty or lying signer would write. */
  lie?: (head: Parameters<typeof beginChain>[0]) => Parameters<typeof beginChain>[0];
  /** Changes a batch before it is signed. */
  lieInBatch?: (batch: Batch) => Batch;
}

const { privateKey } = generateKeyPairSync('ed25519');
export const samplePublicKey = (privateKey.export({ format: 'jwk' }) as { x: string }).x;
export const sampleAddressKey = 'a-key-of-sample-receipts-of-43-characters-x';

/** The lines of a receipt, each with its line end. */
export function* sampleReceipt({
  sessionId = 'activation_1704123456789_a7bc3d2f1',
  revision = 1,
  leadCount,
  batchSize = 100,
  lie = (head) => head,
  lieInBatch = (batch) => batch,
}: SampleOptions): Generator<string> {
  const session = sampleSession(sessionId, leadCount);
  const hashAddress = addressHasher(sampleAddressKey);
  const { text, position } = beginChain(
    lie({
      kind: 'receipt',
      version: receiptVersion,
      ...receiptContent(session, 'e'.repeat(64)),
      revision,
      at: 1_704_124_000_000,
      previous: null,
      about: ['c2FsdHNhbHRzYWx0c2FsdA', session.spec.name, session.spec.audience],
      eventsLeftOut: 0,
    }),
    sha256Text,
  );
  yield text;
  const event = {
    id: 1,
    kind: 'started',
    at: 1_704_123_456_789,
    until: 1_704_123_456_789,
    by: 'ana@example.com',
  } as const;
  yield nextLine(
    position,
    eventContent({ ...event, reason: null, message: null, count: leadCount }),
    sha256Text,
  );
  let seq = 0;
  for (let firstId = 1; firstId <= leadCount; firstId += batchSize) {
    const batch = lieInBatch(sampleBatch(++seq, firstId, Math.min(batchSize, leadCount - firstId + 1)));
    const recipients = batch.recipients ?? [];
    const salts = saltsFrom(new Uint8Array(16).fill(1 + (seq % 250)), recipients.length);
    const members = recipients.map(({ email }, index): SealedMember => [
      salts[index] ?? '',
      hashAddress(email),
      batch.messageIds?.[index] ?? null,
    ]);
    yield nextLine(position, batchContent(batch, `${sessionId}/${seq}`, members), sha256Text);
  }
  yield nextLine(position, { kind: 'end', batches: seq }, sha256Text);
  yield signatureLine(position, {
    keyId: sha256Text(thumbprintText(samplePublicKey)),
    publicKey: samplePublicKey,
    signature: sign(null, Buffer.from(signedText(position.hash)), privateKey).toString('base64url'),
  });
}
