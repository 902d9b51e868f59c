import { describe, expect, it } from 'vitest';
import { makeSigningKey } from '../../scripts/lib/local-state.ts';
import { makeConfig } from '../../scripts/lib/deploy/config.ts';
import { environmentNames, parseOptions } from '../../scripts/lib/deploy/options.ts';
import { judge, nobodyGetsIn, type ProbeAnswer, type Probes } from '../../scripts/lib/deploy/probe.ts';
import { readGiven, settingFaults } from '../../scripts/lib/deploy/settings.ts';
import { standInAccount, type StandInAccount } from '../support/cloudflare/account.ts';
import {
  accessRedirect,
  answerAsDeployed,
  baseConfig,
  invoke,
  type Invocation,
  firstAnswers as answers,
  worker,
} from '../support/cloudflare/deploying.ts';

const devUrl = 'https://lead-activation.acme.workers.dev';

/** An account with a deployment whose settings were changed by hand. */
async function deployedAccount(invocation: Invocation = {}): Promise<StandInAccount> {
  const account = standInAccount();
  await invoke(account, {
    ...invocation,
    given: {
      ...answers,
      ...{ MAIL_DAILY_CAP: '500', RETENTION_DAYS: '90', ROLE_OPERATOR: 'joe@acme.io', MAIL_RATE: '4' },
      ...invocation.given,
    },
  });
  account.server.requests.length = 0;
  return account;
}

/** Requests that changed something at Cloudflare. */
function writes({ server }: StandInAccount): string[] {
  return server.requests.filter((request) => !request.startsWith('GET ') && !request.endsWith('/query'));
}

describe('the first deploy', () => {
  it('deploys to an empty account, asking the person at the terminal', async () => {
    const account = standInAccount();
    const { result, asked } = await invoke(account, { replies: answers });
    expect(asked).toEqual([
      ...['ROLE_ADMIN', 'ROLE_OPERATOR', 'ROLE_APPROVER', 'ROLE_VIEWER', 'MAIL_FROM'],
      'MAIL_POSTAL_ADDRESS',
      ...['DATA_JURISDICTION', 'MAIL_API_KEY'],
    ]);
    expect(result.address).toBe(devUrl);
    expect(account.d1.named(worker).jurisdiction).toBeNull();
    expect(account.workers.vars(worker)).toMatchObject({
      ...{ ROLE_ADMIN: answers.ROLE_ADMIN, MAIL_FROM: answers.MAIL_FROM, PUBLIC_URL: devUrl },
      ...{
        ACCESS_TEAM_DOMAIN: 'acme.cloudflareaccess.com',
        ACCESS_AUD: account.access.application(worker).aud,
      },
    });
    expect(account.workers.active(worker).secrets).toEqual({
      MAIL_API_KEY: 're_very_secret',
      ADDRESS_HASH_KEY: expect.stringMatching(/^made-key-/),
      RECEIPT_SIGNING_KEY: expect.stringContaining(
        `"x":"${account.workers.vars(worker)['RECEIPT_PUBLIC_KEYS'] ?? ''}"`,
      ),
    });
    expect(account.server.unknownRequests).toEqual([]);
  });

  it('deploys without a terminal when everything is given', async () => {
    const account = standInAccount();
    const { result } = await invoke(account, { given: answers });
    expect(result.isFault).toBe(false);
    expect(account.workers.vars(worker)['ROLE_ADMIN']).toBe(answers.ROLE_ADMIN);
  });

  it.each(Object.keys(answers))(
    'without a terminal is refused without %s, and changes nothing',
    async (name) => {
      const account = standInAccount();
      const given = Object.fromEntries(Object.entries(answers).filter(([own]) => own !== name));
      await expect(invoke(account, { given })).rejects.toThrow(
        new RegExp(`${name}[\\s\\S]*Nothing was changed`),
      );
      expect(writes(account)).toEqual([]);
      expect(account.workers.scripts.size).toBe(0);
    },
  );

  it('changes nothing when the person says no to the shown changes', async () => {
    const account = standInAccount();
    await expect(invoke(account, { replies: answers, isConfirmed: false })).rejects.toThrow(
      'Nothing was changed',
    );
    expect(writes(account)).toEqual([]);
  });

  it('continues a deploy that was broken off', async () => {
    const account = standInAccount();
    await expect(invoke(account, { given: answers, failing: 'deploy' })).rejects.toThrow(
      'could not be deployed',
    );
    await invoke(account, { given: answers });
    expect(account.d1.databases).toHaveLength(1);
    expect(account.access.applications).toHaveLength(2);
    expect(account.access.policies).toHaveLength(2);
    expect(account.workers.vars(worker)['ACCESS_AUD']).toBe(account.access.application(worker).aud);
  });

  it('does not deploy a Worker whose database could not be brought up to date', async () => {
    const account = standInAccount();
    await expect(invoke(account, { given: answers, failing: 'd1' })).rejects.toThrow(
      'the Worker was not deployed',
    );
    expect(account.workers.scripts.size).toBe(0);
  });

  it('puts no secret on a command line, in the configuration or on the screen', async () => {
    const account = standInAccount();
    const given = {
      ...answers,
      RESEND_WEBHOOK_SECRET: 'whsec_hidden',
      CF_ACCESS_CLIENT_SECRET: 'token-secret',
    };
    const shown = JSON.stringify(await invoke(account, { given }));
    const { RECEIPT_SIGNING_KEY = '', ...others } = account.workers.active(worker).secrets;
    // The public part of the key is shown.
    const { d } = JSON.parse(RECEIPT_SIGNING_KEY) as { d: string };
    const secrets = [...Object.values(others), d, 'token-secret'];
    expect(secrets).toHaveLength(5);
    for (const secret of secrets) expect(shown).not.toContain(secret);
  });
});

