/**
 * Judges the views that one observer of a session is shown.
 *
 * Pure. Keeps the last view and compares the next one with it: `rev` never falls, a revision has one content, numbers
 * fall only after a person's retry, the sums hold, and no view has an address.
 *
 * @module
 */
import { emailPendingCount, isTerminal, type Progress } from '../../src/shared/progress.ts';
import type { Violation } from './records.ts';

/** Words of people since the last view that explain a number that falls. */
export interface Excuses {
  /** Retry, take as sent, or check: failed and unknown are worked on again. */
  hasRetry: boolean;
  /** A cancel or a pause makes leads new again that were flipped and certainly not mailed. */
  hasStop: boolean;
}

const numbersOf = (view: Progress): Record<string, number> => ({
  processed: view.processed,
  activated: view.activation.activated,
  skipped: view.activation.skipped,
  'activation failed': view.activation.failed,
  sent: view.email.sent,
  failed: view.email.failed,
  unknown: view.email.unknown,
});

function mayFall(name: string, view: Progress, excuses: Excuses): boolean {
  if (name === 'failed' || name === 'unknown' || name === 'processed') return excuses.hasRetry;
  // Giving leads back may take longer than the answer, and longer than a kill.
  if (name === 'activated') return excuses.hasStop || view.state === 'paused' || view.state === 'cancelled';
  return false;
}

export class ViewJudge {
  readonly #who: string;
  readonly #addressPart: string;
  #last: Progress | null = null;

  /**
   * @param who - the observer, for what is printed
   * @param addressPart - what every lead's address has in it
   */
  constructor(who: string, addressPart: string) {
    this.#who = who;
    this.#addressPart = addressPart;
  }

  /** The last view, null before the first. */
  get last(): Progress | null {
    return this.#last;
  }

  /**
   * Judges the next view.
   *
   * @param view - as it was parsed
   * @param raw - as it came
   */
  see(view: Progress, raw: string, excuses: Excuses): Violation[] {
    const last = this.#last;
    this.#last = view;
    const { sessionId, rev, total, activation, email } = view;
    const violations: Violation[] = [];
    const found = (rule: string, words: string): void => {
      violations.push({ rule, words: `${this.#who}, rev ${String(rev)}: ${words}`, sessionId });
    };
    if (raw.includes(this.#addressPart)) found('no address in a view', 'it has one');
    const decided = activation.activated + activation.skipped + activation.failed;
    if (decided > total) found('sum = total', `${String(decided)} of ${String(total)} are decided`);
    const mailed = email.sent + email.failed + email.unknown;
    if (mailed > activation.activated)
      found('sum = total', `${String(mailed)} mails of ${String(activation.activated)} activated`);
    if (isTerminal(view) && (decided !== total || emailPendingCount(view) !== 0))
      found('sum = total', `it ended with ${String(decided)} of ${String(total)} decided`);
    if (last === null) return violations;
    if (rev < last.rev) {
      found('rev rises', `after ${String(last.rev)}`);
      return violations;
    }
    if (last.state === 'cancelled' && view.state !== 'cancelled' && !excuses.hasRetry)
      found('cancelled is for ever', `it is ${view.state} (${String(view.reason)})`);
    if (total !== last.total) found('the total stays', `${String(total)} after ${String(last.total)}`);
    const before = numbersOf(last);
    for (const [name, value] of Object.entries(numbersOf(view))) {
      const old = before[name] ?? 0;
      if (rev === last.rev && value !== old)
        found('a revision has one content', `${name} was ${String(old)} and is ${String(value)}`);
      else if (value < old && !mayFall(name, view, excuses))
        found('numbers never go back', `${name} was ${String(old)} and is ${String(value)}`);
    }
    return violations;
  }
}
