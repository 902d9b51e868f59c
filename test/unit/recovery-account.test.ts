import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import Cloudflare from 'cloudflare';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { appAt, fetchAddressHashKey } from '../../scripts/lib/backup/app-api.ts';
import { openBackup, writeBackup } from '../../scripts/lib/backup/backup-folder.ts';
import { CloudflareEnvironment } from '../../scripts/lib/backup/cloudflare-account.ts';
import { remoteSource } from '../../scripts/lib/backup/remote-database.ts';
import { remoteTarget } from '../../scripts/lib/backup/restore-remote.ts';
import { stageRestore } from '../../scripts/lib/backup/staging.ts';
import {
  addLeads,
  addressHashKey,
  cheapCost,
  contentOf,
  crmFile,
  passphrase,
  temporaryFolder,
} from '../support/backup-fixtures.ts';
import { recoveryHandlers, type RecoveryState } from '../support/cloudflare/recovery.ts';

let folder: string;
const unknownRequests: string[] = [];

function stateOf(name: string, sqlite: DatabaseSync): RecoveryState {
  return {
    ...{
      name,
      sqlite,
      objectIds: [],
      statements: [],
      failImportAfter: null,
      cursorPlace: 'cursors' as const,
    },
    vars: { MAIL_RATE: '8', PUBLIC_URL: 'https://leads.example' },
    secrets: { ADDRESS_HASH_KEY: 'old', MAIL_API_KEY: 're_x' },
  };
}

/** An environment at the stand-in; uploads go there too. */
async function environmentOf(state: RecoveryState): Promise<CloudflareEnvironment> {
  const handlers = recoveryHandlers(state);
  const answer = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const path = new URL(request.url).pathname.replace('/client/v4', '');
    for (const handler of handlers) {
      const response = await handler(request, path);
      if (response !== null) return response;
    }
    unknownRequests.push(`${request.method} ${path}`);
    return Response.json(
      { success: false, errors: [{ code: 7_003, message: 'no such path' }] },
      { status: 404 },
    );
  };
  vi.stubGlobal('fetch', answer);
  const api = new Cloudflare({ apiToken: 'token', fetch: answer, maxRetries: 0 });
  const environment = state.name === 'lead-activation' ? null : state.name.replace('lead-activation-', '');
  return CloudflareEnvironment.open(api, environment, () => Promise.resolve());
}

beforeEach(() => {
  const made = temporaryFolder();
  folder = made.path;
  return made.remove;
});

afterEach(() => {
  vi.unstubAllGlobals();
  expect(unknownRequests.splice(0)).toEqual([]);
});

function filledCrm(): DatabaseSync {
  const crm = crmFile(join(folder, 'source.sqlite'));
  addLeads(
    crm,
    Array.from({ length: 2_500 }, (_, index) => `lead-${String(index)}@leads.example`),
  );
  crm.exec(`INSERT INTO audit (at, actor, action, request_id) VALUES (1, 'ana', 'activation.start', 'r');
    INSERT INTO suppressions (email_hash, reason, created_at) VALUES ('h', 'unsubscribed', 1)`);
  return crm;
}

async function backUp(environment: CloudflareEnvironment, name: string) {
  const target = join(folder, name);
  await writeBackup(await remoteSource(environment, addressHashKey), {
    folder: target,
    passphrase,
    appVersion: '1',
    now: () => new Date('2026-11-24T10:00:00Z'),
    cost: cheapCost,
  });
  return openBackup(target, passphrase);
}

async function restore(
  state: RecoveryState,
  backup: Awaited<ReturnType<typeof backUp>>,
  intoExisting: boolean,
) {
  const target = remoteTarget(await environmentOf(state), intoExisting);
  await target.requireTarget();
  const workFolder = join(folder, `work-${String(Math.random())}`);
  mkdirSync(workFolder);
  const file = join(workFolder, 'staged.sqlite');
  await stageRestore(backup, file, { newer: null, auditCsv: null }, () => 5);
  await target.place({ file, workFolder, addressHashKey: backup.addressHashKey }, () => undefined);
}

