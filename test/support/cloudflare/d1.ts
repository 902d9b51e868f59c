/**
 * The D1 part of the stand-in: its databases are real SQLite databases, so that migrations really run.
 *
 * @module
 */
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import type {
  DatabaseCreateParams,
  DatabaseListResponse,
  QueryResult,
} from 'cloudflare/resources/d1/database';
import { answer, answerPage, refuse, type Handler } from './server.ts';

type Jurisdiction = NonNullable<DatabaseCreateParams['jurisdiction']>;

export interface StandInDatabase {
  uuid: string;
  name: string;
  jurisdiction: Jurisdiction | null;
  sqlite: DatabaseSync;
}

export class D1State {
  readonly databases: StandInDatabase[] = [];
  isForbidden = false;

  create(name: string, jurisdiction: Jurisdiction | null = null): StandInDatabase {
    const database = { uuid: randomUUID(), name, jurisdiction, sqlite: new DatabaseSync(':memory:') };
    this.databases.push(database);
    return database;
  }

  named(name: string): StandInDatabase {
    const database = this.databases.find((one) => one.name === name);
    if (database === undefined) throw new Error(`no database ${name}`);
    return database;
  }
}

const describe = ({ uuid, name, jurisdiction }: StandInDatabase): DatabaseListResponse => ({
  ...{ uuid, name, jurisdiction, version: 'production', created_at: '2026-11-24T00:00:00Z' },
});

export function d1Handlers(state: D1State): Handler[] {
  return [
    async (request, path) => {
      const match = /^\/accounts\/[^/]+\/d1\/database(?:\/([^/]+)(?:\/(query|raw))?)?$/.exec(path);
      if (match === null) return null;
      if (state.isForbidden) return refuse(403, 10_000, 'Authentication error');
      const [, id, verb] = match;
      if (id === undefined && request.method === 'POST') {
        const body: DatabaseCreateParams = await request.json();
        if (state.databases.some(({ name }) => name === body.name)) {
          return refuse(400, 7_502, 'A database with that name already exists.');
        }
        return answer(describe(state.create(body.name, body.jurisdiction ?? null)));
      }
      if (id === undefined) {
        const name = new URL(request.url).searchParams.get('name');
        return answerPage(
          state.databases.filter((one) => name === null || one.name === name).map(describe),
          request,
        );
      }
      const database = state.databases.find(({ uuid }) => uuid === id);
      if (database === undefined) return refuse(404, 7_404, 'The database could not be found.');
      if (verb === undefined) return request.method === 'GET' ? answer(describe(database)) : null;
      const { sql, params = [] }: { sql: string; params?: string[] } = await request.json();
      try {
        return answer(run(database.sqlite, sql, params));
      } catch (error) {
        return refuse(400, 7_500, error instanceof Error ? error.message : String(error));
      }
    },
  ];
}

/** One result per call is enough here: all statements run at once, and the result has the rows of the last one. */
function run(sqlite: DatabaseSync, sql: string, params: readonly string[]): QueryResult[] {
  const meta: QueryResult['meta'] & object = { changes: 0, duration: 1, rows_read: 0, rows_written: 0 };
  if (/^\s*(?:SELECT|PRAGMA|WITH)\b/i.test(sql)) {
    return [{ success: true, meta, results: sqlite.prepare(sql).all(...params) }];
  }
  sqlite.exec('SAVEPOINT whole');
  try {
    sqlite.exec(sql);
    sqlite.exec('RELEASE whole');
  } catch (error) {
    sqlite.exec('ROLLBACK TO whole; RELEASE whole');
    throw error;
  }
  return [{ success: true, meta, results: [] }];
}
