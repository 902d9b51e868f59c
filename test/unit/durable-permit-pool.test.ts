/**
 * The permits that a slice has leased: requested once, used in order, void after a 429.
 */
import { describe, expect, it } from 'vitest';
import type { Lease } from '../../src/core/limits/rate-limit.ts';
import { PermitPool } from '../../src/durable/sending/permit-pool.ts';

const granted = (permitCount: number, delayMs = 0): Lease => ({
  permitCount,
  delayMs,
  intervalMs: 125,
  retryInMs: 0,
});
const none = (retryInMs: number): Lease => ({ permitCount: 0, delayMs: 0, intervalMs: 125, retryInMs });

function poolOf(...leases: Lease[]) {
  const context = { nowMs: 1_000, askedCount: 0 };
  const pool = new PermitPool(
    async () => {
      context.askedCount++;
      await Promise.resolve();
      return leases.shift() ?? none(9_000);
    },
    () => context.nowMs,
    () => 5,
  );
  return { pool, context };
}

describe('the pool of a slice', () => {
  it('asks the gate once for all of its senders, and gives each a slot of its own', async () => {
    const { pool, context } = poolOf(granted(4));
    const permits = await Promise.all([pool.permit(), pool.permit(), pool.permit(), pool.permit()]);
    expect(permits.map((permit) => permit.at)).toEqual([1_000, 1_125, 1_250, 1_375]);
    expect(context.askedCount).toBe(1);
  });

  it('asks again when it is empty, and says when to come back if the gate grants nothing', async () => {
    const { pool } = poolOf(granted(1), none(7_000));
    expect(await pool.permit()).toEqual({ kind: 'granted', at: 1_000 });
    expect(await pool.permit()).toEqual({ kind: 'later', at: 8_000 });
  });

  it('gives a returned permit to the next sender', async () => {
    const { pool, context } = poolOf(granted(2));
    const first = await pool.permit();
    pool.giveBack(first);
    expect(await pool.permit()).toEqual(first);
    expect(context.askedCount).toBe(1);
  });

  it('drops slots that were not used in time', async () => {
    const { pool, context } = poolOf(granted(4), granted(1, 50));
    await pool.permit();
    context.nowMs += 60_000;
    expect(await pool.permit()).toEqual({ kind: 'granted', at: context.nowMs + 50 });
  });

  it('distinguishes a slot that has passed from one that can still be used', async () => {
    const { pool, context } = poolOf(granted(1));
    const permit = await pool.permit();
    context.nowMs += 50;
    expect(pool.isUsable(permit)).toBe(true);
    context.nowMs += 1;
    expect(pool.isUsable(permit)).toBe(false);
    expect(pool.isUsable({ kind: 'later', at: context.nowMs })).toBe(false);
  });

  it('lets calls leave late under a high limit, because each new lease would be a row', async () => {
    const { pool, context } = poolOf({ permitCount: 1, delayMs: 0, intervalMs: 1, retryInMs: 0 });
    const permit = await pool.permit();
    context.nowMs += 500;
    expect(pool.isUsable(permit)).toBe(true);
  });

  it('holds nothing after a 429', async () => {
    const { pool } = poolOf(granted(4), none(30_000));
    await pool.permit();
    pool.clear();
    expect(await pool.permit()).toEqual({ kind: 'later', at: 31_000 });
  });

  it('voids at a 429 the permits that senders hold, and a lease that is on its way', async () => {
    const { pool } = poolOf(granted(2), granted(4), none(30_000));
    const inHand = await pool.permit();
    await pool.permit();
    const onItsWay = pool.permit();
    pool.clear();
    expect(pool.isUsable(inHand)).toBe(false);
    pool.giveBack(inHand);
    expect(await onItsWay).toEqual({ kind: 'later', at: 31_000 });
  });

  it('works again after a gate that did not answer', async () => {
    let isFirst = true;
    const pool = new PermitPool(
      () => {
        if (!isFirst) return Promise.resolve(granted(1));
        isFirst = false;
        return Promise.reject(new Error('Network connection lost.'));
      },
      () => 0,
      () => 1,
    );
    await expect(pool.permit()).rejects.toThrow('Network connection lost.');
    expect(await pool.permit()).toEqual({ kind: 'granted', at: 0 });
  });
});

