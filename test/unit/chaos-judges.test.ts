/**
 * The kill test is believed because its judges find what is wrong: here each promise is broken on purpose.
 */
import { describe, expect, test } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import type { LeadResult } from '../../src/shared/schemas/activation.ts';
import { isDoubtful } from '../chaos/judge-calls.ts';
import { judgeFailed, judgeRound } from '../chaos/judge-leads.ts';
import { ViewJudge } from '../chaos/judge-views.ts';
import type { Call } from '../chaos/mail-api.ts';
import type { FinalLead, RoundRecord, SessionRecord } from '../chaos/records.ts';
import { progressOf } from '../support/progress.ts';

const sessionId = 'activation_1704123456789_a7bc3d2f1';
const otherId = 'activation_1704123456790_a7bc3d2f2';

function callOf(index: number, leadIds: number[], change: Partial<Call> = {}): Call {
  return {
    index,
    at: 1_000 + index * 100,
    key: `${sessionId}/${String(index)}`,
    provider: 'resend',
    sessionId,
    leadIds,
    addresses: leadIds.map((id) => `lead-${String(id)}@people.test`),
    fault: 'none',
    effect: 'taken',
    takenLeadIds: leadIds,
    refusedLeadIds: [],
    answer: 'accepted',
    status: 200,
    endedAt: 1_050 + index * 100,
    ...change,
  };
}

function resultOf(leadId: number, change: Partial<LeadResult> = {}): LeadResult {
  return {
    leadId,
    email: null,
    name: '',
    activation: 'activated',
    skipReason: null,
    emailState: 'sent',
    code: null,
    message: null,
    messageId: null,
    ...change,
  };
}

const leadOf = (id: number, change: Partial<FinalLead> = {}): FinalLead => ({
  id,
  status: 'active',
  activatedBy: sessionId,
  ...change,
});

/** Counters that agree with the results. */
function countersOf(results: readonly LeadResult[]): Progress {
  const count = (isIt: (result: LeadResult) => boolean): number => results.filter(isIt).length;
  return progressOf({
    sessionId,
    state: 'completed',
    total: results.length,
    processed: results.length,
    finishedAt: 9_000,
    activation: {
      activated: count((r) => r.activation === 'activated'),
      skipped: count((r) => r.activation === 'skipped'),
      failed: 0,
    },
    email: {
      ...{ delivered: 0, bounced: 0, complained: 0 },
      sent: count((r) => r.emailState === 'sent'),
      failed: count((r) => r.emailState === 'failed'),
      unknown: count((r) => r.emailState === 'unknown'),
    },
  });
}

function sessionOf(results: LeadResult[], change: Partial<SessionRecord> = {}): SessionRecord {
  const progress = countersOf(results);
  return {
    sessionId,
    audience: new Set(results.map(({ leadId }) => leadId)),
    failedBeforeErasure: new Set(),
    unseenDoubts: new Set(),
    risks: [],
    isAssumedSent: false,
    final: {
      progress,
      listed: progress,
      results,
      csv: results.map(({ leadId, activation, emailState }) => ({
        leadId,
        activation,
        emailState: emailState ?? '',
      })),
      unlistedCount: 0,
    },
    ...change,
  };
}

/** Two leads, mailed by one call, and all agree. */
function soundRound(change: Partial<RoundRecord> = {}): RoundRecord {
  return {
    leads: [leadOf(1), leadOf(2)],
    sessions: [sessionOf([resultOf(1), resultOf(2)])],
    calls: [callOf(0, [1, 2])],
    kills: [],
    stops: [],
    ...change,
  };
}

const rulesOf = (record: RoundRecord): string[] => [
  ...new Set(judgeRound(record).violations.map(({ rule }) => rule)),
];

test('a round in which all agree has no violation', () => {
  expect(judgeRound(soundRound())).toEqual({ violations: [], excusedCount: 0 });
});

