/**
 * `npm run deploy` as a process with the real wrangler, against the stand-in of Cloudflare's API over HTTP:
 * what wrangler sends is what it would send to Cloudflare.
 */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { runToEnd } from '../../scripts/lib/processes.ts';
import { buildWebIfChanged } from '../../scripts/lib/web-build.ts';
import { accountId, standInAccount } from '../support/cloudflare/account.ts';

const account = standInAccount();
const worker = 'lead-activation';
let apiUrl: string;
let folder: string;

beforeAll(async () => {
  await buildWebIfChanged();
  apiUrl = await account.server.listen();
  folder = mkdtempSync(join(tmpdir(), 'lead-activation-clones-'));
});

afterAll(async () => {
  await account.server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A fresh clone: the files of the repository and the packages, and nothing from an earlier deploy. */
function clone(name: string): string {
  const target = join(folder, name);
  for (const part of [
    'src',
    'web',
    'migrations',
    'packages',
    'scripts',
    'wrangler.toml',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.base.json',
  ]) {
    cpSync(join(projectRoot, part), join(target, part), {
      recursive: true,
      filter: (path) => !path.includes('node_modules') && path !== join(projectRoot, 'web/build'),
    });
  }
  // The web app is built once: a copy of the build would have other times, and the build's stamp contains them.
  symlinkSync(join(projectRoot, 'web/build'), join(target, 'web/build'));
  symlinkSync(join(projectRoot, 'node_modules'), join(target, 'node_modules'));
  return target;
}

/** Runs the command as CI does: no terminal, a token, and the given variables only. */
function deployFrom(
  clonePath: string,
  args: readonly string[],
  given: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; output: string }> {
  const { PATH = '', HOME = '' } = process.env;
  return runToEnd(process.execPath, ['--no-warnings', join(clonePath, 'scripts/deploy.ts'), ...args], {
    ...{ PATH, HOME, CLOUDFLARE_API_BASE_URL: apiUrl, CLOUDFLARE_API_TOKEN: 'token' },
    ...{ CLOUDFLARE_ACCOUNT_ID: accountId, ...given },
  });
}

it('deploys from a fresh clone with a token, keeps everything in a deploy from another clone, and rolls back', async () => {
  const here = clone('here');
  const refused = await deployFrom(here, ['--jurisdiction', 'eu'], { ROLE_ADMIN: 'ana@acme.io' });
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('MAIL_FROM') });
  expect(account.workers.scripts.size).toBe(0);

  const first = await deployFrom(here, ['--jurisdiction', 'eu'], {
    ...{ ROLE_ADMIN: 'ana@acme.io', MAIL_FROM: 'Ana <ana@acme.io>', MAIL_POSTAL_ADDRESS: 'Street 1, Lisbon' },
    ...{ MAIL_API_KEY: 're_e2e_secret', MAIL_DAILY_CAP: '500', RETENTION_DAYS: '90' },
  });
  expect(first, first.output).toMatchObject({ code: 0 });
  expect(first.output).not.toContain('re_e2e_secret');
  const before = account.workers.active(worker);
  expect(account.workers.vars(worker)).toMatchObject({
    ...{ MAIL_DAILY_CAP: '500', DATA_JURISDICTION: 'eu', ACCESS_AUD: account.access.application(worker).aud },
  });
  expect(Object.keys(before.secrets).sort()).toEqual([
    ...['ADDRESS_HASH_KEY', 'MAIL_API_KEY', 'RECEIPT_SIGNING_KEY'],
  ]);
  expect(account.d1.named(worker).jurisdiction).toBe('eu');
  expect(account.d1.named(worker).sqlite.prepare('SELECT count(*) AS count FROM leads').get()).toEqual({
    count: 0,
  });

  const second = await deployFrom(clone('there'), []);
  expect(second, second.output).toMatchObject({
    code: 0,
    output: expect.stringContaining('no setting changes'),
  });
  const after = account.workers.active(worker);
  expect(after.id).not.toBe(before.id);
  const sorted = (version: typeof after): string[] =>
    version.bindings.map((one) => JSON.stringify(one)).sort();
  expect(sorted(after)).toEqual(sorted(before));
  expect(after.secrets).toEqual(before.secrets);
  expect(after.annotations['workers/tag']).toMatch(/^schema-\d{4}$/);
  expect(account.workers.scripts.get(worker)).toMatchObject({
    workersDev: true,
    previews: false,
    crons: ['17 3 * * *', '* * * * *'],
  });
  expect(account.d1.databases).toHaveLength(1);
  expect(account.access.applications).toHaveLength(2);

  const back = await deployFrom(here, ['--rollback']);
  expect(back, back.output).toMatchObject({ code: 0, output: expect.stringContaining('Not undone') });
  expect(account.workers.active(worker).id).toBe(before.id);

  // The stand-in knew every request of the deploy and of wrangler.
  expect(account.server.unknownRequests).toEqual([]);
});
