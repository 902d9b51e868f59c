/**
 * Waves: which leads are in which one, when a limit holds, when a watch ends, and what a person may do.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestWaitMs, setBack } from '../../src/core/clock.ts';
import { noCounts } from '../../src/core/batch/batch.ts';
import { freezeAudience } from '../../src/core/schedule/begin.ts';
import { waitForWindow } from '../../src/core/schedule/window.ts';
import { decideCommand, type Command } from '../../src/core/session/command.ts';
import { manifestDifferences } from '../../src/core/session/manifest.ts';
import { toProgress } from '../../src/core/session/progress-view.ts';
import { receiptContent } from '../../src/core/session/receipt.ts';
import { applyCounts, newSession, workMode, type Session } from '../../src/core/session/session.ts';
import { refuseTakeBack } from '../../src/core/session/take-back.ts';
import { eventsBetween } from '../../src/core/session/timeline.ts';
import { nextDayAt, wavesFault } from '../../src/core/session/wave-plan.ts';
import { gateAt, presentWave } from '../../src/core/session/wave-gate.ts';
import {
  beginWatch,
  countDeliveriesInWaves,
  countInWave,
  hasLeadsToPlan,
  holdBrokenWave,
  judgeWave,
  maxLateWatchMs,
  openInWave,
  passGate,
  planLeads,
  roomInWave,
  waveIndexOf,
} from '../../src/core/session/waves.ts';
import { nextWakeAt } from '../../src/core/session/wake.ts';
import type { Manifest } from '../../src/shared/manifest.ts';
import { isWindowOpen } from '../../src/shared/schedule/sending-window.ts';
import { defaultWaveLimits, waveSizes, type WavePlan } from '../../src/shared/waves.ts';
import { specOf } from '../support/batches.ts';
import { seededRandom } from '../support/random.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** Tuesday, 9:00 in Berlin. */
const nowMs = Date.parse('2026-12-01T08:00Z');
const both = ['bounced', 'complained'] as const;
const nothingOpen = (): boolean => false;

const small: WavePlan = {
  sizes: [{ leads: 50 }, { percent: 10 }],
  watchMinutes: 60,
  limits: defaultWaveLimits,
};
const daily: WavePlan = {
  perDay: { leads: 100, at: '09:00', zone: 'Europe/Berlin' },
  watchMinutes: 30,
  limits: defaultWaveLimits,
};

function running(waves: WavePlan, total: number, change: Partial<Session['spec']> = {}): Session {
  const session = newSession({ ...specOf(total, 100), createdAt: nowMs, waves, ...change });
  return { ...session, state: 'running', startedAt: nowMs };
}

/** Plans up to so many leads, as the planner does: their ids are 1, 2, … */
function plan(session: Session, limit: number, at = nowMs): Session {
  const { afterLeadId } = session.plan;
  const count = Math.min(limit, roomInWave(session) ?? Infinity, session.total - afterLeadId);
  const leadIds = Array.from({ length: count }, (_, index) => afterLeadId + index + 1);
  return planLeads(session, { leadIds, done: afterLeadId + count >= session.total }, at);
}

/** Counts mails of planned leads as the settling of a batch does. */
function settle(
  session: Session,
  counts: { sent?: number; failed?: number; refused?: number },
  leadId = presentWave(session)!.afterLeadId + 1,
  at = nowMs,
): Session {
  const { sent = 0, failed = 0, refused = 0 } = counts;
  const delta = { ...noCounts, activated: sent + failed, sent, failed, refused };
  return holdBrokenWave(countInWave(applyCounts(session, at, delta), leadId, delta), at);
}

const report = (
  session: Session,
  leadId: number,
  change: { delivered?: number; bounced?: number; complained?: number },
): Session =>
  holdBrokenWave(
    countDeliveriesInWaves(
      session,
      new Map([
        [waveIndexOf(session.waves!, leadId), { delivered: 0, bounced: 0, complained: 0, ...change }],
      ]),
    ),
    nowMs,
  );

