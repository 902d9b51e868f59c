/**
 * The outcome table of a provider: read from the top, the first matching line decides. Each provider has one table
 * with the known meanings of its answers.
 *
 * Owns how a table is read, and the outcomes that tables share. What a provider answers is in its own folder.
 * Invariant: an answer that no line matches is `unknown` and never "not taken". The same holds for an answer without
 * the provider's own error code, whatever its status: it may come from a proxy that had passed the call on.
 *
 * @module
 */
import type { Deferral, Outcome, RecipientRejection } from '../../core/batch/outcome.ts';
import { findRule, type RulePattern } from '../../runtime/answer.ts';

/** The parts of an answer that tables read, for any answer except a plain success. */
export interface ProviderAnswer {
  /** HTTP status; 0 where there is none (a binding). */
  status: number;
  /** The provider's own word or number for the error; empty when the answer is not in its form. */
  code: string;
  /** For a person, and without an address: see `safeMessage`. */
  message: string;
  retryAfterMs: number | null;
  /** Mails in the call. */
  mailCount: number;
}

/** A line of a table. */
export interface OutcomeRule extends RulePattern {
  outcome: (answer: ProviderAnswer) => Outcome;
}

/** Reads a table: the outcome of the first matching line. */
export function readOutcomeTable(table: readonly OutcomeRule[], answer: ProviderAnswer): Outcome {
  if (answer.code === '') return foreign(answer);
  return (findRule(table, answer)?.outcome ?? unknown)(answer);
}

/** The outcome of an answer that is not the provider's: from a proxy, an edge, a captive portal. */
function foreign({ status, retryAfterMs }: ProviderAnswer): Outcome {
  if (status === 429) return { kind: 'throttled', retryAfterMs, isForeign: true };
  return {
    kind: 'unknown',
    code: `http_${status}`,
    message: `Something other than the mail provider answered ${status}, or the provider without a reason.`,
  };
}

export const auth = (answer: ProviderAnswer): Outcome => ({
  kind: 'auth',
  code: answer.code,
  message: answer.message,
});

/** Refused for its content. Only a call of one mail shows which mail; providers/resend/transport.ts has a finer way. */
export const rejected = (answer: ProviderAnswer): Extract<Outcome, { kind: 'rejected' }> => ({
  kind: 'rejected',
  code: answer.code,
  message: answer.message,
  index: answer.mailCount === 1 ? 0 : null,
});

export const throttled = ({ retryAfterMs }: ProviderAnswer): Outcome => ({ kind: 'throttled', retryAfterMs });

export const quota =
  (scope: 'daily' | 'monthly') =>
  ({ message }: ProviderAnswer): Outcome => ({ kind: 'quota', scope, message });

export const transient = (answer: ProviderAnswer): Outcome => ({
  kind: 'transient',
  code: answer.code,
  message: answer.message,
  retryAfterMs: answer.retryAfterMs,
});

export const unknown = (answer: ProviderAnswer): Outcome => ({
  kind: 'unknown',
  code: answer.code,
  message: answer.message,
});

/**
 * A success without proof in its body. The status says that the call was taken, but only the ids prove that the
 * provider took it, with each of its mails: a page of a proxy or a captive portal is also a 200. Under an
 * idempotency key, a repeat returns the ids and sends no second mail.
 */
export const unreadableAnswer: Outcome = {
  kind: 'unknown',
  code: 'unreadable_answer',
  message: 'The mail provider took the call, but its answer could not be read.',
};

/** What a provider that answers for each mail of a call says of one: taken, or an outcome of its table. */
export type MailResult = { kind: 'taken'; messageId: string | null } | Outcome;

/** The outcome of a call from the results of its mails, in their order. */
export function joinResults(results: readonly MailResult[]): Outcome {
  const messageIds: (string | null)[] = [];
  const rejections: RecipientRejection[] = [];
  const deferral: { indexes: number[]; because: Deferral['because'] | null } = { indexes: [], because: null };
  for (const [index, result] of results.entries()) {
    messageIds.push(result.kind === 'taken' ? result.messageId : null);
    switch (result.kind) {
      case 'taken':
        break;
      case 'rejected':
        rejections.push({ index, code: result.code, message: result.message });
        break;
      case 'auth':
      case 'quota':
      case 'throttled':
      case 'transient':
        deferral.indexes.push(index);
        // Of several reasons, the one that only a person can fix.
        if (deferral.because === null || result.kind === 'auth') deferral.because = result;
        break;
      case 'accepted':
      case 'concurrent':
      case 'keyConflict':
      case 'notSent':
      case 'unknown':
        // Whether this mail was taken is not known; an outcome has no place for one such mail among others.
        return unreadableAnswer;
    }
  }
  // A reason that is not a recipient's fault, so no recipient may fail for it.
  const { indexes, because } = deferral;
  if (because === null) return { kind: 'accepted', messageIds, rejections };
  if (indexes.length === results.length) return because;
  return { kind: 'accepted', messageIds, rejections, deferral: { indexes, because } };
}
