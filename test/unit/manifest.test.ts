import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeManifest, manifestDifferences, type ResolvedStart } from '../../src/core/session/manifest.ts';
import { canonicalJson, isCanonicalizable } from '../../src/shared/canonical-json.ts';
import { manifestHash, type AudienceOutcomes, type Manifest } from '../../src/shared/manifest.ts';

describe('canonical JSON', () => {
  it('is as RFC 8785 has it in its examples', () => {
    // https://www.rfc-editor.org/rfc/rfc8785#section-3.2.2 and 3.2.3
    const numbers = [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001];
    const text = '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/';
    expect(canonicalJson({ numbers, string: text, literals: [null, true, false] })).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6'];
    const sorted = Object.keys(
      JSON.parse(canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])))) as object,
    );
    expect(sorted).toEqual(['1', '\r', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33']);
  });

  it('is the same for the same data, in whatever order it was written, and means that data', () => {
    const turned = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(turned);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([name, member]) => [name, turned(member)]),
      );
    };
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(turned(value))).toBe(text);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('leaves out what is undefined, and takes nothing that JSON cannot hold', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
    for (const bad of [Infinity, Number.NaN, [undefined], { f: (): number => 1 }, 1n]) {
      expect(() => canonicalJson(bad)).toThrow(TypeError);
    }
  });

  it('says beforehand of what somebody sent whether it can be made', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`);
    expect([deep, { a: deep }, JSON.parse('[1e999]')].map((value) => isCanonicalizable(value))).toEqual([
      false,
      false,
      false,
    ]);
    expect(isCanonicalizable({ a: [1, { b: null }] })).toBe(true);
  });
});

const start: ResolvedStart = {
  owner: 'ana@example.com',
  audience: {
    filter: { source: ['Web', 'Fair'], search: 'jan@acme.test', status: 'new' },
    excludedIds: [7, 2, 7],
  },
  searchHash: 'abc',
  resolved: {
    maxLeadId: 9,
    total: 6,
    members: '1.2',
    outcomes: {
      willActivate: 3,
      alreadyActive: 1,
      suppressed: 1,
      invalidAddress: 1,
      recentlyMailed: 0,
      recipients: '3.4',
    },
  },
  template: { id: 'welcome', version: 2, name: 'Welcome', subject: 'Hi', html: '<p>Hi</p>', text: 'Hi' },
  mail: {
    from: 'Acme <hello@acme.test>',
    replyTo: null,
    actionUrl: null,
    postalAddress: 'Street 1',
    publicUrl: 'https://acme.test',
  },
  provider: 'resend',
  dailyCap: null,
  minDaysBetween: null,
  when: {},
};
function outcomesOf({ outcomes }: ResolvedStart['resolved']): AudienceOutcomes {
  if (outcomes === null) throw new Error('This audience was counted.');
  return outcomes;
}
const hashOf = async (change: Partial<ResolvedStart> = {}): Promise<string> =>
  (await makeManifest({ ...start, ...change })).hash;

describe('the manifest', () => {
  it('says who gets what from whom, and has no word of the search in it', async () => {
    const { manifest, hash } = await makeManifest(start);
    expect(manifest).toMatchObject({
      madeBy: 'ana@example.com',
      audience: {
        words:
          'all leads, with the status new, that a search found, with the source “Web” or “Fair”, minus 2',
        filter: { source: ['Web', 'Fair'], status: 'new' },
        picked: null,
        excluded: { count: 2 },
        maxLeadId: 9,
        outcomes: { willActivate: 3 },
      },
      template: { id: 'welcome', version: 2 },
      when: { schedule: null, window: null, waves: null },
    });
    expect(canonicalJson(manifest)).not.toContain('jan');
    expect(hash).toBe(await manifestHash(JSON.parse(canonicalJson(manifest)) as Manifest));
  });

  it('is the same for the same start, and another one for any part that is otherwise', async () => {
    const same = await hashOf({
      audience: {
        filter: { status: 'new', search: 'jan@acme.test', source: ['Web', 'Fair'] },
        excludedIds: [2, 7],
      },
    });
    expect(same).toBe(await hashOf());
    const { resolved, template, mail } = start;
    const outcomes = outcomesOf(resolved);
    const others: Partial<ResolvedStart>[] = [
      { owner: 'ben@example.com' },
      { audience: { leadIds: [1, 2, 3] } },
      { audience: { filter: { status: 'new' } } },
      { audience: { ...start.audience, excludedIds: [2] } },
      { searchHash: 'abd' },
      { resolved: { ...resolved, maxLeadId: 10 } },
      { resolved: { ...resolved, outcomes: { ...outcomes, willActivate: 2, suppressed: 2 } } },
      { resolved: { ...resolved, outcomes: { ...outcomes, recipients: '3.5' } } },
      { resolved: { ...resolved, outcomes: null } },
      { resolved: { ...resolved, members: '1.3' } },
      { template: { ...template, version: 3 } },
      { template: { ...template, html: '<p>Ho</p>' } },
      { mail: { ...mail, from: 'Other <o@acme.test>' } },
      { mail: { ...mail, publicUrl: null } },
      { provider: 'postmark' },
      { dailyCap: 500 },
      { minDaysBetween: 30 },
      { when: { schedule: { at: '2026-12-01T09:00', zone: 'Europe/Berlin', freezeAt: 'start' } } },
      { when: { schedule: { at: '2026-12-01T09:00', zone: 'Europe/Berlin', freezeAt: 'scheduling' } } },
      { when: { schedule: { at: '2026-12-01T09:30', zone: 'Europe/Berlin', freezeAt: 'start' } } },
      { when: { window: { zone: 'UTC', days: [1], from: '09:00', until: '17:00' } } },
      { when: { startAt: 1 } },
      { when: { somethingNew: { deep: [1] } } },
    ];
    const hashes = await Promise.all([{}, ...others].map((change) => hashOf(change)));
    expect(new Set(hashes).size).toBe(others.length + 1);
  });
});

describe('the difference of two manifests', () => {
  const differences = async (was: Partial<ResolvedStart>, now: Partial<ResolvedStart>): Promise<string[]> => {
    const [one, other] = await Promise.all([
      makeManifest({ ...start, ...was }),
      makeManifest({ ...start, ...now }),
    ]);
    return manifestDifferences({ ...one.manifest }, other.manifest).map(({ message }) => message);
  };
  const { resolved } = start;
  const counts = (change: Partial<AudienceOutcomes>, total = resolved.total): Partial<ResolvedStart> => ({
    resolved: { total, maxLeadId: 12, members: 'other', outcomes: { ...outcomesOf(resolved), ...change } },
  });

  it.each<[string, Partial<ResolvedStart>, string[]]>([
    ['nothing', {}, []],
    [
      'two leads more',
      counts({ willActivate: 4, alreadyActive: 2 }, 8),
      ['4 leads would get the email, 3 before.', '2 leads already active, 1 before.'],
    ],
    ['other leads', counts({}), ['Other leads match now, as many as before.']],
    ['others of them', counts({ recipients: '3.5' }), ['Other leads match now, as many as before.']],
    [
      'another template',
      { template: { ...start.template, id: 'spring', name: 'Spring', html: 'x' } },
      ['The template is now “Spring” in version 2.'],
    ],
    [
      'another version',
      { template: { ...start.template, version: 3, html: 'x' } },
      ['The template is now “Welcome” in version 3.'],
    ],
    [
      'the same version with another content',
      { template: { ...start.template, html: 'x' } },
      ['The content of the template has changed.'],
    ],
    [
      'sender and cap',
      { mail: { ...start.mail, from: 'b@acme.test' }, dailyCap: 500 },
      [
        'The sender is now “b@acme.test”; it was “Acme <hello@acme.test>”.',
        'The daily cap is now 500; it was none.',
      ],
    ],
    [
      'another person',
      { owner: 'ben@example.com' },
      ['It was made by ana@example.com, and you are ben@example.com.'],
    ],
    [
      'a start time',
      { when: { schedule: { at: '2026-12-01T09:00', zone: 'Europe/Berlin', freezeAt: 'start' } } },
      [
        'It begins at “2026-12-01T09:00” in the zone “Europe/Berlin”, with the leads that match then; before, at once.',
      ],
    ],
    [
      'a window',
      { when: { window: { zone: 'UTC', days: [1, 5], from: '09:00', until: '17:00' } } },
      ['It sends on Monday, Friday from “09:00” until “17:00” in the zone “UTC”; before, at any time.'],
    ],
    ['a part that it does not know', { when: { startAt: 5 } }, ['“when.startAt” is now 5; it was none.']],
    [
      'another audience',
      { audience: { leadIds: [1] }, searchHash: null },
      ['Other leads are selected now: 1 lead picked.'],
    ],
  ])('is told in words: %s', async (_, change, words) => {
    expect(await differences({}, change)).toEqual(words);
  });

  it('is found wherever two manifests have other hashes, also of what somebody made up', async () => {
    const { manifest } = await makeManifest(start);
    const made = JSON.parse(canonicalJson(manifest)) as Record<string, unknown>;
    const paths = fc.constantFrom(...pathsOf(made));
    fc.assert(
      fc.property(paths, fc.jsonValue({ maxDepth: 3 }), (path, value) => {
        const was = structuredClone(made);
        const parent = path
          .slice(0, -1)
          .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], was);
        (parent as Record<string, unknown>)[path.at(-1) ?? ''] = value;
        const isSame = canonicalJson(was) === canonicalJson(made);
        expect(manifestDifferences(was, manifest).length > 0).toBe(!isSame);
      }),
      // A part may be named as something that every object has, or make a text that cannot be shown.
      {
        examples: [
          [['audience'], { valueOf: '' }],
          [['audience'], { constructor: 1 }],
          [['madeBy'], { toString: '', valueOf: '' }],
          [['when'], { window: { days: [{ toString: '', valueOf: '' }] } }],
        ],
      },
    );
  });
});

/** Every place in data. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return path.length === 0 ? [] : [path];
  const within = Object.entries(value).flatMap(([name, member]) => pathsOf(member, [...path, name]));
  return path.length === 0 ? within : [path, ...within];
}