describe('an environment on an account', () => {
  it('is backed up by reading, without D1 export, and restored into another one', async () => {
    const crm = filledCrm();
    const from = stateOf('lead-activation', crm);
    const before = await contentOf(crm);
    const backup = await backUp(await environmentOf(from), 'backup');
    expect(await contentOf(crm)).toEqual(before);
    expect(from.statements.every((sql) => /^(SELECT|PRAGMA table_info)/.test(sql))).toBe(true);
    expect(backup.manifest).toMatchObject({ isSnapshot: true, source: 'the database lead-activation' });
    expect(backup.settings).toEqual({
      vars: { MAIL_RATE: '8', PUBLIC_URL: 'https://leads.example' },
      secrets: ['ADDRESS_HASH_KEY', 'MAIL_API_KEY'],
    });

    const fresh = stateOf('lead-activation-staging', crmFile(join(folder, 'fresh.sqlite')));
    await restore(fresh, backup, false);
    const after = await contentOf(fresh.sqlite);
    // What a restore adds, and nothing else: its audit entry, and ids that are left out.
    expect(after['audit']).toHaveLength((before['audit'] as unknown[]).length + 1);
    // Later revisions than any that a session has frozen.
    expect(after['lead_counts']).toEqual([[1, 2_500, 0, 1_000_000_000]]);
    const but = { audit: null, sqlite_sequence: null, lead_counts: null };
    expect({ ...after, ...but }).toEqual({ ...before, ...but });
    expect(fresh.secrets['ADDRESS_HASH_KEY']).toBe(addressHashKey);
    fresh.sqlite.exec("INSERT INTO leads_fts (leads_fts, rank) VALUES ('integrity-check', 1)");
    expect(
      fresh.sqlite.prepare("SELECT count(*) AS n FROM leads_fts WHERE leads_fts MATCH 'lead*'").get(),
    ).toEqual({ n: 2_500 });
  });

  it('is that of the database which its Worker uses, whatever the name of it', async () => {
    const state = { ...stateOf('lead-activation', filledCrm()), databaseName: 'leads-of-2025' };
    expect((await backUp(await environmentOf(state), 'backup')).manifest.rowCounts['leads']).toBe(2_500);
  });

  it('is restored into a database that was just created', async () => {
    const backup = await backUp(await environmentOf(stateOf('lead-activation', filledCrm())), 'backup');
    const empty = stateOf('lead-activation-new', new DatabaseSync(':memory:'));
    await restore(empty, backup, false);
    expect(empty.sqlite.prepare('SELECT count(*) AS n FROM leads').get()).toEqual({ n: 2_500 });
  });

  it('is left alone when it is not empty, or when activations run on it', async () => {
    const state = stateOf('lead-activation', filledCrm());
    const backup = await backUp(await environmentOf(state), 'backup');
    const before = await contentOf(state.sqlite);
    await expect(restore(state, backup, false)).rejects.toThrow('is not empty');
    state.sqlite.exec(
      `INSERT INTO activations (session_id, name, owner, state, rev, created_at, progress) VALUES ('activation_1', 'n', 'o', 'running', 1, 1, '{}')`,
    );
    await expect(restore(state, backup, true)).rejects.toThrow('1 activations run');
    state.sqlite.exec('DELETE FROM activations');
    expect(await contentOf(state.sqlite)).toEqual(before);
    expect(state.secrets['ADDRESS_HASH_KEY']).toBe('old');
  });

  it('is restored once more while an earlier restore holds the activations that its list has as running', async () => {
    const state = stateOf('lead-activation', filledCrm());
    const backup = await backUp(await environmentOf(state), 'backup');
    const note = (action: string): void =>
      state.sqlite.exec(
        `INSERT INTO audit (at, actor, action, request_id) VALUES (1, 'command line', '${action}', '')`,
      );
    state.sqlite.exec(
      `INSERT INTO activations (session_id, name, owner, state, rev, created_at, progress) VALUES ('activation_1', 'n', 'o', 'running', 1, 1, '{}')`,
    );
    note('recovery.restore');
    note('recovery.finish');
    await expect(restore(state, backup, true)).rejects.toThrow('1 activations run');
    note('recovery.restore');
    await restore(state, backup, true);
    expect(state.sqlite.prepare('SELECT count(*) AS n FROM activations').get()).toEqual({ n: 0 });
  });

  it('has what it had before when the import breaks off, and is restored by running it again', async () => {
    const state = stateOf('lead-activation', filledCrm());
    const backup = await backUp(await environmentOf(state), 'backup');
    state.sqlite.exec('DELETE FROM suppressions');
    const before = await contentOf(state.sqlite);
    state.failImportAfter = 30;
    await expect(restore(state, backup, true)).rejects.toThrow('D1 was reset');
    expect(await contentOf(state.sqlite)).toEqual(before);
    state.failImportAfter = null;
    await restore(state, backup, true);
    expect(state.sqlite.prepare('SELECT count(*) AS n FROM suppressions').get()).toEqual({ n: 1 });
  });

  it('is said to have moved when it was written to while it was read', async () => {
    const state = stateOf('lead-activation', filledCrm());
    const environment = await environmentOf(state);
    const source = await remoteSource(environment, addressHashKey);
    state.sqlite.exec("UPDATE leads SET notes = 'x' WHERE id = 1");
    expect(await source.wasStill()).toBe(false);
  });

  it.each(['cursor', 'cursors'] as const)(
    'names every session object of its Worker, over all pages (%s)',
    async (cursorPlace) => {
      const state = stateOf('lead-activation', new DatabaseSync(':memory:'));
      state.cursorPlace = cursorPlace;
      state.objectIds = ['a', 'b', 'c'].map((letter) => letter.repeat(64));
      expect(await (await environmentOf(state)).objectIds()).toEqual(state.objectIds);
    },
  );

  it('says what Cloudflare refused', async () => {
    const environment = await environmentOf(stateOf('lead-activation', new DatabaseSync(':memory:')));
    await expect(environment.query('SELECT * FROM nowhere')).rejects.toThrow(
      'Cloudflare refused: no such table: nowhere',
    );
  });
});

describe('the app as a script asks it', () => {
  const answerWith = (response: () => Response): void => {
    vi.stubGlobal('fetch', () => Promise.resolve(response()));
  };

  it('is asked over https alone, but on this machine', () => {
    expect(() => appAt('http://leads.example')).toThrow('https');
    expect(() => appAt('leads')).toThrow('not an address');
    expect(() => appAt('http://127.0.0.1:8787')).not.toThrow();
  });

  it('says how to sign in when Cloudflare Access stands in front', async () => {
    answerWith(
      () => new Response(null, { status: 302, headers: { location: 'https://acme.cloudflareaccess.com/' } }),
    );
    await expect(fetchAddressHashKey(appAt('https://leads.example'))).rejects.toThrow('CF_ACCESS_CLIENT_ID');
  });

  it('says what it was refused', async () => {
    answerWith(() =>
      Response.json({ code: 'forbidden', detail: 'This needs the role admin.' }, { status: 403 }),
    );
    await expect(fetchAddressHashKey(appAt('https://leads.example'))).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('This needs the role admin.') as string,
    });
  });
});
