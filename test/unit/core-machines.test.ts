/**
 * The session and batch machines under random histories: commands, outcomes, crashes, broken settings and a CRM that
 * does not answer, in any order, against a provider that remembers what it took.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideCommand, type Command } from '../../src/core/session/command.ts';
import { toProgress } from '../../src/core/session/progress-view.ts';
import { applyCounts, newSession, windowOpensAt, type Session } from '../../src/core/session/session.ts';
import { emailPendingCount, remainingCount } from '../../src/shared/progress.ts';
import { isWindowOpen } from '../../src/shared/schedule/sending-window.ts';
import { seededRandom } from '../support/random.ts';
import {
  reactions,
  keyedTraits,
  keylessTraits,
  SessionModel,
  specOf,
  type ModelOptions,
  type Reaction,
  type Step,
  type Without,
} from '../support/session-model.ts';

const commands: Command[] = [
  { kind: 'pause' },
  { kind: 'resume' },
  { kind: 'cancel' },
  { kind: 'retry', outcome: 'failed' },
  { kind: 'retry', outcome: 'unknown' },
  { kind: 'check' },
  { kind: 'assumeSent' },
  { kind: 'startNow', startsAt: 0 },
  { kind: 'reschedule', time: { at: '1970-01-01T01:00', zone: 'UTC', startAt: 3_600_000 } },
];

/** From midnight of 1 January 1970, a Thursday, the model's hours: it begins at one second past. */
const times: readonly NonNullable<ModelOptions['times']>[] = [
  {},
  { window: { zone: 'UTC', days: [4, 5, 6], from: '00:00', until: '00:06' } },
  { schedule: { at: '1970-01-01T00:05', zone: 'UTC', freezeAt: 'scheduling', startAt: 300_000 } },
  {
    schedule: { at: '1970-01-01T00:05', zone: 'UTC', freezeAt: 'start', startAt: 300_000 },
    window: { zone: 'Europe/Berlin', days: [4, 5], from: '01:05', until: '01:20' },
  },
];

const reaction = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Reaction>('accept') },
  fc.constantFrom(...reactions),
);
const skipCount = fc.constantFrom(0, 0, 0, 1, 5);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'plan' }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('send' as const), reaction, skipCount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flip' as const), skipCount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('call' as const), reaction }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'answer' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'crash' }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...commands).map((command): Step => ({ kind: 'command', command })),
  },
  { weight: 1, arbitrary: fc.boolean().map((isBroken): Step => ({ kind: 'settings', isBroken })) },
  { weight: 1, arbitrary: fc.boolean().map((isDown): Step => ({ kind: 'crm', isDown })) },
  // A moment, a backoff, and more than the lifetime of a key.
  {
    weight: 2,
    arbitrary: fc.constantFrom(1, 5_000, 400_000, 90_000_000).map((ms): Step => ({ kind: 'pass', ms })),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('event' as const), leadId: fc.integer({ min: 1, max: 23 }) }),
  },
);

const command = fc.constantFrom(...commands).map((one): Step => ({ kind: 'command', command: one }));
/** Steps that belong together: a doubt and the wait after it, a command under broken settings. */
const passage: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 6, arbitrary: step.map((one) => [one]) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(reaction, fc.constantFrom(5_000, 400_000, 400_000, 90_000_000))
      .map(([one, ms]): Step[] => [
        { kind: 'plan' },
        { kind: 'send', reaction: one, skipCount: 0 },
        { kind: 'pass', ms },
      ]),
  },
  {
    weight: 1,
    arbitrary: command.map((one): Step[] => [{ kind: 'settings', isBroken: true }, one, { kind: 'plan' }]),
  },
  { weight: 2, arbitrary: fc.tuple(command, command).map(([one, other]) => [one, other]) },
);

const history = fc.record({
  steps: fc
    .tuple(fc.array(passage, { maxLength: 30 }), fc.boolean())
    .map(([passages, isErased]): Step[] => [
      ...passages.flat(),
      ...(isErased ? [{ kind: 'erase' as const }] : []),
    ]),
  leadCount: fc.integer({ min: 1, max: 23 }),
  isKeyed: fc.boolean(),
  checksContentFirst: fc.boolean(),
  times: fc.constantFrom(...times, {}, {}),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
});
type History = typeof history extends fc.Arbitrary<infer Drawn> ? Drawn : never;

