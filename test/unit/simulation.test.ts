/**
 * The simulator, in processes of its own: its worlds break no promise, one seed is one log, and it finds planted faults.
 *
 * The number of crashes is fixed and not the time, so that a slow machine checks the same.
 */
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CampaignReport } from '../simulation/reports.ts';
import { seeds } from '../simulation/seeds.ts';

const main = join(import.meta.dirname, '../simulation/main.ts');
const timeoutMs = 600_000;

function simulate(...args: string[]): Promise<CampaignReport> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, stdout: string, stderr: string): void => {
      if (stdout === '') reject(new Error(stderr || (error?.message ?? 'It printed nothing.')));
      else resolve(JSON.parse(stdout) as CampaignReport);
    };
    execFile(process.execPath, [main, '--json', ...args], { maxBuffer: 64 * 1024 * 1024 }, done);
  });
}

/** The event log of one world. */
function eventLog(seed: string, nodeOptions: readonly string[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [...nodeOptions, main, '--replay', '--seed', seed],
      { maxBuffer: 64 * 1024 * 1024, encoding: 'buffer' },
      (error, stdout) => {
        if (error === null) resolve(stdout);
        else reject(new Error(error.message));
      },
    );
  });
}

describe('simulated worlds', () => {
  it(
    'keep every promise through 24,000 crashes',
    async () => {
      const halves = await Promise.all(
        ['1', '1000001'].map((seed) => simulate('--seed', seed, '--crashes', '12000')),
      );
      expect(halves.flatMap(({ failures }) => failures)).toEqual([]);
      for (const { crashCount } of halves) expect(crashCount).toBeGreaterThanOrEqual(12_000);
    },
    timeoutMs,
  );

  it(
    'are the same for the same seed in another process',
    async () => {
      const [one, other] = await Promise.all([0, 1].map(() => simulate('--seed', '31', '--worlds', '60')));
      expect(one?.worldCount).toBe(60);
      expect(one?.hash).toBe(other?.hash);
    },
    timeoutMs,
  );

  it(
    'have the same event log, byte for byte, with another heap and compiler, on a busy machine',
    async () => {
      const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
      try {
        const [one, other] = await Promise.all([
          eventLog('338', []),
          eventLog('338', ['--min-semi-space-size=16', '--no-opt']),
        ]);
        expect(one.length).toBeGreaterThan(10_000);
        expect(one.equals(other)).toBe(true);
        expect((await eventLog('339', [])).equals(one)).toBe(false);
      } finally {
        busy.kill();
      }
    },
    timeoutMs,
  );

  it(
    'keep what once broke',
    async () => {
      for (const { seed } of seeds) {
        expect((await simulate('--seed', String(seed), '--worlds', '1')).failures).toEqual([]);
      }
    },
    timeoutMs,
  );
});

describe('the checks', () => {
  it.each([
    ['--control', '', 'mailed once'],
    ['--mutant', 'a new key for each attempt', 'mailed once'],
    ['--mutant', 'counters outside of the transaction', 'counters equal rows'],
    ['--mutant', 'the watchdog is armed last', 'resumes within five seconds'],
    ['--mutant', 'an erased lead is mailed', 'erased is'],
    ['--mutant', 'cancelled leads stay active', 'active means mailed'],
  ])(
    'find %s %s',
    async (option, name, invariant) => {
      const { failures } = await simulate(option, ...(name === '' ? [] : [name]), '--seconds', '60');
      // Which of two checks sees an erased lead first depends on the world.
      expect(failures.map((failure) => failure.invariant)).toEqual([expect.stringContaining(invariant)]);
    },
    timeoutMs,
  );
});
