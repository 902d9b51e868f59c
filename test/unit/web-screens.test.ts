import type { Audience } from '../../src/shared/schemas/activation.ts';
import { describeAudience } from '../../web/src/lib/leads/activate/describe-audience.ts';
import { markedParts } from '../../web/src/lib/leads/marked-parts.ts';
import { describe, expect, it } from 'vitest';
import type { Issue, Progress } from '../../src/shared/progress.ts';
import { manifestHash, type Manifest } from '../../src/shared/manifest.ts';
import type { Problem } from '../../packages/client/src/exchange.ts';
import { can, type Ability, type Role } from '../../src/shared/roles.ts';
import {
  allowedControls,
  announcementFor,
  overallPercent,
  percentOf,
} from '../../web/src/lib/sync/progress-view.ts';
import { matchesActivation, mergeActivations } from '../../web/src/lib/activations/merge-activations.ts';
import type { Answer } from '../../web/src/lib/api/client.ts';
import { describeRefusal } from '../../web/src/lib/ui/describe-refusal.ts';
import {
  audienceOf,
  isCountExact,
  nothing,
  pageState,
  selectAll,
  selectedCount,
  setSelected,
} from '../../web/src/lib/leads/selection.ts';
import { holdTo, startActivation } from '../../web/src/lib/leads/activate/start-request.ts';
import { changeLeadView, leadViewQuery, parseLeadView } from '../../web/src/lib/leads/view.ts';
import { issueText, retryOf } from '../../web/src/lib/activations/page/issues.ts';
import { homeOf, neededFor } from '../../web/src/lib/shell/pages.ts';
import { formatDuration } from '../../web/src/lib/messages/format.ts';
import { activationMessages } from '../../web/src/lib/messages/activation.ts';
import { shellMessages } from '../../web/src/lib/messages/shell.ts';
import { stateMessages } from '../../web/src/lib/messages/states.ts';
import { progressOf } from '../support/progress.ts';

const sessionId = 'activation_1704123456789_a7bc3d2f1';

const run = (change: Partial<Progress> = {}): Progress => progressOf({ total: 100, ...change });

it('a percentage is 100 only when all is done', () => {
  expect(percentOf(49_999, 50_000)).toBe(99);
  expect(percentOf(50_000, 50_000)).toBe(100);
  expect(percentOf(0, 0)).toBe(100);
});

describe('the percentage in the title', () => {
  it('weights activations by their leads and leaves out ended ones', () => {
    expect(
      overallPercent([
        run({ total: 900, processed: 90 }),
        run({ total: 100, processed: 100 }),
        run({ total: 5_000, processed: 5_000, finishedAt: 1 }),
      ]),
    ).toBe(19);
  });

  it('is absent when no activation runs', () => {
    expect(overallPercent([run({ finishedAt: 1 })])).toBeNull();
    expect(overallPercent([])).toBeNull();
  });
});

describe('announcements', () => {
  it('come at the quarters and at changes of state only', () => {
    const heard: string[] = [];
    let previous: Progress | null = null;
    for (let processed = 0; processed <= 100; processed += 1) {
      const next: Progress = run({
        processed,
        ...(processed === 100 ? { state: 'completed' as const, finishedAt: 1 } : {}),
      });
      const announcement = announcementFor(previous, next);
      if (announcement !== null) heard.push([...announcement.percents, announcement.state ?? ''].join(' '));
      previous = next;
    }
    expect(heard).toEqual(['0 ', '25 ', '50 ', '75 ', '100 completed']);
  });

  it('include every quarter when several are crossed at once, and a pause that comes with one', () => {
    expect(announcementFor(run({ processed: 10 }), run({ processed: 80 }))).toEqual({
      percents: [25, 50, 75],
      state: null,
    });
    expect(
      announcementFor(run({ processed: 49 }), run({ processed: 50, state: 'paused', reason: 'user' })),
    ).toEqual({ percents: [50], state: 'paused' });
  });

  it('report a catch-up in one sentence', () => {
    const { change } = shellMessages.announce;
    // English is correct with and without the second comma.
    expect(change('March', ['25 %', '50 %', '75 %'], null)).toMatch(/^March: 25 %, 50 %,? and 75 % done$/);
    expect(change('March', ['100 %'], 'Completed')).toBe('March: 100 % done, Completed');
    expect(change('March', [], 'Paused')).toBe('March: Paused');
  });

  it('do not mention an activation that had ended when the page was opened', () => {
    expect(announcementFor(null, run({ state: 'completed', finishedAt: 1 }))).toBeNull();
  });
});