/** The session in the watch behind its first wave. */
function watched(
  waves: WavePlan,
  total: number,
  reported: readonly ('bounced' | 'complained')[] = both,
): Session {
  const planned = plan(running(waves, total), 5_000);
  const size = presentWave(planned)!.plannedCount;
  return beginWatch(settle(planned, { sent: size }), reported, nowMs);
}

const command = (session: Session, wanted: Command, at = nowMs) => decideCommand(session, wanted, at);
const goOn = (after: number, hold?: number): Command => ({
  ...{ kind: 'nextWave', after, by: 'ana@example.com' },
  ...(hold === undefined ? {} : { hold }),
});

function changed(session: Session, wanted: Command, at = nowMs): Session {
  const decision = command(session, wanted, at);
  if (decision.kind !== 'changed') throw new Error(JSON.stringify(decision));
  return decision.session;
}

const wakeAt = (session: Session, change: { isWorkDue?: boolean; nextAttemptAt?: number } = {}, at = nowMs) =>
  nextWakeAt(
    {
      ...{ session, isWorkDue: hasLeadsToPlan(session), nextAttemptAt: null, keyDiesAt: null },
      ...{ isRecorded: true, retentionAt: null, ...change },
    },
    at,
  );

describe('the sizes of waves', () => {
  it('add up to the audience, and are the plan as far as it goes', () => {
    const size = fc.oneof(
      fc.record({ leads: fc.integer({ min: 1, max: 5_000 }) }),
      fc.record({ percent: fc.double({ min: 0.01, max: 99.99, noNaN: true }) }),
    );
    fc.assert(
      fc.property(
        fc.array(size, { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 50_000 }),
        (list, total) => {
          const plan: WavePlan = { ...small, sizes: list };
          const sizes = waveSizes(plan, total);
          expect(sizes.reduce((sum, leads) => sum + leads, 0)).toBe(total);
          expect(Math.min(...sizes)).toBeGreaterThan(0);
          // A plan that is not refused has all of its waves and a rest.
          if (wavesFault(plan, total) === null) expect(sizes).toHaveLength(list.length + 1);
        },
      ),
    );
  });

  it('are 50, a tenth and the rest', () => {
    expect(waveSizes(small, 100_000)).toEqual([50, 10_000, 89_950]);
    expect(waveSizes(daily, 250)).toEqual([100, 100, 50]);
    expect(waveSizes(daily, 6_000)).toEqual(Array.from({ length: 60 }, () => 100));
    // One that has grown until its start has as many leads a day, and a list that is no longer.
    expect(waveSizes(daily, 9_000)).toHaveLength(60);
  });

  it('are refused where nothing is left for the rest, where there are too many, and in an unknown zone', () => {
    expect(wavesFault(small, 57)).toBeNull();
    expect(wavesFault(small, 56)).toMatchObject({ code: 'waves_do_not_add_up' });
    expect(wavesFault({ ...small, sizes: [{ leads: 50 }] }, 50)).toMatchObject({
      code: 'waves_do_not_add_up',
    });
    expect(wavesFault({ ...small, sizes: [{ percent: 60 }, { percent: 40 }] }, 1_000)).toMatchObject({
      code: 'waves_do_not_add_up',
      detail: expect.stringContaining('1000') as string,
    });
    expect(wavesFault(daily, 6_000)).toBeNull();
    expect(wavesFault(daily, 6_001)).toMatchObject({
      code: 'waves_do_not_add_up',
      detail: expect.stringContaining('at least 101 a day') as string,
    });
    const elsewhere: WavePlan = { ...small, perDay: { leads: 9, at: '09:00', zone: 'Mars/Base' } };
    expect(wavesFault(elsewhere, 10)).toMatchObject({ code: 'unknown_zone' });
  });

  it('are found anew, once, when a scheduled audience is frozen at its start', () => {
    const frozen = freezeAudience(running(small, 1_000), { maxLeadId: 500, total: 500, revision: 1 }, nowMs);
    expect(frozen.waves?.sizes).toEqual([50, 50, 400]);
    const none = freezeAudience(running(small, 1_000), { maxLeadId: 30, total: 30, revision: 1 }, nowMs);
    expect(none.waves?.sizes).toEqual([30]);
  });
});