function modelOf(
  { leadCount, isKeyed, seed, checksContentFirst, times: chosen }: History,
  without?: Without,
): SessionModel {
  const traits = isKeyed ? keyedTraits : keylessTraits;
  const options = { checksContentFirst, times: chosen, ...(without === undefined ? {} : { without }) };
  return new SessionModel(leadCount, traits, seededRandom(seed), options);
}

/** What must hold after every step. */
function expectSound(model: SessionModel): void {
  const { session } = model;
  expect(session.counts).toEqual(model.recount());
  for (const count of Object.values(session.counts)) expect(count).toBeGreaterThanOrEqual(0);
  expect([...model.liveStates().values()].every((count) => count === 1)).toBe(true);
  for (const batch of model.batches) {
    if (batch.state !== 'unknown') continue;
    batch.recipients?.forEach(({ leadId }, index) => {
      if (model.told.has(leadId)) expect(batch.recipientStates[index], `lead ${leadId}`).not.toBe('u');
    });
  }
  expectTakenAreKnown(model);
  expectActiveAreMailed(model);
  const view = toProgress(session, model.nowMs);
  const { activated, skipped, failed } = view.activation;
  expect(activated + skipped + failed + remainingCount(view)).toBe(view.total);
  expect(activated + skipped + failed).toBeLessThanOrEqual(view.total);
  expect(view.email.sent + view.email.failed + view.email.unknown + emailPendingCount(view)).toBe(activated);
  expect(view.processed).toBeLessThanOrEqual(view.total);
  if (view.finishedAt !== null) {
    expect(['completed', 'cancelled']).toContain(view.state);
    expect(view.processed).toBe(view.total);
    expect(emailPendingCount(view)).toBe(0);
  }
}

/** Failed and untouched mean certainly not taken: a lead that was mailed is sent, unknown, or in a call. */
function expectTakenAreKnown(model: SessionModel): void {
  const recipientStates = model.recipientStates();
  for (const leadId of model.taken.keys())
    expect(['s', 'u', 'p'], `lead ${leadId}`).toContain(recipientStates.get(leadId));
}

/**
 * A lead is active if and only if it is mailed, failed, unknown, or owned by a live batch. A batch that has not left
 * is live while its session runs. When the session rests and the CRM answers, its leads are not active.
 */
function expectActiveAreMailed(model: SessionModel): void {
  const recipientStates = model.recipientStates();
  for (const leadId of recipientStates.keys())
    expect(model.active.has(leadId), `lead ${leadId} active`).toBe(true);
  const { state, isChecking } = model.session;
  const isClosed = windowOpensAt(model.session, model.nowMs) !== null;
  const isResting = model.isErased || state === 'paused' || state === 'cancelled' || isClosed;
  if (!isResting || isChecking || !model.isAtRest || model.isCrmDown) return;
  if (model.session.mayBeFlipped) return;
  for (const leadId of model.active) expect(recipientStates.has(leadId), `lead ${leadId} owned`).toBe(true);
}

/** What a step may not do: a person's command stays in force. */
function expectWordHeld(
  model: SessionModel,
  next: Step,
  before: SessionModel['session'],
  calls: number,
): void {
  const isCommand = next.kind === 'command';
  if (before.state === 'cancelled' && !isCommand) {
    expect(model.session.state).toBe('cancelled');
    if (!before.isChecking) expect(model.callCount).toBe(calls);
  }
  if (before.state === 'paused' && before.reason === 'user' && !before.isChecking && !isCommand) {
    expect(model.callCount).toBe(calls);
    expect(['paused', 'completed', 'cancelled']).toContain(model.session.state);
  }
}

/** Nothing leaves before its time or outside of its window. */
function expectTimesHeld(model: SessionModel, before: Session, calls: number): void {
  if (model.callCount === calls) return;
  const { window, schedule } = before.spec;
  if (window !== undefined) expect(isWindowOpen(window, model.nowMs)).toBe(true);
  const isBegun = before.state !== 'scheduled' || model.nowMs >= (schedule?.startAt ?? 0);
  expect(isBegun).toBe(true);
}

function play(model: SessionModel, steps: readonly Step[]): void {
  for (const next of steps) {
    const { session, callCount } = model;
    model.step(next);
    expectSound(model);
    expectWordHeld(model, next, session, callCount);
    expectTimesHeld(model, session, callCount);
  }
}

