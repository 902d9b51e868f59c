import { describe, expect, it } from 'vitest';
import {
  contractions,
  migrationFaults,
  migrationPhases,
  readSchemaTag,
  schemaLevel,
  schemaTag,
  stepsAgainst,
  type Migration,
} from '../../scripts/lib/deploy/migrations.ts';
import { versionBefore } from '../../scripts/lib/deploy/rollback.ts';
import { standInAccount, type StandInAccount } from '../support/cloudflare/account.ts';
import { invoke, ownMigrations, firstAnswers as answers, worker } from '../support/cloudflare/deploying.ts';

const next = schemaLevel(ownMigrations) + 1;
const number = (offset: number): string => String(next + offset).padStart(4, '0');

const expand: Migration = { name: `${number(0)}_note.sql`, sql: 'ALTER TABLE leads ADD COLUMN extra TEXT;' };
const contract: Migration = {
  name: `${number(1)}_no_extra.sql`,
  sql: `-- contract after ${number(0)}: no version since then reads leads.extra\nALTER TABLE leads DROP COLUMN extra;`,
};

describe('migrations', () => {
  it('of this project only expand, or declare a contract step', () => {
    expect(migrationFaults(ownMigrations)).toEqual([]);
  });

  it.each([
    'DROP TABLE leads;',
    'drop table if exists leads;',
    'DROP VIEW v;',
    'DROP TRIGGER t;',
    'DROP INDEX leads_email;',
    'ALTER TABLE leads DROP COLUMN notes;',
    'ALTER TABLE leads RENAME TO people;',
    'ALTER TABLE leads RENAME COLUMN notes TO remarks;',
    'ALTER TABLE leads ADD COLUMN rank INTEGER NOT NULL;',
    'CREATE UNIQUE INDEX leads_phone ON leads (phone);',
    "ALTER TABLE leads ADD COLUMN code TEXT NOT NULL DEFAULT ''; CREATE UNIQUE INDEX leads_code ON leads (code);",
    'ALTER TABLE leads ADD COLUMN code TEXT; CREATE UNIQUE INDEX leads_phone ON leads (phone);',
    'ALTER TABLE notes ADD COLUMN code TEXT; CREATE UNIQUE INDEX leads_code ON leads (code);',
    'CREATE TABLE new_leads (id INTEGER); INSERT INTO new_leads SELECT id FROM leads; DROP TABLE leads; ALTER TABLE new_leads RENAME TO leads;',
    'DROP TABLE leads; CREATE TABLE leads (id INTEGER);',
    '/* why */ DROP\n  TABLE\n  leads;',
  ])('that remove something are refused: %s', (sql) => {
    expect(contractions(sql)).not.toEqual([]);
    expect(migrationFaults([{ name: '0099_x.sql', sql }])[0]).toMatch(/^0099_x\.sql: .*contract after NNNN/);
    expect(migrationFaults([{ name: '0099_x.sql', sql: `-- contract after 0098: unused\n${sql}` }])).toEqual(
      [],
    );
  });

  it.each([
    'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT; CREATE UNIQUE INDEX notes_text ON notes (text);',
    'ALTER TABLE leads ADD COLUMN extra TEXT;',
    'ALTER TABLE leads ADD COLUMN code TEXT; CREATE UNIQUE INDEX leads_code ON leads (code, phone) WHERE code IS NOT NULL;',
    "ALTER TABLE leads ADD COLUMN extra TEXT NOT NULL DEFAULT '';",
    'DROP INDEX audit_at; CREATE INDEX audit_at ON audit (at, id);',
    'DROP TRIGGER t; CREATE TRIGGER t AFTER INSERT ON leads BEGIN SELECT 1; END;',
    'CREATE TABLE kept AS SELECT id FROM leads; DROP TABLE kept;',
    'DROP TABLE leads_fts; CREATE VIRTUAL TABLE leads_fts USING fts5 (words);',
    "UPDATE leads SET notes = 'DROP TABLE leads';",
    '-- DROP TABLE leads\nSELECT 1;',
  ])('that only add or replace are accepted: %s', (sql) => {
    expect(contractions(sql)).toEqual([]);
  });

  it('whose contract line names no earlier one are refused', () => {
    expect(
      migrationFaults([{ name: '0009_x.sql', sql: '-- contract after 0009: x\nDROP TABLE y;' }]),
    ).toHaveLength(1);
  });

  it('run before the deploy, and contract steps after it when the replaced version does not need the removed parts', () => {
    const all = [expand, contract];
    expect(migrationPhases(all, 'none')).toEqual({
      before: [expand.name, contract.name],
      after: [],
      held: [],
    });
    expect(migrationPhases(all, next)).toEqual({ before: [expand.name], after: [contract.name], held: [] });
    expect(migrationPhases(all, next - 1)).toEqual({
      before: [expand.name],
      after: [],
      held: [contract.name],
    });
    expect(migrationPhases(all, null).held).toEqual([contract.name]);
  });

  it('prevent a rollback to a version that still uses what they removed', () => {
    expect(stepsAgainst([contract], [contract.name], next - 1)).toEqual([contract.name]);
    expect(stepsAgainst([contract], [contract.name], null)).toEqual([contract.name]);
    expect(stepsAgainst([contract], [contract.name], next)).toEqual([]);
    expect(stepsAgainst([contract], [], next - 1)).toEqual([]);
  });

  it('are named in the tag of a version', () => {
    expect(readSchemaTag(schemaTag(9))).toBe(9);
    expect(readSchemaTag('v1.2')).toBeNull();
    expect(readSchemaTag(undefined)).toBeNull();
  });
});

