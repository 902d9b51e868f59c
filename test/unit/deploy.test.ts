import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  deploy,
  makeConfig,
  readVariable,
  type DeployWorld,
  type WranglerAnswer,
} from '../../scripts/lib/deploy.ts';
import { projectRoot } from '../../scripts/lib/local-state.ts';

const url = 'https://lead-activation.ana.workers.dev';
const baseConfig = readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8');

/** A Cloudflare account that answers as wrangler does, and remembers. */
class FakeAccount {
  readonly databases: { name: string; uuid: string }[] = [];
  readonly secrets = new Map<string, string>();
  readonly commands: string[] = [];
  readonly said: string[] = [];
  readonly asked: string[] = [];
  readonly configs: string[] = [];
  deployCount = 0;
  migratedCount = 0;
  isSignedIn = true;
  accounts = [{ id: 'acc-1', name: 'Ana' }];
  isBehindAccess = false;
  answers: Record<string, string> = {};
  replies: Record<string, string> | null = {};
  given: Record<string, string> = {};
  keyCount = 0;
  secretsFile: Record<string, string> | null = null;

  readonly world = (): DeployWorld => ({
    wrangler: (args) => Promise.resolve(this.#run(args)),
    ask:
      this.replies === null
        ? null
        : (question, { standard }) => {
            this.asked.push(question);
            const found = Object.entries(this.replies ?? {}).find(([part]) => question.includes(part));
            return Promise.resolve(found?.[1] ?? standard);
          },
    say: (line) => void this.said.push(line),
    given: (name) => readVariable(this.given, name),
    loadAnswers: () => this.answers,
    saveAnswers: (answers) => void (this.answers = { ...answers }),
    baseConfig: () => baseConfig,
    saveConfig: (text) => {
      this.configs.push(text);
      return 'the-config.toml';
    },
    withSecretsFile: async (secrets, use) => {
      this.secretsFile = secrets;
      try {
        return await use('the-secrets.json');
      } finally {
        this.secretsFile = null;
      }
    },
    buildWeb: () => Promise.resolve(),
    makeKey: () => `made-key-${++this.keyCount}`,
    probe: () =>
      Promise.resolve(
        this.isBehindAccess
          ? { status: 302, location: 'https://ana.cloudflareaccess.com/cdn-cgi/access/login', body: '' }
          : { status: 401, location: null, body: '{"code":"unauthenticated"}' },
      ),
  });

  #run(args: readonly string[]): WranglerAnswer {
    const command = args.join(' ');
    this.commands.push(command);
    const answer = (code: number, output: string): WranglerAnswer => ({ code, stdout: output, output });
    if (command.startsWith('whoami')) {
      return this.isSignedIn
        ? answer(
            0,
            `\n banner\n${JSON.stringify({ loggedIn: true, email: 'ana@example.com', accounts: this.accounts })}`,
          )
        : answer(1, 'You are not authenticated.');
    }
    if (command.startsWith('d1 list')) return answer(0, JSON.stringify(this.databases));
    if (command.startsWith('d1 create')) {
      this.databases.push({ name: args[2] ?? '', uuid: `uuid-${this.databases.length + 1}` });
      return answer(0, 'created');
    }
    if (command.startsWith('d1 migrations')) {
      this.migratedCount++;
      return answer(0, 'migrated');
    }
    if (command.startsWith('secret list')) {
      return this.deployCount === 0
        ? answer(1, 'This Worker does not exist on your account. [code: 10007]')
        : answer(0, JSON.stringify([...this.secrets.keys()].map((name) => ({ name, type: 'secret_text' }))));
    }
    if (command.startsWith('deploy')) {
      if (command.includes('--secrets-file')) {
        for (const entry of Object.entries(this.secretsFile ?? {})) this.secrets.set(...entry);
      }
      if (!this.secrets.has('MAIL_API_KEY') || !this.secrets.has('ADDRESS_HASH_KEY')) {
        return answer(1, 'Missing required secrets');
      }
      this.deployCount++;
      return answer(0, `Deployed lead-activation triggers\n  ${url}\nCurrent Version ID: 1`);
    }
    return answer(1, `unknown command ${command}`);
  }
}

const replies = {
  'everything?': '*@ana.example',
  Sender: 'Ana <ana@ana.example>',
  'postal address': 'Example Street 1, Lisbon',
  Key: 're_very_secret',
};

