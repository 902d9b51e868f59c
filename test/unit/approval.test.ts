/**
 * The approval of a session: who may give it, what makes it void, and how it ends without one.
 */
import { describe, expect, it } from 'vitest';
import { longestWaitMs } from '../../src/core/clock.ts';
import { beginScheduled, freezeAudience } from '../../src/core/schedule/begin.ts';
import {
  askApproval,
  decideApproval,
  exceedsApproval,
  expireApproval,
  needsApproval,
  newApproval,
  voidApproval,
  type ApprovalVerdict,
} from '../../src/core/session/approval.ts';
import { decideCommand, type Command } from '../../src/core/session/command.ts';
import { toProgress } from '../../src/core/session/progress-view.ts';
import { receiptContent } from '../../src/core/session/receipt.ts';
import { finish, isApproved, newSession, workMode, type Session } from '../../src/core/session/session.ts';
import { eventsBetween } from '../../src/core/session/timeline.ts';
import { nextWakeAt } from '../../src/core/session/wake.ts';
import { askForFrozen } from '../../src/durable/session/approval.ts';
import { withTimesInManifest } from '../../src/durable/session/manifest.ts';
import { approvalMs, isOwnRequest } from '../../src/shared/approval.ts';
import { Random } from '../simulation/platform/random.ts';
import { manifestOfSpec } from '../simulation/world/approver.ts';
import { specOf } from '../support/batches.ts';

const nowMs = Date.parse('2026-12-01T08:00Z');
const dayMs = 86_400_000;
const spec = { ...specOf(20), createdAt: nowMs };
const schedule = {
  at: '2026-12-02T09:00',
  zone: 'Europe/Berlin',
  freezeAt: 'scheduling' as 'scheduling' | 'start',
  startAt: Date.parse('2026-12-02T08:00Z'),
};
const approval = newApproval(nowMs);
const manifest = manifestOfSpec(spec);
const waiting = newSession({ ...spec, manifest, approval });
const waitingToBegin = newSession({ ...spec, manifest, approval, schedule });
const [hash, other] = [manifest.hash, 'f'.repeat(64)];

const verdict = (change: Partial<ApprovalVerdict> = {}): ApprovalVerdict =>
  ({
    kind: 'approve',
    manifestHash: hash,
    by: 'bob@example.com',
    startsAt: nowMs + 10_000,
    ...change,
  }) as ApprovalVerdict;
const rejection: ApprovalVerdict = {
  kind: 'reject',
  manifestHash: hash,
  by: 'bob@example.com',
  reason: 'Too many.',
};

function decided(session: Session, wanted: ApprovalVerdict, now = nowMs): Session {
  const decision = decideApproval(session, wanted, now);
  if (decision.kind !== 'changed') throw new Error(JSON.stringify(decision));
  return decision.session;
}

/** As the object carries out a command. */
function commanded(session: Session, command: Command, now = nowMs): Session {
  const decision = decideCommand(session, command, now);
  if (decision.kind !== 'changed') return session;
  return command.kind === 'reschedule'
    ? voidApproval(session, withTimesInManifest(decision.session), now)
    : decision.session;
}

const wakeAt = (session: Session, now: number): number | null =>
  nextWakeAt(
    { session, isWorkDue: true, nextAttemptAt: null, keyDiesAt: null, isRecorded: true, retentionAt: null },
    now,
  );

describe('a session that waits for an approval', () => {
  it('is asked for above the number only, and never where there is none', () => {
    expect([10, 11].map((count) => needsApproval(count, 10))).toEqual([false, true]);
    expect([needsApproval(1, 0), needsApproval(1_000_000, null)]).toEqual([true, false]);
  });

  it('does nothing, shows until when it waits, and wakes once, at the end of that', () => {
    expect(waiting.state).toBe('awaiting_approval');
    expect(workMode(waiting, nowMs + dayMs)).toBe('none');
    expect(wakeAt(waiting, nowMs)).toBe(nowMs + approvalMs);
    expect(longestWaitMs(waiting, nowMs)).toBe(approvalMs);
    expect(toProgress(waiting, nowMs + dayMs)).toMatchObject({
      state: 'awaiting_approval',
      approval: { askedAt: nowMs, expiresAt: nowMs + approvalMs, approved: null, rejected: null },
      stalledSince: null,
      waitingFor: null,
    });
    expect(eventsBetween(null, waiting, null)).toMatchObject([
      { kind: 'approval_asked', by: 'ana@example.com', count: 20, until: nowMs + approvalMs },
    ]);
    expect(eventsBetween(null, waitingToBegin, null).map(({ kind }) => kind)).toEqual([
      'scheduled',
      'approval_asked',
    ]);
  });

  it.each(['pause', 'resume', 'startNow'] as const)('cannot be told to %s', (kind) => {
    const command = (kind === 'startNow' ? { kind, startsAt: nowMs } : { kind }) as Command;
    const decision = decideCommand(waitingToBegin, command, nowMs);
    expect(decision).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('Another person') as string,
    });
  });

  it('is withdrawn by a cancel, also by an undo, and does not go back to its time then', () => {
    for (const isUndo of [{}, { isUndo: true }] as const) {
      const started = { ...waitingToBegin, spec: { ...waitingToBegin.spec, startsAt: nowMs } };
      const withdrawn = commanded(started, { kind: 'cancel', ...isUndo });
      expect(withdrawn).toMatchObject({ state: 'cancelled', reason: null, counts: { skipped: 20 } });
      expect(decideApproval(withdrawn, verdict(), nowMs)).toMatchObject({ code: 'approval_decided' });
    }
  });
});

