/**
 * The batch: up to 100 leads, the unit of sending; one row of a session.
 *
 * Each recipient has one state, which the row stores as a letter. `moved` means that the recipient is in another batch
 * now, after a split or a retry. So every lead has exactly one state that is not `moved`, and the counters of a session
 * are the sum over its batches.
 *
 * Owns the record and how it is counted. settle.ts decides the change of a batch, doubt.ts applies it.
 *
 * @module
 */
import type { Recipient, SkippedLead } from '../../shared/recipient.ts';

export const batchStates = [
  'pending',
  /** Its leads belonged to another live session. It becomes pending when all other batches are decided. */
  'deferred',
  'inflight',
  'waiting',
  'unknown',
  'done',
  'split',
  'cancelled',
] as const;
export type BatchState = (typeof batchStates)[number];

/** The state of one recipient's mail. A batch stores one letter for each recipient. */
export const recipientState = {
  pending: 'p',
  sent: 's',
  failed: 'f',
  unknown: 'u',
  /** The recipient is in another batch now. */
  moved: 'm',
} as const;
export type RecipientState = (typeof recipientState)[keyof typeof recipientState];

/** Why a recipient's mail failed. `index` is into the batch's recipients. */
export interface Failure {
  index: number;
  code: string;
  message: string;
}

/**
 * `asked`: the provider was asked again under the batch's own key. `risked`: its recipients may have been mailed
 * under an earlier key, and a person accepts that they are mailed again.
 */
export type Retried = 'asked' | 'risked';

/** One row of the session. */
export interface Batch {
  seq: number;
  state: BatchState;
  /** The batch that this one's recipients came from (split, retry). */
  originSeq: number | null;
  leadIds: readonly number[];
  /** Null until the flip; then frozen. */
  recipients: readonly Recipient[] | null;
  skipped: readonly SkippedLead[];
  /** The letter of each recipient's {@link recipientState}. */
  recipientStates: string;
  failures: readonly Failure[];
  /** By recipient index; null before the mail is taken. */
  messageIds: readonly (string | null)[] | null;
  /** Attempts that count against {@link maxAttempts}. */
  attempts: number;
  /** When the present or last attempt left. */
  attemptAt: number | null;
  /** Since when the provider may have taken this batch under its own key; epoch ms, null: it has not. */
  inDoubtSince: number | null;
  /** What a person's command did with it while it was unknown. */
  retried: Retried | null;
  nextAttemptAt: number | null;
  payloadHash: string | null;
  /** The last fault, for a person. */
  code: string | null;
  message: string | null;
}

/** A batch to be added to a session. */
export type NewBatch = Pick<
  Batch,
  | 'state'
  | 'originSeq'
  | 'leadIds'
  | 'recipients'
  | 'recipientStates'
  | 'nextAttemptAt'
  | 'retried'
  | 'code'
  | 'message'
>;

/** A batch of leads that were just planned. */
export function plannedBatch(leadIds: readonly number[]): NewBatch {
  return {
    state: 'pending',
    originSeq: null,
    leadIds,
    recipients: null,
    recipientStates: '',
    nextAttemptAt: null,
    retried: null,
    code: null,
    message: null,
  };
}

/** A batch of recipients of another one; it is sent under its own key. */
export function movedBatch(
  originSeq: number,
  recipients: readonly Recipient[],
  nowMs: number,
  retried: 'risked' | null = null,
): NewBatch {
  return {
    // Waiting, so that it is taken before new leads are.
    state: 'waiting',
    nextAttemptAt: nowMs,
    originSeq,
    leadIds: recipients.map((recipient) => recipient.leadId),
    recipients,
    recipientStates: recipientState.pending.repeat(recipients.length),
    retried,
    code: null,
    message: null,
  };
}

/** What the batch becomes. */
export type BatchChange =
  | {
      kind: 'done';
      recipientStates: string;
      failures: readonly Failure[];
      messageIds: readonly (string | null)[] | null;
    }
  | {
      kind: 'waiting';
      nextAttemptAt: number;
      attempts: number;
      inDoubtSince: number | null;
      code: string;
      message: string;
    }
  | {
      kind: 'unknown';
      recipientStates: string;
      inDoubtSince: number | null;
      code: string;
      message: string;
      /** Where some of its mails were taken. */
      messageIds?: readonly (string | null)[] | null;
    }
  /** Cancelled before it left: its leads are untouched. */
  | { kind: 'withdrawn' }
  /** The recipients at `parts` go to new batches under new keys; those at `failures` are decided here. */
  | {
      kind: 'split';
      recipientStates: string;
      failures: readonly Failure[];
      /** Where some of its mails were taken. */
      messageIds?: readonly (string | null)[];
      parts: readonly (readonly number[])[];
      /** The refusal that it is split for. */
      because?: { code: string; message: string };
    };

/** Characters of one call; each sender has one in memory, besides its mails. */
const maxPayloadLength = 4_000_000;
/** The part of a mail besides its template: headers, links and field values. */
const mailMarginLength = 4_000;
/** JSON escapes quotes and line ends. */
const escapeFactor = 1.2;
/** A row has at most 2 MB, and some of it is not recipients. */
const maxRecipientsBytes = 1_600_000;
/** Six fields of up to 1,000 characters, most of them far shorter, an address, and the outcome of the mail. */
const recipientBytes = 7_000;
/** A value of up to 300 characters, in up to three bytes each, and its name. */
const customFieldBytes = 1_000;

