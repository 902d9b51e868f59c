import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labelOf, labelRange, valueOfLabel } from '../../src/crm/leads/labels.ts';

const folder = join(import.meta.dirname, '../../migrations');

/** A database with the migrations from one number to another. */
function migrate(db: DatabaseSync, from: number, to: number): DatabaseSync {
  for (const name of readdirSync(folder).sort()) {
    const number = Number(name.slice(0, 4));
    if (number >= from && number <= to) db.exec(readFileSync(join(folder, name), 'utf8'));
  }
  return db;
}

const addLead = (db: DatabaseSync, email: string, createdAt: number, source = ''): void => {
  db.prepare(
    'INSERT INTO leads (email, email_hash, source, created_at, updated_at) VALUES (?, ?, ?, ?, 0)',
  ).run(email, `hash of ${email}`, source, createdAt);
};
const suppress = (db: DatabaseSync, email: string): void => {
  db.prepare("INSERT INTO suppressions (email_hash, reason, created_at) VALUES (?, 'manual', 0)").run(
    `hash of ${email}`,
  );
};
const suppressed = (db: DatabaseSync): unknown[] =>
  db
    .prepare('SELECT email_hash AS hash, lead_id AS id FROM suppressions ORDER BY 1')
    .all()
    .map((row) => [row['hash'], row['id']]);
const found = (db: DatabaseSync, label: string): unknown[] =>
  db
    .prepare('SELECT rowid AS id FROM leads_fts WHERE leads_fts MATCH ? ORDER BY 1')
    .all(`"${label}"`)
    .map((row) => row['id']);
const checkIndex = (db: DatabaseSync): void => {
  db.exec("INSERT INTO leads_fts (leads_fts, rank) VALUES ('integrity-check', 1)");
};

describe('the migration to fewer rows', () => {
  it('fills what it adds from the leads and suppressions that are there', () => {
    const db = migrate(new DatabaseSync(':memory:'), 1, 14);
    addLead(db, 'a@x.test', 50, 'Fair');
    addLead(db, 'b@x.test', 40, 'fair');
    suppress(db, 'b@x.test');
    suppress(db, 'c@x.test');
    migrate(db, 15, 20);
    expect(suppressed(db)).toEqual([
      ['hash of b@x.test', 2],
      ['hash of c@x.test', null],
    ]);
    expect(found(db, labelOf('source', 'Fair'))).toEqual([1]);
    expect(found(db, labelOf('source', 'fair'))).toEqual([2]);
    expect(found(db, labelOf('stage', ''))).toEqual([1, 2]);
    expect(db.prepare('SELECT * FROM lead_blocks').all()).toMatchObject([
      { block: 0, first_created_at: 40, last_created_at: 50 },
    ]);
    checkIndex(db);
  });

  it('lets an earlier version suppress an address without naming its lead, until the index is dropped', () => {
    const db = migrate(new DatabaseSync(':memory:'), 1, 20);
    addLead(db, 'a@x.test', 1);
    suppress(db, 'a@x.test');
    expect(suppressed(db)).toEqual([['hash of a@x.test', 1]]);
    migrate(db, 21, 21);
    // A lead that comes later is found by its insert, and one that gets the address by its update.
    suppress(db, 'b@x.test');
    suppress(db, 'c@x.test');
    addLead(db, 'b@x.test', 2);
    db.exec("UPDATE leads SET email = 'c@x.test', email_hash = 'hash of c@x.test' WHERE id = 1");
    expect(suppressed(db)).toEqual([
      ['hash of a@x.test', 1],
      ['hash of b@x.test', 2],
      ['hash of c@x.test', 1],
    ]);
  });
});

describe('labels', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', 'Fair', 'fair', 'Fair ', 'Ä', 'ä', '"', "'", '50%', '日本', ' '),
  );

  it('are the words that the index has, and give the value back', () => {
    const db = migrate(new DatabaseSync(':memory:'), 1, 21);
    const insert = db.prepare(
      "INSERT INTO leads (id, email, email_hash, source, stage, consent_source, created_at, updated_at) VALUES (1, 'a@x.test', '', ?, ?, ?, 0, 0)",
    );
    fc.assert(
      fc.property(value, value, value, (source, stage, consentSource) => {
        db.exec('DELETE FROM leads');
        // SQLite's text of node:sqlite ends at a NUL, and so does no cell of an import.
        const [a, b, c] = [source, stage, consentSource].map((it) => it.toWellFormed().replaceAll('\0', ''));
        insert.run(a ?? '', b ?? '', c ?? '');
        expect(found(db, labelOf('source', a ?? ''))).toEqual([1]);
        expect(found(db, labelOf('stage', b ?? ''))).toEqual([1]);
        expect(found(db, labelOf('consentSource', c ?? ''))).toEqual([1]);
        expect(found(db, labelOf('source', `${a ?? ''}x`))).toEqual([]);
        expect(valueOfLabel(labelOf('stage', b ?? ''))).toBe(b);
        const [empty, end] = labelRange('stage');
        expect(labelOf('stage', b ?? '') >= empty && labelOf('stage', b ?? '') < end).toBe(true);
      }),
      { numRuns: 300, seed: 20_261_129 },
    );
  });

  it('follow every edit, also together with a name', () => {
    const db = migrate(new DatabaseSync(':memory:'), 1, 21);
    for (let id = 1; id <= 5; id++) addLead(db, `l${id}@x.test`, 0, 'Fair');
    const word = fc.constantFrom('', 'Fair', 'Web', 'Ads');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), word, word, word), { maxLength: 30 }),
        (edits) => {
          for (const [id, source, stage, name] of edits) {
            db.prepare('UPDATE leads SET source = ?, stage = ?, last_name = ? WHERE id = ?').run(
              source,
              stage,
              name,
              id,
            );
          }
          checkIndex(db);
          for (const it of ['', 'Fair', 'Web', 'Ads']) {
            const leads = db.prepare('SELECT id FROM leads WHERE stage = ? ORDER BY id').all(it);
            expect(found(db, labelOf('stage', it))).toEqual(leads.map((row) => row['id']));
          }
        },
      ),
      { numRuns: 100, seed: 20_261_129 },
    );
  });
});
