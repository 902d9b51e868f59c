/**
 * One environment on a Cloudflare account, for backup and recovery: its database, Worker and objects.
 *
 * Owns names, sign-in and the calls. Not yet tried on a live account; the tests use a stand-in that is typed with
 * Cloudflare's own client.
 * Invariant: the token is never printed or stored.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Cloudflare, { APIError } from 'cloudflare';
import { isMissing, type Binding } from '../deploy/deployed.ts';
import { projectRoot } from '../local-state.ts';
import { UserError, runToEnd } from '../processes.ts';
import type { Settings } from './backup-folder.ts';
import type { Query } from './sql-dump.ts';

const project = 'lead-activation';

/** The name of an environment's Worker, and of its database. */
export function nameOf(environment: string | null): string {
  return environment === null || environment === 'production' ? project : `${project}-${environment}`;
}

/** A signed-in client, by `CLOUDFLARE_API_TOKEN` or by `wrangler login`. */
export async function signIn(): Promise<Cloudflare> {
  const given = process.env['CLOUDFLARE_API_TOKEN'] ?? '';
  // The variable that wrangler reads too; tests point both at a stand-in.
  const baseURL = process.env['CLOUDFLARE_API_BASE_URL'];
  const options = baseURL === undefined ? {} : { baseURL };
  if (given !== '') return new Cloudflare({ apiToken: given, ...options });
  const wrangler = join(projectRoot, 'node_modules/wrangler/bin/wrangler.js');
  const { code, output } = await runToEnd(
    process.execPath,
    ['--no-warnings', wrangler, 'auth', 'token', '--json'],
    {
      ...process.env,
      CI: '1',
      NO_COLOR: '1',
      WRANGLER_SEND_METRICS: 'false',
    },
  );
  const token = code === 0 ? /"token"\s*:\s*"([^"]+)"/.exec(output)?.[1] : undefined;
  if (token === undefined) {
    throw new UserError(
      'You are not signed in to Cloudflare. Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN, and try again.',
    );
  }
  return new Cloudflare({ apiToken: token, ...options });
}

/** Waits; tests replace it. */
type Wait = (ms: number) => Promise<unknown>;

/** An import of a large database takes minutes; after an hour something is wrong. */
const maxImportMs = 3_600_000;
const pollMs = 1_000;

/** One environment on an account. */
export class CloudflareEnvironment {
  readonly #api: Cloudflare;
  readonly #accountId: string;
  readonly #databaseId: string;
  readonly name: string;
  readonly #wait: Wait;

  private constructor(
    api: Cloudflare,
    ids: { accountId: string; databaseId: string; name: string },
    wait: Wait,
  ) {
    this.#api = api;
    this.#accountId = ids.accountId;
    this.#databaseId = ids.databaseId;
    this.name = ids.name;
    this.#wait = wait;
  }

  /**
   * Opens an environment: the database that its Worker uses, or, while there is no Worker, the one of its name.
   *
   * @throws UserError where the account or the database is not there
   */
  static async open(
    api: Cloudflare,
    environment: string | null,
    wait: Wait = sleep,
  ): Promise<CloudflareEnvironment> {
    const name = nameOf(environment);
    return explained(async () => {
      const accountId = await accountOf(api);
      const databaseId =
        (await boundDatabase(api, accountId, name)) ?? (await databaseNamed(api, accountId, name));
      if (databaseId === null) {
        throw new UserError(`There is no database ${name} on this account; make it with npm run deploy.`);
      }
      return new CloudflareEnvironment(api, { accountId, databaseId, name }, wait);
    });
  }

  /** The rows of one statement. The client repeats a read after a network failure. */
  readonly query: Query = (sql) =>
    explained(async () => {
      const page = await this.#api.d1.database.raw(this.#databaseId, { account_id: this.#accountId, sql });
      const [first] = page.result;
      return (first?.results?.rows ?? []) as (string | number | null)[][];
    });