describe('what a person may do', () => {
  it.each<[Role, string]>([
    ['viewer', '/activations'],
    ['operator', '/leads'],
    ['approver', '/leads'],
    ['admin', '/leads'],
  ])('begins for a %s at %s', (role, home) => {
    expect(homeOf((ability) => can(role, ability))).toBe(home);
  });

  it.each<[string, Ability | null]>([
    ['/leads/7', 'readLeads'],
    ['/activations/activation_1704123456789_a7bc3d2f1', 'watch'],
    ['/templates/welcome', 'watch'],
    ['/templates/new', 'editTemplates'],
    ['/suppressions', 'suppress'],
    ['/approvals', 'approve'],
    ['/', null],
  ])('at %s needs %s', (path, needed) => {
    expect(neededFor(path)).toBe(needed);
  });
});

describe('controls', () => {
  it.each<[string, Partial<Progress>, string[]]>([
    ['a running run', {}, ['pause', 'cancel']],
    ['a scheduled run', { state: 'scheduled' }, ['cancel', 'startNow', 'reschedule', 'erase']],
    ['one that waits for an approval', { state: 'awaiting_approval' }, ['cancel', 'reschedule', 'erase']],
    [
      'a run whose time was missed',
      { state: 'paused', reason: 'schedule_missed' },
      ['cancel', 'startNow', 'reschedule', 'erase'],
    ],
    ['a paused run', { state: 'paused', reason: 'user' }, ['resume', 'cancel', 'erase']],
    [
      'an activation that is being cancelled',
      { state: 'cancelled', email: { ...run().email, failed: 3 } },
      [],
    ],
    ['an ended activation', { state: 'completed', finishedAt: 1 }, ['erase']],
    [
      'an ended activation with failures',
      { state: 'completed', finishedAt: 1, email: { ...run().email, failed: 3, unknown: 2 } },
      ['retryFailed', 'retryUnknown', 'assumeSent', 'erase'],
    ],
    [
      'an ended activation with mail that the provider can be asked about',
      { state: 'cancelled', finishedAt: 1, email: { ...run().email, unknown: 2 }, checkableUntil: 11 },
      ['retryUnknown', 'check', 'assumeSent', 'erase'],
    ],
    [
      'an activation whose keys have expired',
      { state: 'cancelled', finishedAt: 1, email: { ...run().email, unknown: 2 }, checkableUntil: 10 },
      ['retryUnknown', 'assumeSent', 'erase'],
    ],
  ])('of %s are those that the server accepts', (_what, change, allowed) => {
    const controls = allowedControls(run(change), 10);
    expect(
      Object.entries(controls)
        .filter(([, may]) => may)
        .map(([name]) => name),
    ).toEqual(allowed);
  });
});

describe('the history', () => {
  it('has the newer view of each activation, and the newest activation first', () => {
    const early = run({
      sessionId: 'activation_1704123456788_a7bc3d2f1',
      createdAt: 1,
      rev: 9,
      processed: 9,
    });
    const late = run({ createdAt: 2, rev: 1 });
    const stale = { ...early, rev: 3, processed: 3 };
    expect(mergeActivations([early], [stale, late]).map((it) => [it.createdAt, it.rev])).toEqual([
      [2, 1],
      [1, 9],
    ]);
  });

  it('is searched by every word of name, person and state', () => {
    const march = run({ state: 'paused' });
    expect(matchesActivation(march, ' march ANA paused ')).toBe(true);
    expect(matchesActivation(march, 'march completed')).toBe(false);
  });
});

describe('the choice of leads', () => {
  it('keeps ids over pages', () => {
    const chosen = setSelected(setSelected(nothing, [3, 1], true), [2], true);
    expect(audienceOf(setSelected(chosen, [1], false))).toEqual({ leadIds: [2, 3] });
  });

  it('represents all matches by the filter itself, minus exclusions', () => {
    const all = selectAll({ status: 'new' }, 1_000_000);
    const but = setSelected(all, [7, 5], false);
    expect(selectedCount(but)).toBe(999_998);
    expect(audienceOf(but)).toEqual({ filter: { status: 'new' }, excludedIds: [5, 7] });
    expect(audienceOf(setSelected(but, [5, 7], true))).toEqual({ filter: { status: 'new' } });
  });

  it('is never empty when only some of the matches were counted', () => {
    const all = selectAll({}, 2, false);
    expect(isCountExact(all)).toBe(false);
    const but = setSelected(all, [1, 2, 3], false);
    expect(selectedCount(but)).toBe(1);
    expect(audienceOf(but)).toEqual({ filter: {}, excludedIds: [1, 2, 3] });
    expect(isCountExact(setSelected(nothing, [1], true))).toBe(true);
  });

  it('is no audience when nobody is left', () => {
    expect(audienceOf(nothing)).toBeNull();
    expect(audienceOf(setSelected(selectAll({}, 1), [9], false))).toBeNull();
  });

  it('shows a page as all, some or none', () => {
    const chosen = setSelected(nothing, [1, 2], true);
    expect([
      pageState(chosen, [1, 2]),
      pageState(chosen, [2, 3]),
      pageState(chosen, [3]),
      pageState(chosen, []),
    ]).toEqual(['all', 'some', 'none', 'none']);
  });
});

