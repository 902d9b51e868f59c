import { beforeEach, describe, expect, it } from 'vitest';
import {
  deleteActivation,
  listActivations,
  listOpenSessions,
  listRestingSessions,
  recordActivation,
} from '../../src/crm/activations.ts';
import type { Progress } from '../../src/shared/progress.ts';
import { emptyCrm } from '../support/crm-database.ts';
import { progressOf } from '../support/progress.ts';

let db: D1Database;

beforeEach(async () => {
  db = await emptyCrm();
});

function progressAt(number: number, change: Partial<Progress> = {}): Progress {
  return progressOf({
    sessionId: `activation_1700000000000_${String(number).padStart(9, '0')}`,
    name: `Run ${number}`,
    createdAt: 1_000,
    startedAt: null,
    ...change,
  });
}

async function list(query: Partial<Parameters<typeof listActivations>[1]> = {}): Promise<{
  names: string[];
  nextCursor: string | null;
}> {
  const answer = await listActivations(db, { cursor: null, limit: 50, ...query });
  if (answer.kind !== 'ok') throw new Error(answer.kind);
  return {
    names: answer.list.activations.map((progress) => progress.name),
    nextCursor: answer.list.nextCursor,
  };
}

describe('the list of activations', () => {
  it('returns the complete recorded progress', async () => {
    const progress = progressAt(1, { lastError: 'The "mail" service is busy.', etaSeconds: 1.5 });
    await recordActivation(db, progress);
    expect(await listActivations(db, { cursor: null, limit: 1 })).toEqual({
      kind: 'ok',
      list: { activations: [progress], nextCursor: null },
    });
  });

  it('takes a newer progress and ignores an older or equal one', async () => {
    expect(await recordActivation(db, progressAt(1, { rev: 5, name: 'five' }))).toBe(true);
    expect(await recordActivation(db, progressAt(1, { rev: 4, name: 'four' }))).toBe(false);
    expect(await recordActivation(db, progressAt(1, { rev: 5, name: 'again' }))).toBe(false);
    expect((await list()).names).toEqual(['five']);
    expect(await recordActivation(db, progressAt(1, { rev: 6, name: 'six' }))).toBe(true);
    expect((await list()).names).toEqual(['six']);
  });

  it('is newest first, and pages through activations that began in the same millisecond', async () => {
    for (const number of [3, 1, 2, 4]) await recordActivation(db, progressAt(number));
    await recordActivation(db, progressAt(9, { createdAt: 2_000 }));
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await list({ cursor, limit: 2 });
      names.push(...page.names);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(names).toEqual(['Run 9', 'Run 4', 'Run 3', 'Run 2', 'Run 1']);
  });

  it('finds activations by a part of their name or owner, and takes any text literally', async () => {
    await recordActivation(db, progressAt(1, { name: 'March 100% sign-ups' }));
    await recordActivation(db, progressAt(2, { name: 'April', owner: 'bob@example.com' }));
    expect((await list({ search: 'MARCH' })).names).toEqual(['March 100% sign-ups']);
    expect((await list({ search: 'bob' })).names).toEqual(['April']);
    expect((await list({ search: '0%' })).names).toEqual(['March 100% sign-ups']);
    for (const search of ['%', '_', "'", '"', '\\'])
      expect((await list({ search })).names.length).toBeLessThan(2);
    expect((await list({ search: ' ' })).names).toHaveLength(2);
  });

  it('has parts: what has not ended, what needs attention, and how the others ended', async () => {
    const { email, activation } = progressOf();
    const ended = { finishedAt: 9 };
    await recordActivation(db, progressAt(1));
    await recordActivation(db, progressAt(2, { state: 'paused', reason: 'user', owner: 'bob@example.com' }));
    await recordActivation(db, progressAt(3, { state: 'paused', reason: 'mail_auth' }));
    await recordActivation(db, progressAt(4, { state: 'completed', ...ended }));
    await recordActivation(
      db,
      progressAt(5, { state: 'completed', ...ended, email: { ...email, unknown: 1 } }),
    );
    await recordActivation(
      db,
      progressAt(6, { state: 'cancelled', ...ended, activation: { ...activation, failed: 2 } }),
    );
    // It was cancelled, and what was on its way has not settled.
    await recordActivation(db, progressAt(7, { state: 'cancelled' }));
    const names = async (query: Parameters<typeof list>[0]): Promise<string> =>
      (await list(query)).names.map((name) => name.slice(4)).join('');
    expect(await names({ view: 'open' })).toBe('7321');
    expect(await names({ view: 'attention' })).toBe('653');
    expect(await names({ view: 'completed' })).toBe('54');
    expect(await names({ view: 'cancelled' })).toBe('76');
    expect(await names({ view: 'open', owner: 'bob@example.com' })).toBe('2');
  });

  it('refuses a cursor that it did not give out', async () => {
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const cursor of [
      '',
      'x',
      encode([]),
      encode([1]),
      encode(['1', 'a']),
      encode([1, 'a', 2]),
      encode(null),
    ]) {
      expect(await listActivations(db, { cursor, limit: 1 })).toEqual({ kind: 'invalid_cursor' });
    }
  });

  it('has each session in the part of the minute or in that of the night, but for those that ended long ago', async () => {
    const schedule = { startAt: 9_000, at: '1970-01-01T00:00', zone: 'UTC', freezeAt: 'scheduling' } as const;
    await recordActivation(db, progressAt(1, { state: 'running' }));
    await recordActivation(db, progressAt(2, { state: 'scheduled', schedule }));
    await recordActivation(db, progressAt(3, { state: 'completed', finishedAt: 5_000 }));
    await recordActivation(db, progressAt(4, { state: 'completed', finishedAt: 4_999 }));
    const idsOf = (numbers: readonly number[]): string[] =>
      numbers.map((number) => progressAt(number).sessionId);
    const page = { offset: 0, limit: 10 };
    expect(await listOpenSessions(db, { ...page, nowMs: 8_999 })).toEqual({
      sessionIds: idsOf([1]),
      totalCount: 1,
    });
    expect(await listOpenSessions(db, { ...page, nowMs: 9_000 })).toEqual({
      sessionIds: idsOf([1, 2]),
      totalCount: 2,
    });
    expect(await listRestingSessions(db, { ...page, sinceMs: 5_000 })).toEqual({
      sessionIds: idsOf([2, 3]),
      totalCount: 2,
    });
  });

  it('removes an activation once', async () => {
    const progress = progressAt(1);
    await recordActivation(db, progress);
    expect(await deleteActivation(db, progress.sessionId)).toBe(true);
    expect(await deleteActivation(db, progress.sessionId)).toBe(false);
    expect((await list()).names).toEqual([]);
  });
});
