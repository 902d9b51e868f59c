/**
 * The permits that a slice has leased: asked for once, used in order, void after a 429.
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

  it('asks again when it is empty, and says when to come back if there is nothing', async () => {
    const { pool } = poolOf(granted(1), none(7_000));
    expect(await pool.permit()).toEqual({ kind: 'granted', at: 1_000 });
    expect(await pool.permit()).toEqual({ kind: 'later', at: 8_000 });
  });

  it('gives a permit that came back to the next sender', async () => {
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

  it('tells a slot that has passed from one that can still be used', async () => {
    const { pool, context } = poolOf(granted(1));
    const permit = await pool.permit();
    context.nowMs += 50;
    expect(pool.isUsable(permit)).toBe(true);
    context.nowMs += 1;
    expect(pool.isUsable(permit)).toBe(false);
    expect(pool.isUsable({ kind: 'later', at: context.nowMs })).toBe(false);
  });

  it('lets calls leave late under a fast limit, where each new lease would be a row', async () => {
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

  it('voids the permits that senders hold at a 429, and a lease that is on its way then', async () => {
    const { pool } = poolOf(granted(2), granted(4), none(30_000));
    const inHand = await pool.permit();
    await pool.permit();
    const onItsWay = pool.permit();
    pool.clear();
    expect(pool.isUsable(inHand)).toBe(false);
    pool.giveBack(inHand);
    expect(await onItsWay).toEqual({ kind: 'later', at: 31_000 });
  });

  it('lets senders through again after a gate that did not answer', async () => {
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