describe('the matches of a search', () => {
  it('are highlighted in the text, and no text is lost', () => {
    const words = (ranges: [number, number][]): string[] =>
      markedParts('www.example.com', ranges).map(({ text, isMarked }) => (isMarked ? `[${text}]` : text));
    expect(words([])).toEqual(['www.example.com']);
    expect(words([[4, 11]])).toEqual(['www.', '[example]', '.com']);
    expect(
      words([
        [0, 3],
        [4, 15],
      ]),
    ).toEqual(['[www]', '.', '[example.com]']);
    expect(markedParts('', [])).toEqual([]);
  });
});

describe('a filter in words', () => {
  it.each([
    [{ filter: { search: 'example.com' }, excludedIds: [1, 2] }, '404 leads matching "example.com", minus 2'],
    [{ filter: {} }, 'All 402 leads'],
    [{ filter: { status: 'new', source: 'Fair' } }, '402 leads with status New, source "Fair"'],
    [
      { filter: { search: 'ann', stage: '' }, excludedIds: [7] },
      '403 leads matching "ann", stage "", minus 1',
    ],
    [{ leadIds: [1] }, null],
  ] as const)('%j', (audience, words) => {
    expect(describeAudience(audience as Audience, 402)).toBe(words);
  });
});

describe('the view in the URL', () => {
  it('is restored from its own query', () => {
    const view = {
      search: 'ana m',
      status: 'new' as const,
      sort: 'company' as const,
      limit: 100,
      cursor: 'x/y=',
      source: ['Fair & Co', 'Webinar'],
      stage: ['New Lead'],
      consentSource: [],
      tag: ['VIP', 'fair, 2026'],
      externalSource: [],
      importId: 'import_1',
      createdWithin: null,
      createdFrom: 1_700_000_000_000,
      createdTo: null,
      activatedWithin: 7,
      activatedFrom: null,
      activatedTo: 1_800_000_000_000,
      notMailedWithin: 30,
      notMailedSince: null,
    };
    expect(parseLeadView(new URLSearchParams(leadViewQuery(view)))).toEqual(view);
  });

  it('has the defaults when the link is mistyped', () => {
    const view = parseLeadView(new URLSearchParams('status=gone&sort=__proto__&limit=1e9'));
    expect(leadViewQuery(view)).toBe('');
  });

  it('begins at the first page when the filter changes', () => {
    const view = parseLeadView(new URLSearchParams('cursor=abc'));
    expect(changeLeadView(view, { status: 'active' }).cursor).toBeNull();
  });
});

describe('a start that is held to its manifest', () => {
  const request = { sessionId, name: 'Fair', audience: { leadIds: [1] }, templateId: 'welcome' };
  const manifest = { version: 1, when: { schedule: null, window: null } } as unknown as Manifest;

  it('carries what the person looked at', async () => {
    const hash = await manifestHash(manifest);
    expect(await holdTo(request, { manifest, hash })).toEqual({ ...request, manifestHash: hash, manifest });
    expect(await holdTo(request, null)).toEqual(request);
  });

  it('carries what it says of its time too', async () => {
    const window = { zone: 'UTC', days: [1 as const], from: '09:00', until: '17:00' };
    const timed = { ...request, window };
    const held = await holdTo(timed, { manifest, hash: 'of what the preview had' });
    expect(held.manifest?.['when']).toEqual({ schedule: null, window });
    expect(held.manifestHash).toBe(await manifestHash(held.manifest ?? {}));
  });
});

