/**
 * The three kinds of test, as Vitest projects.
 *
 * `unit` runs pure code in Node. `workerd` runs the Worker and its objects inside the real runtime, with
 * storage of its own per file. `e2e` runs the whole stack as processes with a browser in front.
 * Keeps true: a test that fails has failed; nothing is retried.
 *
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;

/** The Worker serves the built app; its tests need the folder to be there, not the app itself. */
function ensureAssetFolder(): void {
  const folder = join(root, 'web/build');
  const shell = join(folder, 'index.html');
  if (existsSync(shell)) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(shell, '<!doctype html><title>Lead Activation</title>\n');
}

export default defineConfig({
  test: {
    // Machines of two cores are common in CI; more workers than that only make timings noisy.
    maxWorkers: 2,
    // The log of a test that passed is nobody's news.
    silent: 'passed-only',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          environment: 'node',
          // Thousands of drawn histories take a second, and several where the machine is busy.
          testTimeout: 30_000,
        },
      },
      {
        plugins: [
          cloudflareTest(async () => {
            ensureAssetFolder();
            return {
              main: join(root, 'test/support/worker.ts'),
              wrangler: { configPath: join(root, 'wrangler.toml') },
              miniflare: {
                ratelimits: {
                  // Tests are one person who polls a hundred times as often as a page does.
                  REQUESTS_PER_PERSON: { namespace_id: '1001', simple: { limit: 1_000_000, period: 60 } },
                  // As it is in production, but for the few requests that a test can make in a minute.
                  FEW_REQUESTS_PER_PERSON: { namespace_id: '1002', simple: { limit: 20, period: 60 } },
                },
                bindings: {
                  // Secrets in production; here only values that no one can mistake for real ones.
                  MAIL_API_KEY: 're_test_key',
                  // A stand-in on this machine: a real provider needs more settings. No test listens there.
                  MAIL_API_URL: 'http://127.0.0.1:9',
                  RESEND_WEBHOOK_SECRET: 'whsec_dGVzdC13ZWJob29rLXNlY3JldA==',
                  POSTMARK_WEBHOOK_CREDENTIALS: 'postmark:test-password',
                  ADDRESS_HASH_KEY: 'test-address-hash-key',
                  // Fast enough that no test waits for a permit, unless it is about permits.
                  MAIL_RATE: '100000',
                  // Nor for a person who may undo it.
                  ACTIVATE_UNDO_SECONDS: '0',
                  FUZZ_REQUESTS: process.env['FUZZ_REQUESTS'] ?? '2000',
                  FUZZ_SEED: process.env['FUZZ_SEED'] ?? '20261123',
                  CHAOS_CRASHES: process.env['CHAOS_CRASHES'] ?? '2000',
                  TEST_MIGRATIONS: await readD1Migrations(join(root, 'migrations')),
                },
              },
            };
          }),
        ],
        test: {
          name: 'workerd',
          include: ['test/workerd/**/*.test.ts'],
          setupFiles: ['test/support/apply-migrations.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          environment: 'node',
          // One stack and one browser at a time: they are real processes, and they are timed.
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
