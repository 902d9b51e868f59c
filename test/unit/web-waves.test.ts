/** Waves on the screens: each state says what goes on and what a person may do, and a manifest says the plan. */
import { describe, expect, it } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import { defaultWaveLimits, type WaveProgress } from '../../src/shared/waves.ts';
import { agendaOf } from '../../web/src/lib/activations/agenda.ts';
import { isInView } from '../../web/src/lib/activations/merge-activations.ts';
import { statusOf } from '../../web/src/lib/activations/status.ts';
import { seenWave } from '../../web/src/lib/activations/wave.ts';
import { allowedControls, inTrackerOrder } from '../../web/src/lib/sync/progress-view.ts';
import { manifestMessages } from '../../web/src/lib/messages/manifest.ts';
import { progressOf } from '../support/progress.ts';

const now = Date.parse('2026-12-01T08:00Z');
const waveOf = (change: Partial<WaveProgress> = {}): WaveProgress => ({
  number: 1,
  size: 50,
  state: 'sending',
  sent: 50,
  failed: 0,
  unknown: 0,
  skipped: 0,
  crmErrors: 0,
  delivered: 0,
  bounced: 0,
  complained: 0,
  startedAt: now,
  watchUntil: null,
  notReported: [],
  passedBy: null,
  ...change,
});
const second = waveOf({ number: 2, size: 178, state: 'planned', sent: 0, startedAt: null });
const heldOf = (change: Partial<WaveProgress> = {}): Progress =>
  progressOf({
    state: 'wave_held',
    waves: [waveOf({ state: 'held', bounced: 6, ...change }), second],
    waveHeld: {
      hold: 1,
      number: 1,
      figure: 'bounced',
      count: 6,
      of: 50,
      percent: 12,
      limitPercent: 4,
      at: now,
    },
  });
const watchedOf = (change: Partial<WaveProgress> = {}): Progress =>
  progressOf({
    state: 'running',
    waitingFor: { kind: 'wave', since: now },
    waitingUntil: now + 3_600_000,
    waves: [waveOf({ state: 'watching', watchUntil: now + 3_600_000, ...change }), second],
  });

describe('a wave that is held', () => {
  it('says the figure, its limit, and what going on would do', () => {
    const { tone, label, cause } = statusOf(heldOf(), now);
    expect([tone, label]).toEqual(['bad', 'Wave 1 held']);
    expect(cause).toMatchObject({
      title: 'Held: 6 of 50 emails bounced (12%, limit 4%)',
      text: 'No further email leaves. Go on to send wave 2 (178 leads), or cancel.',
    });
  });

  it('in its middle names the rest of it', () => {
    expect(statusOf(heldOf({ sent: 20 }), now).cause?.text).toBe(
      'No further email leaves. Go on to send the other 30 leads of wave 1, or cancel.',
    );
  });

  it('counts leads where the CRM refused them', () => {
    const held = heldOf();
    const waveHeld = { ...held.waveHeld!, figure: 'crmErrors' as const, percent: 12.24 };
    expect(statusOf({ ...held, waveHeld }, now).cause?.title).toBe(
      'Held: 6 of 50 leads not activated (12.24%, limit 4%)',
    );
  });

  it('needs attention, waits behind what moves, and can be gone on with, cancelled or erased', () => {
    expect(isInView(heldOf(), 'attention')).toBe(true);
    expect(isInView(heldOf(), 'scheduled')).toBe(false);
    const [first] = inTrackerOrder([
      { sessionId: '2', progress: heldOf() },
      { sessionId: '1', progress: progressOf({ state: 'running' }) },
    ]);
    expect(first?.sessionId).toBe('1');
    expect(seenWave(heldOf())).toEqual({ after: 1, hold: 1 });
    expect(allowedControls(heldOf(), now)).toMatchObject({
      nextWave: true,
      cancel: true,
      erase: true,
      pause: false,
      resume: false,
    });
  });
});

describe('a wave that is watched', () => {
  it('says when the next one begins, in the calendar too', () => {
    const { label, cause } = statusOf(watchedOf(), now);
    expect(label).toBe('Watching wave 1');
    expect(cause?.title).toMatch(/^Wave 2 begins /);
    expect(cause?.text).toContain('the figures of wave 1 are watched');
    expect(seenWave(watchedOf())).toEqual({ after: 1, hold: 0 });
    expect(isInView(watchedOf(), 'scheduled')).toBe(true);
    expect(agendaOf([watchedOf()], 'UTC', now)[0]?.entries[0]?.at).toBe(now + 3_600_000);
    expect(allowedControls(watchedOf(), now)).toMatchObject({ nextWave: true, pause: true });
  });

  it('is only waited for where the provider reports nothing', () => {
    const { label, cause } = statusOf(watchedOf({ notReported: ['bounced', 'complained'] }), now);
    expect([label, cause?.text]).toEqual(['Waiting for wave 2', 'It continues by itself.']);
  });
});

it('a running activation without a watch has nothing to go on with', () => {
  expect(allowedControls(progressOf({ state: 'running' }), now).nextWave).toBe(false);
});

it('the manifest says sizes, watch and limits', () => {
  const rules = { watchMinutes: 60, limits: defaultWaveLimits };
  expect(manifestMessages.waves({ sizes: [{ leads: 50 }, { percent: 10 }], ...rules }, '')).toBe(
    '50 leads, then 10%, then the rest; 1 h watch; held over 4% bounced, 0.1% marked as spam, 5% failed or 5% not activated, of at least 50 emails',
  );
  const perDay = { leads: 500, at: '09:00', zone: 'Europe/Berlin' };
  expect(manifestMessages.waves({ perDay, ...rules, watchMinutes: 0 }, 'Berlin time')).toMatch(
    /^500 leads a day, at 09:00 Berlin time; no watch; /,
  );
});
