/**
 * Notices by mail: to a mailbox that is an endpoint, and to the maker of an endpoint that was switched off.
 *
 * @module
 */
import type { Outcome } from '../../core/batch/outcome.ts';
import type { Attempt } from '../../core/events/retry.ts';
import { faultText } from '../../runtime/faults.ts';
import { mailTexts } from '../../runtime/settings.ts';
import { sendSingleMail } from '../single-mail.ts';
import type { NoticeMail } from './send-event.ts';

/** Nobody waits for a notice. */
const timeoutMs = 15_000;

/** Sends a notice once. Never throws. */
export async function sendNoticeMail(env: Env, now: () => number, mail: NoticeMail): Promise<Attempt> {
  const { from, replyTo } = mailTexts(env);
  try {
    const answer = await sendSingleMail(env, now, { ...mail, from, replyTo, kind: 'notice', timeoutMs });
    switch (answer.kind) {
      case 'answered':
        return attemptOf(answer.outcome);
      case 'not_configured':
        return refused(answer.message);
      case 'paused':
        return refused('The mail provider asked for a pause.');
      default:
        return answer satisfies never;
    }
  } catch (error) {
    return refused(faultText(error));
  }
}

function refused(error: string, retryAfterMs: number | null = null): Attempt {
  return { kind: 'refused', status: null, error, retryAfterMs };
}

function attemptOf(outcome: Outcome): Attempt {
  switch (outcome.kind) {
    case 'accepted': {
      const [rejection] = outcome.rejections;
      return rejection === undefined ? { kind: 'taken', status: null } : refused(rejection.message);
    }
    case 'keyConflict':
      // An earlier attempt was, when the activation had another name. A notice is not sent under a second key.
      return { kind: 'taken', status: null };
    case 'throttled':
      return refused('The mail provider asked us to slow down.', outcome.retryAfterMs);
    case 'concurrent':
    case 'notSent':
      return refused('It was not sent.');
    case 'quota':
    case 'auth':
    case 'rejected':
    case 'transient':
    case 'unknown':
      return refused(outcome.message);
    default:
      return outcome satisfies never;
  }
}