  /** The bookmark of the database's present state. The same bookmark later means that nothing was written. */
  bookmark(): Promise<string> {
    return explained(async () => {
      const { bookmark } = await this.#api.d1.database.timeTravel.getBookmark(this.#databaseId, {
        account_id: this.#accountId,
      });
      if (bookmark === undefined) throw new UserError('Cloudflare returned no bookmark of the database.');
      return bookmark;
    });
  }

  /** Values of the Worker's variables and names of its secrets. */
  settings(): Promise<Settings> {
    return explained(async () => {
      const { bindings = [] } = await this.#api.workers.scripts.scriptAndVersionSettings.get(this.name, {
        account_id: this.#accountId,
      });
      const vars: Settings['vars'] = {};
      const secrets: string[] = [];
      // The client marks `type` as deprecated, and has nothing else that tells the kinds apart.
      /* eslint-disable @typescript-eslint/no-deprecated */
      for (const binding of bindings) {
        if (binding.type === 'plain_text') vars[binding.name] = binding.text;
        else if (binding.type === 'secret_text') secrets.push(binding.name);
      }
      /* eslint-enable @typescript-eslint/no-deprecated */
      return { vars, secrets };
    });
  }

  setSecret(name: string, text: string): Promise<void> {
    return explained(async () => {
      await this.#api.workers.scripts.secrets.update(this.name, {
        account_id: this.#accountId,
        ...{ name, text, type: 'secret_text' },
      });
    });
  }

  /** The ids of all session objects, also of those that are in no list. */
  objectIds(): Promise<string[]> {
    return explained(async () => {
      const ids: string[] = [];
      for await (const namespace of this.#api.durableObjects.namespaces.list({
        account_id: this.#accountId,
      })) {
        if (namespace.script !== this.name || namespace.class !== 'ActivationSession') continue;
        let cursor = '';
        do {
          const page = await this.#api.durableObjects.namespaces.objects.list(namespace.id ?? '', {
            account_id: this.#accountId,
            limit: 1_000,
            ...(cursor === '' ? {} : { cursor }),
          });
          for (const { id, hasStoredData } of page.result) {
            if (id !== undefined && hasStoredData !== false) ids.push(id);
          }
          cursor = nextCursorOf(page.result_info);
        } while (cursor !== '');
      }
      return ids;
    });
  }

  /**
   * Runs a file of SQL in the database, through D1's import. Where it fails, D1 has what it had before (wrangler
   * says so of the same call).
   */
  importFile(file: string): Promise<void> {
    return explained(async () => {
      const account_id = this.#accountId;
      const etag = await md5Of(file);
      const call = (
        params:
          { action: 'ingest'; etag: string; filename: string } | { action: 'poll'; current_bookmark: string },
      ) => this.#api.d1.database.import(this.#databaseId, { account_id, ...params });
      const begun = await this.#api.d1.database.import(this.#databaseId, {
        account_id,
        action: 'init',
        etag,
      });
      if (begun.filename === undefined) throw new UserError('Cloudflare accepted no file for the import.');
      // Without an upload address, the file is there from an earlier try.
      if (begun.upload_url !== undefined) {
        // A blob has a length, which a presigned address needs.
        const uploaded = await fetch(begun.upload_url, { method: 'PUT', body: await openAsBlob(file) });
        if (!uploaded.ok) throw new UserError(`The upload was refused with ${String(uploaded.status)}.`);
      }
      let state = await call({ action: 'ingest', etag, filename: begun.filename });
      for (let waitedMs = 0; state.status !== 'complete'; waitedMs += pollMs) {
        if (state.status === 'error' || state.error !== undefined) {
          throw new UserError(`The database refused the import: ${state.error ?? 'no reason given'}.`);
        }
        if (waitedMs > maxImportMs) throw new UserError('The import did not finish within an hour.');
        await this.#wait(pollMs);
        state = await call({ action: 'poll', current_bookmark: state.at_bookmark ?? '' });
      }
    });
  }
}

/** The database that a Worker is bound to; null where there is no such Worker. */
async function boundDatabase(api: Cloudflare, accountId: string, worker: string): Promise<string | null> {
  try {
    const settings = await api.workers.scripts.scriptAndVersionSettings.get(worker, {
      account_id: accountId,
    });
    for (const binding of (settings.bindings ?? []) as readonly Binding[]) {
      if (binding.type === 'd1' && binding.name === 'DB') return binding.database_id;
    }
    return null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function databaseNamed(api: Cloudflare, accountId: string, name: string): Promise<string | null> {
  for await (const database of api.d1.database.list({ account_id: accountId, name })) {
    if (database.name === name && database.uuid !== undefined) return database.uuid;
  }
  return null;
}

/**
 * The cursor of the next page of objects. Cloudflare's documentation has had it in two places; a client that reads only
 * the wrong one stops after the first page and misses sessions.
 */
function nextCursorOf(info: object): string {
  const { cursor, cursors } = info as { cursor?: string; cursors?: { after?: string } };
  return cursors?.after ?? cursor ?? '';
}

async function accountOf(api: Cloudflare): Promise<string> {
  const wanted = process.env['CLOUDFLARE_ACCOUNT_ID'] ?? '';
  if (wanted !== '') return wanted;
  const accounts: string[] = [];
  for await (const { id, name } of api.accounts.list()) accounts.push(`${id} (${name})`);
  const [only, ...others] = accounts;
  if (only === undefined) throw new UserError('The token gives access to no account.');
  if (others.length > 0) {
    throw new UserError(`Set CLOUDFLARE_ACCOUNT_ID to one of your accounts: ${accounts.join(', ')}`);
  }
  return only.split(' ')[0] ?? only;
}

async function md5Of(file: string): Promise<string> {
  const hash = createHash('md5');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Turns errors of Cloudflare's API into errors for a person. */
async function explained<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const what =
      error.errors
        .map(({ message }) => message)
        .filter(Boolean)
        .join('; ') || error.message;
    throw new UserError(`Cloudflare refused: ${what}`);
  }
}
