/**
 * Per-lead results: the result of each lead of a session, in pages.
 *
 * Reads batches as lists of leads; writes nothing. A page reads a bounded number of batches, so it may hold fewer leads
 * than asked for and still have a cursor.
 *
 * @module
 */
import { recipientState, type Batch, type RecipientState } from '../../core/batch/batch.ts';
import { deliveryStatus } from '../../core/batch/delivery-status.ts';
import { limits } from '../../shared/limits.ts';
import type { ActivationState, EmailState } from '../../shared/progress.ts';
import type { LeadResult } from '../../shared/schemas/activation.ts';
import { DeliveryReader } from './delivery-events.ts';
import type { SessionStore } from '../store/session-store.ts';

/** Where a page begins: a batch, and a lead in it. */
export interface ResultCursor {
  seq: number;
  index: number;
}

export interface ResultQuery {
  activation: ActivationState | null;
  email: EmailState | null;
  cursor: ResultCursor | null;
  limit: number;
}

export interface ResultPage {
  leads: LeadResult[];
  next: ResultCursor | null;
}

/** Batches that one page looks at. */
const maxPageBatchCount = 50;

const emailStateOf = {
  [recipientState.pending]: 'pending',
  [recipientState.sent]: 'sent',
  [recipientState.failed]: 'failed',
  [recipientState.unknown]: 'unknown',
} as const satisfies Record<Exclude<RecipientState, typeof recipientState.moved>, EmailState>;

/** Reads one page of results, in the order of the batches. */
export function readResults(store: SessionStore, query: ResultQuery): ResultPage {
  const from = query.cursor ?? { seq: 0, index: 0 };
  const wantsMail = query.activation === null || query.activation === 'activated';
  const state = query.email === null ? null : recipientStateOf(query.email);
  const wantsOthers = query.email === null;
  const batches = store.results.page(
    from.seq,
    {
      recipientStates: wantsMail ? (state === null ? '?*' : `*${state}*`) : null,
      hasSkipped: wantsOthers && (query.activation === null || query.activation === 'skipped'),
      isUndecided: wantsOthers && query.activation !== 'activated',
    },
    maxPageBatchCount,
  );
  const deliveries = new DeliveryReader(store);
  const leads: LeadResult[] = [];
  for (const batch of batches) {
    const results = batchResults(batch, deliveries);
    const start = batch.seq === from.seq ? from.index : 0;
    for (let index = start; index < results.length; index++) {
      const result = results[index];
      if (result === undefined || !matches(result, query)) continue;
      if (leads.length === query.limit) return { leads, next: { seq: batch.seq, index } };
      leads.push(result);
    }
  }
  const last = batches.at(-1);
  const hasMore = last !== undefined && batches.length === maxPageBatchCount;
  return { leads, next: hasMore ? { seq: last.seq + 1, index: 0 } : null };
}

function matches(result: LeadResult, query: ResultQuery): boolean {
  return (
    (query.activation === null || result.activation === query.activation) &&
    (query.email === null || result.emailState === query.email)
  );
}

/** The recipient state of leads with this e-mail state; delivered and bounced mail was sent. */
function recipientStateOf(state: EmailState): RecipientState {
  switch (state) {
    case 'pending':
      return recipientState.pending;
    case 'failed':
      return recipientState.failed;
    case 'unknown':
      return recipientState.unknown;
    case 'sent':
    case 'delivered':
    case 'bounced':
    case 'complained':
      return recipientState.sent;
    default:
      return state satisfies never;
  }
}

/** All leads of one batch but those that were moved to another one. */
function batchResults(batch: Batch, deliveries: DeliveryReader): LeadResult[] {
  const blank = {
    email: null,
    name: '',
    skipReason: null,
    emailState: null,
    code: null,
    message: null,
    messageId: null,
  } satisfies Partial<LeadResult>;
  if (batch.recipients === null) {
    const isCancelled = batch.state === 'cancelled';
    const isRefused = batch.state === 'done';
    return batch.leadIds.map((leadId) => ({
      ...blank,
      leadId,
      activation: isCancelled ? 'skipped' : isRefused ? 'failed' : 'pending',
      skipReason: isCancelled ? 'cancelled' : null,
      code: isRefused ? batch.code : null,
      message: isRefused ? batch.message : null,
    }));
  }
  const failures = new Map(batch.failures.map((failure) => [failure.index, failure]));
  const mailed = batch.recipients.flatMap((recipient, index): LeadResult[] => {
    const state = batch.recipientStates[index] as RecipientState | undefined;
    if (state === undefined || state === recipientState.moved) return [];
    const failure = failures.get(index);
    const fault = state === recipientState.unknown || state === recipientState.pending ? batch : null;
    const delivery = state === recipientState.sent ? deliveryStatus(deliveries.of(recipient.leadId)) : null;
    return [
      {
        leadId: recipient.leadId,
        email: recipient.email === '' ? null : recipient.email,
        name: `${recipient.firstName} ${recipient.lastName}`.trim(),
        activation: 'activated',
        skipReason: null,
        emailState: delivery?.state ?? emailStateOf[state],
        code: failure?.code ?? fault?.code ?? delivery?.code ?? null,
        message: failure?.message ?? fault?.message ?? delivery?.message ?? null,
        messageId: batch.messageIds?.[index] ?? null,
      },
    ];
  });
  const skipped = batch.skipped.map(({ leadId, reason }): LeadResult => ({
    ...blank,
    leadId,
    activation: 'skipped',
    skipReason: reason,
  }));
  return [...mailed, ...skipped];
}

/** The result of one lead, or null when it is not in this session. A lead that was moved is found in its last batch. */
export function readLeadResult(store: SessionStore, leadId: number): LeadResult | null {
  for (const seq of store.results.seqsAround(leadId)) {
    const query = {
      activation: null,
      email: null,
      cursor: { seq, index: 0 },
      // More than any provider takes in one call, so the page holds the whole batch.
      limit: limits.maxPageLeadCount,
    };
    const found = readResults(store, query).leads.find((result) => result.leadId === leadId);
    if (found !== undefined) return found;
  }
  return null;
}
