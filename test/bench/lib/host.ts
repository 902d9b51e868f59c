/**
 * The runtime's host: one `workerd` with the benchmark's Worker, its objects and a D1 database on disk.
 *
 * It is a process of its own, so that a benchmark can kill it as a crash of the machine would. Requests go to the
 * Worker's socket directly, without the proxies of the development tools.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as MiniflarePackage from 'miniflare';
import type { HostOptions, HostReply } from './messages.ts';

// The miniflare that wrangler depends on, because it fits wrangler's runtime.
const requireOfWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler/package.json'));
const { Miniflare, convertV4MiniflareOptions, Log, LogLevel } = requireOfWrangler(
  'miniflare',
) as typeof MiniflarePackage;

const options = JSON.parse(process.argv[2] ?? '{}') as HostOptions;

const runtime = new Miniflare(
  convertV4MiniflareOptions({
    name: 'bench',
    modules: [{ type: 'ESModule', path: 'worker.mjs', contents: readFileSync(options.scriptFile, 'utf8') }],
    modulesRoot: '.',
    compatibilityDate: '2026-11-01',
    compatibilityFlags: ['nodejs_compat'],
    log: new Log(LogLevel.ERROR),
    // The product logs every slice. The log is not part of what is measured.
    handleStructuredLogs: () => {},
    resourcePersistencePath: options.stateFolder,
    d1Databases: { DB: 'bench' },
    durableObjects: Object.fromEntries(
      [
        ['ACTIVATION_SESSION', 'ActivationSession'],
        ['MAIL_GATE', 'MailGate'],
        ['WEBHOOK_ENDPOINT', 'WebhookEndpoint'],
        ['BARE_LOOP', 'BareLoop'],
        ['BARE_READS', 'BareReads'],
      ].map(([binding, className]) => [binding, { className, useSQLite: true }]),
    ) as Record<string, { className: string; useSQLite: boolean }>,
    ratelimits: { REQUESTS_PER_PERSON: { namespace_id: '1', simple: { limit: 1_000_000_000, period: 60 } } },
    bindings: options.vars,
    unsafeDirectSockets: [{ host: '127.0.0.1', port: options.port }],
    ...(options.inspectorPort === null ? {} : { inspectorPort: options.inspectorPort }),
  }),
);
await runtime.ready;
// The file of the database is created at the first query.
const db = await runtime.getD1Database('DB');
await db.prepare('SELECT 1').first();

const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
  .trim()
  .split(/\s+/);
const runtimePid = Number(
  // Its arguments end with zeros; a child that has another one for a moment has ended soon.
  children.findLast((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('workerd\0serve')),
);
process.send?.({ kind: 'ready', runtimePid } satisfies HostReply);
const stop = (): void => void runtime.dispose().finally(() => process.exit());
process.on('disconnect', stop);
process.on('SIGTERM', stop);
