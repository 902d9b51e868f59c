import { beforeEach, describe, expect, it } from 'vitest';
import { deleteActivation, listActivations, recordActivation } from '../../src/crm/activations.ts';
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

async function list(query: { cursor?: string | null; limit?: number; search?: string } = {}): Promise<{
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

  it('refuses a foreign cursor', async () => {
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

  it('removes an activation once', async () => {
    const progress = progressAt(1);
    await recordActivation(db, progress);
    expect(await deleteActivation(db, progress.sessionId)).toBe(true);
    expect(await deleteActivation(db, progress.sessionId)).toBe(false);
    expect((await list()).names).toEqual([]);
  });
});
