import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import type * as MiniflarePackage from 'miniflare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { runToEnd } from '../../scripts/lib/processes.ts';
import { buildWebIfChanged } from '../../scripts/lib/web-build.ts';
import type { Progress } from '../../src/shared/progress.ts';

const leadCount = 3_000;
/** Values that must not be in any file. */
const secrets = {
  MAIL_API_KEY: 're_secret_of_this_test',
  ADDRESS_HASH_KEY: 'hash-key-of-this-very-test',
  // Only receipts need it.
  RECEIPT_SIGNING_KEY: 'no-key-of-receipts-in-this-test',
};

/**
 * A mail API with idempotency keys, like Resend's. It takes each mail at once and answers only as many calls as the
 * test allows. So an activation can be stopped in the middle, with calls that are taken and not answered.
 */
class HeldMailApi {
  readonly countByAddress = new Map<string, number>();
  readonly #byKey = new Map<string, string>();
  readonly #server: Server;
  #allowedCount = 0;
  #waiting: { response: ServerResponse; text: string }[] = [];
  url = '';

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = this.#take(String(request.headers['idempotency-key']), Buffer.concat(chunks).toString());
        this.#waiting.push({ response, text });
        this.allow(0);
      });
    });
  }

  /** Answers so many calls more. */
  allow(count: number): void {
    this.#allowedCount += count;
    // Nobody receives the answers to calls of a killed process.
    this.#waiting = this.#waiting.filter(({ response }) => !response.destroyed);
    for (const { response, text } of this.#waiting.splice(0, this.#allowedCount)) {
      this.#allowedCount--;
      response.setHeader('content-type', 'application/json');
      response.end(text);
    }
  }

  #take(key: string, body: string): string {
    const mails = JSON.parse(body) as { to: string | string[] }[];
    const known = this.#byKey.get(key);
    if (known === undefined) {
      this.#byKey.set(key, body);
      for (const mail of mails) {
        const to = String(mail.to);
        this.countByAddress.set(to, (this.countByAddress.get(to) ?? 0) + 1);
      }
    } else if (known !== body) {
      throw new Error('A repeat under the same key had other bytes.');
    }
    return JSON.stringify({ data: mails.map((_, index) => ({ id: `${key}-${String(index)}` })) });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.url = `http://127.0.0.1:${String(address.port)}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

let folder: string;
let bundle: string;
let mail: HeldMailApi;

beforeAll(async () => {
  await buildWebIfChanged();
  folder = mkdtempSync(join(tmpdir(), 'lead-activation-deploy-'));
  const { code, output } = await runToEnd(
    process.execPath,
    [
      ...['--no-warnings', join(projectRoot, 'node_modules/wrangler/bin/wrangler.js')],
      ...['deploy', '--dry-run', '--outdir', join(folder, 'bundle')],
    ],
    { ...process.env, ...secrets, CI: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_LOG_PATH: folder },
  );
  if (code !== 0) throw new Error(output);
  bundle = readFileSync(join(folder, 'bundle/index.js'), 'utf8');
  mail = new HeldMailApi();
  await mail.start();
});

afterAll(async () => {
  await mail.stop();
  rmSync(folder, { recursive: true, force: true });
});

// The miniflare that wrangler depends on, because it fits wrangler's runtime.
const requireOfWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler/package.json'));
const { Miniflare, convertV4MiniflareOptions, Log, LogLevel } = requireOfWrangler(
  'miniflare',
) as typeof MiniflarePackage;
type Runtime = MiniflarePackage.Miniflare;

/** The Worker in one version, over the storage that all versions share. */
function options(version: string): ReturnType<typeof convertV4MiniflareOptions> {
  const settings = readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8').matchAll(
    /^([A-Z_]+) = "(.*)"$/gm,
  );
  const vars = Object.fromEntries([...settings].map(([, name = '', value = '']) => [name, value]));
  const entry = `
    import app from './app.mjs';
    export * from './app.mjs';
    export default { fetch(request, env, ctx) {
      if (new URL(request.url).pathname === '/version') return new Response('${version}');
      return app.fetch(request, { ...env, LOCAL_PERSON: 'ana@example.com' }, ctx);
    } };`;
  return convertV4MiniflareOptions({
    name: 'deploy',
    modules: [
      { type: 'ESModule', path: 'entry.mjs', contents: entry },
      { type: 'ESModule', path: 'app.mjs', contents: bundle },
    ],
    modulesRoot: '.',
    compatibilityDate: '2026-11-01',
    compatibilityFlags: ['nodejs_compat'],
    log: new Log(LogLevel.ERROR),
    handleStructuredLogs: () => {},
    resourcePersistencePath: join(folder, 'state'),
    bindings: { ...vars, ...secrets, MAIL_API_URL: mail.url, MAIL_RATE: '50', ACTIVATE_UNDO_SECONDS: '0' },
    d1Databases: { DB: 'deploy' },
    durableObjects: {
      ACTIVATION_SESSION: { className: 'ActivationSession', useSQLite: true },
      MAIL_GATE: { className: 'MailGate', useSQLite: true },
      WEBHOOK_ENDPOINT: { className: 'WebhookEndpoint', useSQLite: true },
    },
    ratelimits: { REQUESTS_PER_PERSON: { namespace_id: '1', simple: { limit: 3_000, period: 60 } } },
  });
}

const migrationsFolder = join(projectRoot, 'migrations');
const migrationNames = readdirSync(migrationsFolder).sort();

async function migrate(miniflare: Runtime, script: string): Promise<void> {
  const db = await miniflare.getD1Database('DB');
  for (const statement of splitStatements(script)) await db.prepare(statement).run();
}

/**
 * The database with leads. No version runs on a schema older than its own, because a deploy applies migrations
 * before it deploys the Worker.
 */
async function fillDatabase(miniflare: Runtime): Promise<void> {
  const db = await miniflare.getD1Database('DB');
  for (const name of migrationNames) {
    await migrate(miniflare, readFileSync(join(migrationsFolder, name), 'utf8'));
  }
  await db
    .prepare(
      `INSERT INTO leads (email, email_hash, created_at, updated_at)
       SELECT 'lead-' || value || '@example.com', 'h' || value, 0, 0 FROM (
         WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?) SELECT value FROM n)`,
    )
    .bind(leadCount)
    .run();
  await db.prepare('UPDATE lead_counts SET new_count = ?').bind(leadCount).run();
}

/** Statements of a migration; `BEGIN … END` of a trigger stays together. */
function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let current = '';
  for (const part of script.replace(/--.*$/gm, '').split(';')) {
    current += `${part};`;
    const isInTrigger = /CREATE TRIGGER/i.test(current) && !/\bEND\s*;$/i.test(current.trim());
    if (isInTrigger) continue;
    if (current.replaceAll(';', '').trim() !== '') statements.push(current);
    current = '';
  }
  return statements;
}

/** A migration of a later version, under the Worker of this one. */
const migrationOfTomorrow = `
  ALTER TABLE leads ADD COLUMN tomorrow TEXT NOT NULL DEFAULT '';
  ALTER TABLE activations ADD COLUMN tomorrow INTEGER;
  CREATE TABLE of_tomorrow (lead_id INTEGER PRIMARY KEY, seen_at INTEGER NOT NULL) STRICT;
  CREATE INDEX leads_tomorrow ON leads (tomorrow);
  CREATE TRIGGER leads_of_tomorrow AFTER UPDATE OF status ON leads BEGIN
    INSERT INTO of_tomorrow (lead_id, seen_at) VALUES (new.id, new.updated_at) ON CONFLICT DO UPDATE SET seen_at = new.updated_at;
  END;`;

describe('upgrades and a rollback in the middle of an activation', () => {
  it('lose nothing and send nothing twice, also on a schema that is one migration ahead', async () => {
    const miniflare = new Miniflare(options('one'));
    try {
      await fillDatabase(miniflare);
      const sessionId = 'activation_1795447170812_deploytst';
      const call = (path: string, init?: { method: string; body: string; headers: Record<string, string> }) =>
        miniflare.dispatchFetch(`http://localhost${path}`, init);
      const progress = async (): Promise<Progress> =>
        (await (await call(`/crm/activation/progress/${sessionId}`)).json()) as Progress;

      const started = await call('/crm/activation', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ sessionId, audience: { filter: {} }, templateId: 'welcome' }),
      });
      expect(started.status, await started.clone().text()).toBe(201);
      const until = async (isReached: (view: Progress) => boolean): Promise<Progress> => {
        const deadline = Date.now() + 60_000;
        for (;;) {
          const view = await progress();
          if (isReached(view)) return view;
          if (Date.now() > deadline) throw new Error(`Waited in vain: ${JSON.stringify(view)}`);
          await new Promise((resolve) => setTimeout(resolve, 25));
        }
      };
      mail.allow(7);
      let before = await until(({ processed }) => processed >= 0.2 * leadCount);
      // Deploy; expand, deploy; and back to the first version, on the newest schema.
      const steps: readonly [migration: string, version: string][] = [
        ['', 'two'],
        [migrationOfTomorrow, 'three'],
        ['', 'one'],
      ];
      for (const [migration, version] of steps) {
        expect(before.finishedAt).toBeNull();
        await migrate(miniflare, migration);
        // The process of the old version is killed during its calls.
        await miniflare.setOptions(options(version));
        expect(await (await call('/version')).text()).toBe(version);
        const after = await progress();
        expect(after.processed).toBeGreaterThanOrEqual(before.processed);
        mail.allow(3);
        before = await until(({ processed }) => processed > after.processed);
      }

      mail.allow(Number.POSITIVE_INFINITY);
      const end = await until(({ finishedAt }) => finishedAt !== null);
      expect(end).toMatchObject({ state: 'completed', total: leadCount, processed: leadCount });
      expect(end.email).toMatchObject({ sent: leadCount, failed: 0, unknown: 0 });
      expect(mail.countByAddress.size).toBe(leadCount);
      expect([...mail.countByAddress.values()].every((count) => count === 1)).toBe(true);
    } finally {
      await miniflare.dispose();
    }
  });
});

