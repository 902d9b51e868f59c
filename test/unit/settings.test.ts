import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../scripts/lib/deploy/config.ts';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { allSettings } from '../../scripts/lib/settings.ts';
import {
  confirmAbove,
  dailyCap,
  dailyCapFault,
  warmUpFault,
  warmUpPlan,
  gateConfig,
  guardLimits,
  mailTexts,
  maxBatchLeadCount,
  minDaysBetween,
  minDaysFault,
  missingSecrets,
  settings,
  undoMs,
} from '../../src/runtime/settings.ts';

const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');
const config = readConfig(read('wrangler.toml'));

describe('the table of settings', () => {
  it('has every variable of wrangler.toml, and otherwise only that of local development', () => {
    const names = allSettings.filter(({ isSecret }) => !isSecret).map(({ name }) => name);
    expect(names.sort()).toEqual(
      [...Object.keys(config.vars), 'LOCAL_PERSON', 'WEBHOOKS_ALLOW_LOCAL'].sort(),
    );
  });

  it('has the defaults of wrangler.toml', () => {
    for (const { name, default: value } of settings) {
      if (name in config.vars) expect([name, config.vars[name]]).toEqual([name, value ?? '']);
    }
  });

  it('requires the secrets of the product, and none of a provider', () => {
    const required = config.secrets?.required ?? [];
    const needed = settings.filter(({ isSecret, isOptional }) => isSecret && isOptional !== true);
    expect(needed.map(({ name }) => name)).toEqual(required);
  });

  it('accepts each of its defaults as a value', () => {
    for (const { name, default: value, check } of allSettings) {
      if (value !== null) expect([name, check?.(value) ?? null]).toEqual([name, null]);
    }
  });

  it('is the same as in docs/OPERATIONS.md', () => {
    const [, shown = ''] =
      /<!-- settings -->\n([\s\S]*?)<!-- \/settings -->/.exec(read('docs/OPERATIONS.md')) ?? [];
    expect(shown.trim()).toBe(markdown());
  });
});

/** The table of docs/OPERATIONS.md. When they differ, replace the one in the file with this one. */
function markdown(): string {
  const groups = [...new Set(allSettings.map(({ group }) => group))];
  return groups
    .map((group) => {
      const rows = allSettings
        .filter((setting) => setting.group === group)
        .map((setting) => {
          const value = setting.default === null ? '' : `\`${setting.default}\``;
          const form = setting.isSecret ? 'secret' : value;
          const takenBy = setting.takenBy.length === 0 ? 'nobody' : setting.takenBy.join(', ');
          return `| \`${setting.name}\` | ${form} | ${takenBy} | ${setting.meaning} |`;
        });
      return [
        `**${group}**`,
        '',
        '| name | default | taken by | meaning |',
        '|---|---|---|---|',
        ...rows,
      ].join('\n');
    })
    .join('\n\n');
}

describe('a setting that cannot be read counts as its default', () => {
  it.each([
    ['', null],
    ['  ', null],
    ['1', 1],
    [' 20 ', 20],
    ['100', 100],
    ['9'.repeat(400), Infinity],
    ['0', null],
    ['-5', null],
    ['0.5', null],
    ['1e3', null],
    ['NaN', null],
    ['Infinity', null],
    ['ten', null],
  ])('MAIL_BATCH_MAX %j: %s', (text, count) => {
    expect(maxBatchLeadCount({ MAIL_BATCH_MAX: text })).toBe(count);
  });

  it.each([
    ['', null, true],
    [' 30 ', 30, true],
    ['1', 1, true],
    // Whoever was to be left alone is left alone.
    ['0', 3650, false],
    ['30 days', 3650, false],
    ['99999', 3650, false],
  ])('MAIL_MIN_DAYS_BETWEEN %j: %s', (text, days, isReadable) => {
    expect(minDaysBetween({ MAIL_MIN_DAYS_BETWEEN: text })).toBe(days);
    expect(minDaysFault({ MAIL_MIN_DAYS_BETWEEN: text }) === null).toBe(isReadable);
  });

  it.each([
    ['', null],
    // Without a cap more would leave than was meant.
    ['0', 1],
    ['-5', 1],
    ['many', 1],
    [' 500 ', 500],
  ])('MAIL_DAILY_CAP %j: %s', (text, cap) => {
    expect(dailyCap({ MAIL_DAILY_CAP: text })).toBe(cap);
    expect(dailyCapFault({ MAIL_DAILY_CAP: text }) === null).toBe(cap !== 1);
  });

  it.each([
    ['', null],
    [' ', null],
    ['on', [300, 20]],
    ['150+10%', [150, 10]],
    ['1+100%', [1, 100]],
    // Without a warm-up more mail would leave than was meant: what cannot be read is the slowest one.
    ...['300', '300+20', '0+20%', '300+0%', '300+101%', 'yes', '300 + 20%', '100000+5%'].map(
      (text) => [text, [1, 1]] as const,
    ),
  ] as const)('MAIL_WARM_UP %j: %j', (text, wanted) => {
    const plan = warmUpPlan({ MAIL_WARM_UP: text, MAIL_DAILY_CAP: '500', MAIL_MAX_BOUNCE_PERCENT: '3' });
    expect(plan && [plan.startCount, plan.growthPercent]).toEqual(wanted);
    if (plan !== null)
      expect(plan).toMatchObject({ dailyCap: 500, maxBouncePercent: 3, maxComplaintPercent: 0.08 });
    expect(warmUpFault({ MAIL_WARM_UP: text }) === null).toBe(wanted?.[0] !== 1 || wanted[1] === 100);
  });

  it.each([
    ['', 8],
    ['0', 8],
    ['-1', 8],
    ['Infinity', 8],
    ['fast', 8],
    ['0.5', 0.5],
    ['100000', 100_000],
  ])('MAIL_RATE %j: %d', (text, rate) => {
    expect(gateConfig({ MAIL_RATE: text })).toEqual({ maxRatePerSecond: rate });
  });

  it('even if the environment is empty', () => {
    expect(guardLimits({})).toEqual({ minResultCount: 500, maxBouncePercent: 4, maxComplaintPercent: 0.08 });
    expect([confirmAbove({}), undoMs({})]).toEqual([1_000, 10_000]);
    expect(mailTexts({})).toEqual({
      from: '',
      replyTo: null,
      actionUrl: null,
      postalAddress: null,
      publicUrl: null,
    });
  });

  it('and a rate above 100 % is invalid', () => {
    expect(guardLimits({ MAIL_MAX_BOUNCE_PERCENT: '400' }).maxBouncePercent).toBe(4);
  });
});

describe('a secret', () => {
  it.each([
    [{}, ['MAIL_API_KEY', 'ADDRESS_HASH_KEY']],
    [{ MAIL_API_KEY: ' ', ADDRESS_HASH_KEY: 'short' }, ['MAIL_API_KEY', 'ADDRESS_HASH_KEY']],
    [{ MAIL_API_KEY: 're_1', ADDRESS_HASH_KEY: 'long enough to be one' }, []],
  ])('that is missing or too short is named: %j', (env, names) => {
    expect(missingSecrets(env)).toEqual(names);
  });
});
