/** Commands to a session: which are legal in which state, and what they do to its record. */
import { describe, expect, it } from 'vitest';
import type { BatchCounts } from '../../src/core/batch/batch.ts';
import type { SessionReason, SessionState } from '../../src/shared/progress.ts';
import { decideCommand, type Command } from '../../src/core/session/command.ts';
import { applyCounts, newSession, type Session } from '../../src/core/session/session.ts';
import { specOf } from '../support/batches.ts';

const commands: Command[] = [
  { kind: 'pause' },
  { kind: 'resume' },
  { kind: 'cancel' },
  { kind: 'retry', outcome: 'failed' },
  { kind: 'retry', outcome: 'unknown' },
  { kind: 'check' },
  { kind: 'assumeSent' },
];

const situations: readonly (readonly [SessionState, SessionReason | null, boolean])[] = [
  ['queued', null, false],
  ['running', null, false],
  ['paused', 'user', false],
  ['paused', 'mail_auth', false],
  ['paused', 'mail_quota', false],
  ['paused', 'mail_unreachable', false],
  ['cancelled', null, false],
  ['cancelled', null, true],
  ['completed', null, true],
  ['failed', null, true],
];

/** A session in each situation, with results of each kind and with none. */
function sessions(): Session[] {
  return situations.flatMap(([state, reason, isFinished]) => {
    const blank = { ...newSession(specOf(10)), state, reason, finishedAt: isFinished ? 1_500 : null };
    const counted = applyCounts(blank, 1_200, { activated: 6, sent: 2, failed: 2, unknown: 2 });
    return [blank, { ...counted, checkableUntil: 90_000_000 }];
  });
}

function countsAfter(counts: BatchCounts, command: Command): BatchCounts {
  if (command.kind === 'retry') return { ...counts, [command.outcome]: 0 };
  return command.kind === 'assumeSent' ? { ...counts, unknown: 0 } : counts;
}

describe('a command', () => {
  it('given twice has the same effect as once, or is refused', () => {
    for (const session of sessions()) {
      for (const command of commands) {
        const first = decideCommand(session, command, 2_000, true);
        if (first.kind !== 'changed') continue;
        // Its batches are changed in the same transaction: what it speaks of is no longer there.
        const after = { ...first.session, counts: countsAfter(first.session.counts, command) };
        const second = decideCommand(after, command, 2_000, false);
        const what = `${JSON.stringify(command)} to ${session.state} (${session.reason ?? ''})`;
        expect(['unchanged', 'refused'], what).toContain(second.kind);
      }
    }
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