describe('an approval', () => {
  it('sets the session going, can be undone, and is in progress, timeline and receipt', () => {
    const approved = decided(waiting, verdict());
    expect(approved).toMatchObject({ state: 'queued', spec: { startsAt: nowMs + 10_000 } });
    expect([workMode(approved, nowMs), workMode(approved, nowMs + 10_000)]).toEqual(['none', 'run']);
    const facts = { approved: { by: 'bob@example.com', at: nowMs }, rejected: null };
    expect(toProgress(approved, nowMs).approval).toMatchObject(facts);
    expect(eventsBetween(waiting, approved, 'bob@example.com')).toMatchObject([
      { kind: 'approved', by: 'bob@example.com' },
      { kind: 'started', by: null, count: 20 },
    ]);
    expect(receiptContent({ ...approved, finishedAt: nowMs }, 't').start['approval']).toMatchObject({
      ...facts,
      manifestHash: hash,
    });
    expect(commanded(approved, { kind: 'cancel', isUndo: true })).toMatchObject({ state: 'cancelled' });
  });

  it('makes one with a start time scheduled; one that was approved an hour late asks a person', () => {
    const approved = decided(waitingToBegin, verdict());
    expect(approved.state).toBe('scheduled');
    expect(eventsBetween(waitingToBegin, approved, 'bob@example.com').map(({ kind }) => kind)).toEqual([
      'approved',
    ]);
    expect(beginScheduled(approved, schedule.startAt).state).toBe('queued');
    const lateMs = schedule.startAt + 3_600_001;
    const late = beginScheduled(decided(waitingToBegin, verdict(), lateMs), lateMs);
    expect(late).toMatchObject({ state: 'paused', reason: 'schedule_missed' });
    // A person then begins it: the approval holds.
    expect(workMode(commanded(late, { kind: 'startNow', startsAt: lateMs }, lateMs), lateMs)).toBe('run');
  });

  it('of one that was started before its time and whose times were changed then makes it wait for its time', () => {
    const approved = decided(waitingToBegin, verdict());
    const startedNow = commanded(approved, { kind: 'startNow', startsAt: nowMs });
    const window = { zone: 'UTC', days: [1, 2, 3], from: '09:00', until: '17:00' };
    const rescheduled = commanded(startedNow, { kind: 'reschedule', window } as Command);
    const asked = voidApproval(startedNow, withTimesInManifest(rescheduled), nowMs);
    expect(asked.state).toBe('awaiting_approval');
    const manifestHash = asked.spec.manifest?.hash ?? '';
    expect(decided(asked, verdict({ manifestHash })).state).toBe('scheduled');
    const time = { at: '2026-12-03T09:00', zone: 'Europe/Berlin', startAt: schedule.startAt + dayMs };
    const later = withTimesInManifest(commanded(asked, { kind: 'reschedule', time }));
    const approvedLater = decided(later, verdict({ manifestHash: later.spec.manifest?.hash ?? '' }));
    expect(approvedLater).toMatchObject({
      state: 'scheduled',
      spec: { schedule: { startAt: time.startAt } },
    });
  });

  it('is refused from the one who started it, whatever the capitals, and from a service token for itself', () => {
    for (const by of ['ana@example.com', 'ANA@Example.com ']) {
      expect(decideApproval(waiting, verdict({ by }), nowMs)).toMatchObject({
        kind: 'refused',
        code: 'own_approval',
      });
      expect(decideApproval(waiting, { ...rejection, by }, nowMs)).toMatchObject({ code: 'own_approval' });
    }
    expect(isOwnRequest('e36.access', 'E36.ACCESS')).toBe(true);
    expect(isOwnRequest('ana@example.com', 'ana@example.org')).toBe(false);
  });

  it('counts for one manifest, once, and within its time', () => {
    expect(decideApproval(waiting, verdict({ manifestHash: other }), nowMs)).toMatchObject({
      code: 'manifest_changed',
    });
    const approved = decided(waiting, verdict());
    expect(decideApproval(approved, verdict(), nowMs)).toEqual({ kind: 'unchanged' });
    expect(decideApproval(approved, verdict({ by: 'cleo@example.com' }), nowMs)).toMatchObject({
      code: 'approval_decided',
      detail: 'bob@example.com has approved it.',
    });
    expect(decideApproval(waiting, verdict(), nowMs + approvalMs)).toMatchObject({
      code: 'approval_decided',
    });
    expect(decideApproval(newSession(spec), verdict(), nowMs)).toMatchObject({ code: 'approval_decided' });
  });

  it('is void after a change of the times or the window, and is asked for anew', () => {
    const approved = decided(waitingToBegin, verdict());
    const at = '2026-12-03T09:00';
    const later = nowMs + 3_600_000;
    const changed = commanded(
      approved,
      { kind: 'reschedule', time: { at, zone: 'Europe/Berlin', startAt: schedule.startAt + dayMs } },
      later,
    );
    expect(changed).toMatchObject({
      state: 'awaiting_approval',
      spec: { schedule: { at }, approval: { askedAt: later, expiresAt: later + approvalMs } },
    });
    expect(changed.spec.approval?.approved).toBeUndefined();
    expect(eventsBetween(approved, changed, 'ana@example.com').map(({ kind }) => kind)).toEqual([
      'scheduled',
      'approval_asked',
    ]);
    expect(decideApproval(changed, verdict(), later)).toMatchObject({ code: 'manifest_changed' });
    expect(decided(changed, verdict({ manifestHash: changed.spec.manifest?.hash ?? '' }), later).state).toBe(
      'scheduled',
    );
  });

  it('keeps the times of a session that has begun', () => {
    const running: Session = { ...decided(waiting, verdict()), state: 'running', startedAt: nowMs };
    const decision = decideCommand(
      running,
      { kind: 'reschedule', window: { zone: 'UTC', days: [1], from: '09:00', until: '10:00' } },
      nowMs,
    );
    expect(decision).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('approved') as string,
    });
  });
});

