/**
 * What backup and recovery meet at Cloudflare: a database that is a real SQLite file, its import and its
 * bookmarks, a Worker's settings and secrets, and the ids of objects.
 *
 * Answers are typed with the response types of Cloudflare's own client, so that `tsc` fails where the two differ.
 * As D1: whole-statement limits are kept, an import is one transaction, and a database with a virtual table is
 * not exported.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { Cloudflare } from 'cloudflare';
import type {
  DatabaseImportParams,
  DatabaseImportResponse,
  DatabaseListResponse,
  DatabaseRawResponse,
} from 'cloudflare/resources/d1/database';
import type { TimeTravelGetBookmarkResponse } from 'cloudflare/resources/d1/database/time-travel';
import { readStatements } from '../../../scripts/lib/backup/sql-dump.ts';

/** Answers a request of its subject; null for any other. The path is without `/client/v4`. */
type Handler = (request: Request, path: string) => Promise<Response | null>;

export const accountId = '0123456789abcdef0123456789abcdef';
const databaseId = '11111111-2222-3333-4444-555555555555';
const uploadUrl = 'https://upload.test/import.sql';
/** developers.cloudflare.com/d1/platform/limits */
const maxStatementBytes = 100_000;

export interface RecoveryState {
  /** `lead-activation` and its like. */
  name: string;
  /** Name of the database that the Worker is bound to; left out: it has no Worker's binding and the Worker's name. */
  databaseName?: string;
  sqlite: DatabaseSync;
  vars: Record<string, string>;
  secrets: Record<string, string>;
  objectIds: string[];
  /** Where the list of objects says how to go on: Cloudflare's descriptions have had two places. */
  cursorPlace: 'cursor' | 'cursors';
  /** Statements that were run, in order. */
  statements: string[];
  /** Makes the import break off after so many statements, as D1 does it: with nothing changed. */
  failImportAfter: number | null;
}

const answer = (result: unknown, extra: object = {}): Response =>
  Response.json({ success: true, errors: [], messages: [], result, ...extra });
const refuse = (status: number, code: number, message: string): Response =>
  Response.json({ success: false, errors: [{ code, message }], messages: [], result: null }, { status });

