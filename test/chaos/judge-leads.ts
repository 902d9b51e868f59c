/**
 * Compares everything that is said about each lead: the mail API's record, the results, the CSV, the counters, the CRM
 * and the list of activations must agree.
 *
 * Pure: the input is the data of one round that has ended. Each rule is named in what is printed:
 * *sent ⇒ taken*, *failed ⇒ not taken*, *failed by the provider's own word*, *unknown ⇒ in doubt*,
 * *active ⇔ mailed, failed or unknown*, *sum = total*, and that all accounts of a session agree.
 *
 * @module
 */
import type { LeadResult } from '../../src/shared/schemas/activation.ts';
import { isDoubtful, judgeAudience, judgeOnce, judgeStops, takingCalls } from './judge-calls.ts';
import type { Call } from './mail-api.ts';
import type { FinalLead, RoundRecord, SessionRecord, Violation } from './records.ts';

/** Reasons of a failure that are the product's own decision and not an answer of the provider. */
const ownReasons: ReadonlySet<string> = new Set(['cancelled', 'suppressed', 'crm_refused', 'erased']);

const isSent = (state: string | null): boolean =>
  state === 'sent' || state === 'delivered' || state === 'bounced' || state === 'complained';

interface Book {
  /** Calls that carried each lead. */
  carrying: Map<number, Call[]>;
  taking: Map<number, Call[]>;
  kills: readonly number[];
}

function bookOf({ calls, kills }: RoundRecord): Book {
  const carrying = new Map<number, Call[]>();
  for (const call of calls) {
    for (const leadId of call.leadIds) carrying.set(leadId, [...(carrying.get(leadId) ?? []), call]);
  }
  return { carrying, taking: takingCalls(calls), kills };
}

function wasInDoubt(book: Book, { sessionId, unseenDoubts }: SessionRecord, leadId: number): boolean {
  const calls = book.carrying.get(leadId) ?? [];
  return (
    unseenDoubts.has(leadId) ||
    calls.some((call) => call.sessionId === sessionId && isDoubtful(call, book.kills))
  );
}

/** What may be said of leads that failed: at any moment, not only at the end. */
export function judgeFailed(
  calls: readonly Call[],
  sessionId: string,
  failed: readonly Pick<LeadResult, 'leadId' | 'code'>[],
): Violation[] {
  const taken = new Set<number>();
  const refused = new Set<number>();
  for (const call of calls) {
    if (call.sessionId !== sessionId) continue;
    for (const leadId of call.takenLeadIds) taken.add(leadId);
    for (const leadId of call.refusedLeadIds) refused.add(leadId);
  }
  return failed.flatMap(({ leadId, code }): Violation[] => [
    ...(taken.has(leadId)
      ? [{ rule: 'failed ⇒ not taken', words: `failed (${String(code)}) and was mailed`, sessionId, leadId }]
      : []),
    ...(refused.has(leadId) || ownReasons.has(code ?? '')
      ? []
      : [
          {
            rule: "failed by the provider's own word",
            words: `failed (${String(code)}) though the provider never refused this mail`,
            sessionId,
            leadId,
          },
        ]),
  ]);
}

function judgeResult(result: LeadResult, session: SessionRecord, book: Book): Violation[] {
  const { leadId, activation, emailState } = result;
  const { sessionId } = session;
  const found = (rule: string, words: string): Violation[] => [{ rule, words, sessionId, leadId }];
  const isTaken = (book.taking.get(leadId) ?? []).some((call) => call.sessionId === sessionId);
  if (activation === 'pending' || emailState === 'pending')
    return found('nothing is left open', 'it has no result at the end');
  if (isSent(emailState) && !isTaken) {
    // "Take as sent" may only change mail that was in doubt.
    return session.isAssumedSent && wasInDoubt(book, session, leadId)
      ? []
      : found('sent ⇒ taken', 'listed as sent and was never mailed');
  }
  if (emailState === null && isTaken)
    return found('mailed ⇒ listed', `mailed, and listed as ${activation} without a mail`);
  return [];
}

/** Calls of one session that a crash can leave in doubt (core/session/slice.ts, `callCount`). */
const maxCallsAtOnce = 5;

/**
 * Unknown is what was in doubt: a call with no certain answer, or one that a kill stopped between its intent
 * and the wire, which the mail API never saw. Of those there are at most five calls a kill.
 */
function judgeUnknown(session: SessionRecord, book: Book, calls: readonly Call[]): Violation[] {
  const { sessionId, final } = session;
  const unseen = (final?.results ?? []).filter(
    ({ leadId, emailState }) => emailState === 'unknown' && !wasInDoubt(book, session, leadId),
  );
  const ofSession = calls.filter((call) => call.sessionId === sessionId);
  const callSize = Math.max(0, ...ofSession.map((call) => call.leadIds.length));
  const first = unseen[0];
  if (first === undefined || unseen.length <= book.kills.length * maxCallsAtOnce * callSize) return [];
  return [
    {
      rule: 'unknown ⇒ in doubt',
      words: `${String(unseen.length)} are unknown, though every answer about them was certain`,
      sessionId,
      leadId: first.leadId,
    },
  ];
}

