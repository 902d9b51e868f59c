/**
 * The kinds of test, as Vitest projects.
 *
 * `unit` runs pure code in Node. `workerd` runs the Worker and its objects inside the real runtime, with
 * its own storage per file. `e2e` and `e2e-timed` run the whole stack as processes with a browser in front.
 * A failed test is not retried.
 *
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-pool-workers';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = import.meta.dirname;

/** Makes the folder of the built app when it is missing: the Worker's configuration needs it, its tests do not need the app. */
function ensureAssetFolder(): void {
  const folder = join(root, 'web/build');
  const shell = join(folder, 'index.html');
  if (existsSync(shell)) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(shell, '<!doctype html><title>Lead Activation</title>\n');
}

/** Browser tests with time limits; nothing else runs at the same time. */
const timedFiles = ['test/e2e/live.test.ts', 'test/e2e/refresh.test.ts'];

/** Files that take longest. They start first, so that none of them runs alone at the end. */
const slowFiles = [
  ...['workerd/crash', 'workerd/feed', 'workerd/fuzz', 'workerd/commands', 'workerd/faults'],
  ...['e2e/pages', 'e2e/recovery', 'e2e/roles', 'e2e/mail-desk', 'e2e/deploy-account', 'e2e/leaving'],
].map((name) => `/test/${name}.test.ts`);

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = slowFiles.findIndex((name) => moduleId.endsWith(name));
      return at === -1 ? slowFiles.length : at;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

/** Shared by both projects of browser tests: each file starts the product and a browser as processes. */
const browserTests = {
  environment: 'node',
  globalSetup: 'test/support/build-web.ts',
  testTimeout: 180_000,
  hookTimeout: 180_000,
  // Of one second otherwise, which a page on a busy machine takes for an answer. A poll ends when its condition holds.
  expect: { poll: { timeout: 20_000 } },
} as const;

export default defineConfig({
  test: {
    // CI machines commonly have two cores; more workers than that make timings noisy.
    maxWorkers: 2,
    sequence: { sequencer: SlowFirst },
    // The log of a passed test is not needed.
    silent: 'passed-only',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          environment: 'node',
          // Thousands of random histories take a second, and several seconds on a busy machine.
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
                  // All tests are the same person, who polls a hundred times as often as a page.
                  REQUESTS_PER_PERSON: { namespace_id: '1001', simple: { limit: 1_000_000, period: 60 } },
                  // A limit that a test can reach within a minute.
                  FEW_REQUESTS_PER_PERSON: { namespace_id: '1002', simple: { limit: 20, period: 60 } },
                },
                bindings: {
                  // Secrets in production; these values cannot be mistaken for real ones.
                  MAIL_API_KEY: 're_test_key',
                  // A local address, because a real provider needs more settings. Nothing listens there.
                  MAIL_API_URL: 'http://127.0.0.1:9',
                  RESEND_WEBHOOK_SECRET: 'whsec_dGVzdC13ZWJob29rLXNlY3JldA==',
                  POSTMARK_WEBHOOK_CREDENTIALS: 'postmark:test-password',
                  ADDRESS_HASH_KEY: 'test-address-hash-key',
                  // Of RFC 8037, appendix A.1.
                  RECEIPT_SIGNING_KEY:
                    '{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}',
                  // Only tests of permits wait for one.
                  MAIL_RATE: '100000',
                  // Only tests of undo wait for its time to pass.
                  ACTIVATE_UNDO_SECONDS: '0',
                  FUZZ_REQUESTS: process.env['FUZZ_REQUESTS'] ?? '2000',
                  FUZZ_SEED: process.env['FUZZ_SEED'] ?? '20261123',
                  CHAOS_CRASHES: process.env['CHAOS_CRASHES'] ?? '800',
                  EVENT_COUNT: process.env['EVENT_COUNT'] ?? '400',
                  EVENT_KILLS: process.env['EVENT_KILLS'] ?? '3',
                  CRM_KILLS: process.env['CRM_KILLS'] ?? '12',
                  CRM_FAULTS: process.env['CRM_FAULTS'] ?? '4',
                  RECEIPT_LEADS: process.env['RECEIPT_LEADS'] ?? '30000',
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
          ...browserTests,
          name: 'e2e-timed',
          include: timedFiles,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...browserTests,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: timedFiles,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