describe('a session that is not approved', () => {
  it('is cancelled by a rejection, with who and when; the reason is not in what is kept for good', () => {
    const rejected = decided(waiting, rejection);
    expect(rejected).toMatchObject({
      state: 'cancelled',
      reason: 'approval_rejected',
      counts: { skipped: 20 },
    });
    expect(decideApproval(rejected, rejection, nowMs)).toEqual({ kind: 'unchanged' });
    const ended = finish(rejected, nowMs);
    expect(ended).toMatchObject({ state: 'cancelled', reason: 'approval_rejected', finishedAt: nowMs });
    expect(eventsBetween(waiting, rejected, 'bob@example.com')).toMatchObject([
      { kind: 'rejected', by: 'bob@example.com', message: null },
    ]);
    for (const kept of [toProgress(ended, nowMs), receiptContent(ended, 't')])
      expect(JSON.stringify(kept)).not.toContain('Too many');
  });

  it('is cancelled after 48 hours', () => {
    expect(expireApproval(waiting, nowMs + approvalMs - 1)).toBe(waiting);
    const expired = expireApproval(waiting, nowMs + approvalMs);
    expect(expired).toMatchObject({
      state: 'cancelled',
      reason: 'approval_expired',
      counts: { skipped: 20 },
    });
    expect(eventsBetween(waiting, expired, null)).toMatchObject([{ kind: 'approval_expired', by: null }]);
    expect(decideApproval(expired, verdict(), nowMs)).toMatchObject({ code: 'approval_decided' });
  });
});

