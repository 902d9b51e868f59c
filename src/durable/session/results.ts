/**
 * Per-lead results: what became of each lead of a session, in pages.
 *
 * Owns: reading batches as lists of leads. Never: writes. A page looks at a bounded number of batches, so
 * it may hold fewer leads than asked for and still have a cursor.
 *
 * @module
 */
import type { Batch, Mark } from '../../core/batch/batch.ts';
import { shownFate } from '../../core/batch/delivery-status.ts';
import type { ActivationState, EmailState } from '../../shared/progress.ts';
import type { LeadResult } from '../../shared/schemas/activation.ts';
import { FateReader } from './delivery-events.ts';
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

const emailStateOf = { p: 'pending', s: 'sent', f: 'failed', u: 'unknown' } as const satisfies Record<
  Exclude<Mark, 'm'>,
  EmailState
>;

/** Reads one page of results, in the order of the batches. */
export function readResults(store: SessionStore, query: ResultQuery): ResultPage {
  const from = query.cursor ?? { seq: 0, index: 0 };
  const wantsMail = query.activation === null || query.activation === 'activated';
  const mark = query.email === null ? null : markOf(query.email);
  const wantsOthers = query.email === null;
  const batches = store.results.page(
    from.seq,
    {
      marks: wantsMail ? (mark === null ? '?*' : `*${mark}*`) : null,
      hasSkipped: wantsOthers && (query.activation === null || query.activation === 'skipped'),
      isUndecided: wantsOthers && query.activation !== 'activated',
    },
    maxPageBatchCount,
  );
  const fates = new FateReader(store);
  const leads: LeadResult[] = [];
  for (const batch of batches) {
    const results = batchResults(batch, fates);
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

/** The mark under which leads of this e-mail state are found; later fates are sent mail. */
function markOf(state: EmailState): Mark {
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
function batchResults(batch: Batch, fates: FateReader): LeadResult[] {
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
    const mark = batch.marks[index] as Mark | undefined;
    if (mark === undefined || mark === 'm') return [];
    const failure = failures.get(index);
    const fault = mark === 'u' || mark === 'p' ? batch : null;
    const fate = mark === 's' ? shownFate(fates.of(recipient.leadId)) : null;
    return [
      {
        leadId: recipient.leadId,
        email: recipient.email === '' ? null : recipient.email,
        name: `${recipient.firstName} ${recipient.lastName}`.trim(),
        activation: 'activated',
        skipReason: null,
        emailState: fate?.state ?? emailStateOf[mark],
        code: failure?.code ?? fault?.code ?? fate?.code ?? null,
        message: failure?.message ?? fault?.message ?? fate?.message ?? null,
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
