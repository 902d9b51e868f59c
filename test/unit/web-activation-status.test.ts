/** One honest story: where an activation is, told the same on every screen, what blocks it first. */
import { describe, expect, it } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import type { SendingWindow } from '../../src/shared/schedule/sending-window.ts';
import {
  leftText,
  lineText,
  statusOf,
  timeLeft,
  untouchedCount,
} from '../../web/src/lib/activations/status.ts';
import { countWaiting } from '../../web/src/lib/activations/approval/count-waiting.ts';
import { isInView } from '../../web/src/lib/activations/merge-activations.ts';
import { proofOf } from '../../web/src/lib/activations/page/proof.ts';
import {
  filterOfIssue,
  parseResultFilter,
  resultHref,
} from '../../web/src/lib/activations/page/result-filter.ts';
import { inTrackerOrder, rateOf, sessionPercent } from '../../web/src/lib/sync/progress-view.ts';
import { progressOf } from '../support/progress.ts';

const startAt = Date.parse('2026-12-01T08:00Z');
const schedule = { at: '2026-12-01T09:00', zone: 'Europe/Berlin', freezeAt: 'scheduling', startAt } as const;
const window: SendingWindow = { zone: 'Europe/Berlin', days: [1, 2, 3, 4, 5], from: '09:00', until: '17:00' };
const noMail = progressOf().email;
const of250 = (change: Partial<Progress> = {}): Progress =>
  progressOf({
    total: 250,
    processed: 250,
    activation: { activated: 250, skipped: 0, failed: 0 },
    email: { ...noMail, sent: 231, failed: 19 },
    state: 'completed',
    finishedAt: 100_000,
    ...change,
  });

describe('an activation that is over', () => {
  it('with failures is amber and says how many, and how many need attention', () => {
    const status = statusOf(of250(), 0);
    expect([status.tone, status.label, status.sentence]).toEqual([
      'warn',
      'Completed with 19 failures',
      '231 of 250 emails sent, 19 need attention',
    ]);
  });

  it('with nothing to look at is green', () => {
    const status = statusOf(of250({ email: { ...noMail, sent: 250 } }), 0);
    expect([status.tone, status.label, status.cause]).toEqual(['good', 'Completed', null]);
  });

  it('with unconfirmed emails is amber too', () => {
    const status = statusOf(of250({ email: { ...noMail, sent: 248, unknown: 2 } }), 0);
    expect([status.tone, status.label]).toEqual(['warn', 'Completed, 2 unconfirmed']);
  });

  it('names the skipped ones', () => {
    const progress = of250({
      total: 25,
      activation: { activated: 10, skipped: 15, failed: 0 },
      email: { ...noMail, sent: 10 },
    });
    expect(statusOf(progress, 0).sentence).toBe('10 of 10 emails sent, 15 skipped');
  });

  it('by a cancel shows what was done and not 100 %', () => {
    const progress = of250({
      state: 'cancelled',
      activation: { activated: 60, skipped: 190, failed: 0 },
      email: { ...noMail, sent: 60 },
    });
    expect(sessionPercent(progress)).toBe(24);
    expect(statusOf(progress, 0)).toMatchObject({
      tone: 'neutral',
      label: 'Cancelled',
      sentence: '60 of 250 emails sent before it was cancelled',
    });
  });
});