describe('leads that are found again at the start', () => {
  const open = { ...schedule, freezeAt: 'start' as const };
  const found = (total: number) => ({ maxLeadId: 99, total, members: 'm', revision: 7 });
  const frozen = (session: Session, total: number, above: number | null): Session =>
    askForFrozen(freezeAudience(session, found(total), nowMs), found(total), above, nowMs);

  it('are asked about where they are more than somebody approved, with the present numbers', () => {
    const approved = beginScheduled(
      decided(newSession({ ...spec, manifest, approval, schedule: open }), verdict()),
      open.startAt,
    );
    expect(exceedsApproval(approved, 20, 10)).toBe(false);
    expect(frozen(approved, 19, 10).state).toBe('queued');
    const asked = frozen(approved, 21, 10);
    expect(asked).toMatchObject({ state: 'awaiting_approval', total: 21 });
    expect(asked.spec.manifest?.manifest.audience).toMatchObject({ total: 21, maxLeadId: 99 });
    expect(decideApproval(asked, verdict(), nowMs)).toMatchObject({ code: 'manifest_changed' });
  });

  it('are asked about where nobody had to approve so few when it was scheduled', () => {
    const plain = beginScheduled(newSession({ ...spec, manifest, schedule: open }), open.startAt);
    expect(frozen(plain, 30, null).state).toBe('queued');
    expect(frozen(plain, 30, 30).state).toBe('queued');
    expect(frozen(plain, 31, 30)).toMatchObject({
      state: 'awaiting_approval',
      spec: { approval: { askedAt: nowMs } },
    });
  });
});

it('2,000 edits between approval and start: nothing starts but what was approved', () => {
  const random = new Random(7);
  const windows = [9, 10, 11].map((hour) => ({
    zone: 'UTC',
    days: [1, 2, 3, 4, 5, 6, 7] as const,
    from: '00:00',
    until: `${String(hour)}:00`,
  }));
  let startCount = 0;
  let askCount = 0;
  let now = nowMs;
  for (let edit = 0; edit < 2_000; edit++) {
    const isTimed = random.chance(0.7);
    const freezeAt = random.chance(0.5) ? 'start' : 'scheduling';
    const asked = newSession({
      ...spec,
      manifest,
      approval: newApproval(now),
      ...(isTimed ? { schedule: { ...schedule, freezeAt, startAt: now + dayMs } } : {}),
    });
    // The times are in the manifest, as a start makes it.
    let session = { ...asked, spec: { ...asked.spec, ...withTimesInManifest(asked).spec } };
    const first = session.spec.manifest?.hash ?? '';
    session = decided(session, verdict({ manifestHash: first, startsAt: now + 10_000 }), now);
    const approvedHashes = new Set([first]);
    const approvedTotal = 20;
    for (let step = 0; step < random.int(1, 4); step++) {
      now += random.int(1, 3_600_000);
      const at = random.int(1, 4);
      session = random.pick([
        () =>
          commanded(session, { kind: 'reschedule', window: random.pick([null, ...windows]) as never }, now),
        () =>
          commanded(
            session,
            {
              kind: 'reschedule',
              time: { at: `2026-12-0${at}T09:00`, zone: 'UTC', startAt: now + at * 1_000 },
            },
            now,
          ),
        () => commanded(session, { kind: 'startNow', startsAt: now }, now),
        () => commanded(session, { kind: 'cancel', isUndo: true }, now),
        () => commanded(session, { kind: 'pause' }, now),
        () => commanded(session, { kind: 'resume' }, now),
        // A lead comes or goes: what is found at the start is another audience.
        () => {
          const total = random.int(15, 25);
          const isAsked = session.state === 'queued' && session.spec.schedule?.freezeAt === 'start';
          if (!isAsked || session.startedAt !== null) return session;
          const found = { maxLeadId: 99, total, members: 'm', revision: edit };
          return askForFrozen(freezeAudience(session, found, now), found, 10, now);
        },
        // The other one approves again, sometimes what is there and sometimes what was there.
        () => {
          const manifestHash = random.chance(0.5) ? (session.spec.manifest?.hash ?? '') : first;
          const decision = decideApproval(session, verdict({ manifestHash }), now);
          if (decision.kind === 'changed') approvedHashes.add(manifestHash);
          return decision.kind === 'changed' ? decision.session : session;
        },
      ])();
      session = beginScheduled(expireApproval(session, now), now);
      if (session.state === 'awaiting_approval') askCount++;
      if (workMode(session, now) === 'none') continue;
      startCount++;
      // The witness makes the manifest of what would be done anew; the times it knows from the spec.
      const present = withTimesInManifest(session).spec.manifest;
      expect(approvedHashes, `edit ${String(edit)}`).toContain(present?.hash);
      expect(isApproved(session.spec)).toBe(true);
      expect(session.total).toBeLessThanOrEqual(
        Math.max(approvedTotal, present?.manifest.audience.total ?? 0),
      );
    }
  }
  // Both happen, so that the proof is about something.
  expect(startCount).toBeGreaterThan(200);
  expect(askCount).toBeGreaterThan(200);
});

it('a request is asked for anew as a whole: what was decided before is gone', () => {
  const asked = askApproval(decided(waiting, verdict()), nowMs + 5);
  expect(asked.spec.approval).toEqual({ askedAt: nowMs + 5, expiresAt: nowMs + 5 + approvalMs });
});