describe('a later deploy from another clone', () => {
  it('changes nothing that it was not asked to change', async () => {
    const account = await deployedAccount();
    const before = account.workers.active(worker);
    account.workers.scripts.get(worker)!.crons.push('0 5 * * 1');
    const { said } = await invoke(account);
    const after = account.workers.active(worker);
    expect(after.id).not.toBe(before.id);
    expect(new Set(after.bindings.map((binding) => JSON.stringify(binding)))).toEqual(
      new Set(before.bindings.map((binding) => JSON.stringify(binding))),
    );
    expect(after.secrets).toEqual(before.secrets);
    expect(account.workers.scripts.get(worker)).toMatchObject({
      ...{ workersDev: true, crons: ['17 3 * * *', '* * * * *', '0 5 * * 1'] },
    });
    expect(writes(account)).toEqual([]);
    expect(said[0]).toContain('no setting changes');
  });

  it('changes the given settings, and shows the old and new values', async () => {
    const account = await deployedAccount();
    const { said } = await invoke(account, { given: { MAIL_DAILY_CAP: '900' } });
    expect(said[0]?.split('\n').slice(1)).toEqual(['  MAIL_DAILY_CAP: 500 → 900']);
    expect(account.workers.vars(worker)).toMatchObject({ MAIL_DAILY_CAP: '900', RETENTION_DAYS: '90' });
  });

  it('resets a setting that is given empty to its default', async () => {
    const account = await deployedAccount();
    await invoke(account, { given: { ROLE_OPERATOR: ' ', RETENTION_DAYS: '' } });
    expect(account.workers.vars(worker)).toMatchObject({ ROLE_OPERATOR: '', RETENTION_DAYS: '30' });
  });

  it('keeps unknown settings, and an email binding that wrangler.toml does not have', async () => {
    const account = await deployedAccount();
    account.workers
      .active(worker)
      .bindings.push(
        { name: 'SETTING_OF_TOMORROW', type: 'plain_text', text: 'kept' },
        { name: 'EMAIL', type: 'send_email', allowed_sender_addresses: ['ana@acme.io'] },
      );
    const { configs } = await invoke(account);
    expect(account.workers.vars(worker)['SETTING_OF_TOMORROW']).toBe('kept');
    expect(configs.at(-1)?.send_email).toEqual([
      { name: 'EMAIL', allowed_sender_addresses: ['ana@acme.io'] },
    ]);
  });

  it('reads the version that answers requests, not the newest one', async () => {
    const account = await deployedAccount();
    await invoke(account, { given: { MAIL_DAILY_CAP: '900' } });
    await invoke(account, { args: ['--rollback'] });
    await invoke(account);
    expect(account.workers.vars(worker)['MAIL_DAILY_CAP']).toBe('500');
  });

  it('uses the database that the Worker is bound to, whatever its name', async () => {
    const account = await deployedAccount();
    account.d1.named(worker).name = 'renamed-by-somebody';
    await invoke(account);
    expect(account.d1.databases).toHaveLength(1);
  });

  it('never replaces the key that suppressions are stored under', async () => {
    const account = await deployedAccount();
    const key = account.workers.active(worker).secrets['ADDRESS_HASH_KEY'];
    const { result } = await invoke(account, { given: { ADDRESS_HASH_KEY: 'another-key-that-forgets' } });
    expect(account.workers.active(worker).secrets['ADDRESS_HASH_KEY']).toBe(key);
    expect(result.left.join('\n')).toContain('ADDRESS_HASH_KEY is set already');
  });

  it('keeps the key of receipts, and the public keys of all before when another is asked for', async () => {
    const account = await deployedAccount();
    const secret = (): string | undefined => account.workers.active(worker).secrets['RECEIPT_SIGNING_KEY'];
    const publicKeys = (): string | undefined => account.workers.vars(worker)['RECEIPT_PUBLIC_KEYS'];
    const first = publicKeys() ?? '';
    await invoke(account);
    expect(publicKeys()).toBe(first);
    const before = secret();
    const { said } = await invoke(account, { args: ['--rotate-receipt-key'] });
    expect(said[0]).toContain('secret RECEIPT_SIGNING_KEY: set → another key');
    expect(secret()).not.toBe(before);
    expect(publicKeys()).toBe(`${(JSON.parse(secret() ?? '') as { x: string }).x},${first}`);
    // A key of one's own, twice: it is in the list once.
    const own = makeSigningKey();
    await invoke(account, { given: { RECEIPT_SIGNING_KEY: own } });
    await invoke(account, { given: { RECEIPT_SIGNING_KEY: own } });
    expect(secret()).toBe(own);
    expect(publicKeys()?.split(',')).toHaveLength(3);
    await expect(invoke(account, { given: { RECEIPT_SIGNING_KEY: 'a password' } })).rejects.toThrow(
      /RECEIPT_SIGNING_KEY is a private Ed25519 key.*Nothing was changed/s,
    );
  });

  it('turns preview addresses off, which Access does not cover', async () => {
    const account = await deployedAccount();
    account.workers.scripts.get(worker)!.previews = true;
    const { said } = await invoke(account);
    expect(said[0]).toContain('preview addresses: on → off');
    expect(account.workers.scripts.get(worker)?.previews).toBe(false);
  });

  it('turns off the platform’s line per request, which would contain the whole URL', async () => {
    const { configs } = await invoke(standInAccount(), { given: answers });
    expect(configs.at(-1)?.['observability']).toMatchObject({ logs: { invocation_logs: false } });
  });
});

