import { readFileSync, readdirSync, statSync, writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  openBackup,
  writeBackup,
  type BackupSource,
  type OpenBackup,
} from '../../scripts/lib/backup/backup-folder.ts';
import { queryOf } from '../../scripts/lib/backup/local-database.ts';
import { openSeal, seal } from '../../scripts/lib/backup/seal.ts';
import { dumpDatabase, readStatements } from '../../scripts/lib/backup/sql-dump.ts';
import { stageRestore, type LaterKnowledge } from '../../scripts/lib/backup/staging.ts';
import { emailHash } from '../../src/crm/email.ts';
import {
  addLeads,
  addressHashKey,
  cheapCost,
  contentOf,
  crmFile,
  passphrase,
  sourceOf,
  temporaryFolder,
} from '../support/backup-fixtures.ts';

let folder: string;
let crm: DatabaseSync;

beforeEach(() => {
  const made = temporaryFolder();
  folder = made.path;
  crm = crmFile(join(folder, 'crm.sqlite'));
  return made.remove;
});

let moment = Date.parse('2026-11-24T10:00:00Z');

async function backUp(name = 'backup', source: BackupSource = sourceOf(crm)): Promise<OpenBackup> {
  const target = join(folder, name);
  moment += 3_600_000;
  await writeBackup(source, {
    folder: target,
    passphrase,
    appVersion: '1.2.3',
    now: () => new Date(moment),
    cost: cheapCost,
  });
  return openBackup(target, passphrase);
}

async function stage(backup: OpenBackup, later: Partial<LaterKnowledge> = {}) {
  const file = join(folder, `staged-${String(moment++)}.sqlite`);
  const report = await stageRestore(backup, file, { newer: null, auditCsv: null, ...later }, () => moment);
  return { report, database: new DatabaseSync(file) };
}

const valuesOf = (database: DatabaseSync, sql: string): unknown[] =>
  database
    .prepare(sql)
    .all()
    .map((row) => Object.values(row)[0]);

const oddTexts = [
  'it\'s; "quoted" -- no comment',
  'two\nlines\r\nand a\rthird',
  'a\u2028b\u2029c',
  'zero\u0000inside',
  'ümläut 漢字 😀',
  '--;;',
  '\n--;;\n',
  '',
];

describe('a dump', () => {
  it('restores every value, index, trigger, sequence and setting of the search index', async () => {
    addLeads(
      crm,
      oddTexts.map((_, index) => `odd-${String(index)}@leads.example`),
    );
    oddTexts.forEach((text, index) => {
      crm.prepare('UPDATE leads SET notes = ?, company = ? WHERE id = ?').run(text, text, index + 1);
    });
    crm.exec(`
      DELETE FROM leads WHERE id = 3;
      INSERT INTO leads_fts (leads_fts, rank) VALUES ('secure-delete', 1);
      INSERT INTO audit (at, actor, action, request_id) VALUES (9007199254740991, 'ana', 'x', 'r');
      INSERT INTO views (owner, name, query, created_at) VALUES ('ana', 'mine', '?q=1', 5)`);
    const large = `${'x'.repeat(39_999)}ä${'漢😀\n'.repeat(30_000)}'; --`;
    crm.prepare("INSERT INTO templates (id, version, created_at) VALUES ('t', 1, 1)").run();
    crm
      .prepare(
        `INSERT INTO template_versions (template_id, version, name, description, subject, html, text, created_at, created_by)
         VALUES ('t', 1, 'n', 'd', 's', ?, ?, 1, 'ana')`,
      )
      .run(large, 'y'.repeat(250_000));

    const parts: string[] = [];
    await dumpDatabase(queryOf(crm), (text) => void parts.push(text));
    const text = parts.join('');
    const copy = new DatabaseSync(':memory:');
    copy.exec('BEGIN');
    // Chunks end in the middle of every separator.
    const chunks = text.split(/(?<=-)/);
    for await (const statement of readStatements(
      (async function* () {
        yield* chunks;
      })(),
    )) {
      expect(Buffer.byteLength(statement)).toBeLessThan(100_000);
      copy.exec(statement);
    }
    copy.exec('COMMIT');

    expect(await contentOf(copy)).toEqual(await contentOf(crm));
    const schemaSql =
      "SELECT type, name, sql FROM sqlite_master WHERE name NOT GLOB 'leads_fts_*' ORDER BY name";
    expect(copy.prepare(schemaSql).all()).toEqual(crm.prepare(schemaSql).all());
    // Without the version of its format, which FTS5 raises at the first secure deletion.
    const settings = "SELECT * FROM leads_fts_config WHERE k <> 'version' ORDER BY k";
    expect(copy.prepare(settings).all()).toEqual(crm.prepare(settings).all());
    const found = "SELECT rowid FROM leads_fts WHERE leads_fts MATCH 'quot*' ORDER BY rowid";
    expect(valuesOf(copy, found)).toEqual(valuesOf(crm, found));
    copy.exec("INSERT INTO leads_fts (leads_fts, rank) VALUES ('integrity-check', 1)");
    expect(() => copy.exec('DELETE FROM audit')).toThrow(/append-only/);
  });

  it('pages through more rows than one query takes', async () => {
    addLeads(
      crm,
      Array.from({ length: 1_200 }, (_, index) => `lead-${String(index)}@leads.example`),
    );
    const backup = await backUp();
    expect(backup.manifest.rowCounts['leads']).toBe(1_200);
    const { database } = await stage(backup);
    expect(valuesOf(database, 'SELECT count(DISTINCT email) FROM leads')).toEqual([1_200]);
  });
});

