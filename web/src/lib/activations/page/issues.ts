/**
 * The issues of a session as a person reads them: a sentence for each group, and its remedy. Pure.
 *
 * Keeps true: a group's own button touches that group and nobody else.
 *
 * @module
 */
import type { Issue, SkipReason } from '../../../../../src/shared/progress.ts';
import { activationMessages } from '../../messages/activation.ts';
import { stateMessages } from '../../messages/states.ts';

const skipReasons: Partial<Record<string, string>> = stateMessages.skipReasons satisfies Record<
  SkipReason,
  string
>;

/** The provider's words for an address that it does not take name a field of its API. */
function isAddressRefusal(code: string, message: string): boolean {
  return code === 'validation_error' && /^invalid `to` field/i.test(message);
}

/** What happened to these leads. The server says nothing of those it left out, and seldom of the unknown. */
export function issueText({ state, code, message }: Issue): string {
  if (isAddressRefusal(code, message)) return activationMessages.addressRefused;
  if (message !== '') return message;
  return (state === 'skipped' ? skipReasons[code] : undefined) ?? activationMessages.issueWithoutWords[state];
}

/**
 * The command that retries one group; null where there is none. A retry takes all mails of one state, so it
 * belongs to a group only while that is the only one of its state.
 */
export function retryOf(issue: Issue, issues: readonly Issue[]): 'retryFailed' | 'retryUnknown' | null {
  if (issue.track !== 'email' || issue.state === 'skipped') return null;
  const alike = issues.filter(({ track, state }) => track === issue.track && state === issue.state);
  if (alike.length !== 1) return null;
  return issue.state === 'failed' ? 'retryFailed' : 'retryUnknown';
}