describe('what a deploy refuses', () => {
  it.each<[string, Invocation, RegExp]>([
    ['a person of local development', { given: { LOCAL_PERSON: 'ana@acme.io' } }, /LOCAL_PERSON/],
    [
      'a person of local development in wrangler.toml',
      { base: { ...baseConfig, vars: { ...baseConfig.vars, LOCAL_PERSON: 'ana@acme.io' } } },
      /LOCAL_PERSON/,
    ],
    [
      'a sender that nobody can send from',
      { given: { MAIL_FROM: 'Ana <ana@mail.example.com>' } },
      /MAIL_FROM is at mail\.example\.com/,
    ],
    ['a sender that is no address', { given: { MAIL_FROM: 'Ana' } }, /MAIL_FROM is an address/],
    ['an empty admin', { given: { ROLE_ADMIN: '' } }, /ROLE_ADMIN must not be empty/],
    ['a role that names nobody', { given: { ROLE_VIEWER: 'joe@acme.io, group' } }, /ROLE_VIEWER has "group"/],
    [
      'a number that is none',
      { given: { RETENTION_DAYS: 'a month' } },
      /RETENTION_DAYS is a number from 0 up/,
    ],
    ['an address without https', { given: { PUBLIC_URL: 'http://leads.acme.io' } }, /PUBLIC_URL is an https/],
    ['an unknown provider', { given: { MAIL_PROVIDER: 'pigeon' } }, /MAIL_PROVIDER is resend/],
    ['an unknown flag', { args: ['--jurisdicton', 'eu'] }, /--jurisdicton/],
    ['a jurisdiction that there is not', { args: ['--jurisdiction', 'mars'] }, /not "mars"/],
    ['an environment that is no name', { args: ['--env', 'Stage 1'] }, /--env/],
    ['a domain that is no host', { args: ['--domain', 'https://leads.acme.io'] }, /--domain is a host name/],
    ['the end of its only address', { args: ['--workers-dev', 'off'] }, /without an address/],
  ])('%s, and changes nothing', async (_, invocation, words) => {
    const account = standInAccount();
    await expect(
      invoke(account, { ...invocation, given: { ...answers, ...invocation.given } }),
    ).rejects.toThrow(words);
    expect(writes(account)).toEqual([]);
    expect(account.workers.scripts.size).toBe(0);
  });

  it.each<[string, (account: StandInAccount) => void, RegExp]>([
    [
      'the Worker may not be read',
      ({ workers }) => void (workers.isForbidden = true),
      /may not read[^]*Workers Scripts/,
    ],
    ['the database may not be read', ({ d1 }) => void (d1.isForbidden = true), /may not read[^]*D1/],
    [
      'a binding would be lost',
      ({ workers }) =>
        void workers.active(worker).bindings.push({ name: 'CACHE', type: 'kv_namespace', namespace_id: 'n' }),
      /CACHE \(kv_namespace\)/,
    ],
    [
      'a gradual deployment is under way',
      ({ workers }) =>
        void workers.scripts
          .get(worker)!
          .deployments[0]!.versions.push({ percentage: 50, version_id: 'other' }),
      /gradual deployment/,
    ],
    ['its database is gone', ({ d1 }) => void d1.databases.splice(0), /is not on this account any more/],
    [
      'another app has its name',
      ({ workers }) =>
        void workers
          .active(worker)
          .bindings.splice(0, 99, { name: 'ROOM', type: 'durable_object_namespace', class_name: 'Room' }),
      /is another app/,
    ],
    [
      'the objects were moved by hand',
      ({ workers }) =>
        void workers
          .active(worker)
          .bindings.push({ name: 'DATA_JURISDICTION', type: 'plain_text', text: 'eu' }),
      /changed it by hand/,
    ],
  ])('to continue when %s, and changes nothing', async (_, spoil, words) => {
    const account = await deployedAccount();
    const count = account.workers.scripts.get(worker)?.versions.length;
    spoil(account);
    await expect(invoke(account)).rejects.toThrow(words);
    expect(writes(account)).toEqual([]);
    expect(account.workers.scripts.get(worker)?.versions).toHaveLength(count ?? 0);
  });

  it('to make a new hash key when suppressions need the old one, and accepts the old one', async () => {
    const account = await deployedAccount();
    account.d1
      .named(worker)
      .sqlite.exec("INSERT INTO suppressions (email_hash, reason, created_at) VALUES ('h', 'manual', 0)");
    account.workers.scripts.clear();
    await expect(invoke(account, { given: answers })).rejects.toThrow(/1 suppressions.*ADDRESS_HASH_KEY/);
    await invoke(account, { given: { ...answers, ADDRESS_HASH_KEY: 'the-key-of-before' } });
    expect(account.workers.active(worker).secrets['ADDRESS_HASH_KEY']).toBe('the-key-of-before');
  });

  it('removes a person of local development that was set on the account by hand, and says so', async () => {
    const account = await deployedAccount();
    account.workers
      .active(worker)
      .bindings.push({ name: 'LOCAL_PERSON', type: 'plain_text', text: 'ana@acme.io' });
    const { said } = await invoke(account);
    expect(said[0]).toContain('LOCAL_PERSON: ana@acme.io → –');
    expect(account.workers.vars(worker)).not.toHaveProperty('LOCAL_PERSON');
  });
});