/** Lets a working provider take the rest; begins a scheduled session, opens a window, resumes a paused one. */
function runOut(model: SessionModel): void {
  model.step({ kind: 'command', command: { kind: 'reschedule', window: null } });
  model.step({ kind: 'command', command: { kind: 'startNow', startsAt: 0 } });
  model.step({ kind: 'settings', isBroken: false });
  model.step({ kind: 'crm', isDown: false });
  for (let round = 0; round < 500 && model.session.finishedAt === null && !model.isErased; round++) {
    if (model.session.state === 'paused') model.step({ kind: 'command', command: { kind: 'resume' } });
    model.step({ kind: 'plan' });
    model.step({ kind: 'answer' });
    model.step({ kind: 'send', reaction: 'accept', skipCount: 0 });
    model.step({ kind: 'pass', ms: 5_000 });
    expectSound(model);
  }
}

/** Nobody is mailed twice, except leads that a person had mailed again under a new key. */
function expectMailedOnce(model: SessionModel): void {
  for (const [leadId, count] of model.taken) {
    if (!model.riskedByPerson.has(leadId)) expect(count, `lead ${leadId}`).toBe(1);
  }
}

function playOut(drawn: History, without?: Without): void {
  const model = modelOf(drawn, without);
  play(model, drawn.steps);
  runOut(model);
  expectMailedOnce(model);
}