describe('an activation that is blocked', () => {
  it('by its key says that first, with the way to Settings', () => {
    const progress = progressOf({ state: 'paused', reason: 'mail_auth', lastError: 'API key is invalid' });
    const { tone, label, cause } = statusOf(progress, 0);
    expect([tone, label]).toEqual(['bad', 'Paused automatically']);
    expect(cause).toEqual({
      title: 'The provider rejected your API key',
      text: 'Fix it in Settings, then resume.',
      href: '/settings',
      detail: 'API key is invalid',
    });
  });

  it('by settings that changed says that, and not that a key is wrong', () => {
    const lastError = 'The mail provider was changed from resend to ses while this run was under way.';
    const { cause } = statusOf(progressOf({ state: 'paused', reason: 'mail_auth', lastError }), 0);
    expect([cause?.title, cause?.text]).toEqual(['The email settings changed', lastError]);
  });

  it('by a provider that is away counts down, in one state', () => {
    const progress = progressOf({
      state: 'paused',
      reason: 'mail_unreachable',
      waitingUntil: 24_000,
      lastError: 'connection was lost',
    });
    const { label, cause } = statusOf(progress, 0);
    expect(label).toBe('Retrying in 24 s');
    expect([cause?.title, cause?.detail]).toEqual(['Retrying in 24 s (provider unreachable)', null]);
    expect(statusOf(progress, 30_000).label).toBe('Retrying now');
  });

  it('by a rate limit counts down', () => {
    const progress = progressOf({ waitingFor: { kind: 'rate_limit', since: 0 }, waitingUntil: 12_000 });
    expect(statusOf(progress, 0).cause?.title).toBe('Waiting 12 s (provider rate limit)');
    expect(statusOf(progress, 11_500).label).toBe('Waiting 1 s');
  });

  it('by the warm-up of a domain says how much leaves today, and when it goes on', () => {
    const midnight = 86_400_000;
    const waiting = (allowance: number, goesOnAt: number | null) =>
      statusOf(
        progressOf({
          waitingFor: { kind: 'daily_cap', since: 0, warmUp: { domain: 'example.com', allowance, goesOnAt } },
          waitingUntil: midnight,
        }),
        1_000,
      );
    const { label, cause, tone } = waiting(360, midnight);
    expect([label, tone]).toEqual(['Warming up', 'accent']);
    expect(cause?.title).toBe('Warming up example.com: 360 emails today, goes on tomorrow at 00:00 UTC');
    expect(waiting(0, 2 * midnight).cause?.title).toMatch(
      /^Warming up example\.com: no emails today, goes on .*Jan.* at 00:00 UTC$/,
    );
    const stopped = waiting(0, null);
    expect([stopped.tone, stopped.cause?.href]).toEqual(['bad', '/settings#warm-up']);
  });

  it('without a known reason says for how long', () => {
    expect(statusOf(progressOf({ stalledSince: 10_000 }), 50_000).cause?.title).toBe('No progress for 40 s');
  });
});

describe('a pause', () => {
  const paused = progressOf({
    state: 'paused',
    reason: 'user',
    total: 50,
    activation: { activated: 35, skipped: 0, failed: 0 },
    email: { ...noMail, sent: 25 },
  });

  it('says what a resume would do', () => {
    expect(leftText(paused)).toBe('10 emails waiting, 15 leads still to activate');
    expect(untouchedCount(paused)).toBe(25);
  });

  it('is no fault', () => {
    expect(statusOf(paused, 0)).toMatchObject({ label: 'Paused', cause: null });
  });
});

describe('the line of an activation', () => {
  it('has its count and its time left, once', () => {
    const progress = progressOf({ processed: 20, etaSeconds: 12, ratePerSecond: 2.5 });
    expect(lineText(progress, 0)).toBe('20/50 · 12 s left');
    expect(timeLeft({ ...progress, state: 'paused' })).toBeNull();
  });

  it('has its end', () => {
    expect(lineText(of250(), 0)).toBe('Completed with 19 failures');
  });
});

describe('the rate', () => {
  it('is the present one while it moves, and the average once it is over', () => {
    expect(rateOf(progressOf({ ratePerSecond: 3.3 }))).toEqual({ perSecond: 3.3, isAverage: false });
    expect(rateOf(of250({ startedAt: 50_000 }))).toEqual({ perSecond: 5, isAverage: true });
  });

  it('is not what lies between two clicks: 50 leads in a second are no 50 per second', () => {
    expect(rateOf(of250({ startedAt: 99_000 }))).toBeNull();
    expect(rateOf(progressOf())).toBeNull();
  });

  it('counts no skipped leads', () => {
    const progress = of250({
      startedAt: 90_000,
      activation: { activated: 10, skipped: 240, failed: 0 },
      email: { ...noMail, sent: 10 },
    });
    expect(rateOf(progress)?.perSecond).toBe(1);
  });
});