/** Counters, results and CSV of one session. */
function judgeAccounts(session: SessionRecord): Violation[] {
  const { final, sessionId } = session;
  if (final === null) return [];
  const { progress, results, csv, unlistedCount, listed } = final;
  const violations: Violation[] = [];
  const expectEqual = (rule: string, what: string, seen: number, expected: number): void => {
    if (seen !== expected)
      violations.push({ rule, words: `${what}: ${String(seen)}, not ${String(expected)}`, sessionId });
  };
  const { activation, email } = progress;
  const count = (isIt: (result: LeadResult) => boolean): number => results.filter(isIt).length;
  const sum = 'sum = total';
  expectEqual(sum, 'decided', activation.activated + activation.skipped + activation.failed, progress.total);
  expectEqual(sum, 'mails decided', email.sent + email.failed + email.unknown, activation.activated);
  const recount = 'counters = recount';
  expectEqual(recount, 'listed leads', results.length + unlistedCount, progress.total);
  expectEqual(recount, 'results of leads', new Set(results.map(({ leadId }) => leadId)).size, results.length);
  expectEqual(
    recount,
    'activated',
    activation.activated,
    count((r) => r.activation === 'activated'),
  );
  expectEqual(
    recount,
    'skipped',
    activation.skipped,
    unlistedCount + count((r) => r.activation === 'skipped'),
  );
  expectEqual(
    recount,
    'sent',
    email.sent,
    count((r) => isSent(r.emailState)),
  );
  expectEqual(
    recount,
    'failed',
    email.failed,
    count((r) => r.emailState === 'failed'),
  );
  expectEqual(
    recount,
    'unknown',
    email.unknown,
    count((r) => r.emailState === 'unknown'),
  );
  const inCsv = new Map(csv.map((line) => [line.leadId, line]));
  expectEqual('CSV = results', 'lines', csv.length, results.length);
  for (const { leadId, activation: word, emailState } of results) {
    const line = inCsv.get(leadId);
    if (line?.activation !== word || line.emailState !== (emailState ?? ''))
      violations.push({ rule: 'CSV = results', words: 'it differs', sessionId, leadId });
  }
  const same = 'list = progress';
  if (listed === null) violations.push({ rule: same, words: 'it is not in the list', sessionId });
  else {
    if (listed.state !== progress.state)
      violations.push({ rule: same, words: `${listed.state}, not ${progress.state}`, sessionId });
    expectEqual(same, 'sent', listed.email.sent, email.sent);
    expectEqual(same, 'failed', listed.email.failed, email.failed);
    expectEqual(same, 'unknown', listed.email.unknown, email.unknown);
    expectEqual(same, 'skipped', listed.activation.skipped, activation.skipped);
  }
  // A run whose every mail is refused stops and asks, instead of failing everybody.
  if (email.sent === 0 && email.failed > 3 && email.failed >= activation.activated)
    violations.push({
      rule: 'a refusal of everything pauses',
      words: `${String(email.failed)} of ${String(activation.activated)} failed and nobody was mailed`,
      sessionId,
    });
  return violations;
}

/** The CRM's status of a lead against the record of calls and the results. */
function judgeLead(lead: FinalLead, record: RoundRecord, book: Book, results: ResultIndex): Violation[] {
  const { id: leadId, status, activatedBy } = lead;
  const taking = book.taking.get(leadId) ?? [];
  const found = (rule: string, words: string, sessionId = activatedBy ?? undefined): Violation[] => [
    { rule, words, leadId, ...(sessionId === undefined ? {} : { sessionId }) },
  ];
  const rule = 'active ⇔ mailed, failed or unknown';
  if (status === 'new') {
    if (taking.length > 0) return found(rule, 'it was mailed and is new', taking[0]?.sessionId);
    for (const { sessionId } of record.sessions) {
      const result = results.get(sessionId)?.get(leadId);
      if (result?.activation === 'activated')
        return found(rule, `activated by ${sessionId} and new in the CRM`, sessionId);
      if (result?.skipReason === 'already_active')
        return found('already_active ⇒ active', 'skipped for that, and new at the end', sessionId);
    }
    return [];
  }
  const owner = record.sessions.find(({ sessionId }) => sessionId === activatedBy);
  if (owner === undefined) return [];
  if (owner.final === null) {
    const isExplained = taking.length > 0 || owner.failedBeforeErasure.has(leadId);
    // Whoever may have been mailed when the session was erased has no result any more.
    return isExplained || wasInDoubt(book, owner, leadId)
      ? []
      : found(rule, 'active by an erased session that neither mailed it nor said that it failed');
  }
  const result = results.get(owner.sessionId)?.get(leadId);
  if (result === undefined) return found(rule, 'active by a session that does not list it');
  return result.activation === 'activated'
    ? []
    : found(rule, `active by a session that lists it as ${result.activation} (${String(result.skipReason)})`);
}

type ResultIndex = Map<string, Map<number, LeadResult>>;

/** All that is wrong with a round; `excusedCount` are second mails that a person's retry of unknown took. */
export function judgeRound(record: RoundRecord): { violations: Violation[]; excusedCount: number } {
  const book = bookOf(record);
  const results: ResultIndex = new Map(
    record.sessions.map(({ sessionId, final }) => [
      sessionId,
      new Map((final?.results ?? []).map((result) => [result.leadId, result])),
    ]),
  );
  const once = judgeOnce(record.calls, record.sessions);
  return {
    excusedCount: once.excusedCount,
    violations: [
      ...once.violations,
      ...judgeStops(record.calls, record.stops),
      ...judgeAudience(record.calls, record.sessions),
      ...record.sessions.flatMap((session) => [
        ...judgeAccounts(session),
        ...judgeUnknown(session, book, record.calls),
        ...(session.final?.results ?? []).flatMap((result) => judgeResult(result, session, book)),
        ...judgeFailed(
          record.calls,
          session.sessionId,
          (session.final?.results ?? []).filter(({ emailState }) => emailState === 'failed'),
        ),
      ]),
      ...record.leads.flatMap((lead) => judgeLead(lead, record, book, results)),
    ],
  };
}
