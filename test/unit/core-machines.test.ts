/**
 * The session and batch machines under histories that nobody thought of: commands, outcomes and crashes in
 * any order, against a provider that remembers what it took.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideCommand, type Command } from '../../src/core/command.ts';
import { toProgress } from '../../src/core/progress-view.ts';
import { applyCounts, newSession } from '../../src/core/session.ts';
import { emailPendingCount, remainingCount } from '../../src/shared/progress.ts';
import { seededRandom } from '../support/random.ts';
import {
  keyedTraits,
  keylessTraits,
  SessionModel,
  specOf,
  type Fate,
  type Step,
} from '../support/session-model.ts';

const commands: Command[] = [
  { kind: 'pause' },
  { kind: 'resume' },
  { kind: 'cancel' },
  { kind: 'retry', outcome: 'failed' },
  { kind: 'retry', outcome: 'unknown' },
  { kind: 'assumeSent' },
];

const fates: Fate[] = [
  'accept',
  'acceptAndLose',
  'loseUntaken',
  'reject',
  'refuseTransiently',
  'throttle',
  'concurrent',
  'quota',
  'auth',
  'crash',
  'acceptAndCrash',
];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'plan' }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      fate: fc.oneof({ weight: 2, arbitrary: fc.constant<Fate>('accept') }, fc.constantFrom(...fates)),
      skipCount: fc.constantFrom(0, 0, 0, 1, 5),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...commands).map((command): Step => ({ kind: 'command', command })),
  },
  // A moment, a backoff, longer than a key lives.
  {
    weight: 2,
    arbitrary: fc.constantFrom(1, 5_000, 400_000, 90_000_000).map((ms): Step => ({ kind: 'pass', ms })),
  },
);

const stepOrEvent: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: step },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('event' as const), leadId: fc.integer({ min: 1, max: 23 }) }),
  },
);

const history = fc.record({
  steps: fc.array(stepOrEvent, { maxLength: 60 }),
  leadCount: fc.integer({ min: 1, max: 23 }),
  isKeyed: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
});

/** What must hold after every step. */
function expectSound(model: SessionModel): void {
  const { session } = model;
  expect(session.counts).toEqual(model.recount());
  for (const count of Object.values(session.counts)) expect(count).toBeGreaterThanOrEqual(0);
  expect([...model.liveMarks().values()].every((count) => count === 1)).toBe(true);
  for (const { recipients, marks } of model.batches) {
    recipients?.forEach(({ leadId }, index) => {
      if (model.told.has(leadId)) expect(marks[index], `lead ${leadId}`).not.toBe('u');
    });
  }
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

function play(model: SessionModel, steps: readonly Step[]): void {
  for (const next of steps) {
    model.step(next);
    expectSound(model);
  }
}

/** Lets a provider that works take the rest; a paused run is resumed. */
function runOut(model: SessionModel): void {
  for (let round = 0; round < 500 && model.session.finishedAt === null; round++) {
    if (model.session.state === 'paused') model.step({ kind: 'command', command: { kind: 'resume' } });
    model.step({ kind: 'plan' });
    model.step({ kind: 'send', fate: 'accept', skipCount: 0 });
    model.step({ kind: 'pass', ms: 5_000 });
    expectSound(model);
  }
}

describe('a session, whatever happens to it', () => {
  it('keeps legal states, counters that are the sum of its batches, and a rev that only rises', () => {
    fc.assert(
      fc.property(history, ({ steps, leadCount, isKeyed, seed }) => {
        play(new SessionModel(leadCount, isKeyed ? keyedTraits : keylessTraits, seededRandom(seed)), steps);
      }),
      { numRuns: 1_500 },
    );
  });

  it('comes to its end, with every lead decided once, as soon as the provider works again', () => {
    fc.assert(
      fc.property(history, ({ steps, leadCount, isKeyed, seed }) => {
        const model = new SessionModel(leadCount, isKeyed ? keyedTraits : keylessTraits, seededRandom(seed));
        play(model, steps);
        runOut(model);
        expect(model.session.finishedAt).not.toBeNull();
        expect(model.liveMarks().size + model.session.plan.unlistedCount).toBe(leadCount);
      }),
      { numRuns: 500 },
    );
  });

  it('mails nobody twice by itself; only what a person had retried while unknown may be', () => {
    fc.assert(
      fc.property(history, ({ steps, leadCount, isKeyed, seed }) => {
        const model = new SessionModel(leadCount, isKeyed ? keyedTraits : keylessTraits, seededRandom(seed));
        play(model, steps);
        runOut(model);
        for (const [leadId, count] of model.taken) {
          if (!model.riskedByPerson.has(leadId)) expect(count, `lead ${leadId}`).toBe(1);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('would be caught if it used a key of its own for each attempt', () => {
    let madeCount = 0;
    const mostOften = (steps: readonly Step[], leadCount: number): number => {
      const model = new SessionModel(leadCount, keyedTraits, seededRandom(1));
      model.keyOf = () => String(madeCount++);
      for (const next of steps) model.step(next);
      return Math.max(0, ...model.taken.values());
    };
    const runs = fc.sample(history, { numRuns: 200, seed: 5 });
    expect(runs.some(({ steps, leadCount }) => mostOften(steps, leadCount) > 1)).toBe(true);
  });

  it('calls nobody sent whom the provider did not take, unless a person said so', () => {
    fc.assert(
      fc.property(history, ({ steps, leadCount, isKeyed, seed }) => {
        const honest = steps.filter((next) => next.kind !== 'command' || next.command.kind !== 'assumeSent');
        const model = new SessionModel(leadCount, isKeyed ? keyedTraits : keylessTraits, seededRandom(seed));
        play(model, honest);
        for (const batch of model.batches) {
          batch.recipients?.forEach((recipient, index) => {
            if (batch.marks[index] === 's') expect(model.taken.get(recipient.leadId) ?? 0).toBeGreaterThan(0);
          });
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('has no more leads unknown than were in calls without a clear answer', () => {
    fc.assert(
      fc.property(history, ({ steps, leadCount, seed }) => {
        const model = new SessionModel(leadCount, keylessTraits, seededRandom(seed));
        const doubtful: Fate[] = ['acceptAndLose', 'loseUntaken', 'concurrent', 'crash', 'acceptAndCrash'];
        let callsInDoubt = 0;
        for (const next of steps) {
          model.step(next);
          if (next.kind === 'send' && doubtful.includes(next.fate)) callsInDoubt++;
          expect(model.session.counts.unknown).toBeLessThanOrEqual(callsInDoubt * 5);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a command', () => {
  it('given twice is the same as given once, or is refused', () => {
    fc.assert(
      fc.property(history, fc.constantFrom(...commands), ({ steps, leadCount, isKeyed, seed }, command) => {
        const model = new SessionModel(leadCount, isKeyed ? keyedTraits : keylessTraits, seededRandom(seed));
        play(model, steps);
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
    // state, reason, finished, command, what becomes of it
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
    'retries %s mail of a finished run by opening it again',
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

  it('retries nothing while a cancelled run still settles, and nothing where there is nothing', () => {
    const failed = applyCounts(newSession(specOf(10)), 1_000, { activated: 10, failed: 2 });
    const retry: Command = { kind: 'retry', outcome: 'failed' };
    expect(decideCommand({ ...failed, state: 'cancelled' }, retry, 2_000).kind).toBe('refused');
    expect(decideCommand(newSession(specOf(10)), retry, 2_000).kind).toBe('refused');
    expect(decideCommand(newSession(specOf(10)), { kind: 'assumeSent' }, 2_000).kind).toBe('refused');
  });

  it('leaves a paused run paused when its failed mail is to be retried', () => {
    const failed = applyCounts(newSession(specOf(10)), 1_000, { activated: 10, failed: 2 });
    const decision = decideCommand(
      { ...failed, state: 'paused', reason: 'user' },
      { kind: 'retry', outcome: 'failed' },
      2_000,
    );
    expect(decision).toMatchObject({ kind: 'changed', session: { state: 'paused', reason: 'user' } });
  });
});
