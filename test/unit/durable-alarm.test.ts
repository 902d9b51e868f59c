/**
 * The alarm that records delivery events of a session that has ended: nothing else would ever record them.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { newSession, type Session } from '../../src/core/session/session.ts';
import { SessionAlarm } from '../../src/durable/session/alarm.ts';
import type { SessionContext } from '../../src/durable/session/context.ts';
import { specOf } from '../support/batches.ts';

const ended: Session = { ...newSession(specOf(10)), state: 'completed', finishedAt: 5_000 };

let nowMs: number;
let isStorageAway: boolean;
/** The times that were set, in order. */
let alarms: number[];
let alarm: SessionAlarm;
let session: Session;

beforeEach(() => {
  nowMs = 1_000_000;
  isStorageAway = false;
  alarms = [];
  session = ended;
  const store = {
    load: () => session,
    session: () => session,
    outbox: { isTold: true },
    batches: { hasPending: () => false, nextAttemptAt: () => null },
  };
  const context: Pick<SessionContext, 'alarms' | 'now' | 'settings'> = {
    settings: () => ({ RETENTION_DAYS: '30' }) as Env,
    alarms: {
      setAlarm: (at) => {
        if (isStorageAway) return Promise.reject(new Error('internal error'));
        alarms.push(Number(at));
        return Promise.resolve();
      },
      getAlarm: () => Promise.resolve(alarms.at(-1) ?? null),
      deleteAlarm: () => Promise.resolve(),
    },
    now: () => nowMs,
  };
  alarm = new SessionAlarm({ ...context, store } as unknown as SessionContext, () => false);
});

describe('events of a session that has ended', () => {
  it('set one alarm three seconds ahead, which later events do not put off', async () => {
    await alarm.wakeForDeliveries(ended);
    nowMs += 2_000;
    await alarm.wakeForDeliveries(ended);
    expect(alarms).toEqual([1_003_000]);
  });

  it('set the alarm that earlier events could not set', async () => {
    isStorageAway = true;
    await expect(alarm.wakeForDeliveries(ended)).rejects.toThrow();
    isStorageAway = false;
    nowMs += 1_000;
    await alarm.wakeForDeliveries(ended);
    expect(alarms).toEqual([1_004_000]);
  });

  it('set another alarm after theirs has fired', async () => {
    await alarm.wakeForDeliveries(ended);
    nowMs += 3_000;
    await alarm.watch();
    await alarm.wakeForDeliveries(ended);
    expect(alarms).toEqual([1_003_000, 1_005_000, 1_006_000]);
  });
});

describe('a session that has ended, and whose alarm is that of its retention', () => {
  const inWeeks = 1_000_000 + 20 * 86_400_000;

  it('keeps it', async () => {
    session = { ...ended, recordedRev: ended.rev, updatedAt: nowMs };
    alarms = [inWeeks];
    await alarm.ensureAlarm(null);
    expect(alarms).toEqual([inWeeks]);
  });

  it('has an earlier one at its next read where storage refused the alarm of something new', async () => {
    session = { ...ended, recordedRev: ended.rev - 1, updatedAt: nowMs };
    alarms = [inWeeks];
    await alarm.ensureAlarm(null);
    expect(alarms.at(-1)).toBeLessThan(nowMs + 10_000);
  });
});
