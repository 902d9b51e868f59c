/** The CSV export of all leads, counted in queries: D1 takes 1,000 of one invocation. */
import { expect, it } from 'vitest';
import { exportPages } from '../../src/crm/leads/bulk.ts';

const leadCount = 1_000_000;
const row = {
  ...{ email: 'ann@example.org', firstName: 'Ann', custom: '{}', tags: '', status: 'new' },
  ...{ length: 300, lengthSoFar: 300 },
};

it('reads a million leads in about half of the queries that one invocation may make', async () => {
  let queryCount = 0;
  const statement = (sql: string, params: readonly unknown[]) => ({
    bind: (...bound: unknown[]) => statement(sql, bound),
    first: () => {
      queryCount += 1;
      return Promise.resolve(leadCount);
    },
    all: () => {
      queryCount += 1;
      const [afterId, untilId] = params.slice(-2).map(Number) as [number, number];
      const limit = Number(/LIMIT (\d+)/.exec(sql)?.[1]);
      const length = Math.min(limit, untilId - afterId);
      return Promise.resolve({
        results: Array.from({ length }, (_, at) => ({ ...row, id: afterId + 1 + at })),
      });
    },
  });
  const db = { prepare: (sql: string) => statement(sql, []) } as unknown as D1Database;
  let seen = 0;
  for await (const page of exportPages(db, { filter: {} })) {
    expect(page[0]?.id).toBe(seen + 1);
    seen += page.length;
  }
  expect(seen).toBe(leadCount);
  expect(queryCount).toBe(501);
});
