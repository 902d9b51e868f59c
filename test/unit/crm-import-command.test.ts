import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'crm-import-'));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function importFile(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--no-warnings', 'scripts/leads-import.ts', ...args],
    {
      cwd: root,
      env: { ...process.env, STATE_DIR: join(folder, 'state') },
      encoding: 'utf8',
    },
  );
  return { code: status, out: stdout, err: stderr };
}

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('leads:import', { timeout: 120_000 }, () => {
  it('imports a file into a new database, and changes nothing at a repeat', () => {
    const csv = file(
      'people.csv',
      '\ufeffVorname;E-Mail 1;E-Mail 2;Notes\r\n' +
        'Jörg;none;joerg@example.org;"one\r\ntwo"\r\n\r\n' +
        'Ann;ann@example.org\r\n' +
        'Bob;;\r\n' +
        'Ann;ANN@example.org;;;too;many\r\n',
    );
    const rest =
      '1 duplicate (line 7: the same address as in line 5), 1 rejected (line 6: there is no email address).\n';
    expect(importFile(csv, '--consent-source', 'fair')).toEqual({
      code: 0,
      out: `people.csv: 2 created, 0 updated, 0 unchanged, ${rest}`,
      err: '',
    });
    expect(importFile(csv).out).toBe(`people.csv: 0 created, 0 updated, 2 unchanged, ${rest}`);
  });

  it.each([
    ['that is not there', () => join(folder, 'missing.csv'), 'cannot be read: there is no such file.'],
    ['that is a folder', () => folder, 'cannot be read: it is a folder.'],
    ['that is empty', () => file('empty.csv', ' \n'), 'cannot be imported: it is empty.'],
    [
      'that is no text',
      () => file('x.csv', Buffer.from([0x89, 0x50, 0, 0])),
      'no column is one of e-mail addresses.',
    ],
    ['without addresses', () => file('n.csv', 'Name\nAnn\n'), 'no column is one of e-mail addresses.'],
    ['without rows', () => file('h.csv', 'Email\n\n'), 'there is nothing below its header.'],
    ['with an open quote', () => file('q.csv', 'Email\na@b.example\n"c\nd\n'), 'in line 3 a quote is opened'],
  ])('refuses a file %s with one sentence', (_, path, sentence) => {
    const { code, out, err } = importFile(path());
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain(sentence);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});