describe('a backup', () => {
  it('is readable by its owner alone and has no secret in clear', async () => {
    addLeads(crm, ['ann@leads.example']);
    const { manifest, addressHashKey: key } = await backUp();
    expect(key).toBe(addressHashKey);
    expect(manifest).toMatchObject({ appVersion: '1.2.3', isSnapshot: true, maxLeadId: 1 });
    expect(manifest.migrations).toContain('0001_crm.sql');
    const target = join(folder, 'backup');
    expect(statSync(target).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(target)) {
      expect(statSync(join(target, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(target, name), 'utf8')).not.toContain(addressHashKey);
    }
  });

  it('leaves no folder with its name when it fails, and does not overwrite another backup', async () => {
    const broken = sourceOf(crm, {
      query: (sql) => (sql.includes('FROM "audit"') ? Promise.reject(new Error('gone')) : queryOf(crm)(sql)),
    });
    await expect(backUp('broken', broken)).rejects.toThrow('gone');
    expect(readdirSync(folder)).toEqual(['crm.sqlite']);
    await backUp('once');
    await expect(backUp('once')).rejects.toThrow('exists already');
  });

  const tamper: [string, (target: string) => void][] = [
    [
      'a changed byte of the database',
      (t) => {
        replaceIn(join(t, 'database.sql'), 'ann@', 'bob@');
      },
    ],
    [
      'a database that ends early',
      (t) => {
        writeFileSync(join(t, 'database.sql'), readFileSync(join(t, 'database.sql')).subarray(0, 2_000));
      },
    ],
    [
      'a database that is missing',
      (t) => {
        rmSync(join(t, 'database.sql'));
      },
    ],
    [
      'changed settings',
      (t) => {
        replaceIn(join(t, 'settings.json'), '"8"', '"9"');
      },
    ],
    [
      'a missing manifest',
      (t) => {
        rmSync(join(t, 'manifest.json'));
      },
    ],
    [
      'a manifest that was changed with its hashes right',
      (t) => {
        replaceIn(join(t, 'manifest.json'), '1.2.3', '1.2.4');
      },
    ],
    [
      'a manifest that is no JSON',
      (t) => {
        writeFileSync(join(t, 'manifest.json'), '{');
      },
    ],
    [
      'a missing seal',
      (t) => {
        rmSync(join(t, 'address-hash-key.json'));
      },
    ],
    [
      'a changed seal',
      (t) => {
        replaceIn(join(t, 'address-hash-key.json'), '"sealed": "', '"sealed": "AA');
      },
    ],
    [
      'a seal that asks for all memory',
      (t) => {
        replaceIn(join(t, 'address-hash-key.json'), '"N": 16', '"N": 1073741824');
      },
    ],
  ];
  it.each(tamper)('is refused with %s', async (_, change) => {
    addLeads(crm, ['ann@leads.example']);
    await backUp();
    const target = join(folder, 'backup');
    change(target);
    await expect(openBackup(target, passphrase)).rejects.toMatchObject({ name: 'UserError' });
  });

  it('is refused with another passphrase', async () => {
    await backUp();
    await expect(openBackup(join(folder, 'backup'), `${passphrase}!`)).rejects.toThrow('does not open');
  });

  it('reports writes during the backup, and repairs the inconsistencies that they cause', async () => {
    addLeads(crm, ['ann@leads.example']);
    crm.exec(`INSERT INTO template_versions (template_id, version, name, description, subject, html, text, created_at, created_by)
      SELECT 'gone', 1, 'n', 'd', 's', 'h', '', 1, 'ana' WHERE 0`);
    const moving = sourceOf(crm, {
      query: async (sql) => {
        const rows = await queryOf(crm)(sql);
        // A template that is added after the templates were read and before their versions were.
        if (sql.includes('FROM "templates"')) {
          crm.exec(`INSERT INTO templates VALUES ('late', 1, 1);
            INSERT INTO template_versions VALUES ('late', 1, 'n', 'd', 's', 'h', '', 1, 'ana')`);
        }
        return rows;
      },
      wasStill: () => Promise.resolve(false),
    });
    const backup = await backUp('moving', moving);
    expect(backup.manifest.isSnapshot).toBe(false);
    const { database } = await stage(backup);
    expect(valuesOf(database, 'SELECT count(*) FROM template_versions')).toEqual([0]);
  });
});

function replaceIn(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
}

describe('a seal', () => {
  it('opens only with its passphrase and its manifest', () => {
    const manifest = Buffer.from('manifest');
    const made = seal('secret', passphrase, manifest, cheapCost);
    expect(openSeal(made, passphrase, manifest)).toBe('secret');
    expect(openSeal(made, 'another passphrase', manifest)).toBeNull();
    expect(openSeal(made, passphrase, Buffer.from('other'))).toBeNull();
    expect(openSeal({ ...made, tag: made.tag.slice(0, 8) }, passphrase, manifest)).toBeNull();
  });

  it('accepts a passphrase in any Unicode form of its accents', () => {
    const made = seal('secret', 'pa\u0073\u0073 \u00e9l\u00e9phant', Buffer.from(''), cheapCost);
    expect(openSeal(made, 'pass e\u0301le\u0301phant', Buffer.from(''))).toBe('secret');
  });
});

describe('a restored database', () => {
  const suppress = (email: string): void => {
    crm
      .prepare("INSERT INTO suppressions (email_hash, reason, created_at) VALUES (?, 'unsubscribed', 1)")
      .run(emailHash(addressHashKey, email));
  };
  const activate = (email: string, sessionId: string): void => {
    crm
      .prepare("UPDATE leads SET status = 'active', activated_at = 7, activated_by = ? WHERE email = ?")
      .run(sessionId, email);
  };
  const audit = (action: string, target: string, at = 10): void => {
    crm
      .prepare("INSERT INTO audit (at, actor, action, target, request_id) VALUES (?, 'ana', ?, ?, 'r')")
      .run(at, action, target);
  };

  it('prevents activations, never reuses an id, and has correct counts', async () => {
    addLeads(crm, ['ann@leads.example', 'bob@leads.example']);
    crm.exec('UPDATE lead_counts SET new_count = 77');
    const { database, report } = await stage(await backUp());
    expect(report).toMatchObject({ leadCount: 2, activeCount: 0 });
    expect(valuesOf(database, 'SELECT action FROM audit')).toEqual(['recovery.restore']);
    expect(valuesOf(database, 'SELECT new_count FROM lead_counts')).toEqual([2]);
    addLeads(database, ['new@leads.example']);
    expect(valuesOf(database, 'SELECT max(id) FROM leads')).toEqual([1_000_003]);
  });

  it('takes later mails, suppressions and erasures from a newer backup', async () => {
    addLeads(crm, ['ann@leads.example', 'bob@leads.example', 'ivy@leads.example', 'eve@leads.example']);
    const older = await backUp('older');
    activate('ann@leads.example', 'activation_1');
    suppress('bob@leads.example');
    crm.exec("DELETE FROM leads WHERE email = 'ivy@leads.example'");
    audit('lead.erase', 'lead:3');
    crm.exec(
      `INSERT INTO activations (session_id, name, owner, state, rev, created_at, progress) VALUES ('activation_1', 'n', 'o', 'completed', 5, 1, '{}')`,
    );
    const newer = await backUp('newer');

    const { database, report } = await stage(older, { newer });
    expect(report).toMatchObject({
      setActiveCount: 1,
      addedSuppressionCount: 1,
      erasedTargets: ['lead:3'],
      leadCount: 3,
      activeCount: 1,
    });
    expect(valuesOf(database, "SELECT email FROM leads WHERE status = 'active'")).toEqual([
      'ann@leads.example',
    ]);
    expect(valuesOf(database, 'SELECT session_id FROM activations')).toEqual(['activation_1']);
    expect(valuesOf(database, "SELECT count(*) FROM leads_fts WHERE leads_fts MATCH 'ivy*'")).toEqual([0]);
  });

  it('keeps every audit entry of two databases that continued from the same one', async () => {
    addLeads(crm, ['ann@leads.example', 'ivy@leads.example']);
    audit('activation.start', 'activation_1', 20);
    const then = crm.prepare('SELECT count(*) AS n FROM audit').get();
    expect(then).toEqual({ n: 1 });
    audit('lead.erase', 'lead:2', 30);
    crm.exec(
      "DELETE FROM leads WHERE id = 2; INSERT INTO suppressions (email_hash, reason, created_at) VALUES ('h', 'manual', 1)",
    );
    const now = await backUp('now');
    // After the restore the lead exists again, and a new audit entry has the id of the erasure's entry.
    const past = crmFile(join(folder, 'past.sqlite'));
    addLeads(past, ['ann@leads.example', 'ivy@leads.example']);
    for (const [action, target, at] of [
      ['activation.start', 'activation_1', 20],
      ['recovery.restore', 'x', 40],
    ]) {
      past
        .prepare("INSERT INTO audit (at, actor, action, target, request_id) VALUES (?, 'ana', ?, ?, 'r')")
        .run(at ?? 0, action ?? '', target ?? '');
    }
    const setBack = await backUp('then', sourceOf(past));
    const { database, report } = await stage(setBack, { newer: now });
    expect(valuesOf(database, 'SELECT action FROM audit ORDER BY id')).toEqual([
      'activation.start',
      'recovery.restore',
      'lead.erase',
      'recovery.restore',
    ]);
    expect(report).toMatchObject({ erasedTargets: ['lead:2'], addedSuppressionCount: 1, leadCount: 1 });
  });

  it('erases again the people in the exported audit, by lead and by address, but nobody who was added later', async () => {
    addLeads(crm, ['ann@leads.example', 'ivy@leads.example']);
    addLeads(crm, ['back@leads.example'], Date.parse('2026-11-25T00:00:00Z'));
    addLeads(crm, ['many1@leads.example', 'many2@leads.example']);
    crm
      .prepare(
        "INSERT INTO suppressions (email_hash, reason, created_at, label) VALUES (?, 'manual', 1, 'gil@leads.example')",
      )
      .run(emailHash(addressHashKey, 'gil@leads.example'));
    crm.exec(
      `INSERT INTO views (owner, name, query, created_at) VALUES ('ana', 'v', '?search=gil%40leads.example', 1)`,
    );
    const hashOf = (email: string): string => `address:${emailHash(addressHashKey, email)}`;
    const csv = join(folder, 'audit.csv');
    writeFileSync(
      csv,
      [
        'at,actor,role,action,target,country,detail,requestId',
        `2026-11-24T12:00:00.000Z,ana,admin,lead.erase,lead:2,,,r`,
        `2026-11-24T12:00:00.000Z,ana,admin,lead.bulkErase,,,"{""leadIds"":[4,5]}",r`,
        `2026-11-24T12:00:00.000Z,ana,admin,person.erase,${hashOf('gil@leads.example')},,,r`,
        `2026-11-24T12:00:00.000Z,ana,admin,person.erase,${hashOf('back@leads.example')},,,r`,
        `2026-11-24T12:00:00.000Z,ana,admin,person.erase,${hashOf('nobody@leads.example')},,,r`,
        '',
      ].join('\n'),
    );
    const { database, report } = await stage(await backUp(), { auditCsv: csv });
    expect(valuesOf(database, 'SELECT email FROM leads ORDER BY id')).toEqual([
      'ann@leads.example',
      'back@leads.example',
    ]);
    expect(report.erasedTargets).toEqual(['lead:2', 'lead:4', 'lead:5', hashOf('gil@leads.example')]);
    expect(report.unfoundTargets).toContain(hashOf('nobody@leads.example'));
    expect(JSON.stringify(await contentOf(database))).not.toMatch(/ivy@|gil@|gil%40/);
    // A suppressed person is not mailed when a later import brings them back.
    expect(valuesOf(database, 'SELECT count(*) FROM suppressions')).toEqual([1]);
  });

  it('refuses a newer backup of another installation, and a file that is not an audit', async () => {
    const first = await backUp('first');
    const foreign = await backUp('foreign', sourceOf(crm, { addressHashKey: 'another key' }));
    await expect(stage(first, { newer: foreign })).rejects.toThrow('another installation');
    const csv = join(folder, 'leads.csv');
    writeFileSync(csv, 'email\nann@leads.example\n');
    await expect(stage(first, { auditCsv: csv })).rejects.toThrow('is not the audit');
  });

  it('refuses a backup with fewer rows than its manifest says', async () => {
    addLeads(crm, ['ann@leads.example']);
    const backup = await backUp();
    const lying = { ...backup, manifest: { ...backup.manifest, rowCounts: { leads: 2 } } };
    await expect(stage(lying)).rejects.toThrow('leads has 1 rows of 2');
  });
});
