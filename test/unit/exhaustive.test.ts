/**
 * The small worlds, in processes of their own: every path of them keeps every promise, and planted faults are found
 * on a shortest path.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ExplorationReport } from '../simulation/reports.ts';

const main = join(import.meta.dirname, '../simulation/exhaustive/main.ts');
const timeoutMs = 600_000;

function explore(...args: string[]): Promise<ExplorationReport> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, stdout: string, stderr: string): void => {
      const [report] = stdout === '' ? [] : (JSON.parse(stdout) as ExplorationReport[]);
      if (report === undefined) reject(new Error(stderr || (error?.message ?? 'It printed nothing.')));
      else resolve(report);
    };
    execFile(process.execPath, [main, '--json', ...args], done);
  });
}

async function expectClosed(least: number, ...args: string[]): Promise<void> {
  const report = await explore(...args);
  console.info(`${args.join(' ')}: ${report.stateCount} states, ${report.walkCount} walks`);
  expect(report.violation).toBeNull();
  expect(report.frontierCount).toBe(0);
  expect(report.endCount).toBeGreaterThan(0);
  expect(report.stateCount).toBeGreaterThan(least);
}

describe('every path', () => {
  it(
    'of one lead, with two crashes and any number of commands, keeps every promise; without keys',
    () => expectClosed(3_000, '--provider', 'postmark'),
    timeoutMs,
  );

  it(
    'of one lead, with four things that go wrong, keeps every promise; with keys',
    () => expectClosed(1_000, '--provider', 'resend', '--wrong', '4'),
    timeoutMs,
  );

  it.each(['resend', 'postmark'])(
    'of two batches of two leads, with two things that go wrong, keeps every promise (%s)',
    (provider) =>
      expectClosed(1_000, '--provider', provider, '--leads', '2', '--batches', '2', '--wrong', '2'),
    timeoutMs,
  );
});

describe('a planted fault', () => {
  it.each([
    ['a new key for each attempt', 'mailed once', ['the alarm fires', '  lost after', 'the alarm fires']],
    ['intent after the call', 'failed means not taken', ['the alarm fires', '  crash', 'cancel']],
    [
      'nothing looks for commands before a call',
      'nothing leaves after a command',
      ['the alarm fires', '  pause'],
    ],
    ['cancelled leads stay active', 'active means mailed', ['the alarm fires', '  throttled', '  cancel']],
    ['counters outside of the transaction', 'counters equal rows', ['the alarm fires']],
  ])(
    '%s: is found on a shortest path',
    async (mutant, invariant, path) => {
      const { violation } = await explore('--provider', 'resend', '--wrong', '3', '--mutant', mutant);
      expect(violation).toMatchObject({ invariant, path });
    },
    timeoutMs,
  );
});