/**
 * Leads of a batch whose call fits into memory and the provider's bound, and whose recipients fit into a row.
 *
 * @param call - the most mails and characters of one call
 * @param templateLength - characters of subject, HTML and text
 * @param customFieldCount - fields that each recipient is frozen with
 */
export function batchCountInBounds(
  call: { maxBatch: number; maxPayloadLength?: number },
  templateLength: number,
  customFieldCount: number,
): number {
  const { maxBatch, maxPayloadLength: maxLength = maxPayloadLength } = call;
  const inCall = Math.min(maxLength, maxPayloadLength) / (templateLength * escapeFactor + mailMarginLength);
  const inRow = maxRecipientsBytes / (recipientBytes + customFieldCount * customFieldBytes);
  return Math.max(1, Math.floor(Math.min(maxBatch, inCall, inRow)));
}

/** Indexes of the recipients in this state. */
export function indexesOf(recipientStates: string, state: RecipientState): number[] {
  const indexes: number[] = [];
  for (let index = 0; index < recipientStates.length; index++)
    if (recipientStates[index] === state) indexes.push(index);
  return indexes;
}

/** Indexes of the recipients whose mail is not decided: the ones a call is made for, in this order. */
export function pendingIndexes(recipientStates: string): number[] {
  return indexesOf(recipientStates, recipientState.pending);
}

/** `recipientStates` with every pending one replaced. */
export function resolvePending(recipientStates: string, state: RecipientState): string {
  return recipientStates.replaceAll(recipientState.pending, state);
}

/** `recipientStates` with those at `indexes` replaced. */
export function setRecipientStates(
  recipientStates: string,
  indexes: Iterable<number>,
  state: RecipientState,
): string {
  const list = [...recipientStates];
  for (const index of indexes) list[index] = state;
  return list.join('');
}

/** `recipientStates` with every unknown one sent whose mail was certainly taken, because the provider has reported on it. */
export function proveStates(
  recipientStates: string,
  recipients: Batch['recipients'],
  isTaken: (leadId: number) => boolean,
): string {
  const proven = indexesOf(recipientStates, recipientState.unknown).filter((index) => {
    const recipient = recipients?.[index];
    return recipient !== undefined && isTaken(recipient.leadId);
  });
  return setRecipientStates(recipientStates, proven, recipientState.sent);
}

/**
 * Settles recipients whose mail was certainly taken.
 *
 * @param batch - an unknown one
 * @returns null when nothing of it is proven
 */
export function proveTaken(batch: Batch, isTaken: (leadId: number) => boolean): Batch | null {
  const recipientStates = proveStates(batch.recipientStates, batch.recipients, isTaken);
  if (recipientStates === batch.recipientStates) return null;
  return recipientStates.includes(recipientState.unknown)
    ? { ...batch, recipientStates }
    : { ...batch, recipientStates, state: 'done', inDoubtSince: null, code: null, message: null };
}

/** Leads by result, of one batch or of all: the counters of a session are the sum over its batches. */
export interface BatchCounts {
  activated: number;
  skipped: number;
  /** Leads that the CRM refused to set active. */
  refused: number;
  sent: number;
  failed: number;
  unknown: number;
}

export const noCounts: BatchCounts = {
  activated: 0,
  skipped: 0,
  refused: 0,
  sent: 0,
  failed: 0,
  unknown: 0,
};

/** Counts a batch by its recipients; a batch that was never flipped counts by its leads. */
export function countBatch(
  batch: Pick<Batch, 'state' | 'leadIds' | 'recipients' | 'recipientStates' | 'skipped'>,
): BatchCounts {
  const counts = { activated: 0, skipped: batch.skipped.length, refused: 0, sent: 0, failed: 0, unknown: 0 };
  if (batch.recipients === null) {
    if (batch.state === 'cancelled') counts.skipped = batch.leadIds.length;
    else if (batch.state === 'done') counts.refused = batch.leadIds.length;
    return counts;
  }
  for (const state of batch.recipientStates) {
    if (state !== recipientState.moved) counts.activated++;
    if (state === recipientState.sent) counts.sent++;
    else if (state === recipientState.failed) counts.failed++;
    else if (state === recipientState.unknown) counts.unknown++;
  }
  return counts;
}

/** Leads of a batch that are active in the connected CRM: recipients are frozen after they were set there. */
export function countInCrm({
  recipients,
  recipientStates,
}: Pick<Batch, 'recipients' | 'recipientStates'>): number {
  if (recipients === null) return 0;
  let count = 0;
  for (const [index, { crmRecordId }] of recipients.entries())
    if (crmRecordId !== undefined && recipientStates[index] !== recipientState.moved) count++;
  return count;
}

/** What a change of a batch adds to the counters. */
export function countDelta(before: BatchCounts, after: BatchCounts): BatchCounts {
  return {
    activated: after.activated - before.activated,
    skipped: after.skipped - before.skipped,
    refused: after.refused - before.refused,
    sent: after.sent - before.sent,
    failed: after.failed - before.failed,
    unknown: after.unknown - before.unknown,
  };
}

/** Both together. */
export function countSum(a: BatchCounts, b: BatchCounts): BatchCounts {
  return {
    activated: a.activated + b.activated,
    skipped: a.skipped + b.skipped,
    refused: a.refused + b.refused,
    sent: a.sent + b.sent,
    failed: a.failed + b.failed,
    unknown: a.unknown + b.unknown,
  };
}