it('the tracker has what moves first, then what has ended, then what waits for a person', () => {
  const view = (sessionId: string, progress: Progress | null) => ({ sessionId, progress });
  const ordered = inTrackerOrder([
    view('1', progressOf()),
    view('2', of250()),
    view('3', progressOf({ state: 'paused', reason: 'user' })),
    view('4', null),
    view('5', of250()),
  ]);
  expect(ordered.map(({ sessionId }) => sessionId).join('')).toBe('41523');
});

it('the parts of the list are what their names say', () => {
  const views = (progress: Progress): string[] =>
    (['open', 'scheduled', 'approval', 'attention', 'completed', 'cancelled'] as const).filter((view) =>
      isInView(progress, view),
    );
  expect(views(progressOf())).toEqual(['open']);
  expect(views(of250())).toEqual(['attention', 'completed']);
  expect(views(progressOf({ state: 'paused', reason: 'user' }))).toEqual(['open']);
  expect(views(progressOf({ state: 'scheduled', schedule }))).toEqual(['scheduled']);
  expect(views(progressOf({ state: 'awaiting_approval' }))).toEqual(['approval']);
  expect(views(progressOf({ waitingFor: { kind: 'window', since: 0 }, waitingUntil: 5, window }))).toEqual([
    'open',
    'scheduled',
  ]);
  expect(views(progressOf({ state: 'paused', reason: 'mail_auth' }))).toEqual(['open', 'attention']);
});

describe('the proof', () => {
  const retried = (count: number) => ({
    id: 1,
    kind: 'retried' as const,
    at: 0,
    until: 0,
    by: 'ana@example.com',
    reason: null,
    message: null,
    count,
  });

  it('adds up every result, also while it goes on', () => {
    const proof = proofOf(of250(), []);
    expect([proof.accounted, proof.lost, proof.retried]).toEqual([250, 0, 0]);
    expect(proof.parts).toEqual([
      { part: 'sent', count: 231 },
      { part: 'failed', count: 19 },
    ]);
    expect(proofOf(progressOf(), null)).toMatchObject({ accounted: 50, lost: 0 });
  });

  it('hides neither a lead without a result, nor what a person retried', () => {
    const proof = proofOf(of250({ total: 252 }), [retried(3)]);
    expect([proof.accounted, proof.lost, proof.retried]).toEqual([250, 2, 3]);
  });
});

describe('the leads of an issue', () => {
  it('are those of its state and code, in the address', () => {
    const filter = filterOfIssue({
      track: 'activation',
      state: 'skipped',
      code: 'invalid_address',
      message: '',
      count: 15,
    });
    expect(resultHref(filter)).toBe('?activation=skipped&code=invalid_address#leads');
    expect(parseResultFilter(new URLSearchParams('activation=skipped&code=invalid_address&email=x'))).toEqual(
      {
        activation: 'skipped',
        email: '',
        code: 'invalid_address',
      },
    );
    expect(
      filterOfIssue({ track: 'email', state: 'unknown', code: 'unknown', message: '', count: 1 }),
    ).toEqual({ email: 'unknown', code: 'unknown' });
  });
});

describe('the count of approvals', () => {
  const asked = (rev: number, change: Partial<Progress> = {}): Progress =>
    progressOf({
      sessionId: 'activation_1704123456789_aaaaaaaaa',
      state: 'awaiting_approval',
      rev,
      ...change,
    });
  const other = asked(1, { sessionId: 'activation_1704123456789_bbbbbbbbb' });
  const seen = (...views: Progress[]): Map<string, Progress> =>
    new Map(views.map((view) => [view.sessionId, view]));

  it('is without one that this tab has seen decided, whatever an older list says', () => {
    const listed = [asked(3), other];
    expect(countWaiting(listed, seen())).toBe(2);
    expect(countWaiting(listed, seen(asked(3)))).toBe(2);
    expect(countWaiting(listed, seen(asked(4, { state: 'running' })))).toBe(1);
    expect(countWaiting(listed, seen(asked(4, { state: 'cancelled' })))).toBe(1);
  });

  it('has one again that was asked for anew', () => {
    expect(countWaiting([asked(5)], seen(asked(4, { state: 'scheduled' })))).toBe(1);
  });
});