describe('npm run deploy', () => {
  it('goes from nothing to running, and says what is left', async () => {
    const account = new FakeAccount();
    account.replies = replies;
    const { url: address, left } = await deploy(account.world());
    expect(address).toBe(url);
    expect(account.databases).toEqual([{ name: 'lead-activation', uuid: 'uuid-1' }]);
    expect(account.migratedCount).toBe(1);
    expect(Object.fromEntries(account.secrets)).toEqual({
      MAIL_API_KEY: 're_very_secret',
      ADDRESS_HASH_KEY: 'made-key-1',
    });
    // The second time with the address that the first gave it.
    expect(account.deployCount).toBe(2);
    const config = account.configs.at(-1) ?? '';
    expect(config).toContain('account_id = "acc-1"');
    expect(config).toContain('database_id = "uuid-1"');
    expect(config).toContain('ROLE_ADMIN = "*@ana.example"');
    expect(config).toContain(`PUBLIC_URL = "${url}"`);
    expect(left.join('\n')).toContain('Cloudflare Access');
    expect(left.join('\n')).toContain(`${url}/webhooks/resend`);
    expect(left).toHaveLength(2);
  });

  it('brings the tables up to date before the code that needs them', async () => {
    const account = new FakeAccount();
    account.replies = replies;
    await deploy(account.world());
    const order = account.commands.map((command) => command.split(' ').slice(0, 2).join(' '));
    expect(order.indexOf('d1 migrations')).toBeLessThan(
      order.findIndex((command) => command.startsWith('deploy')),
    );
  });

  it('makes nothing and asks nothing the second time', async () => {
    const account = new FakeAccount();
    account.replies = replies;
    await deploy(account.world());
    const asked = account.asked.length;
    account.isBehindAccess = true;
    account.given = { RESEND_WEBHOOK_SECRET: 'whsec_1' };
    const { left } = await deploy(account.world());
    expect(account.asked).toHaveLength(asked);
    expect(account.databases).toHaveLength(1);
    expect(account.keyCount).toBe(1);
    expect(account.deployCount).toBe(3);
    expect(account.secrets.get('ADDRESS_HASH_KEY')).toBe('made-key-1');
    expect(account.secrets.get('RESEND_WEBHOOK_SECRET')).toBe('whsec_1');
    expect(account.configs.at(-1)).toBe(account.configs.at(-2));
    expect(left).toEqual([]);
  });

  it('empties a role whose variable is set and empty, and no secret', async () => {
    const account = new FakeAccount();
    account.replies = replies;
    account.given = { ROLE_OPERATOR: 'joe@ana.example', ROLE_VIEWER: '*@ana.example' };
    await deploy(account.world());
    expect(account.configs.at(-1)).toContain('ROLE_OPERATOR = "joe@ana.example"');
    const secrets = new Map(account.secrets);

    account.given = { ROLE_OPERATOR: ' ', MAIL_API_KEY: '', ADDRESS_HASH_KEY: '', CLOUDFLARE_ACCOUNT_ID: '' };
    await deploy(account.world());
    expect(account.configs.at(-1)).toContain('ROLE_OPERATOR = ""');
    expect(account.configs.at(-1)).toContain('ROLE_VIEWER = "*@ana.example"');
    expect(account.secrets).toEqual(secrets);

    account.given = {};
    await deploy(account.world());
    expect(account.configs.at(-1)).toContain('ROLE_OPERATOR = ""');
  });

  it('has the platform keep no line per request, which would have its whole URL', async () => {
    const account = new FakeAccount();
    account.replies = replies;
    await deploy(account.world());
    expect(account.configs.at(-1)).toMatch(/^observability = \{.*\binvocation_logs = false\b.*\}$/m);
  });

  it('never replaces the key that suppressions are stored under', async () => {
    const account = new FakeAccount();
    account.replies = replies;
    await deploy(account.world());
    account.given = { ADDRESS_HASH_KEY: 'another-key-that-forgets' };
    await deploy(account.world());
    expect(account.secrets.get('ADDRESS_HASH_KEY')).toBe('made-key-1');
  });

  it('puts no secret on a command line, in the configuration, in its memory or on the screen', async () => {
    const account = new FakeAccount();
    account.replies = { ...replies };
    account.given = { RESEND_WEBHOOK_SECRET: 'whsec_hidden' };
    const result = await deploy(account.world());
    const shown = JSON.stringify([account.commands, account.configs, account.answers, account.said, result]);
    for (const secret of account.secrets.values()) expect(shown).not.toContain(secret);
  });

  it('needs nobody at the terminal when everything is given', async () => {
    const account = new FakeAccount();
    account.replies = null;
    account.given = {
      MAIL_API_KEY: 're_ci',
      ROLE_ADMIN: 'group:Ops',
      PUBLIC_URL: 'https://leads.ana.example',
    };
    const { url: address, left } = await deploy(account.world());
    expect(address).toBe('https://leads.ana.example');
    expect(account.deployCount).toBe(1);
    expect(left.some((line) => line.includes('MAIL_POSTAL_ADDRESS'))).toBe(true);
  });

  it.each<[string, (account: FakeAccount) => void, RegExp]>([
    ['nobody is signed in', (account) => (account.isSignedIn = false), /wrangler login/],
    [
      'there are several accounts',
      (account) => account.accounts.push({ id: 'acc-2', name: 'Work' }),
      /CLOUDFLARE_ACCOUNT_ID.*acc-2 \(Work\)/,
    ],
    ['there is no key, and nobody to ask', (account) => (account.replies = null), /MAIL_API_KEY/],
  ])('says what to do when %s, and deploys nothing', async (_, spoil, words) => {
    const account = new FakeAccount();
    spoil(account);
    await expect(deploy(account.world())).rejects.toThrow(words);
    expect(account.deployCount).toBe(0);
  });
});

describe('the configuration of a deploy', () => {
  const make = (vars: Record<string, string>): string =>
    makeConfig(baseConfig, { accountId: null, databaseId: 'the-id', vars });

  it('has nobody from local development in it', () => {
    expect(make({})).not.toMatch(/^\s*"?(LOCAL_PERSON|\[access)/m);
  });

  it('keeps a value whole, whatever is in it', () => {
    const odd = 'Ana "A$&" \\ <ana@example.org>';
    const line = make({ MAIL_FROM: odd })
      .split('\n')
      .find((text) => text.startsWith('MAIL_FROM = '));
    expect(JSON.parse(line?.slice('MAIL_FROM = '.length) ?? '')).toBe(odd);
  });

  it('leaves what was not answered as it is in wrangler.toml', () => {
    expect(make({ MAIL_FROM: '' })).toContain('MAIL_FROM = "Lead Activation <hello@example.com>"');
  });

  it('refuses a setting that wrangler.toml does not know', () => {
    expect(() => make({ MAIL_FORM: 'typo' })).toThrow(/MAIL_FORM/);
  });
});
