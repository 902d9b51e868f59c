import { beforeEach, describe, expect, it } from 'vitest';
import type { SuppressionPage } from '../../src/shared/schemas/mail.ts';
import { addLeads, emptyCrm, hashEmail, suppress } from '../support/crm-database.ts';
import { resetHooks } from '../support/hooks.ts';
import { request, send } from '../support/session-driver.ts';

let db: D1Database;

beforeEach(async () => {
  resetHooks();
  db = await emptyCrm();
  await db.prepare('DELETE FROM suppression_removals').run();
});

async function list(query = ''): Promise<SuppressionPage> {
  const response = await request(`/crm/suppressions${query}`);
  expect(response.status).toBe(200);
  return response.json();
}

async function search(address: string): Promise<SuppressionPage> {
  const response = await send('POST', '/crm/suppressions/search', { address });
  expect(response.status).toBe(200);
  return response.json();
}

const add = (addresses: string[], reason = 'manual', note = '') =>
  send('POST', '/crm/suppressions', { addresses, reason, note });

describe('adding', () => {
  it('keeps the text that a person typed, the person and the reason', async () => {
    const response = await add([' Zoe@Example.COM '], 'manual', 'asked by phone');
    expect(await response.json()).toEqual({ addedCount: 1, knownCount: 0, invalidLines: [] });
    expect((await list()).suppressions).toMatchObject([
      {
        id: hashEmail('zoe@example.com'),
        label: 'Zoe@example.com',
        reason: 'manual',
        note: 'asked by phone',
        addedBy: 'ana@example.com',
      },
    ]);
  });

  it('reports lines that are not addresses, and adds the others, each once', async () => {
    const response = await add(
      ['a@example.com', 'not an address', '', 'A@example.com', 'b@example.com'],
      'imported',
    );
    expect(await response.json()).toEqual({ addedCount: 2, knownCount: 0, invalidLines: [2, 3] });
    const again = await add(['b@example.com', 'c@example.com'], 'imported');
    expect(await again.json()).toEqual({ addedCount: 1, knownCount: 1, invalidLines: [] });
  });

  it('never changes the first reason: a complaint stays a complaint', async () => {
    await db
      .prepare("INSERT INTO suppressions (email_hash, reason, created_at) VALUES (?, 'complained', 5)")
      .bind(hashEmail('a@example.com'))
      .run();
    await add(['a@example.com']);
    expect((await list()).suppressions).toMatchObject([{ reason: 'complained', label: null, createdAt: 5 }]);
  });

  it('refuses an empty list, too many addresses, and reasons that a person cannot give', async () => {
    const bodies = [
      { addresses: [], reason: 'manual' },
      { addresses: Array.from({ length: 2_001 }, () => 'a@example.com'), reason: 'manual' },
      { addresses: ['a@example.com'], reason: 'unsubscribed' },
    ];
    for (const body of bodies) expect((await send('POST', '/crm/suppressions', body)).status).toBe(422);
    expect((await list()).total).toBe(0);
  });
});

describe('looking up', () => {
  it('finds an address by its hash, in upper and lower case', async () => {
    await suppress(db, 'zoe@example.com');
    await suppress(db, 'other@example.com');
    expect((await search('ZOE@example.com')).suppressions).toMatchObject([
      { id: hashEmail('zoe@example.com'), reason: 'unsubscribed', label: null },
    ]);
    expect((await search('nobody@example.com')).suppressions).toEqual([]);
  });

  it('stores no address that nobody typed', async () => {
    await suppress(db, 'zoe@example.com');
    const rows = await db.prepare('SELECT * FROM suppressions').all();
    expect(JSON.stringify(rows.results)).not.toContain('@');
  });
});

describe('the list', () => {
  it('names the lead behind an address, and nobody once the lead is erased', async () => {
    const [id, email] = [7, 'ana@example.com'];
    await addLeads(db, [{ id, email, firstName: 'Ana', lastName: 'Sousa' }]);
    await suppress(db, email);
    await suppress(db, 'nobody@example.com');
    const lead = { id, email, name: 'Ana Sousa' };
    expect((await list()).suppressions.map((entry) => entry.lead)).toEqual(
      expect.arrayContaining([lead, null]),
    );
    expect((await search(email)).suppressions).toMatchObject([{ label: null, lead }]);
    expect((await send('DELETE', `/crm/leads/${id}`)).status).toBe(204);
    expect((await search(email)).suppressions).toMatchObject([{ label: null, lead: null }]);
  });

  it('pages newest first through entries of one moment without losing or repeating any', async () => {
    await db.batch(
      Array.from({ length: 25 }, (_, index) =>
        db
          .prepare("INSERT INTO suppressions (email_hash, reason, created_at) VALUES (?, 'hard_bounce', ?)")
          .bind(hashEmail(`lead${index}@example.com`), index < 10 ? 1_000 : 1_000 + index),
      ),
    );
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await list(`?limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`);
      expect(page.total).toBe(25);
      seen.push(...page.suppressions.map(({ id }) => id));
      cursor = page.nextCursor ?? '';
    } while (cursor !== '');
    expect(seen).toHaveLength(25);
    expect(new Set(seen).size).toBe(25);
    expect(seen[0]).toBe(hashEmail('lead24@example.com'));
  });

  it('can be filtered by reason, and refuses a foreign cursor', async () => {
    await suppress(db, 'a@example.com');
    await add(['b@example.com']);
    expect((await list('?reason=manual')).suppressions).toMatchObject([{ label: 'b@example.com' }]);
    expect((await request('/crm/suppressions?cursor=abc')).status).toBe(422);
  });
});

describe('removing', () => {
  const idOf = (email: string): string => hashEmail(email);

  it('needs a reason, which is kept with the person', async () => {
    await suppress(db, 'a@example.com');
    const path = `/crm/suppressions/${idOf('a@example.com')}/remove`;
    expect((await send('POST', path, { note: ' ' })).status).toBe(422);
    expect((await list()).total).toBe(1);
    expect((await send('POST', path, { note: 'signed up again' })).status).toBe(204);
    expect((await list()).total).toBe(0);
    const kept = await db.prepare('SELECT reason, removed_by, note FROM suppression_removals').all();
    expect(kept.results).toEqual([
      { reason: 'unsubscribed', removed_by: 'ana@example.com', note: 'signed up again' },
    ]);
  });

  it('is a 404 for an unknown entry', async () => {
    const response = await send('POST', `/crm/suppressions/${idOf('x@example.com')}/remove`, {
      note: 'because',
    });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'suppression_not_found' });
    expect((await send('POST', '/crm/suppressions/short/remove', { note: 'because' })).status).toBe(422);
  });
});