describe('the members of a wave', () => {
  it('are the same in whatever pages they are planned, and nothing is planned beyond an open gate', () => {
    const ends = (pageSizes: readonly number[]): number[] => {
      let session = running(small, 1_000);
      for (let page = 0; !session.plan.isDone; page++) {
        if (!hasLeadsToPlan(session)) {
          expect(plan(session, 5_000).plan.afterLeadId).toBe(session.plan.afterLeadId);
          const open = openInWave(session);
          session = passGate(
            beginWatch(settle(session, { sent: open }), both, nowMs),
            nowMs + 60 * minuteMs,
            nothingOpen,
          );
        }
        session = plan(session, pageSizes[page % pageSizes.length] ?? 1);
      }
      return session.waves!.begun.map(({ lastLeadId }) => lastLeadId ?? -1);
    };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 9 }), (pages) => {
        expect(ends(pages)).toEqual([50, 150, 1_000]);
      }),
    );
  });

  it('name the wave of each lead by its id alone', () => {
    const second = plan(passGate(watched(small, 1_000), nowMs + 60 * minuteMs, nothingOpen), 100);
    expect([1, 50, 51, 150].map((leadId) => waveIndexOf(second.waves!, leadId))).toEqual([0, 0, 1, 1]);
  });

  it('end with the audience where that has fewer leads than were counted', () => {
    const session = planLeads(running(small, 1_000), { leadIds: [3, 9], done: true }, nowMs);
    expect(session.plan.isDone).toBe(true);
    expect(presentWave(session)).toMatchObject({ lastLeadId: 9, plannedCount: 2 });
    expect(toProgress(session, nowMs).waves).toHaveLength(1);
  });
});

