/**
 * What a receipt says about a session: its head, its events and its batches as lines (shared/receipt.ts).
 *
 * Owns what is in a receipt and what is not: nothing by which a person is recognized is outside of a sealed part, and
 * nothing that changes while results stay the same, such as delivery events. No storage, no hashing and no clock.
 *
 * @module
 */
import { approvalFacts } from '../../shared/approval.ts';
import {
  resultLetters,
  type BatchLine,
  type EventLine,
  type HeadLine,
  type ReceiptWave,
  type SealedMember,
} from '../../shared/receipt.ts';
import type { TimelineEvent } from '../../shared/timeline.ts';
import { recipientState, type Batch } from '../batch/batch.ts';
import type { Session, SessionSpec } from './session.ts';
import type { Wave } from './wave-plan.ts';

/** What a session keeps of its receipt between two downloads. */
export interface ReceiptRecord {
  revision: number;
  /** When this revision was first made; epoch ms. */
  at: number;
  /** Of {@link receiptContent}: while it stays the same, so does the receipt. */
  stamp: string;
  previous: { revision: number; hash: string } | null;
  /** The hash that was signed; null before a download came to its end. */
  hash: string | null;
  /** The salt of the session's name and audience; null once these were closed. */
  aboutSalt: string | null;
  /** The leaf of the name and the audience from before they changed. */
  aboutLeaf: string | null;
}

/** The parts of a head that come from the session itself. */
type Content = Pick<
  HeadLine,
  | 'sessionId'
  | 'state'
  | 'startedAt'
  | 'finishedAt'
  | 'cancelledAt'
  | 'anonymizedAt'
  | 'counts'
  | 'start'
  | 'waves'
>;

/**
 * Everything in the head that depends on the session, without its sealed parts. The spec is taken over as it is, so
 * that what a later version adds to it (a manifest, approvals) is in the receipt; only the template's texts are
 * replaced, by their hash.
 *
 * @param session - one that has ended
 * @param templateHash - SHA-256 of `{html, subject, text}` as canonical JSON, in hexadecimal digits
 */
export function receiptContent(session: Session, templateHash: string): Content {
  const { state, startedAt, finishedAt, cancelledAt, counts, total, plan } = session;
  const { sessionId, reducedAt } = session.spec;
  return {
    sessionId,
    state,
    startedAt,
    finishedAt: finishedAt ?? 0,
    cancelledAt,
    anonymizedAt: reducedAt ?? null,
    counts: {
      total,
      sent: counts.sent,
      failed: counts.failed,
      unknown: counts.unknown,
      refused: counts.refused,
      skipped: counts.skipped,
      unlisted: plan.unlistedCount,
    },
    start: startOf(session.spec, templateHash),
    ...(session.waves === null ? {} : { waves: session.waves.begun.map(waveContent) }),
  };
}

/** A wave, without what is still reported about its mail later. */
function waveContent(wave: Wave): ReceiptWave {
  const { number, afterLeadId, lastLeadId, plannedCount, startedAt, settledAt, endedAt, passedBy } = wave;
  const { sent, failed, unknown, refused, skipped } = wave.counts;
  return {
    ...{ number, afterLeadId, lastLeadId, leads: plannedCount, startedAt, settledAt, endedAt, passedBy },
    ...{ sent, failed, unknown, refused, skipped },
  };
}

/**
 * The spec without what is sealed, or stands beside it in the head; also without hashes of name and search words, by
 * which somebody could find out what they were.
 */
function startOf(
  {
    sessionId: _id,
    name: _name,
    audience: _audience,
    reducedAt: _at,
    fingerprint: _request,
    selectionHash: _selection,
    template,
    approval,
    ...start
  }: SessionSpec,
  templateHash: string,
): Content['start'] {
  const { id, version, name } = template;
  return {
    ...start,
    // Without the reason of a rejection: a person wrote it, and it may name somebody.
    ...(approval === undefined
      ? {}
      : { approval: { ...approvalFacts(approval), manifestHash: approval.approved?.manifestHash ?? null } }),
    template: { id, version, name, sha256: templateHash },
  };
}

/** An event as a line. Its id is its place among all, also those that are not kept any more. */
export function eventContent(event: TimelineEvent): Pick<EventLine, 'kind' | 'event'> {
  return { kind: 'event', event: { ...event } };
}

/**
 * A batch as a line.
 *
 * @param key - its idempotency key
 * @param members - its recipients, sealed
 */
export function batchContent(
  batch: Batch,
  key: string,
  members: readonly SealedMember[],
): Omit<BatchLine, 'n' | 'of' | 'hash'> {
  const { seq, originSeq, state, payloadHash, attempts, attemptAt, retried, code, recipients } = batch;
  return {
    kind: 'batch',
    ...{ seq, origin: originSeq, state, key, payloadHash, attempts, attemptAt, retried, code },
    leads: (recipients ?? []).map(({ leadId }) => leadId),
    results: lettersOf(batch),
    // Without the messages: a provider may repeat an address in one.
    failures: batch.failures.map((failure) => [failure.index, failure.code] as const),
    members,
    others: othersOf(batch),
  };
}

const letterOf: Readonly<Record<string, string>> = {
  [recipientState.sent]: resultLetters.sent,
  [recipientState.failed]: resultLetters.failed,
  [recipientState.unknown]: resultLetters.unknown,
  [recipientState.moved]: resultLetters.moved,
};

/** An ended session has no pending recipient; one would be written as it is, and the receipt would not verify. */
function lettersOf({ recipients, recipientStates }: Batch): string {
  if (recipients === null) return '';
  return Array.from(recipientStates, (state) => letterOf[state] ?? state).join('');
}

function othersOf({ recipients, state, skipped, leadIds, code }: Batch): BatchLine['others'] {
  if (recipients === null && state === 'cancelled') {
    return leadIds.map((leadId) => [leadId, 'skipped', 'cancelled'] as const);
  }
  if (recipients === null && state === 'done') {
    return leadIds.map((leadId) => [leadId, 'refused', code ?? 'crm_refused'] as const);
  }
  return skipped.map(({ leadId, reason }) => [leadId, 'skipped', reason] as const);
}