describe('the clocks of a session and of its gate', () => {
  it('are compared by the quickest answer: a slow lease moves no slot', async () => {
    const clock = { nowMs: 50_000, answerMs: 2 };
    const pool = new PermitPool(
      async () => {
        await Promise.resolve();
        // The gate's clock is 40 s behind; it answers after a millisecond.
        const nowMs = clock.nowMs - 40_000 + 1;
        clock.nowMs += clock.answerMs;
        return { ...granted(1, 100), nowMs };
      },
      () => clock.nowMs,
      () => 1,
    );
    expect(await pool.permit()).toEqual({ kind: 'granted', at: 50_102 });
    clock.answerMs = 30;
    clock.nowMs = 51_000;
    expect(await pool.permit()).toEqual({ kind: 'granted', at: 51_102 });
    // A step of the gate's clock is followed.
    clock.nowMs = 90_000;
    clock.answerMs = 2;
    expect(await pool.permit()).toEqual({ kind: 'granted', at: 90_102 });
  });
});

describe('a call that was answered late', () => {
  const latePool = () => {
    const clock = { nowMs: 10_000 };
    const pool = new PermitPool(
      () => Promise.resolve({ ...granted(4), nowMs: clock.nowMs - 1_000, reportLateMs: 10 }),
      () => clock.nowMs,
      () => 4,
    );
    const call = async (tookMs: number, leftLateMs = 0) => {
      const permit = await pool.permit();
      clock.nowMs = permit.at + leftLateMs;
      const left = pool.left(permit);
      clock.nowMs += tookMs;
      return { left, answered: pool.answered(permit) };
    };
    return { call, clock, pool };
  };
  const nothing = { left: [], answered: [] };

  it('is reported once, by the clock of the gate, with how much later than the quickest it was', async () => {
    const { call, clock } = latePool();
    for (const tookMs of [50, 52, 51, 50, 53]) expect(await call(tookMs)).toEqual(nothing);
    const { answered } = await call(95);
    expect(answered).toEqual([{ slotAt: clock.nowMs - 95 - 1_000, lateMs: 45 }]);
    expect(await call(51)).toEqual(nothing);
  });

  it('is reported when it leaves, and again only if it came later still', async () => {
    const { call, clock } = latePool();
    await call(50);
    await call(50);
    const slow = await call(50, 40);
    expect(slow.left).toEqual([{ slotAt: clock.nowMs - 90 - 1_000, lateMs: 40 }]);
    expect(slow.answered).toEqual([]);
    const slower = await call(70, 40);
    expect(slower.left).toHaveLength(1);
    // By the time at which the gate believes that it came.
    expect(slower.answered).toEqual([{ slotAt: clock.nowMs - 70 - 1_000, lateMs: 20 }]);
  });

  it('is reported later when only then it is known what is usual: the first call of a session', async () => {
    const { call } = latePool();
    expect(await call(75)).toEqual(nothing);
    expect((await call(50)).answered).toEqual([{ slotAt: 9_000, lateMs: 25 }]);
  });

  it('is reported when the last of its body has left, whatever answers take', async () => {
    const { call, clock, pool } = latePool();
    for (const tookMs of [50, 300, 120, 80, 250, 60]) await call(tookMs);
    expect(pool.wantsLateCalls).toBe(true);
    const permit = await pool.permit();
    clock.nowMs = permit.at;
    expect(pool.left(permit)).toEqual([]);
    clock.nowMs += 40;
    expect(pool.sent(permit)).toEqual([{ slotAt: permit.at - 1_000, lateMs: 40 }]);
    // A body that is not taken in time is said to have left, and once more when it has.
    clock.nowMs += 30;
    expect(pool.sent(permit)).toEqual([{ slotAt: permit.at + 40 - 1_000, lateMs: 30 }]);
    clock.nowMs += 200;
    pool.answered(permit);
    expect(pool.sent(permit)).toEqual([]);
  });

  it('is reported also where some answers are slow: what is usual is near the quickest', async () => {
    const { call } = latePool();
    for (const tookMs of [50, 60, 120, 52, 100, 55, 51]) await call(tookMs);
    expect((await call(95)).answered).toMatchObject([{ lateMs: 45 }]);
  });

  it('says nothing where answers always vary', async () => {
    const { call } = latePool();
    for (const tookMs of [50, 300, 120, 80, 250, 60]) await call(tookMs);
    for (const tookMs of [210, 400, 90, 350]) expect(await call(tookMs)).toEqual(nothing);
  });
});