describe('a limit', () => {
  const planned = plan(running(small, 1_000), 5_000);
  const sent = settle(planned, { sent: 50 });

  it('is not broken by one event, nor by what is within it', () => {
    expect(report(sent, 1, { complained: 1 }).state).toBe('running');
    expect(report(sent, 1, { bounced: 2 }).state).toBe('running');
  });

  it('holds the wave with the figure when it is broken', () => {
    const held = report(sent, 1, { bounced: 3 });
    expect(held).toMatchObject({ state: 'wave_held', generation: sent.generation + 1 });
    expect(held.waves?.held).toEqual({
      ...{ hold: 1, number: 1, figure: 'bounced', count: 3, of: 50 },
      ...{ percent: 6, limitPercent: 4, at: nowMs },
    });
    expect(held.lastError).toBe('Wave 1 is held: 3 of 50 emails bounced (6 %); the limit is 4 %.');
    expect(workMode(held, nowMs)).toBe('none');
    expect(wakeAt(held)).toBeNull();
    expect(toProgress(held, nowMs)).toMatchObject({
      waveHeld: { count: 3 },
      waves: [{ state: 'held', bounced: 3 }, {}, {}],
    });
    expect(report(sent, 1, { complained: 2 }).waves?.held).toMatchObject({ figure: 'complained' });
  });

  it('of 0 is broken by one event, and of 100 by none', () => {
    const strict: WavePlan = {
      ...small,
      limits: { ...defaultWaveLimits, complainedPercent: 0, bouncedPercent: 100 },
    };
    const all = settle(plan(running(strict, 1_000), 5_000), { sent: 50 });
    expect(report(all, 1, { complained: 1 }).state).toBe('wave_held');
    expect(report(all, 1, { bounced: 50 }).state).toBe('running');
  });

  it('judges a small wave as if it had as many mails as the plan says', () => {
    const ten: WavePlan = {
      ...small,
      sizes: [{ leads: 10 }],
      limits: { ...defaultWaveLimits, minMails: 50 },
    };
    const all = settle(plan(running(ten, 1_000), 5_000), { sent: 10 });
    expect(report(all, 1, { bounced: 2 }).state).toBe('running');
    expect(report(all, 1, { bounced: 3 }).state).toBe('wave_held');
  });

  it('of failed mail and of CRM errors holds too', () => {
    expect(settle(planned, { sent: 46, failed: 4 }).waves?.held).toMatchObject({
      figure: 'failed',
      count: 4,
      of: 50,
    });
    expect(settle(planned, { sent: 46, refused: 4 }).waves?.held).toMatchObject({
      figure: 'crmErrors',
      of: 50,
    });
  });

  it('holds in the middle of a wave only what the mails to come cannot mend', () => {
    const large: WavePlan = { ...small, sizes: [{ leads: 500 }] };
    const begun = settle(plan(running(large, 1_000), 5_000), { sent: 100 });
    // 20 of 500 are within 4 %.
    expect(report(begun, 1, { bounced: 20 }).state).toBe('running');
    expect(report(begun, 1, { bounced: 21 })).toMatchObject({
      state: 'wave_held',
      waves: { held: { of: 100 } },
    });
  });

  it('is judged by what is known of a wave that is being sent: late reports do not make a rate look good', () => {
    const large: WavePlan = { ...small, sizes: [{ leads: 50_000 }] };
    const sentMany = settle(plan(running(large, 100_000), 5_000), { sent: 5_000 });
    expect(report(sentMany, 1, { delivered: 580, bounced: 20 }).state).toBe('running');
    expect(report(sentMany, 1, { delivered: 575, bounced: 25 }).waves?.held).toMatchObject({
      of: 600,
      percent: 4.17,
    });
    // Where no delivery is reported, all that was sent counts.
    expect(report(sentMany, 1, { bounced: 200 }).state).toBe('running');
    expect(report(sentMany, 1, { bounced: 201 }).state).toBe('wave_held');
  });

  it('never holds what has nothing left', () => {
    const last = settle(plan(running(small, 1_000), 5_000), { sent: 50 });
    const ended = planLeads(last, { leadIds: [], done: true }, nowMs);
    expect(report(ended, 1, { bounced: 50 }).state).toBe('running');
  });

  it('counts late events for the wave of their lead and not for a later one', () => {
    const second = settle(plan(passGate(watched(small, 1_000), nowMs + 60 * minuteMs, nothingOpen), 5_000), {
      sent: 100,
    });
    const late = report(second, 50, { bounced: 40 });
    expect(late.state).toBe('running');
    expect(toProgress(late, nowMs).waves).toMatchObject([{ bounced: 40 }, { bounced: 0 }, {}]);
    expect(report(second, 51, { bounced: 5 }).state).toBe('wave_held');
    // A repeat of a failed mail of the first wave is counted there.
    expect(toProgress(settle(second, { failed: 9 }, 1), nowMs).waves?.[0]).toMatchObject({ failed: 9 });
  });

  it('holds 100,000 leads of which 8 % bounce after at most 1,500 mails, also where bounces come late', () => {
    for (const waves of [
      small,
      { ...small, sizes: [{ percent: 50 }] },
      { ...daily, perDay: { ...daily.perDay, leads: 20_000 } },
    ] as WavePlan[]) {
      for (let seed = 1; seed <= 40; seed++) {
        const random = seededRandom(seed);
        let session = running(waves, 100_000);
        let mailCount = 0;
        let at = nowMs;
        /** Bounces are reported eight batches later. */
        const onTheirWay: { leadId: number; bounced: number; delivered: number }[] = [];
        while (session.state === 'running') {
          if (hasLeadsToPlan(session)) {
            const leadId = session.plan.afterLeadId + 1;
            const before = session.plan.plannedCount;
            session = plan(session, 100, at);
            const sent = session.plan.plannedCount - before;
            mailCount += sent;
            session = settle(session, { sent }, leadId, at);
            let bounced = 0;
            for (let mail = 0; mail < sent; mail++) if (random() < 0.08) bounced++;
            onTheirWay.push({ leadId, bounced, delivered: sent - bounced });
          } else {
            session = beginWatch(session, both, at);
            for (const { leadId, ...told } of onTheirWay.splice(0)) session = report(session, leadId, told);
            at = gateAt(session) ?? at;
            session = passGate(session, at, nothingOpen);
          }
          const due = onTheirWay.length > 8 ? onTheirWay.shift() : undefined;
          if (due !== undefined) session = report(session, due.leadId, due);
        }
        expect(session.state).toBe('wave_held');
        expect(mailCount).toBeLessThanOrEqual(1_500);
      }
    }
  });
});