describe('each broken promise is found, by its own name', () => {
  const refusal: Partial<Call> = { effect: 'none', takenLeadIds: [], answer: 'refused', status: 422 };
  const failed = resultOf(2, { emailState: 'failed', code: 'validation_error' });
  const skipped = resultOf(2, { activation: 'skipped', emailState: null, skipReason: 'cancelled' });
  const rounds: [rule: string, record: RoundRecord][] = [
    ['mailed once', soundRound({ calls: [callOf(0, [1, 2]), callOf(1, [1])] })],
    [
      'nothing leaves after pause',
      soundRound({ stops: [{ sessionId, command: 'pause', fromIndex: 0, toIndex: null }] }),
    ],
    ['only the audience is mailed', soundRound({ calls: [callOf(0, [1, 2]), callOf(1, [3])] })],
    ['sent ⇒ taken', soundRound({ calls: [callOf(0, [1])] })],
    [
      'failed ⇒ not taken',
      soundRound({
        sessions: [sessionOf([resultOf(1), failed])],
        calls: [callOf(0, [1, 2], { answer: 'doubt' }), callOf(1, [2], { ...refusal, refusedLeadIds: [2] })],
      }),
    ],
    [
      "failed by the provider's own word",
      soundRound({
        sessions: [sessionOf([resultOf(1), { ...failed, code: 'http_400' }])],
        calls: [callOf(0, [1]), callOf(1, [2], { ...refusal, answer: 'doubt', status: 400 })],
      }),
    ],
    [
      'unknown ⇒ in doubt',
      soundRound({ sessions: [sessionOf([resultOf(1), resultOf(2, { emailState: 'unknown' })])] }),
    ],
    ['mailed ⇒ listed', soundRound({ sessions: [sessionOf([resultOf(1), skipped])] })],
    [
      'nothing is left open',
      soundRound({ sessions: [sessionOf([resultOf(1), resultOf(2, { emailState: 'pending' })])] }),
    ],
    [
      'active ⇔ mailed, failed or unknown',
      soundRound({ sessions: [sessionOf([resultOf(1), skipped])], calls: [callOf(0, [1])] }),
    ],
    ['active ⇔ mailed, failed or unknown', soundRound({ leads: [leadOf(1), leadOf(2, { status: 'new' })] })],
    [
      'active ⇔ mailed, failed or unknown',
      soundRound({ sessions: [sessionOf([], { final: null })], calls: [callOf(0, [1])] }),
    ],
    [
      'already_active ⇒ active',
      soundRound({
        leads: [leadOf(1), leadOf(2, { status: 'new', activatedBy: null })],
        sessions: [sessionOf([resultOf(1), { ...skipped, skipReason: 'already_active' }])],
        calls: [callOf(0, [1])],
      }),
    ],
    [
      'a refusal of everything pauses',
      soundRound({
        leads: [1, 2, 3, 4].map((id) => leadOf(id)),
        sessions: [sessionOf([1, 2, 3, 4].map((leadId) => ({ ...failed, leadId })))],
        calls: [callOf(0, [1, 2, 3, 4], { ...refusal, refusedLeadIds: [1, 2, 3, 4] })],
      }),
    ],
  ];
  test.each(rounds)('%s', (rule, record) => {
    expect(rulesOf(record)).toContain(rule);
  });

  const { final } = sessionOf([resultOf(1), resultOf(2)]);
  if (final === null) throw new Error('it has ended');
  const accounts: [rule: string, change: Partial<NonNullable<SessionRecord['final']>>][] = [
    ['sum = total', { progress: { ...final.progress, total: 3 } }],
    ['counters = recount', { results: [resultOf(1)] }],
    ['counters = recount', { results: [resultOf(1), resultOf(1)] }],
    ['CSV = results', { csv: final.csv.slice(1) }],
    ['list = progress', { listed: null }],
    ['list = progress', { listed: { ...final.progress, email: { ...final.progress.email, sent: 1 } } }],
  ];
  test.each(accounts)('%s, in the accounts of one session', (rule, change) => {
    const session = sessionOf([resultOf(1), resultOf(2)], { final: { ...final, ...change } });
    expect(rulesOf(soundRound({ sessions: [session] }))).toContain(rule);
  });
});

