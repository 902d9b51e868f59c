/**
 * A refused call as sentences for a person.
 *
 * @module
 */
import type { Refusal } from '../api/client.ts';
import { refusalMessages } from '../messages/refusals.ts';

/** What was refused, as a title, and the details line by line. */
export function describeRefusal(refusal: Refusal): { title: string; lines: string[] } {
  if (refusal.kind === 'unreachable') {
    return { title: refusalMessages.unreachable.title, lines: [refusalMessages.unreachable.text] };
  }
  if (refusal.kind === 'signed_out') {
    return { title: refusalMessages.signedOut.title, lines: [refusalMessages.signedOut.text] };
  }
  const { title, code, detail, errors, status, requestId } = refusal.problem;
  // About a choice and not about a field of the request: the sentence says what to do, and the code's title nothing.
  if (code === 'invalid_request' && detail !== '' && errors === undefined)
    return { title: detail, lines: [] };
  return {
    title,
    lines: [
      ...(detail !== '' && detail !== title ? [detail] : []),
      ...(errors ?? []).map((fault) => `${fault.path}: ${fault.message}`),
      // A reference only helps where the fault is ours.
      ...(status >= 500 && requestId ? [refusalMessages.requestId(requestId)] : []),
    ],
  };
}