describe('what is deployed', () => {
  /** All files under a folder, as text. */
  function* filesUnder(path: string): Generator<[name: string, text: string]> {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const full = join(path, entry.name);
      if (entry.isDirectory()) yield* filesUnder(full);
      else yield [full.slice(path.length), readFileSync(full, 'latin1')];
    }
  }

  it.each(['bundle', 'web'])('holds no secret: %s', (what) => {
    const path = what === 'bundle' ? join(folder, 'bundle') : join(projectRoot, 'web/build');
    let count = 0;
    for (const [name, text] of filesUnder(path)) {
      count++;
      for (const secret of Object.values(secrets)) expect(text.includes(secret), name).toBe(false);
      // The form of the providers' keys.
      expect(
        /\bre_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,}|AKIA[0-9A-Z]{16}/.test(text),
        name,
      ).toBe(false);
    }
    expect(count).toBeGreaterThan(0);
  });

  it('has no source map, and no script in its page that its policy does not name', () => {
    const build = join(projectRoot, 'web/build');
    const maps = [...filesUnder(build)].filter(([name]) => name.endsWith('.map'));
    expect(maps).toEqual([]);
    const shell = readFileSync(join(build, 'index.html'), 'utf8');
    const policy = /http-equiv="content-security-policy" content="([^"]+)"/i.exec(shell)?.[1] ?? '';
    expect(policy).toMatch(/script-src 'self' 'sha256-/);
    expect(/script-src[^;]*'unsafe-inline'/.test(policy)).toBe(false);
    const headers = readFileSync(join(build, '_headers'), 'utf8');
    for (const header of [
      "frame-ancestors 'none'",
      'nosniff',
      'Referrer-Policy',
      'Strict-Transport-Security',
    ]) {
      expect(headers).toContain(header);
    }
  });
});