describe('what is not a breach is not found', () => {
  test('active by an erased session, where a call about the lead found nobody listening', () => {
    const erased = (change: Partial<SessionRecord>): RoundRecord =>
      soundRound({
        sessions: [sessionOf([], { final: null, audience: new Set([1, 2]), ...change })],
        calls: [callOf(0, [1])],
      });
    expect(rulesOf(erased({ unseenDoubts: new Set([2]) }))).toEqual([]);
    expect(rulesOf(erased({ unseenDoubts: new Set([1]) }))).toEqual(['active ⇔ mailed, failed or unknown']);
  });

  test("a second mail after a person's retry of the unknown is counted apart", () => {
    const record = soundRound({
      sessions: [sessionOf([resultOf(1), resultOf(2)], { risks: [{ leadIds: new Set([1]), fromIndex: 1 }] })],
      calls: [callOf(0, [1, 2], { answer: 'doubt' }), callOf(1, [1])],
    });
    expect(judgeRound(record)).toEqual({ violations: [], excusedCount: 1 });
  });

  test('... but not when it left before that word, nor for somebody who was not unknown', () => {
    const calls = [callOf(0, [1, 2], { answer: 'doubt' }), callOf(1, [1])];
    for (const risk of [
      { leadIds: new Set([1]), fromIndex: 2 },
      { leadIds: new Set([2]), fromIndex: 1 },
    ]) {
      const session = sessionOf([resultOf(1), resultOf(2)], { risks: [risk] });
      expect(rulesOf(soundRound({ sessions: [session], calls }))).toEqual(['mailed once']);
    }
  });

  test('a call that was on the wire before the answer, or left after resume', () => {
    const stops = [{ sessionId, command: 'pause', fromIndex: 1, toIndex: 2 } as const];
    const calls = [callOf(0, [1]), callOf(1, [], { sessionId: otherId }), callOf(2, [2])];
    expect(rulesOf(soundRound({ calls, stops }))).toEqual([]);
  });

  test('sent without a mail, where a person took the doubtful as sent', () => {
    const doubtful = callOf(1, [2], { effect: 'none', takenLeadIds: [], answer: 'doubt', status: null });
    const session = sessionOf([resultOf(1), resultOf(2)], { isAssumedSent: true });
    expect(rulesOf(soundRound({ sessions: [session], calls: [callOf(0, [1]), doubtful] }))).toEqual([]);
  });

  test('unknown without a call, where a kill may have come between its intent and the wire', () => {
    const session = sessionOf([resultOf(1), resultOf(2, { emailState: 'unknown' })]);
    const record = soundRound({ sessions: [session], calls: [callOf(0, [1])], kills: [5_000] });
    expect(rulesOf(record)).toEqual([]);
  });

  test('unknown, where the answer came just before a kill and may not have been written down', () => {
    const call = callOf(0, [1]);
    expect(isDoubtful(call, [])).toBe(false);
    expect(isDoubtful(call, [(call.endedAt ?? 0) + 500])).toBe(true);
    expect(isDoubtful(call, [(call.endedAt ?? 0) + 5_000, call.at - 1])).toBe(false);
  });

  test('failed before a later, excused mail is judged at its own time', () => {
    const failedNow = [{ leadId: 2, code: 'cancelled' }];
    expect(judgeFailed([callOf(0, [1, 2])], sessionId, failedNow).map(({ rule }) => rule)).toEqual([
      'failed ⇒ not taken',
    ]);
    expect(judgeFailed([], sessionId, failedNow)).toEqual([]);
  });
});

describe('an observer is shown nothing that goes back', () => {
  const none = { hasRetry: false, hasStop: false };
  const view = (rev: number, sent: number, change: Partial<Progress> = {}): Progress =>
    progressOf({
      ...{ sessionId, rev, total: 10, processed: sent, state: 'running', finishedAt: null },
      activation: { activated: sent, skipped: 0, failed: 0 },
      email: { sent, failed: 0, unknown: 0, delivered: 0, bounced: 0, complained: 0 },
      ...change,
    });
  const judge = (views: readonly Progress[], excuses = none, raw = '{}'): string[] => {
    const judging = new ViewJudge('poll', '@people.test');
    return [...new Set(views.flatMap((each) => judging.see(each, raw, excuses).map(({ rule }) => rule)))];
  };

  test('views that rise are right, also when one is shown again', () => {
    expect(judge([view(1, 1), view(1, 1), view(4, 6)])).toEqual([]);
  });

  const breaches: [rule: string, views: Progress[]][] = [
    ['rev rises', [view(4, 4), view(3, 3)]],
    ['numbers never go back', [view(3, 4), view(4, 3)]],
    ['a revision has one content', [view(3, 4), view(3, 5)]],
    ['cancelled is for ever', [view(3, 4, { state: 'cancelled' }), view(4, 4, { state: 'paused' })]],
    ['the total stays', [view(3, 4), view(4, 4, { total: 9 })]],
    ['sum = total', [view(3, 11)]],
    ['sum = total', [view(3, 4, { activation: { activated: 3, skipped: 0, failed: 0 } })]],
    ['sum = total', [view(3, 4, { state: 'completed', finishedAt: 9_000 })]],
  ];
  test.each(breaches)('%s', (rule, views) => {
    expect(judge(views)).toContain(rule);
  });

  test('an address anywhere in it is found', () => {
    expect(judge([view(1, 1)], none, '{"lastError":"r1-7@people.test bounced"}')).toEqual([
      'no address in a view',
    ]);
  });

  test('a retry explains that failed falls, and never that sent does', () => {
    const retry = { hasRetry: true, hasStop: false };
    const before = view(3, 4, {
      activation: { activated: 6, skipped: 0, failed: 0 },
      email: { sent: 4, failed: 2, unknown: 0, delivered: 0, bounced: 0, complained: 0 },
    });
    const after = { ...before, rev: 4, email: { ...before.email, failed: 0 } };
    expect(judge([before, after], retry)).toEqual([]);
    expect(judge([before, after])).toEqual(['numbers never go back']);
    expect(judge([before, { ...before, rev: 4, email: { ...before.email, sent: 3 } }], retry)).toEqual([
      'numbers never go back',
    ]);
  });
});