/** The handlers over a state. */
export function recoveryHandlers(state: RecoveryState): Handler[] {
  const account = `/accounts/${accountId}`;
  let uploaded: { etag: string; text: string } | null = null;
  let importState: DatabaseImportResponse | null = null;
  const bookmark = (): string => {
    const { n } = state.sqlite.prepare('SELECT total_changes() AS n').get() as { n: number };
    return `bookmark-${String(n)}`;
  };
  return [
    async (request, path) => {
      if (request.url === uploadUrl) {
        const text = await request.text();
        // The address stands for one content.
        uploaded = { etag: createHash('md5').update(text).digest('hex'), text };
        return new Response(null, { status: 200 });
      }
      if (path === '/accounts') {
        const accounts: Cloudflare.Accounts.Account[] = [{ id: accountId, name: 'Acme', type: 'standard' }];
        return onePage(accounts, request);
      }
      if (path === `${account}/d1/database`) {
        const name = state.databaseName ?? state.name;
        const databases: DatabaseListResponse[] = [{ uuid: databaseId, name }];
        return onePage(databases, request);
      }
      if (path === `${account}/d1/database/${databaseId}/time_travel/bookmark`) {
        return answer({ bookmark: bookmark() } satisfies TimeTravelGetBookmarkResponse);
      }
      if (path === `${account}/d1/database/${databaseId}/raw`) {
        const { sql } = await request.json<{ sql: string }>();
        return rawAnswer(state, sql);
      }
      if (path === `${account}/d1/database/${databaseId}/import`) {
        const params = await request.json<DatabaseImportParams>();
        if (params.action === 'init') {
          const isThere = uploaded?.etag === params.etag;
          return answer({
            filename: 'import.sql',
            ...(isThere ? {} : ({ upload_url: uploadUrl } satisfies DatabaseImportResponse)),
          });
        }
        if (params.action === 'ingest') {
          if (uploaded?.etag !== params.etag)
            return refuse(400, 7_500, 'The uploaded file has another etag.');
          importState = await ingest(state, uploaded.text);
          return answer({
            success: true,
            type: 'import',
            at_bookmark: 'bookmark-import',
          } satisfies DatabaseImportResponse);
        }
        return answer(
          (importState ?? {
            success: false,
            error: 'Not currently importing anything.',
          }) satisfies DatabaseImportResponse,
        );
      }
      if (path === `${account}/workers/scripts/${state.name}/settings`) {
        const bindings = [
          ...Object.entries(state.vars).map(([name, text]) => ({ type: 'plain_text' as const, name, text })),
          ...Object.keys(state.secrets).map((name) => ({ type: 'secret_text' as const, name })),
          ...(state.databaseName === undefined
            ? []
            : [{ type: 'd1' as const, name: 'DB', database_id: databaseId }]),
        ];
        return answer({ bindings } satisfies Cloudflare.Workers.Scripts.ScriptAndVersionSettingGetResponse);
      }
      if (path === `${account}/workers/scripts/${state.name}/secrets` && request.method === 'PUT') {
        const { name, text } = await request.json<{ name: string; text: string }>();
        state.secrets[name] = text;
        return answer({ name, type: 'secret_text' });
      }
      if (path === `${account}/workers/durable_objects/namespaces`) {
        const namespaces: Cloudflare.DurableObjects.Namespace[] = [
          { id: 'gates', script: state.name, class: 'MailGate' },
          { id: 'sessions', script: state.name, class: 'ActivationSession' },
          { id: 'others', script: `${state.name}-other`, class: 'ActivationSession' },
        ];
        return onePage(namespaces, request);
      }
      if (path === `${account}/workers/durable_objects/namespaces/sessions/objects`) {
        // Two pages, so that somebody who reads the first one only is found out.
        const cursor = new URL(request.url).searchParams.get('cursor');
        const half = Math.ceil(state.objectIds.length / 2);
        const ids = cursor === null ? state.objectIds.slice(0, half) : state.objectIds.slice(half);
        const objects: Cloudflare.DurableObjects.Namespaces.DurableObject[] = ids.map((id) => ({
          id,
          hasStoredData: true,
        }));
        const next = cursor === null ? 'second' : '';
        const after = state.cursorPlace === 'cursor' ? { cursor: next } : { cursors: { after: next } };
        return answer(objects, { result_info: { count: ids.length, ...after } });
      }
      return null;
    },
  ];
}

function onePage(items: readonly unknown[], request: Request): Response {
  const page = Number(new URL(request.url).searchParams.get('page') ?? '1');
  const result = page > 1 ? [] : items;
  return answer(result, {
    result_info: { page, per_page: 100, count: result.length, total_count: items.length },
  });
}

function rawAnswer({ sqlite, statements }: RecoveryState, sql: string): Response {
  statements.push(sql);
  if (Buffer.byteLength(sql) > maxStatementBytes)
    return refuse(400, 7_500, 'statement too long: SQLITE_TOOBIG');
  try {
    const statement = sqlite.prepare(sql);
    statement.setReturnArrays(true);
    const rows = statement.all() as unknown as unknown[][];
    const columns = statement.columns().map(({ name }) => name);
    const results: DatabaseRawResponse[] = [{ success: true, results: { columns, rows }, meta: {} }];
    return answer(results);
  } catch (error) {
    return refuse(400, 7_500, error instanceof Error ? error.message : String(error));
  }
}

async function ingest(state: RecoveryState, text: string): Promise<DatabaseImportResponse> {
  const { sqlite } = state;
  sqlite.exec('BEGIN');
  try {
    let count = 0;
    for await (const statement of readStatements(
      (async function* () {
        yield await Promise.resolve(text);
      })(),
    )) {
      if (Buffer.byteLength(statement) > maxStatementBytes)
        throw new Error('statement too long: SQLITE_TOOBIG');
      if (count === state.failImportAfter) throw new Error('D1 was reset');
      sqlite.exec(statement);
      count++;
    }
    sqlite.exec('COMMIT');
    return { success: true, type: 'import', status: 'complete', result: { num_queries: count } };
  } catch (error) {
    sqlite.exec('ROLLBACK');
    return {
      success: false,
      type: 'import',
      status: 'error',
      error: error instanceof Error ? error.message : '',
    };
  }
}