describe('a watch', () => {
  const session = watched(small, 1_000);

  it('begins when all mail of the wave is settled, and says so', () => {
    expect(gateAt(session)).toBe(nowMs + 60 * minuteMs);
    const view = toProgress(session, nowMs + 5 * minuteMs);
    expect(view).toMatchObject({
      ...{ state: 'running', stalledSince: null, waitingUntil: nowMs + 60 * minuteMs },
      waitingFor: { kind: 'wave', since: nowMs },
      waves: [
        { number: 1, size: 50, state: 'watching', sent: 50, watchUntil: nowMs + 60 * minuteMs },
        { state: 'planned', size: 100 },
        { size: 850 },
      ],
    });
    expect(toProgress(session, nowMs + 5 * minuteMs).stalledSince).toBeNull();
  });

  it('wakes the session once, at its end', () => {
    expect(wakeAt(session)).toBe(nowMs + 60 * minuteMs);
    expect(nowMs + longestWaitMs(session, nowMs)).toBe(nowMs + 60 * minuteMs);
    // Mail that a person has repeated is sent meanwhile; behind its end the gate waits for it.
    expect(wakeAt(session, { nextAttemptAt: nowMs + 5 })).toBe(nowMs + 5);
    const endAt = nowMs + 60 * minuteMs;
    expect(wakeAt(session, { nextAttemptAt: endAt + 9 }, endAt)).toBe(endAt + 9);
  });

  it('ends by itself where the limits were held, and the next wave begins behind its last lead', () => {
    expect(passGate(session, nowMs + 60 * minuteMs - 1, nothingOpen)).toBe(session);
    const next = passGate(session, nowMs + 60 * minuteMs, nothingOpen);
    expect(next).toMatchObject({
      state: 'running',
      waves: {
        begun: [
          { passedBy: null, lastLeadId: 50 },
          { number: 2, afterLeadId: 50 },
        ],
      },
    });
    expect(hasLeadsToPlan(next)).toBe(true);
    expect(roomInWave(next)).toBe(100);
  });

  it('does not end while mail of its wave is open again', () => {
    expect(passGate(session, nowMs + 61 * minuteMs, () => true)).toBe(session);
  });

  it('is not waited for where the provider reports nothing, and progress says so', () => {
    const unreported = watched(small, 1_000, []);
    expect(gateAt(unreported)).toBe(nowMs);
    expect(toProgress(unreported, nowMs).waves?.[0]).toMatchObject({
      notReported: ['bounced', 'complained'],
    });
    const half = watched(small, 1_000, ['bounced']);
    expect(gateAt(half)).toBe(nowMs + 60 * minuteMs);
    expect(toProgress(half, nowMs).waves?.[0]?.notReported).toEqual(['complained']);
  });

  it('goes on while the session is paused, and nothing begins before it is resumed', () => {
    const paused = changed(session, { kind: 'pause' });
    const endAt = nowMs + 3 * 60 * minuteMs;
    expect(passGate(paused, endAt, nothingOpen)).toBe(paused);
    expect(command(paused, goOn(1))).toMatchObject({ kind: 'refused' });
    const resumed = changed(paused, { kind: 'resume' }, endAt);
    expect(presentWave(passGate(resumed, endAt + 1, nothingOpen))?.number).toBe(2);
    const bad = report(paused, 1, { bounced: 9 });
    expect(bad.state).toBe('paused');
    expect(passGate(changed(bad, { kind: 'resume' }, endAt), endAt, nothingOpen).state).toBe('wave_held');
  });

  it('ends in an outage too: the provider is asked with mail of the next wave, not before, and not again and again', () => {
    const probeAt = nowMs + minuteMs;
    const away: Session = { ...session, state: 'paused', reason: 'mail_unreachable', probeAt };
    const endAt = nowMs + 60 * minuteMs;
    expect(wakeAt(away)).toBe(endAt);
    expect(presentWave(passGate(away, endAt - 1, nothingOpen))?.number).toBe(1);
    const next = passGate(away, endAt, nothingOpen);
    expect(next).toMatchObject({ state: 'paused', reason: 'mail_unreachable', probeAt });
    expect(presentWave(next)?.number).toBe(2);
    expect(hasLeadsToPlan(next)).toBe(true);
    expect(workMode(next, endAt)).toBe('probe');
    // What breaks a limit is asked about all the same.
    expect(report(away, 1, { bounced: 9 })).toMatchObject({ state: 'wave_held', probeAt: null });
  });

  it('lasts as long after the clock was set back', () => {
    const backMs = 7 * dayMs;
    const moved = setBack(session, nowMs - backMs, backMs, false);
    expect(gateAt(moved)).toBe(nowMs - backMs + 60 * minuteMs);
  });

  it('is begun once more, and only once, where its end was noticed long after it', () => {
    const lateMs = nowMs + 60 * minuteMs + maxLateWatchMs + 1;
    const again = passGate(session, lateMs, nothingOpen);
    expect(presentWave(again)).toMatchObject({ number: 1, watchUntil: lateMs + 60 * minuteMs });
    expect(presentWave(passGate(again, lateMs + 2 * dayMs, nothingOpen))?.number).toBe(2);
  });

  it('is read while the sending window is closed; the next wave then waits for the window', () => {
    const window = { zone: 'Europe/Berlin', days: [1 as const], from: '09:00', until: '10:00' };
    const closed: Session = { ...session, spec: { ...session.spec, window } };
    expect(isWindowOpen(window, nowMs)).toBe(false);
    expect(wakeAt(closed)).toBe(nowMs + 60 * minuteMs);
    expect(waitForWindow(closed, nowMs)).toBe(closed);
    const next = passGate(closed, nowMs + 60 * minuteMs, nothingOpen);
    expect(workMode(next, nowMs + 60 * minuteMs)).toBe('none');
    expect(toProgress(next, nowMs + 60 * minuteMs).waitingFor?.kind).toBe('window');
  });

  it('is a part of the estimate', () => {
    const paced: Session = {
      ...session,
      waves: { ...session.waves!, begun: [{ ...presentWave(session)!, startedAt: nowMs - 10_000 }] },
    };
    // 950 leads at 5 a second, 50 minutes of this watch and an hour after the second wave.
    expect(toProgress(paced, nowMs + 10 * minuteMs).etaSeconds).toBe(190 + 50 * 60 + 3_600);
  });
});