describe('environments', () => {
  it('share nothing on one account', async () => {
    const account = await deployedAccount();
    await invoke(account, {
      args: ['--env', 'staging'],
      given: { ...answers, MAIL_FROM: 'Test <test@acme.io>' },
    });
    const staging = 'lead-activation-staging';
    const [production, own] = [account.workers.active(worker), account.workers.active(staging)];
    expect(account.d1.databases.map(({ name }) => name)).toEqual([worker, staging]);
    expect(own.secrets['ADDRESS_HASH_KEY']).not.toBe(production.secrets['ADDRESS_HASH_KEY']);
    expect(account.workers.vars(staging)).toMatchObject({
      ...{ PUBLIC_URL: 'https://lead-activation-staging.acme.workers.dev', MAIL_DAILY_CAP: '' },
      ...{ ACCESS_AUD: account.access.application(staging).aud },
    });
    for (const type of ['d1', 'ratelimit'] as const) {
      const of = (version: typeof own): string =>
        JSON.stringify(version.bindings.find((one) => one.type === type));
      expect(of(own)).not.toBe(of(production));
    }
    expect(account.workers.vars(worker)).toMatchObject({ PUBLIC_URL: devUrl, MAIL_DAILY_CAP: '500' });
  });

  it('have their own counters, and production has those of wrangler.toml', () => {
    const ids = ['production', 'staging', 'eu'].map((name) => environmentNames(name).rateLimit('1001'));
    expect(ids[0]).toBe('1001');
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[1-9]\d*$/);
  });

  it('may use a sender at an example domain, except production', () => {
    const vars = { ...answers, MAIL_FROM: 'a@example.com' };
    expect(settingFaults(vars, { isProduction: false, mustHave: true })).toEqual([]);
    expect(settingFaults(vars, { isProduction: true, mustHave: true })).toHaveLength(1);
  });
});

