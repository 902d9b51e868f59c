/**
 * Per-lead results: what became of each lead of a session, in pages.
 *
 * Owns: reading batches as lists of leads. Never: writes. A page looks at a bounded number of batches, so
 * it may hold fewer leads than asked for and still have a cursor.
 *
 * @module
 */
import type { Batch, RecipientState } from '../../core/batch/batch.ts';
import { deliveryStatus } from '../../core/batch/delivery-status.ts';
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
  /** A skip reason or the code of an issue. */
  code: string | null;
  cursor: ResultCursor | null;
  limit: number;
}

export interface ResultPage {
  leads: LeadResult[];
  next: ResultCursor | null;
}

/** Batches that one page looks at. */
const maxPageBatchCount = 50;

const emailStateOf = { p: 'pending', s: 'sent', f: 'failed', u: 'unknown' } as const satisfies Record<
  Exclude<RecipientState, 'm'>,
  EmailState
>;

/** Reads one page of results, in the order of the batches. */
export function readResults(store: SessionStore, query: ResultQuery): ResultPage {
  const from = query.cursor ?? { seq: 0, index: 0 };
  const wantsMail = query.activation === null || query.activation === 'activated';
  const recipientState = query.email === null ? null : recipientStateOf(query.email);
  const wantsOthers = query.email === null;
  const batches = store.results.page(
    from.seq,
    {
      recipientStates: wantsMail ? (recipientState === null ? '?*' : `*${recipientState}*`) : null,
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
    (query.email === null || result.emailState === query.email) &&
    (query.code === null || (result.skipReason ?? result.code ?? codeWithoutOne(result)) === query.code)
  );
}

/** Under which code the issues count a result that has none of its own. */
function codeWithoutOne({ activation, emailState }: LeadResult): string | null {
  if (emailState === 'unknown') return 'unknown';
  return activation === 'failed' ? 'crm_refused' : null;
}

/** The mark under which leads of this e-mail state are found; later fates are sent mail. */
function recipientStateOf(state: EmailState): RecipientState {
  switch (state) {
    case 'pending':
      return 'p';
    case 'failed':
      return 'f';
    case 'unknown':
      return 'u';
    case 'sent':
    case 'delivered':
    case 'bounced':
    case 'complained':
      return 's';
    default:
      return state satisfies never;
  }
}

/** All leads of one batch that live in it (and were not moved to another one). */
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
    const recipientState = batch.recipientStates[index] as RecipientState | undefined;
    if (recipientState === undefined || recipientState === 'm') return [];
    const failure = failures.get(index);
    const fault = recipientState === 'u' || recipientState === 'p' ? batch : null;
    const delivery = recipientState === 's' ? deliveryStatus(deliveries.of(recipient.leadId)) : null;
    return [
      {
        leadId: recipient.leadId,
        email: recipient.email === '' ? null : recipient.email,
        name: `${recipient.firstName} ${recipient.lastName}`.trim(),
        activation: 'activated',
        skipReason: null,
        emailState: delivery?.state ?? emailStateOf[recipientState],
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