describe('a daily plan', () => {
  it('begins its next wave at the hour of a later day, by the clock of its zone', () => {
    const at = (text: string): number => Date.parse(text);
    const clock = { at: '09:00', zone: 'Europe/Berlin' };
    expect(nextDayAt(clock, at('2026-12-01T08:00Z'))).toBe(at('2026-12-02T08:00Z'));
    // Before the hour of the same day: it is a later day all the same.
    expect(nextDayAt(clock, at('2026-12-01T03:00Z'))).toBe(at('2026-12-02T08:00Z'));
    // 23:30 in Berlin.
    expect(nextDayAt(clock, at('2026-12-01T22:30Z'))).toBe(at('2026-12-02T08:00Z'));
    // The clocks change in the night.
    expect(nextDayAt(clock, at('2026-03-28T10:00Z'))).toBe(at('2026-03-29T07:00Z'));
  });

  it('waits for the day where that comes after the watch, also where nothing is reported', () => {
    for (const reported of [both, []]) {
      const session = watched(daily, 250, reported);
      expect(gateAt(session)).toBe(nowMs + dayMs);
      expect(passGate(session, nowMs + dayMs - 1, nothingOpen)).toBe(session);
      expect(presentWave(passGate(session, nowMs + dayMs, nothingOpen))).toMatchObject({
        number: 2,
        afterLeadId: 100,
      });
    }
  });

  it('never has more than its leads in one day', () => {
    let session = running(daily, 250);
    const byDay = new Map<number, number>();
    for (let at = nowMs; !session.plan.isDone; at += 10 * minuteMs) {
      session = passGate(session, at, nothingOpen);
      if (!hasLeadsToPlan(session)) continue;
      const before = session.plan.plannedCount;
      session = plan(session, 5_000, at);
      const sent = session.plan.plannedCount - before;
      const day = Math.floor(at / dayMs);
      byDay.set(day, (byDay.get(day) ?? 0) + sent);
      session = beginWatch(settle(session, { sent }), both, at);
    }
    expect([...byDay.values()]).toEqual([100, 100, 50]);
  });
});