describe('a jurisdiction', () => {
  it('is that of the database and of the objects, and chosen at creation', async () => {
    const account = await deployedAccount({ args: ['--jurisdiction', 'eu'] });
    expect(account.d1.named(worker).jurisdiction).toBe('eu');
    expect(account.workers.vars(worker)['DATA_JURISDICTION']).toBe('eu');
    await invoke(account);
    await invoke(account, { args: ['--jurisdiction', 'eu'] });
    expect(account.workers.vars(worker)['DATA_JURISDICTION']).toBe('eu');
  });

  it.each([
    ['another', ['--jurisdiction', 'eu'], ['--jurisdiction', 'us']],
    ['one after none', [], ['--jurisdiction', 'eu']],
    ['none after one', ['--jurisdiction', 'eu'], ['--jurisdiction', 'none']],
  ])('is not changed to %s, with the reason', async (_, first, second) => {
    const account = await deployedAccount({ args: first });
    await expect(invoke(account, { args: second })).rejects.toThrow(
      /cannot be changed: Cloudflare fixes it at creation[^]*backup and restore/,
    );
    expect(writes(account)).toEqual([]);
  });
});

describe('a domain', () => {
  const domain = ['--domain', 'leads.acme.io'];

  it('is the only address of a first deploy that names one', async () => {
    const account = await deployedAccount({ args: domain });
    expect(account.workers.domains).toEqual([{ hostname: 'leads.acme.io', service: worker }]);
    expect(account.workers.scripts.get(worker)?.workersDev).toBe(false);
    expect(account.workers.vars(worker)['PUBLIC_URL']).toBe('https://leads.acme.io');
    await invoke(account);
    expect(account.workers.scripts.get(worker)?.workersDev).toBe(false);
    expect(account.workers.domains).toHaveLength(1);
  });

  it('in addition to a workers.dev address in sent emails needs a decision about that address', async () => {
    const account = await deployedAccount();
    await expect(invoke(account, { args: domain })).rejects.toThrow(
      /unsubscribe links to .*--workers-dev on/,
    );
    expect(writes(account)).toEqual([]);

    await invoke(account, { args: [...domain, '--workers-dev', 'on'] });
    expect(account.workers.scripts.get(worker)?.workersDev).toBe(true);
    expect(account.workers.vars(worker)['PUBLIC_URL']).toBe('https://leads.acme.io');
    expect(account.access.application(worker)).toMatchObject({
      destinations: [{ uri: 'lead-activation.acme.workers.dev' }, { uri: 'leads.acme.io' }],
    });

    await invoke(account, { args: ['--workers-dev', 'off'] });
    expect(account.workers.scripts.get(worker)?.workersDev).toBe(false);
  });

  it('that is given again, as CI does, changes neither the other address nor the links in emails', async () => {
    const account = await deployedAccount();
    const given = { DEPLOY_DOMAIN: 'leads.acme.io', DEPLOY_WORKERS_DEV: 'on' };
    await invoke(account, { given: { ...given, PUBLIC_URL: 'https://go.acme.io' } });
    const { said } = await invoke(account, { given: { DEPLOY_DOMAIN: 'leads.acme.io' } });
    expect(said[0]).toContain('no setting changes');
    expect(account.workers.scripts.get(worker)?.workersDev).toBe(true);
    expect(account.workers.vars(worker)['PUBLIC_URL']).toBe('https://go.acme.io');
  });

  it('with its own DNS records is not attached', async () => {
    const account = await deployedAccount();
    account.workers.takenHosts.add('leads.acme.io');
    const versionId = account.workers.active(worker).id;
    await expect(invoke(account, { args: [...domain, '--workers-dev', 'off'] })).rejects.toThrow(
      /externally managed DNS records[^]*deploy again/,
    );
    expect(account.workers.active(worker).id).toBe(versionId);
    expect(account.workers.scripts.get(worker)?.workersDev).toBe(true);
  });

  it('of another Worker is refused', async () => {
    const account = standInAccount();
    account.workers.domains.push({ hostname: 'leads.acme.io', service: 'website' });
    await expect(invoke(account, { args: domain, given: answers })).rejects.toThrow(
      /belongs to the Worker website/,
    );
  });
});

