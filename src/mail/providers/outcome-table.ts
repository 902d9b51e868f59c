/**
 * How a provider's answers are written down: a table, read from the top, whose first fitting line decides. One table
 * per provider is all that it is known to mean.
 *
 * Owns how a table is read, and the outcomes that tables share. What a provider answers is in its own folder.
 * Invariant: an answer that no line fits is `unknown` and never "not taken". So is one without the provider's own
 * error code, whatever its status, for it may come from a proxy that had passed the call on.
 *
 * @module
 */
import type { Outcome } from '../../core/batch/outcome.ts';

/** A provider's answer that is not a plain success, reduced to what tables ask of it. */
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

/** A line of a table; what it leaves out fits anything. */
export interface OutcomeRule {
  status?: readonly number[] | { from: number; to: number };
  code?: RegExp;
  message?: RegExp;
  outcome: (answer: ProviderAnswer) => Outcome;
}

/** Reads a table: the outcome of the first line that fits. */
export function readOutcomeTable(table: readonly OutcomeRule[], answer: ProviderAnswer): Outcome {
  if (answer.code === '') return foreign(answer);
  const rule = table.find(
    ({ status, code, message }) =>
      (status === undefined || fitsStatus(status, answer.status)) &&
      (code === undefined || code.test(answer.code)) &&
      (message === undefined || message.test(answer.message)),
  );
  return (rule?.outcome ?? unknown)(answer);
}

function fitsStatus(rule: NonNullable<OutcomeRule['status']>, status: number): boolean {
  return 'from' in rule ? status >= rule.from && status <= rule.to : rule.includes(status);
}

/** What something else than the provider answered: a proxy, an edge, a captive portal. */
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

/** Refused for its content. Which mail is clear only where there is one; see `resend.ts` for a finer way. */
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
 * A success whose body does not prove it. The status line says that the call was taken, but the ids
 * are the proof that it was this provider who took it, and each mail of it: a page from a proxy or a
 * captive portal is also a 200. Under an idempotency key, asking again brings the ids and no second mail.
 */
export const unreadableAnswer: Outcome = {
  kind: 'unknown',
  code: 'unreadable_answer',
  message: 'The mail provider took the call, but its answer could not be read.',
};