/** Columns of the leads table on the account. */
function columns({ d1 }: StandInAccount): unknown[] {
  return d1
    .named(worker)
    .sqlite.prepare("SELECT name FROM pragma_table_info('leads')")
    .all()
    .map(({ name }) => name);
}

describe('an upgrade', () => {
  it('expands before the Worker is deployed, and contracts one deploy later, when the new one answers', async () => {
    const account = standInAccount();
    await invoke(account, { given: answers });
    const withExpand = [...ownMigrations, expand];
    const first = await invoke(account, { migrations: [...withExpand, contract] });
    // The last command is for the contract steps of this project itself, which are applied already.
    expect(first.commands.map((command) => command.split(' ')[0])).toEqual(['d1', 'deploy', 'd1']);
    expect(columns(account)).toContain('extra');
    expect(first.result.left.join('\n')).toContain(
      `Not removed from the database yet, so that you can roll back: ${contract.name}`,
    );

    const second = await invoke(account, { migrations: [...withExpand, contract] });
    expect(second.commands.map((command) => command.split(' ')[0])).toEqual(['d1', 'deploy', 'd1']);
    expect(columns(account)).not.toContain('extra');
  });

  it('does not contract when the test of the new version fails', async () => {
    const account = standInAccount();
    const migrations = [...ownMigrations, expand];
    await invoke(account, { given: answers, migrations });
    const { result } = await invoke(account, {
      migrations: [...migrations, contract],
      probe: () => ({ status: 500, location: null, body: '' }),
    });
    expect(result.isFault).toBe(true);
    expect(columns(account)).toContain('extra');
  });

  it('does nothing with a migration that removes something without a contract line', async () => {
    const account = standInAccount();
    const migrations = [...ownMigrations, { name: '0099_x.sql', sql: 'DROP TABLE views;' }];
    await expect(invoke(account, { given: answers, migrations })).rejects.toThrow(
      /0099_x\.sql.*\nNothing was changed/,
    );
    expect(account.server.requests).toEqual([]);
  });
});

describe('npm run deploy -- --rollback', () => {
  /** Two versions: the second has another setting. */
  async function twoVersions(): Promise<{ account: StandInAccount; first: string; second: string }> {
    const account = standInAccount();
    await invoke(account, { given: { ...answers, MAIL_RATE: '4' } });
    const first = account.workers.active(worker).id;
    await invoke(account, { given: { MAIL_RATE: '6' } });
    return { account, first, second: account.workers.active(worker).id };
  }
  const back = { args: ['--rollback'] };

  it('goes back one version with its settings, and says what it does not undo', async () => {
    const { account, first } = await twoVersions();
    const { said, result } = await invoke(account, back);
    expect(account.workers.active(worker).id).toBe(first);
    expect(said[0]).toMatch(/MAIL_RATE: 6 → 4[^]*Not undone: the data/);
    expect(result.isFault).toBe(false);
  });

  it('goes two versions back when it is asked twice, and says when there is none', async () => {
    const { account, first } = await twoVersions();
    await invoke(account, { given: { MAIL_RATE: '7' } });
    await invoke(account, back);
    await invoke(account, back);
    expect(account.workers.active(worker).id).toBe(first);
    await expect(invoke(account, back)).rejects.toThrow(/no earlier version/);
  });

  it('goes from a corrected version to the one before the broken one', async () => {
    const { account, first } = await twoVersions();
    await invoke(account, back);
    await invoke(account, { given: { MAIL_RATE: '8' } });
    await invoke(account, back);
    expect(account.workers.active(worker).id).toBe(first);
  });

  it('is refused where a secret was changed since, unless that is accepted', async () => {
    const { account, first, second } = await twoVersions();
    await invoke(account, { given: { MAIL_API_KEY: 're_second' } });
    const third = account.workers.active(worker).id;
    await expect(invoke(account, back)).rejects.toThrow(/--accept-old-secrets/);
    expect(account.workers.active(worker).id).toBe(third);
    await invoke(account, { args: ['--rollback', '--accept-old-secrets'] });
    expect(account.workers.active(worker).id).toBe(second);
    expect(account.workers.active(worker).id).not.toBe(first);
  });

  it('is refused when columns of the version were removed', async () => {
    const account = standInAccount();
    await invoke(account, { given: answers });
    const migrations = [...ownMigrations, expand, contract];
    await invoke(account, { migrations });
    await invoke(account, { migrations });
    await invoke(account, { args: ['--rollback'], migrations });
    await expect(invoke(account, { args: ['--rollback'], migrations })).rejects.toThrow(
      new RegExp(`still uses what was removed.*${contract.name}`),
    );
  });

  it('is refused without a Worker, and when the person says no', async () => {
    await expect(invoke(standInAccount(), back)).rejects.toThrow(/no Worker lead-activation/);
    const { account, second } = await twoVersions();
    await expect(invoke(account, { ...back, replies: {}, isConfirmed: false })).rejects.toThrow(
      'Nothing was changed',
    );
    expect(account.workers.active(worker).id).toBe(second);
  });

  it('fails when the test of the version before fails too', async () => {
    const { account } = await twoVersions();
    const { result } = await invoke(account, {
      ...back,
      probe: () => ({ status: 500, location: null, body: '' }),
    });
    expect(result.isFault).toBe(true);
  });

  it('skips gradual deployments', () => {
    const alone = (version_id: string) => ({ versions: [{ version_id }] });
    const split = { versions: [{ version_id: 'a' }, { version_id: 'b' }] };
    expect(versionBefore([alone('b'), split, alone('a')], 'b')).toBe('a');
    expect(versionBefore([alone('b')], 'b')).toBeNull();
    expect(versionBefore([], 'b')).toBeNull();
  });
});