describe('Access', () => {
  const clientId = '88bf3b6d86161464f6509f7219099e57.access';
  const withToken = { CF_ACCESS_CLIENT_ID: clientId, CF_ACCESS_CLIENT_SECRET: 'secret' };

  it('is set up by the first deploy: for people, and with public paths', async () => {
    const account = await deployedAccount();
    const main = account.access.application(worker);
    expect(main).toMatchObject({ type: 'self_hosted', domain: 'lead-activation.acme.workers.dev' });
    expect(account.access.policy(`${worker}: people`)).toMatchObject({
      decision: 'allow',
      include: [
        { email: { email: 'ana@acme.io' } },
        { email_domain: { domain: 'acme.io' } },
        { email: { email: 'joe@acme.io' } },
      ],
    });
    const host = 'lead-activation.acme.workers.dev';
    expect(account.access.application(`${worker}: public paths of ${host}`)).toMatchObject({
      destinations: [
        `${host}/webhooks/*`,
        `${host}/unsubscribe/*`,
        `${host}/healthz`,
        `${host}/.well-known/lead-activation-receipt-keys.json`,
      ].map((uri) => ({ uri })),
      policies: [{ decision: 'bypass', include: [{ everyone: {} }] }],
    });
  });

  it('lets in the service tokens that a role names, in either form', async () => {
    const clientIds = [clientId, `${'0'.repeat(32)}.access.acme.io`];
    const account = standInAccount();
    for (const id of clientIds) account.access.serviceTokens.push({ id: `id of ${id}`, client_id: id });
    const ROLE_VIEWER = clientIds.map((id) => `token:${id}`).join(',');
    await invoke(account, { given: { ...answers, ROLE_VIEWER } });
    expect(account.access.policy(`${worker}: service tokens`)).toMatchObject({
      include: clientIds.map((id) => ({ service_token: { token_id: `id of ${id}` } })),
    });
  });

  it('lets in the service token of the test by a policy with the action Service Auth', async () => {
    const account = await deployedAccount();
    account.access.serviceTokens.push({ id: 'token-id', client_id: clientId, name: 'ci' });
    await invoke(account, { given: withToken });
    expect(account.access.policy(`${worker}: service tokens`)).toMatchObject({
      ...{ decision: 'non_identity', include: [{ service_token: { token_id: 'token-id' } }] },
    });
    expect(account.access.application(worker)).toMatchObject({
      policies: [{ decision: 'allow' }, { decision: 'non_identity' }],
    });
    account.server.requests.length = 0;
    await invoke(account, { given: withToken });
    expect(writes(account)).toEqual([]);
  });

  it('keeps settings of our application that were changed by hand when it adds to it', async () => {
    const account = await deployedAccount();
    Object.assign(account.access.application(worker), {
      session_duration: '1h',
      logo_url: 'https://acme.io/l.svg',
    });
    account.access.serviceTokens.push({ id: 'token-id', client_id: clientId });
    await invoke(account, { given: withToken });
    expect(account.access.application(worker)).toMatchObject({
      session_duration: '1h',
      logo_url: 'https://acme.io/l.svg',
    });
  });

  it('keeps requirements of our policy that were added by hand when it lets more people in', async () => {
    const account = await deployedAccount();
    const required = { require: [{ geo: { country_code: 'DE' } }], session_duration: '8h' };
    Object.assign(account.access.policy(`${worker}: people`), required);
    await invoke(account, { given: { ACCESS_ALLOW: '*@acme.io,*@other.io' } });
    expect(account.access.policy(`${worker}: people`)).toMatchObject({
      ...required,
      include: [{ email_domain: { domain: 'acme.io' } }, { email_domain: { domain: 'other.io' } }],
    });
  });

  it('does not change an application and policies that it did not create', async () => {
    const account = standInAccount();
    account.access.applications.push({
      ...{ id: 'theirs', type: 'self_hosted', name: 'CRM', aud: 'a'.repeat(64), policies: [] },
      ...{ domain: 'leads.acme.io', destinations: [{ type: 'public', uri: 'leads.acme.io' }] },
    });
    const before = structuredClone(account.access.applications[0]);
    const { result } = await invoke(account, {
      args: ['--domain', 'leads.acme.io'],
      given: { ...answers, ...withToken },
    });
    expect(account.access.applications[0]).toEqual(before);
    expect(account.workers.vars(worker)['ACCESS_AUD']).toBe('a'.repeat(64));
    expect(result.left.join('\n')).toContain('Make one in Zero Trust → Access → Service credentials');
  });

  it('changes who is let in only when ACCESS_ALLOW says so', async () => {
    const account = await deployedAccount();
    await invoke(account, { given: { ROLE_VIEWER: 'new@other.io' } });
    expect(JSON.stringify(account.access.policy(`${worker}: people`))).not.toContain('other.io');
    await invoke(account, { given: { ACCESS_ALLOW: '*@acme.io,*@other.io' } });
    expect(account.access.policy(`${worker}: people`)).toMatchObject({
      include: [{ email_domain: { domain: 'acme.io' } }, { email_domain: { domain: 'other.io' } }],
    });
  });

  it('does not let everybody in when a role is `*`, everybody that Access lets in', async () => {
    const account = standInAccount();
    const { result } = await invoke(account, { given: { ...answers, ROLE_ADMIN: 'group:Ops, *' } });
    expect(account.access.policies.map(({ name }) => name)).toEqual([`${worker}: public paths`]);
    expect(result.left.join('\n')).toContain('Set ACCESS_ALLOW');
  });

  it('is described step by step when the token may not change it, and the deploy says that nobody gets in', async () => {
    const account = standInAccount();
    account.access.isForbidden = true;
    const { result, waitedMs } = await invoke(account, { given: answers });
    const left = result.left.join('\n');
    for (const words of [
      'Access: Apps and Policies: Edit',
      'public hostname lead-activation.acme.workers.dev, no path',
      'include ana@acme.io, emails ending in @acme.io',
      'webhooks/*, unsubscribe/*, healthz, .well-known/lead-activation-receipt-keys.json; policy: action Bypass',
      'Nobody gets in: ACCESS_AUD is not set',
    ]) {
      expect(left).toContain(words);
    }
    expect(result.isFault).toBe(true);
    expect(waitedMs).toBe(0);
  });

  it('is assumed to be as given when the token may not read it', async () => {
    const account = standInAccount();
    account.access.isForbidden = true;
    const given = { ...answers, ACCESS_AUD: 'b'.repeat(64), ACCESS_TEAM_DOMAIN: 'acme.cloudflareaccess.com' };
    const { result } = await invoke(account, { given });
    expect(account.workers.vars(worker)).toMatchObject({ ACCESS_AUD: 'b'.repeat(64) });
    expect(result.left.join('\n')).not.toContain('Nobody gets in');
  });
});

