/**
 * Judges the mail API's record of calls alone: who was mailed twice, and what left after a stop.
 *
 * Pure. What the product says of itself is judged in judge-leads.ts.
 *
 * @module
 */
import type { Call } from './mail-api.ts';
import type { SessionRecord, StopWindow, Violation } from './records.ts';

/** An answer that came this soon before a kill may never have been written down by the killed. */
const unwrittenMs = 1_000;

/** Whether the caller could not know what became of a call. */
export function isDoubtful(call: Call, kills: readonly number[]): boolean {
  const { answer, at, endedAt } = call;
  return (
    answer === 'doubt' ||
    endedAt === null ||
    kills.some((killedAt) => at <= killedAt && killedAt <= endedAt + unwrittenMs)
  );
}

/** Calls that sent a mail to each lead, in order. */
export function takingCalls(calls: readonly Call[]): Map<number, Call[]> {
  const byLead = new Map<number, Call[]>();
  for (const call of calls) {
    for (const leadId of call.takenLeadIds) byLead.set(leadId, [...(byLead.get(leadId) ?? []), call]);
  }
  return byLead;
}

/**
 * Each lead is mailed once, unless a person retried it while it was unknown.
 *
 * @returns the leads that were mailed twice without such a retry, and how many were mailed twice after one
 */
export function judgeOnce(
  calls: readonly Call[],
  sessions: readonly SessionRecord[],
): { violations: Violation[]; excusedCount: number } {
  const violations: Violation[] = [];
  let excusedCount = 0;
  const risks = sessions.flatMap((session) => session.risks);
  for (const [leadId, taking] of takingCalls(calls)) {
    for (const [at, again] of taking.slice(1).entries()) {
      const before = taking[at];
      const isExcused = risks.some(
        (risk) =>
          risk.leadIds.has(leadId) && risk.fromIndex > (before?.index ?? 0) && risk.fromIndex <= again.index,
      );
      if (isExcused) excusedCount++;
      else
        violations.push({
          rule: 'mailed once',
          words: `mailed by call ${String(before?.index)} and again by call ${String(again.index)}`,
          sessionId: again.sessionId,
          leadId,
        });
    }
  }
  return { violations, excusedCount };
}

/** No call leaves after the answer to pause, cancel or erase until a person sets the session going again. */
export function judgeStops(calls: readonly Call[], stops: readonly StopWindow[]): Violation[] {
  return stops.flatMap(({ sessionId, command, fromIndex, toIndex }) =>
    calls.slice(fromIndex, toIndex ?? undefined).flatMap((call): Violation[] =>
      call.sessionId === sessionId
        ? [
            {
              rule: `nothing leaves after ${command}`,
              words: `call ${String(call.index)} (${call.key ?? 'no key'}) left after the answer, which came before call ${String(fromIndex)}`,
              sessionId,
              ...(call.leadIds[0] === undefined ? {} : { leadId: call.leadIds[0] }),
            },
          ]
        : [],
    ),
  );
}

/** Nothing is mailed for a session that is not for it. */
export function judgeAudience(calls: readonly Call[], sessions: readonly SessionRecord[]): Violation[] {
  return sessions.flatMap(({ sessionId, audience }) =>
    calls
      .filter((call) => call.sessionId === sessionId)
      .flatMap((call) =>
        call.takenLeadIds
          .filter((leadId) => !audience.has(leadId))
          .map((leadId) => ({ rule: 'only the audience is mailed', words: 'not in it', sessionId, leadId })),
      ),
  );
}
