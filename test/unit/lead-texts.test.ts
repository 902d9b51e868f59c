import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const folder = join(import.meta.dirname, '../../migrations');
const sqlOf = (name: string): string => readFileSync(join(folder, name), 'utf8');

/** A database with the present view of texts, and `texts_before`: the one that the index was filled from. */
function database(): DatabaseSync {
  const db = new DatabaseSync(':memory:');
  for (const name of readdirSync(folder).sort()) db.exec(sqlOf(name));
  const [before = ''] =
    /CREATE VIEW lead_texts AS[\s\S]*?\nFROM leads;/.exec(sqlOf('0010_search_as_typed.sql')) ?? [];
  db.exec(before.replace('lead_texts', 'texts_before'));
  return db;
}

const texts = (view: string): string => `SELECT first_name, last_name, company, email, dotted FROM ${view}`;

describe('the texts of a lead in the search index', () => {
  it('are those that the index was filled with', () => {
    const db = database();
    const piece = fc.constantFrom(
      'a',
      'com',
      'Ltd',
      'é',
      '.',
      '..',
      '-',
      ' ',
      '@',
      '+',
      "'",
      '_',
      '/',
      '𝒳',
      '',
    );
    const text = fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join(''));
    const domain = fc.constantFrom(
      'example.com',
      'a-b.example.co.uk',
      'x.',
      '.x',
      'x',
      `${'l'.repeat(120)}.test`,
    );
    const local = fc.constantFrom('jane', 'jane.doe', "o'neil_j+x.y", 'a/b.c', '');
    const email = fc.oneof(
      text,
      fc.tuple(local, domain).map(([name, at]) => `${name}@${at}`),
    );
    const plain = fc.constantFrom('', 'Ann', 'Müller', 'Driessen Combinatie');
    const name = fc.oneof(plain, text);
    const insert = db.prepare(
      `INSERT INTO leads (first_name, last_name, company, email, email_hash, created_at, updated_at)
       VALUES (?, ?, ?, ?, '', 0, 0)`,
    );
    fc.assert(
      fc.property(name, name, name, email, (...values) => {
        db.exec('DELETE FROM leads');
        insert.run(...values);
        expect(db.prepare(texts('lead_texts')).get()).toEqual(db.prepare(texts('texts_before')).get());
      }),
      { numRuns: 3_000, seed: 20261128 },
    );
    // An index that disagrees with the view is corrupt (sqlite.org/fts5.html, "integrity-check").
    db.exec("INSERT INTO leads_fts (leads_fts, rank) VALUES ('integrity-check', 1)");
  });
});