describe('the test of the address at the end', () => {
  const context = {
    url: 'https://leads.acme.io',
    vars: {
      ROLE_ADMIN: 'ana@acme.io',
      ACCESS_AUD: 'a'.repeat(64),
      ACCESS_TEAM_DOMAIN: 'acme.cloudflareaccess.com',
    },
    clientId: 'x.access',
  };
  const plain = (status: number, body = ''): ProbeAnswer => ({ status, location: null, body });
  const good: Probes = {
    health: plain(200, '{"status":"ok"}'),
    anonymous: accessRedirect,
    token: plain(200, '{"user":{"role":"viewer"}}'),
  };

  it('passes when a request without an identity is refused and the token is let in', () => {
    expect(judge(good, context)).toMatchObject({
      isFault: false,
      lines: [expect.stringContaining('is let in')],
    });
  });

  it.each<[string, Partial<Probes>, RegExp]>([
    [
      'a request without an identity is answered',
      { anonymous: plain(200, '{}') },
      /answers a request without/,
    ],
    ['the public paths ask for a sign-in', { health: accessRedirect }, /Bypass policy/],
    ['Access refuses the token', { token: accessRedirect }, /action Service Auth/],
    [
      'the token has no role',
      { token: plain(403, '{"code":"forbidden"}') },
      /token:x\.access to ROLE_VIEWER/,
    ],
    ['the app does not believe Access', { token: plain(401) }, /ACCESS_AUD or ACCESS_TEAM_DOMAIN/],
    ['another app answers', { token: plain(200, '<html>') }, /Another app/],
    ['the app is broken', { health: plain(500) }, /answered 500/],
    ['nothing answers', { health: null, anonymous: null, token: null }, /Nothing answers/],
  ])('fails the command when %s', (_, probes, words) => {
    const { isFault, lines } = judge({ ...good, ...probes }, context);
    expect(isFault).toBe(true);
    expect(lines.join('\n')).toMatch(words);
  });

  it('fails when Access is not in front, and says when sign-in was not tested', () => {
    const { isFault, lines } = judge({ ...good, anonymous: plain(401), token: undefined }, context);
    expect(isFault).toBe(true);
    expect(lines.join('\n')).toMatch(/Access is not in front[^]*Sign-in was not tested/);
  });

  it('says plainly that nobody gets in', () => {
    expect(nobodyGetsIn({ ...context.vars, ROLE_ADMIN: ' ' }).join()).toMatch(/no role names anybody/);
    expect(nobodyGetsIn({}).length).toBe(3);
    expect(nobodyGetsIn(context.vars)).toEqual([]);
  });

  it.each([good, { ...good, token: undefined }, { health: null, anonymous: null, token: undefined }])(
    'fails when the settings let nobody in',
    (probes) => {
      expect(judge(probes, { ...context, vars: {} }).isFault).toBe(true);
    },
  );

  it('is repeated for some time', async () => {
    let asked = 0;
    const { result, waitedMs } = await invoke(standInAccount(), {
      given: { ...answers, CF_ACCESS_CLIENT_ID: 'x.access', CF_ACCESS_CLIENT_SECRET: 's' },
      probe: (url, headers) => (++asked <= 6 ? null : answerAsDeployed(url, headers)),
    });
    expect(result.isFault).toBe(false);
    expect(waitedMs).toBe(10_000);
  });
});

