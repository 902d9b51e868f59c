/**
 * Sessions and batches for tests of src/core: values with what a test does not care about filled in.
 *
 * @module
 */
import type { Batch } from '../../src/core/batch/batch.ts';
import type { ProviderTraits } from '../../src/core/batch/doubt.ts';
import type { SessionSpec } from '../../src/core/session/session.ts';
import { erasedRecipient, type Recipient } from '../../src/shared/recipient.ts';

export const keyedTraits: ProviderTraits = { idempotencyWindowMs: 86_400_000 };
export const keylessTraits: ProviderTraits = { idempotencyWindowMs: null };

/** The spec of a session with `leadCount` leads. */
export function specOf(leadCount: number, batchLeadCount = 5): SessionSpec {
  return {
    sessionId: 'activation_1704123456789_a7bc3d2f1',
    name: 'March sign-ups',
    owner: 'ana@example.com',
    fingerprint: 'f',
    audience: { filter: {} },
    template: { id: 'welcome', version: 1, name: 'Welcome', subject: 's', html: 'h', text: 't' },
    mail: { from: 'a@example.com', replyTo: null, actionUrl: null, postalAddress: null, publicUrl: null },
    batchLeadCount,
    maxLeadId: leadCount,
    total: leadCount,
    createdAt: 1_000,
  };
}

function recipientOf(leadId: number): Recipient {
  return {
    ...erasedRecipient(leadId),
    email: `lead${leadId}@example.com`,
    firstName: 'Ann',
    lastName: 'Name',
  };
}

export function batchOf(leadIds: readonly number[], change: Partial<Batch> = {}): Batch {
  return {
    seq: 1,
    state: 'pending',
    originSeq: null,
    leadIds,
    recipients: null,
    skipped: [],
    recipientStates: '',
    failures: [],
    messageIds: null,
    attempts: 0,
    attemptAt: null,
    inDoubtSince: null,
    retried: null,
    nextAttemptAt: null,
    payloadHash: null,
    code: null,
    message: null,
    ...change,
  };
}

/** A batch with its intent on disk. */
export function inflight(leadIds: readonly number[], change: Partial<Batch> = {}): Batch {
  return batchOf(leadIds, {
    state: 'inflight',
    recipients: leadIds.map(recipientOf),
    recipientStates: 'p'.repeat(leadIds.length),
    attempts: 1,
    attemptAt: 1_000,
    ...change,
  });
}
