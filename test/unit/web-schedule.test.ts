/** Start times and sending windows on screens: words, the calendar, and what the Activate dialog says is wrong. */
import { describe, expect, it } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import type { SendingWindow } from '../../src/shared/schedule/sending-window.ts';
import { agendaOf } from '../../web/src/lib/activations/agenda.ts';
import { statusOf } from '../../web/src/lib/activations/status.ts';
import { scheduledToast } from '../../web/src/lib/leads/activate/scheduled-toast.ts';
import { overallPercent } from '../../web/src/lib/sync/progress-view.ts';
import { timeText, windowText, zoneText } from '../../web/src/lib/timing/describe.ts';
import { progressOf } from '../support/progress.ts';

const dayMs = 86_400_000;
/** Tuesday, 9:00 in Berlin and 8:00 in London. */
const startAt = Date.parse('2026-12-01T08:00Z');
const zone = 'Europe/Berlin';
const schedule = { at: '2026-12-01T09:00', zone, freezeAt: 'scheduling', startAt } as const;
const workdays: SendingWindow = { zone, days: [1, 2, 3, 4, 5], from: '09:00', until: '17:00' };
const scheduled = (id: string, at: number, change: Partial<Progress> = {}): Progress =>
  progressOf({
    sessionId: id,
    state: 'scheduled',
    startedAt: null,
    schedule: { ...schedule, startAt: at },
    ...change,
  });

describe('in words', () => {
  it.each<[Partial<SendingWindow>, string]>([
    [{}, 'Mon–Fri, 09:00–17:00 Berlin time'],
    [{ days: [1, 3, 5] }, 'Mon, Wed, and Fri, 09:00–17:00 Berlin time'],
    [{ days: [6, 7], zone: 'UTC' }, 'Sat and Sun, 09:00–17:00 UTC'],
    [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', until: '24:00' }, 'Every day, all day Berlin time'],
  ])('a window %o is %s', (change, text) => {
    expect(windowText({ ...workdays, ...change })).toBe(text);
  });

  it('a time has the place whose clock is meant, unless it is the own clock that shows it', () => {
    const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
    expect(timeText(startAt, 'America/New_York')).toMatch(/New York time$/);
    expect(timeText(startAt, own)).not.toMatch(/time$/);
    expect(zoneText('America/Argentina/Buenos_Aires')).toBe('Buenos Aires time');
  });

  it('a scheduled activation says when it starts, and that nothing was sent', () => {
    const status = statusOf(scheduled('1', startAt, { total: 402 }), startAt - dayMs);
    expect(status.label).toMatch(/^Scheduled for .*Dec.*/);
    expect(status.sentence).toBe('402 leads selected, nothing has been sent');
    expect(status.isMoving).toBe(false);
    const late = scheduled('1', startAt, { total: 402, schedule: { ...schedule, freezeAt: 'start' } });
    expect(statusOf(late, 0).sentence).toBe('About 402 leads, nothing has been sent');
  });

  it('one that was missed says so, and that nothing was sent', () => {
    const status = statusOf(progressOf({ state: 'paused', reason: 'schedule_missed', schedule }), startAt);
    expect([status.tone, status.cause?.title]).toEqual(['bad', 'Its start time was missed']);
    expect(status.cause?.text).toContain('nothing was sent');
  });

  it('a closed window says when it opens', () => {
    const closed = progressOf({
      waitingFor: { kind: 'window', since: 0 },
      waitingUntil: startAt,
      window: workdays,
    });
    const { label, cause } = statusOf(closed, startAt - dayMs);
    expect(label).toBe('Outside its hours');
    expect(cause?.title).toMatch(/^Next window opens .*1.*/);
    expect(cause?.text).toContain('Mon–Fri, 09:00–17:00 Berlin time');
  });

  it('a toast tells of a start that is scheduled, and of no other', () => {
    expect(scheduledToast(progressOf())).toBeNull();
    expect(scheduledToast(scheduled('1', startAt))?.title).toBe('March sign-ups is scheduled');
  });
});

describe('the calendar', () => {
  const now = Date.parse('2026-11-30T10:00Z');

  it('has each day once, the soonest first, by the clock of the reader', () => {
    const days = agendaOf(
      [
        scheduled('3', Date.parse('2026-12-01T23:30Z')),
        scheduled('1', startAt),
        scheduled('0', Date.parse('2026-11-30T12:00Z')),
        progressOf({
          sessionId: '2',
          waitingFor: { kind: 'window', since: 0 },
          waitingUntil: startAt + 1,
          window: workdays,
        }),
        progressOf({ sessionId: '4' }),
        scheduled('5', startAt, { state: 'completed', finishedAt: 1 }),
      ],
      zone,
      now,
    );
    expect(
      days.map(({ offset, entries }) => [offset, entries.map(({ progress }) => progress.sessionId).join('')]),
    ).toEqual([
      [0, '0'],
      [1, '12'],
      // Half past midnight in Berlin.
      [2, '3'],
    ]);
  });

  it('keeps one whose time has just come on its day', () => {
    expect(agendaOf([scheduled('1', now - 1_000)], zone, now)[0]).toMatchObject({ offset: 0 });
  });
});

it('what is scheduled is not a part of the percentage in the title', () => {
  expect(overallPercent([scheduled('1', startAt)])).toBeNull();
  expect(overallPercent([scheduled('1', startAt), progressOf({ processed: 25 })])).toBe(50);
});