describe('settings and options', () => {
  it('distinguish an empty variable from a missing one', () => {
    const given = readGiven({ A: ' x ', B: '', DEPLOY_SETTINGS: '{"A":"y","C":"z"}' });
    expect(['A', 'B', 'C', 'D'].map(given)).toEqual(['x', '', 'z', null]);
    expect(readGiven({})('A')).toBeNull();
  });

  it.each(['{"A":1}', 'A=1'])('refuse a DEPLOY_SETTINGS of %s', (text) => {
    expect(() => readGiven({ DEPLOY_SETTINGS: text })).toThrow(/DEPLOY_SETTINGS/);
  });

  it.each([
    [['--rollback', '--domain', 'a.io']],
    [['--accept-old-secrets']],
    [['--workers-dev', 'maybe']],
    [['extra']],
  ])('refuse %j', (args) => {
    expect(() => parseOptions(args)).toThrow(/Nothing was changed/);
  });

  it('bring nothing of local development to an account, and do not cut values', () => {
    const odd = 'Ana "A$&" \\ <ana@acme.io>';
    const config = makeConfig(
      { ...baseConfig, access: { dev: {} }, routes: ['x'] },
      {
        ...{
          accountId: null,
          names: environmentNames('production'),
          databaseId: 'id',
          vars: { MAIL_FROM: odd },
        },
        ...{ workersDev: false, crons: [], rateLimits: {}, sendEmail: [], migrationsFolder: 'm' },
      },
    );
    expect(config).not.toHaveProperty('access');
    expect(config).not.toHaveProperty('routes');
    expect(config).toMatchObject({ preview_urls: false, workers_dev: false });
    expect((JSON.parse(JSON.stringify(config)) as typeof config).vars['MAIL_FROM']).toBe(odd);
  });
});
