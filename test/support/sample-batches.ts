/**
 * Made-up batches and the session that they are of, as they are after the end: for receipts of any size.
 *
 * @module
 */
import { movedBatch, plannedBatch, type Batch } from '../../src/core/batch/batch.ts';
import { finish, newSession, type Session } from '../../src/core/session/session.ts';
import { sha256Text } from '../../src/durable/session/receipt-hash.ts';
import { recipientFrom } from '../../src/shared/recipient.ts';

const blank = { firstName: '', lastName: '', company: '', custom: {} };
export const sampleAddress = (leadId: number): string => `lead${leadId}@example.com`;

/** A batch that is done: of ten leads one failed and one was skipped. */
export function sampleBatch(seq: number, firstId: number, count: number): Batch {
  const leadIds = Array.from({ length: count }, (_, at) => firstId + at);
  const recipients = leadIds
    .filter((id) => id % 10 !== 9)
    .map((id) =>
      recipientFrom({ id, email: sampleAddress(id), ...blank } as Parameters<typeof recipientFrom>[0]),
    );
  return {
    ...movedBatch(0, recipients, 0),
    ...plannedBatch(leadIds),
    seq,
    state: 'done',
    recipients,
    recipientStates: recipients.map(({ leadId }) => (leadId % 10 === 3 ? 'f' : 's')).join(''),
    skipped: leadIds
      .filter((id) => id % 10 === 9)
      .map((leadId) => ({ leadId, reason: 'suppressed' as const })),
    failures: recipients.flatMap(({ leadId }, index) =>
      leadId % 10 === 3 ? [{ index, code: 'invalid_address', message: sampleAddress(leadId) }] : [],
    ),
    messageIds: recipients.map(({ leadId }) =>
      leadId % 10 === 3 ? null : `49a3999c-0ce1-4ea6-ab68-${String(leadId).padStart(12, '0')}`,
    ),
    attempts: 1,
    attemptAt: 1_704_123_460_000 + seq,
    inDoubtSince: null,
    payloadHash: sha256Text(String(seq)),
    code: null,
    message: null,
  };
}

/** A session of such batches that has ended. */
export function sampleSession(sessionId: string, leadCount: number): Session {
  const session = newSession({
    sessionId,
    name: 'Spring',
    owner: 'ana@example.com',
    fingerprint: 'f'.repeat(64),
    audience: { filter: { status: 'new' } },
    template: { id: 'welcome', version: 1, name: 'Welcome', subject: 'Hi', html: '<p>Hi</p>', text: 'Hi' },
    mail: { from: 'a@example.com', replyTo: null, actionUrl: null, postalAddress: null, publicUrl: null },
    batchLeadCount: 100,
    maxLeadId: leadCount,
    total: leadCount,
    createdAt: 1_704_123_456_789,
  });
  const of = (digit: number): number => Math.floor((leadCount - digit) / 10) + (digit <= leadCount ? 1 : 0);
  const [failed, skipped] = [of(3), of(9)];
  const counts = {
    activated: leadCount - skipped,
    skipped,
    refused: 0,
    sent: leadCount - skipped - failed,
    failed,
    unknown: 0,
  };
  return finish({ ...session, counts, startedAt: session.spec.createdAt + 1 }, 1_704_123_999_000);
}