describe('a session under any history', () => {
  it('keeps legal states, correct counters and results, and its promises', () => {
    fc.assert(
      fc.property(history, (drawn) => play(modelOf(drawn), drawn.steps)),
      { numRuns: 1_200 },
    );
  });

  it('ends with every lead decided once as soon as the provider works again', () => {
    fc.assert(
      fc.property(history, (drawn) => {
        const model = modelOf(drawn);
        play(model, drawn.steps);
        runOut(model);
        expect(model.session.finishedAt).not.toBeNull();
        expect(model.liveStates().size + model.session.plan.unlistedCount).toBe(drawn.leadCount);
      }),
      { numRuns: 500 },
    );
  });

  it('mails nobody twice by itself; only a retry of unknown mail may', () => {
    fc.assert(
      fc.property(history, (drawn) => playOut(drawn)),
      { numRuns: 800 },
    );
  });

  it('would be caught if each attempt had its own key', () => {
    let madeCount = 0;
    const runs = fc.sample(history, { numRuns: 300, seed: 5 });
    const mostOften = runs.map((drawn) => {
      const model = modelOf(drawn);
      model.keyOf = () => String(madeCount++);
      for (const next of drawn.steps) model.step(next);
      return Math.max(0, ...model.taken.values());
    });
    expect(Math.max(...mostOften)).toBeGreaterThan(1);
  });

  it.each<[string, Without]>([
    ['leads that were flipped and not mailed stay active (1)', { givingBack: true }],
    ['a bare 503 is taken for "not taken" (2)', { doubtAt503: true }],
    ['a cancelled session can be paused by broken settings (3)', { cancelledForEver: true }],
    ['a retry of unknown mail forgets the doubt (4)', { doubtInRetry: true }],
    ['a refusal is believed in spite of an earlier doubt (5)', { doubtInRefusal: true }],
  ])('would be caught if %s', (_, without) => {
    const isCaught = (drawn: History): boolean => {
      try {
        playOut(drawn, without);
        return false;
      } catch {
        return true;
      }
    };
    const details = fc.check(
      fc.property(history, (drawn) => !isCaught(drawn)),
      {
        numRuns: 2_000,
        seed: 7,
        endOnFailure: true,
      },
    );
    expect(details.failed).toBe(true);
  });

  it('lists only leads as sent whose mail the provider took, or that a person declared sent', () => {
    fc.assert(
      fc.property(history, (drawn) => {
        const model = modelOf(drawn);
        play(
          model,
          drawn.steps.filter((next) => next.kind !== 'command' || next.command.kind !== 'assumeSent'),
        );
        for (const [leadId, recipientState] of model.recipientStates()) {
          if (recipientState === 's') expect(model.taken.get(leadId) ?? 0).toBeGreaterThan(0);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('has no more leads unknown than were in calls without a clear answer', () => {
    const clear: Reaction[] = ['accept', 'reject', 'refuseTransiently', 'throttle', 'quota', 'auth'];
    fc.assert(
      fc.property(history, (drawn) => {
        const model = modelOf({ ...drawn, isKeyed: false });
        let callsInDoubt = 0;
        for (const next of drawn.steps) {
          const { callCount } = model;
          model.step(next);
          const isClear = next.kind === 'send' && clear.includes(next.reaction);
          // A call that is not answered in the same step can be interrupted.
          if (model.callCount > callCount && !isClear) callsInDoubt++;
          if (model.riskedByPerson.size > 0) return;
          expect(model.session.counts.unknown).toBeLessThanOrEqual(callsInDoubt * 5);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a command', () => {
  it('given twice has the same effect as once, or is refused', () => {
    fc.assert(
      fc.property(history, fc.constantFrom(...commands), (drawn, command) => {
        const model = modelOf(drawn);
        play(model, drawn.steps);
        const first = model.command(command);
        const after = model.session;
        const second = model.command(command);
        if (first.kind === 'refused') expect(second.kind).toBe('refused');
        else expect(['unchanged', 'refused']).toContain(second.kind);
        expect(model.session).toBe(after);
      }),
      { numRuns: 500 },
    );
  });

  it('that changes something begins a new generation, which running slices see', () => {
    for (const command of commands) {
      const session = { ...newSession(specOf(10)), state: 'running' as const };
      const counted = applyCounts(session, 2_000, { activated: 2, failed: 1, unknown: 1 });
      const decision = decideCommand(counted, command, 3_000);
      if (decision.kind === 'changed') {
        expect(decision.session.generation).toBe(counted.generation + 1);
        expect(decision.session.rev).toBe(counted.rev + 1);
      }
    }
  });

  it.each([
    // state, reason, finished, command, result
    ['queued', null, false, 'pause', 'paused'],
    ['running', null, false, 'pause', 'paused'],
    ['paused', 'user', false, 'pause', 'unchanged'],
    ['paused', 'mail_quota', false, 'pause', 'paused'],
    ['completed', null, true, 'pause', 'refused'],
    ['cancelled', null, false, 'pause', 'refused'],
    ['cancelled', null, true, 'pause', 'refused'],
    ['queued', null, false, 'resume', 'unchanged'],
    ['running', null, false, 'resume', 'unchanged'],
    ['paused', 'user', false, 'resume', 'running'],
    ['paused', 'mail_auth', false, 'resume', 'running'],
    ['paused', 'mail_quota', false, 'resume', 'running'],
    ['paused', 'mail_unreachable', false, 'resume', 'running'],
    ['completed', null, true, 'resume', 'refused'],
    ['cancelled', null, false, 'resume', 'refused'],
    ['queued', null, false, 'cancel', 'cancelled'],
    ['running', null, false, 'cancel', 'cancelled'],
    ['paused', 'user', false, 'cancel', 'cancelled'],
    ['paused', 'mail_unreachable', false, 'cancel', 'cancelled'],
    ['cancelled', null, false, 'cancel', 'unchanged'],
    ['cancelled', null, true, 'cancel', 'unchanged'],
    ['completed', null, true, 'cancel', 'refused'],
  ] as const)('%s (%s, finished: %s), told to %s: %s', (state, reason, isFinished, kind, becomes) => {
    const session = { ...newSession(specOf(10)), state, reason, finishedAt: isFinished ? 1_500 : null };
    const decision = decideCommand(session, { kind }, 2_000);
    expect(decision.kind === 'changed' ? decision.session.state : decision.kind).toBe(becomes);
  });

  it.each(['failed', 'unknown'] as const)(
    'retries %s mail of a finished session by opening it again',
    (outcome) => {
      const done = applyCounts(newSession(specOf(10)), 1_000, { activated: 10, sent: 8, [outcome]: 2 });
      const decision = decideCommand(
        { ...done, state: 'completed', finishedAt: 2_000 },
        { kind: 'retry', outcome },
        3_000,
      );
      expect(decision).toMatchObject({ kind: 'changed', session: { state: 'running', finishedAt: null } });
    },
  );

  it('retries nothing while a cancelled session still settles, and nothing when nothing failed', () => {
    const failed = applyCounts(newSession(specOf(10)), 1_000, { activated: 10, failed: 2 });
    const retry: Command = { kind: 'retry', outcome: 'failed' };
    expect(decideCommand({ ...failed, state: 'cancelled' }, retry, 2_000).kind).toBe('refused');
    expect(decideCommand(newSession(specOf(10)), retry, 2_000).kind).toBe('refused');
    expect(decideCommand(newSession(specOf(10)), { kind: 'assumeSent' }, 2_000).kind).toBe('refused');
  });

  it('leaves a paused session paused when its failed mail is retried', () => {
    const failed = applyCounts(newSession(specOf(10)), 1_000, { activated: 10, failed: 2 });
    const decision = decideCommand(
      { ...failed, state: 'paused', reason: 'user' },
      { kind: 'retry', outcome: 'failed' },
      2_000,
    );
    expect(decision).toMatchObject({ kind: 'changed', session: { state: 'paused', reason: 'user' } });
  });
});