describe('a person', () => {
  const all = settle(plan(running(small, 1_000), 5_000), { sent: 50 });
  const heldAfter = report(beginWatch(all, both, nowMs), 1, { bounced: 9 });
  const large: WavePlan = { ...small, sizes: [{ leads: 500 }] };
  const heldWithin = report(settle(plan(running(large, 1_000), 5_000), { sent: 100 }), 1, { bounced: 30 });

  it('goes on after a wave that is held: the next one begins, and it is known who did it', () => {
    const next = changed(heldAfter, goOn(1));
    expect(next).toMatchObject({
      state: 'running',
      lastError: null,
      waves: { held: null, begun: [{ passedBy: 'ana@example.com' }, { number: 2 }] },
    });
    expect(eventsBetween(heldAfter, next, 'ana@example.com')).toMatchObject([
      { kind: 'wave_passed', by: 'ana@example.com', count: 1 },
    ]);
    // What was seen does not pause it by the guard either.
    expect(next.acknowledged.bounced).toBe(next.bounced);
  });

  it('goes on in the middle of a wave: its rest is judged by what comes from then on', () => {
    const on = changed(heldWithin, goOn(1));
    expect(presentWave(on)).toMatchObject({ number: 1, passedBy: 'ana@example.com' });
    expect(holdBrokenWave(on, nowMs)).toBe(on);
    // 400 more may bounce within 4 %.
    const rest = settle(on, { sent: 400 });
    expect(report(rest, 1, { bounced: 16 }).state).toBe('running');
    expect(report(rest, 1, { bounced: 17 }).waves?.held).toMatchObject({ count: 17, of: 400 });
    const end = beginWatch(rest, both, nowMs);
    expect(gateAt(end)).toBe(nowMs + 60 * minuteMs);
    // When it has ended by itself, it is still known.
    const next = passGate(end, nowMs + 60 * minuteMs, nothingOpen);
    expect(next.waves?.begun[0]?.passedBy).toBe('ana@example.com');
    expect(eventsBetween(end, next, null)).toEqual([]);
  });

  it('ends a watch early, and says it again without passing a second wave', () => {
    const next = changed(watched(small, 1_000), goOn(1));
    expect(presentWave(next)?.number).toBe(2);
    expect(command(next, goOn(1))).toEqual({ kind: 'unchanged' });
    const second = beginWatch(settle(plan(next, 5_000), { sent: 100 }), both, nowMs);
    expect(command(second, goOn(1))).toEqual({ kind: 'unchanged' });
    expect(command(changed(heldWithin, goOn(1)), goOn(1))).toEqual({ kind: 'unchanged' });
  });

  it('goes on from the hold that was seen, and from none that came later', () => {
    const once = goOn(1, 1);
    const on = changed(heldWithin, once);
    expect(command(on, once)).toEqual({ kind: 'unchanged' });
    // More bounces hold the same wave once more: the repeat that is still on its way must not release that.
    const again = report(settle(on, { sent: 400 }), 1, { bounced: 17 });
    expect(again.waves).toMatchObject({ held: { number: 1, hold: 2 }, begun: { length: 1 } });
    expect(command(again, once)).toEqual({ kind: 'unchanged' });
    expect(changed(again, goOn(1, 2)).state).toBe('running');
    expect(command(again, goOn(1, 3)).kind).toBe('refused');
    // A client of before names the wave only.
    expect(changed(again, goOn(1)).state).toBe('running');
    // Nor does a repeat end the watch behind.
    const watching = beginWatch(settle(on, { sent: 400 }), both, nowMs);
    expect(command(watching, once)).toEqual({ kind: 'unchanged' });
    expect(presentWave(changed(watching, goOn(1, 0)))?.number).toBe(2);
  });

  it('does not release a hold by ending a watch that it has interrupted', () => {
    const decision = command(heldAfter, goOn(1, 0));
    expect(decision).toMatchObject({ kind: 'refused', detail: expect.stringMatching(/held meanwhile/) });
  });

  it('is refused where there is nothing to go on from', () => {
    const refused = (session: Session, wanted: Command): string => {
      const decision = command(session, wanted);
      return decision.kind === 'refused' ? decision.detail : decision.kind;
    };
    expect(refused(newSession(specOf(5)), goOn(1))).toMatch(/no waves/);
    expect(refused(all, goOn(1))).toMatch(/not settled/);
    expect(refused(heldAfter, goOn(2))).toMatch(/Wave 1 is the present one/);
    expect(refused(changed(heldAfter, { kind: 'cancel' }), goOn(1))).toMatch(/no wave follows/);
    expect(refused(heldAfter, { kind: 'resume' })).toMatch(/Go on with the next wave/);
    expect(refused(heldAfter, { kind: 'pause' })).toMatch(/Go on with the next wave/);
  });

  it('cancels a held one; before that it cannot be taken back', () => {
    const days = { takeBackDays: 30, retentionDays: 90 };
    expect(refuseTakeBack(heldAfter, days, nowMs)).toMatchObject({ code: 'session_not_ended' });
    const cancelled = changed(heldAfter, { kind: 'cancel' });
    expect(cancelled).toMatchObject({ state: 'cancelled', plan: { isDone: true, unlistedCount: 950 } });
    expect(toProgress(cancelled, nowMs).waveHeld).toBeUndefined();
    expect(holdBrokenWave(cancelled, nowMs)).toBe(cancelled);
  });

  it('repeats failed mail of a held one, which stays held', () => {
    const held = settle(plan(running(small, 1_000), 5_000), { sent: 40, failed: 10 });
    expect(held.state).toBe('wave_held');
    expect(changed(held, { kind: 'retry', outcome: 'failed' }).state).toBe('wave_held');
  });
});

