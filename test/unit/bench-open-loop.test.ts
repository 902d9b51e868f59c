import { describe, expect, it } from 'vitest';
import { openLoop } from '../bench/lib/open-loop.ts';

/** A clock that moves only when somebody waits. */
class Clock {
  #nowMs = 0;
  now(): number {
    return this.#nowMs;
  }
  async sleepUntil(ms: number): Promise<void> {
    // Answers that have arrived are recorded before time passes.
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    this.#nowMs = Math.max(this.#nowMs, ms);
  }
}

const oneHundredASecond = { ratePerSecond: 100, ms: 10_000 };

describe('the open-loop load', () => {
  it('shows a stall of one second at all requests that should have begun in it', async () => {
    const clock = new Clock();
    const stalledAt = 500;
    const figures = await openLoop(
      async (index) => {
        // Everything stands still: the server, and the client that would send the next ones.
        if (index === stalledAt) await clock.sleepUntil(clock.now() + 1_000);
      },
      oneHundredASecond,
      clock,
    );
    expect(figures.answerCount).toBe(1_000);
    expect(figures.p50Ms).toBe(0);
    expect(figures.maxMs).toBeGreaterThan(990);
    expect(figures.p999Ms).toBeGreaterThan(980);
    // A tenth of all requests fell into the stall.
    expect(figures.p99Ms).toBeGreaterThan(850);
  });

  it('shows nothing where nothing stalls', async () => {
    const figures = await openLoop(() => Promise.resolve(), oneHundredASecond, new Clock());
    expect(figures).toMatchObject({ answerCount: 1_000, p50Ms: 0, p999Ms: 0, maxMs: 0 });
  });

  it('waits again when a timer ends before its time', async () => {
    const clock = new Clock();
    const early = {
      now: () => clock.now(),
      sleepUntil: (ms: number) => clock.sleepUntil(ms - clock.now() > 0.5 ? ms - 0.5 : ms),
    };
    const figures = await openLoop(() => Promise.resolve(), oneHundredASecond, early);
    expect(figures).toMatchObject({ answerCount: 1_000, maxMs: 0 });
  });

  it('fails when a request fails', async () => {
    const broken = (): Promise<void> => Promise.reject(new Error('It answered 500.'));
    await expect(openLoop(broken, { ratePerSecond: 10, ms: 100 }, new Clock())).rejects.toThrow('500');
  });
});