describe('a start over a bad network', () => {
  const request = { sessionId, audience: { leadIds: [1] }, templateId: 'welcome' };
  const problem = (status: number): Answer<Progress> => ({
    ok: false,
    refusal: {
      kind: 'problem',
      problem: {
        type: '',
        title: 'No.',
        status,
        code: 'unavailable',
        detail: '',
        instance: '',
        requestId: '',
      },
    },
  });
  const lost: Answer<Progress> = { ok: false, refusal: { kind: 'unreachable' } };

  async function attempt(
    answers: Answer<Progress>[],
  ): Promise<{ kind: string; ids: string[]; waits: number[] }> {
    const ids: string[] = [];
    const waits: number[] = [];
    const outcome = await startActivation(
      request,
      (sent) => {
        ids.push(sent.sessionId);
        return Promise.resolve(answers[ids.length - 1] ?? lost);
      },
      (delayMs) => {
        waits.push(delayMs);
        return Promise.resolve();
      },
      () => undefined,
    );
    return { kind: outcome.kind, ids, waits };
  }

  it('repeats the request for the same session until it is answered', async () => {
    const { kind, ids } = await attempt([lost, problem(503), { ok: true, value: run() }]);
    expect(kind).toBe('started');
    expect(ids).toEqual([sessionId, sessionId, sessionId]);
  });

  it('stops at a definite refusal', async () => {
    expect(await attempt([problem(422)])).toEqual({ kind: 'refused', ids: [sessionId], waits: [] });
  });

  it('keeps the request until after the sign-in, because an earlier attempt may have been accepted', async () => {
    const signedOut: Answer<Progress> = { ok: false, refusal: { kind: 'signed_out' } };
    const { kind, ids } = await attempt([lost, signedOut]);
    expect(kind).toBe('unreachable');
    expect(ids).toHaveLength(2);
  });

  it('asks the person after some tries', async () => {
    const { kind, waits } = await attempt([]);
    expect(kind).toBe('unreachable');
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000]);
  });
});

describe('words', () => {
  const unfit: Omit<Problem, 'detail'> = {
    type: 'about:blank',
    title: 'The request does not fit its schema.',
    status: 422,
    code: 'invalid_request',
    instance: '',
    requestId: 'req_1',
  };

  it('describe a refusal in sentences, with each fault and its place', () => {
    const refused = {
      ...unfit,
      detail: 'One field is wrong.',
      errors: [{ path: '/name', message: 'is too long' }],
    };
    expect(describeRefusal({ kind: 'problem', problem: refused })).toEqual({
      title: 'The request does not fit its schema.',
      lines: ['One field is wrong.', '/name: is too long'],
    });
  });

  it('are only the sentence of a refusal that is about no field of the request', () => {
    const refused = { ...unfit, detail: 'HubSpot has no field “jobtitle”. Choose one that it has.' };
    expect(describeRefusal({ kind: 'problem', problem: refused })).toEqual({
      title: 'HubSpot has no field “jobtitle”. Choose one that it has.',
      lines: [],
    });
  });

  it('give durations in their two largest units', () => {
    expect([0, 900, 59_000, 60_000, 3_725_000, 90_061_000].map(formatDuration)).toEqual([
      '0 s',
      '1 s',
      '59 s',
      '1 min',
      '1 h 2 min',
      '1 d 1 h',
    ]);
  });
});

describe('the issues of an activation', () => {
  const issue = (change: Partial<Issue>): Issue => ({
    track: 'email',
    state: 'failed',
    code: 'http_422',
    message: 'The address was refused',
    count: 3,
    ...change,
  });
  const skipped = issue({ track: 'activation', state: 'skipped', code: 'invalid_address', message: '' });

  it('say in words why leads were left out, and count those without a known reason', () => {
    expect(issueText(issue({}))).toBe('The address was refused');
    expect(issueText(skipped)).toBe(stateMessages.skipReasons.invalid_address);
    expect(issueText(issue({ state: 'unknown', message: '' }))).toBe(
      activationMessages.issueWithoutWords.unknown,
    );
  });

  it('can be retried alone only when that affects no other lead', () => {
    const failed = issue({});
    const unknown = issue({ state: 'unknown' });
    const notActivated = issue({ track: 'activation' });
    const alone = [failed, unknown, notActivated, skipped];
    expect(alone.map((one) => retryOf(one, alone))).toEqual(['retryFailed', 'retryUnknown', null, null]);
    const two = [failed, issue({ code: 'erased', message: 'Erased' }), unknown];
    expect(two.map((one) => retryOf(one, two))).toEqual([null, null, 'retryUnknown']);
  });
});