describe('waves are told', () => {
  it('in the timeline: when each begins, and why one is held', () => {
    const before = running(small, 1_000);
    const begun = plan(before, 5_000);
    expect(eventsBetween(before, begun, null)).toMatchObject([{ kind: 'wave_started', count: 1 }]);
    const sent = settle(begun, { sent: 50 });
    const held = report(sent, 1, { bounced: 9 });
    expect(eventsBetween(sent, held, null)).toMatchObject([
      { kind: 'wave_held', count: 1, message: held.lastError },
    ]);
  });

  it('in the receipt, with their members and who went on', () => {
    const next = changed(watched(small, 1_000), goOn(1));
    const content = receiptContent({ ...next, finishedAt: nowMs }, 'hash');
    expect(content.start).toMatchObject({ waves: small });
    expect(content.waves).toMatchObject([
      { number: 1, afterLeadId: 0, lastLeadId: 50, leads: 50, sent: 50, passedBy: 'ana@example.com' },
      { number: 2, leads: 0 },
    ]);
  });

  it('in the difference of two manifests', () => {
    const made = { when: { schedule: null, window: null, waves: small } } as unknown as Manifest;
    const [difference] = manifestDifferences({ when: { schedule: null, window: null, waves: null } }, made);
    expect(difference?.message).toContain('50 leads, then 10 %, then the rest');
    const days = { when: { ...made.when, waves: daily } } as unknown as Manifest;
    expect(manifestDifferences({ ...made }, days)[0]?.message).toContain('100 a day at “09:00”');
  });

  it('nowhere in a session without waves', () => {
    const plain = newSession(specOf(5));
    expect(toProgress(plain, nowMs)).not.toHaveProperty('waves');
    expect(judgeWave(plain, nowMs)).toBeNull();
    expect(hasLeadsToPlan(plain)).toBe(true);
    expect(countInWave(plain, 1, noCounts)).toBe(plain);
    expect(receiptContent(plain, 'hash')).not.toHaveProperty('waves');
  });
});
