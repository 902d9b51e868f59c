/**
 * Waves in the runtime: nothing leaves over its wave, the same waves have the same members after crashes, and a person is
 * asked where a limit is broken.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { presentWave } from '../../src/core/session/wave-gate.ts';
import { listOpenSessions } from '../../src/crm/activations.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { Manifest } from '../../src/shared/manifest.ts';
import { localTime } from '../../src/shared/schedule/zoned-time.ts';
import type { Timeline } from '../../src/shared/timeline.ts';
import type { WaveProgress } from '../../src/shared/waves.ts';
import { statuses } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import {
  command,
  drive,
  freshSessionId,
  look,
  readProgress,
  readRows,
  request,
  send,
  stubOf,
} from '../support/session-driver.ts';
import {
  accepted,
  expectSound,
  last,
  setUpSession,
  tearDownSession,
  type SessionSetup,
} from '../support/session-setup.ts';
import { tell } from '../support/webhook-sender.ts';

const leadCount = 60;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** 10, 30 and the rest; of so few mails, three bounces are too many. */
const plan = { sizes: [{ leads: 10 }, { percent: 50 }], watchMinutes: 60, limits: { minMails: 10 } };

let setup: SessionSetup;
/** When the mail to each lead left, by the driven clock. */
let leftAt: Map<number, number>;

beforeEach(async () => {
  setup = await setUpSession({ leadCount, batchSize: 4 });
  watchMails();
});
afterEach(tearDownSession);

function watchMails(): void {
  leftAt = new Map();
  const deliver = globalThis.fetch;
  vi.stubGlobal('fetch', async (...call: Parameters<typeof fetch>) => {
    const at = setup.clock.now();
    const answer = await deliver(...call);
    for (const { to } of setup.mail.mails) {
      const leadId = leadIdOf(to);
      if (!leftAt.has(leadId)) leftAt.set(leadId, at);
    }
    return answer;
  });
}

const leadIdOf = (address: string): number => Number(/\d+/.exec(address)?.[0]);
const mailed = (): number[] => setup.mail.mails.map(({ to }) => leadIdOf(to)).sort((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

async function start(body: object = { waves: plan }, sessionId = setup.sessionId): Promise<Progress> {
  const response = await send('POST', '/crm/activation', {
    ...{ sessionId, audience: { filter: {} }, templateId: 'welcome' },
    ...body,
  });
  expect(response.status, await response.clone().text()).toBe(201);
  return response.json();
}

const wave = (progress: Progress, number: number): WaveProgress => {
  const found = progress.waves?.[number - 1];
  if (found === undefined) throw new Error(`There is no wave ${number}.`);
  return found;
};
const isWave = (number: number, state: WaveProgress['state']) => (progress: Progress) =>
  progress.waves?.[number - 1]?.state === state;

/** Drives it until the wave is in this state. */
const driveTo = async (number: number, state: WaveProgress['state']): Promise<Progress> =>
  last(await drive(setup.sessionId, setup.clock, isWave(number, state)));

const bounce = (leadIds: readonly number[]): Promise<unknown> =>
  Promise.all(
    leadIds.map((leadId) =>
      tell({ type: 'email.bounced', sessionId: setup.sessionId, leadId, bounceType: 'Permanent' }),
    ),
  );

/** First and last lead of each wave. */
async function membersOf(sessionId: string): Promise<(readonly [number, number | null])[]> {
  const { session } = await readRows(sessionId);
  return (session.waves?.begun ?? []).map(({ afterLeadId, lastLeadId }) => [afterLeadId, lastLeadId]);
}

/** Fires the alarm that is due now, if any. */
const fire = (): Promise<unknown> => runDurableObjectAlarm(stubOf(setup.sessionId));

describe('waves', () => {
  it('leave one after the other, each behind the watch of the one before, and end with everybody', async () => {
    const { sessionId, mail, clock } = setup;
    expect(await start()).toMatchObject({
      waves: [
        { number: 1, size: 10, state: 'planned' },
        { number: 2, size: 30, state: 'planned' },
        { number: 3, size: 20, state: 'planned' },
      ],
    });
    const first = await driveTo(1, 'watching');
    expect(first).toMatchObject({ state: 'running', waitingFor: { kind: 'wave' }, stalledSince: null });
    expect(mailed()).toEqual(upTo(10));
    const endsAt = wave(first, 1).watchUntil ?? 0;
    expect((await look(sessionId))?.alarmAt).toBe(endsAt);
    // Nobody is set active before its wave.
    expect((await statuses(setup.db)).filter(({ status }) => status === 'active')).toHaveLength(10);

    const second = await driveTo(2, 'watching');
    expect(mailed()).toEqual(upTo(40));
    expect(
      Math.min(...[...leftAt].filter(([leadId]) => leadId > 10).map(([, at]) => at)),
    ).toBeGreaterThanOrEqual(endsAt);
    const secondEndsAt = wave(second, 2).watchUntil ?? 0;

    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    // Behind the last wave nothing is waited for.
    expect(clock.now() - secondEndsAt).toBeLessThan(10 * minuteMs);
    expect(ended.waves).toMatchObject([
      { state: 'passed', size: 10, sent: 10, passedBy: null },
      { state: 'passed', size: 30, sent: 30 },
      { state: 'passed', size: 20, sent: 20 },
    ]);
    expect(await membersOf(sessionId)).toEqual([
      [0, 10],
      [10, 40],
      [40, 60],
    ]);
    await expectSound(sessionId, mail);
    const { events, throughput } = await (
      await request(`/crm/activation/${sessionId}/timeline`)
    ).json<Timeline>();
    expect(events.filter(({ kind }) => kind === 'wave_started').map(({ count }) => count)).toEqual([1, 2, 3]);
    // Both ends of the hour behind a wave are points, so that no plot draws it as slow mail.
    for (const sent of [10, 40]) {
      const times = throughput.filter((point) => point.sent === sent).map(({ at }) => at);
      expect(Math.max(...times) - Math.min(...times), String(sent)).toBeGreaterThanOrEqual(hourMs);
    }
  });

  it('are a part of the manifest, with the values that the request leaves out', async () => {
    await start();
    const { manifest } = await (
      await request(`/crm/activation/${setup.sessionId}/manifest`)
    ).json<{ manifest: Manifest }>();
    expect(manifest.when.waves).toEqual({
      ...plan,
      limits: {
        bouncedPercent: 4,
        complainedPercent: 0.1,
        failedPercent: 5,
        crmErrorsPercent: 5,
        minMails: 10,
      },
    });
    const body = { audience: { filter: {} }, templateId: 'welcome' };
    const hashOf = async (waves?: object): Promise<string> => {
      const answer = await send(
        'POST',
        '/crm/activation/manifest',
        waves === undefined ? body : { ...body, waves },
      );
      return (await answer.json<{ hash: string }>()).hash;
    };
    const hashes = [await hashOf(), await hashOf(plan), await hashOf({ ...plan, watchMinutes: 61 })];
    expect(new Set(hashes).size).toBe(3);
    expect(await hashOf(plan)).toBe(hashes[1]);
  });

  it('that do not add up are refused with their code, and nothing is written', async () => {
    const refused = async (waves: unknown): Promise<string> => {
      const sessionId = freshSessionId();
      const answer = await send('POST', '/crm/activation', {
        ...{ sessionId, audience: { filter: {} }, templateId: 'welcome', waves },
      });
      expect(answer.status).toBe(422);
      expect((await request(`/crm/activation/${sessionId}/progress`)).status).toBe(404);
      return (await answer.json<{ code: string }>()).code;
    };
    expect(await refused({ sizes: [{ leads: 50 }, { percent: 20 }] })).toBe('waves_do_not_add_up');
    expect(await refused({ perDay: { leads: 0, at: '09:00', zone: 'UTC' } })).toBe('invalid_request');
    expect(await refused({ perDay: { leads: 1, at: '09:00', zone: 'Mars/Base' } })).toBe('unknown_zone');
    expect(await refused({ sizes: [] })).toBe('invalid_request');
    expect(await refused({ sizes: Array.from({ length: 11 }, () => ({ leads: 1 })) })).toBe('too_many_items');
    expect(await refused({ sizes: [{ leads: 5 }], perDay: { leads: 5, at: '09:00', zone: 'UTC' } })).toBe(
      'invalid_request',
    );
    expect(await refused({ sizes: [{ leads: 5 }], watchMinutes: -1 })).toBe('invalid_request');
    expect(setup.mail.mails).toEqual([]);
  });

  it('are not woken by the scheduled cleanup while they are watched', async () => {
    const { sessionId, clock, db } = setup;
    await start();
    const first = await driveTo(1, 'watching');
    const openIds = async (nowMs: number): Promise<string[]> =>
      (await listOpenSessions(db, { offset: 0, limit: 10, nowMs })).sessionIds;
    expect(await openIds(clock.now())).toEqual([]);
    expect(await openIds((wave(first, 1).watchUntil ?? 0) + 1)).toEqual([sessionId]);
    const { activations } = await (
      await request('/crm/activation?view=scheduled')
    ).json<{ activations: Progress[] }>();
    expect(activations).toMatchObject([{ sessionId, waitingFor: { kind: 'wave' } }]);
  });

  it('do not wait for what the provider does not report, and say so', async () => {
    const { sessionId, clock } = setup;
    hooks.env = { ...hooks.env, RESEND_WEBHOOK_SECRET: '' };
    const beganAt = clock.now();
    await start();
    const ended = last(await drive(sessionId, clock));
    expect(ended.email.sent).toBe(leadCount);
    expect(clock.now() - beganAt).toBeLessThan(10 * minuteMs);
    expect(wave(ended, 1).notReported).toEqual(['bounced', 'complained']);
  });

  it('of so many a day leave on days of their own, at the hour of their zone', async () => {
    const { sessionId, clock } = setup;
    const zone = 'Europe/Berlin';
    await start({ waves: { perDay: { leads: 25, at: '09:00', zone }, watchMinutes: 30 } });
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    const dayOf = (leadId: number): number => Math.floor(localTime(zone, leftAt.get(leadId) ?? 0) / dayMs);
    const byDay = Map.groupBy(mailed(), dayOf);
    expect([...byDay.values()].map((leads) => leads.length)).toEqual([25, 25, 10]);
    const hourOf = (leadId: number): number => (localTime(zone, leftAt.get(leadId) ?? 0) % dayMs) / hourMs;
    expect(hourOf(26)).toBeGreaterThanOrEqual(9);
    expect(hourOf(26)).toBeLessThan(9.1);
    expect(hourOf(51)).toBeLessThan(9.1);
  });

  it('that meet a closed window wait for it, and their watch goes on meanwhile', async () => {
    const { sessionId, clock } = setup;
    const zone = 'UTC';
    const hour = (at: number): string => `${String(new Date(at).getUTCHours()).padStart(2, '0')}:00`;
    // Open for the hours around now, and closed when the watch of three hours ends.
    const window = {
      ...{
        zone,
        days: [1, 2, 3, 4, 5, 6, 7],
        from: hour(clock.now()),
        until: hour(clock.now() + 2 * hourMs),
      },
    };
    await start({ window, waves: { ...plan, watchMinutes: 180 } });
    const first = await driveTo(1, 'watching');
    expect((await look(sessionId))?.alarmAt).toBe(wave(first, 1).watchUntil);
    const waiting = last(await drive(sessionId, clock, ({ waitingFor }) => waitingFor?.kind === 'window'));
    expect(waiting).toMatchObject({ waves: [{ state: 'passed' }, { state: 'planned' }, {}] });
    expect(mailed()).toEqual(upTo(10));
    await driveTo(2, 'watching');
    expect(mailed()).toEqual(upTo(40));
  });
});

describe('a wave whose mail bounces', () => {
  it('is held at once with the figure; nothing leaves until a person goes on, and then the rest does', async () => {
    const { sessionId, clock, mail } = setup;
    await start();
    await driveTo(1, 'watching');
    await bounce([1, 2]);
    const held = await readProgress(sessionId);
    expect(held).toMatchObject({
      state: 'wave_held',
      waitingUntil: null,
      waveHeld: { number: 1, figure: 'bounced', count: 2, of: 10, percent: 20, limitPercent: 4 },
      waves: [{ state: 'held', bounced: 2 }, { state: 'planned' }, {}],
      lastError: 'Wave 1 is held: 2 of 10 emails bounced (20 %); the limit is 4 %.',
    });
    await fire();
    await evictDurableObject(stubOf(sessionId));
    clock.advance(3 * dayMs);
    await fire();
    expect(await look(sessionId)).toMatchObject({ progress: { state: 'wave_held' }, alarmAt: null });
    expect(mailed()).toEqual(upTo(10));
    const { activations } = await (
      await request('/crm/activation?view=attention')
    ).json<{ activations: Progress[] }>();
    expect(activations.map((view) => view.sessionId)).toEqual([sessionId]);

    for (const name of ['pause', 'resume']) {
      const answer = await command(sessionId, name);
      expect(answer.status).toBe(409);
      expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('next wave') as string });
    }
    const on = await accepted(sessionId, 'next-wave', { after: 1 });
    expect(on).toMatchObject({
      state: 'running',
      waves: [{ state: 'passed', passedBy: expect.any(String) as string }, {}, {}],
    });
    // A repeat of the request does not pass a second wave.
    await driveTo(2, 'watching');
    expect(await accepted(sessionId, 'next-wave', { after: 1 })).toMatchObject({
      waves: [{}, { state: 'watching' }, {}],
    });
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount, bounced: 2 } });
    await expectSound(sessionId, mail);
  });

  it('late is counted for itself, and does not hold a later one', async () => {
    const { sessionId, clock } = setup;
    await start();
    await driveTo(1, 'watching');
    await driveTo(2, 'watching');
    await bounce([1, 2, 3, 4]);
    expect(await readProgress(sessionId)).toMatchObject({
      state: 'running',
      waves: [{ bounced: 4 }, { state: 'watching', bounced: 0 }, {}],
    });
    await bounce([11, 12]);
    expect(await readProgress(sessionId)).toMatchObject({
      state: 'wave_held',
      waveHeld: { number: 2, count: 2 },
    });
    await accepted(sessionId, 'next-wave', { after: 2 });
    expect(last(await drive(sessionId, clock)).email.bounced).toBe(6);
  });

  it('is held in its middle when nothing can mend it any more; its rest leaves when a person goes on', async () => {
    const { sessionId, clock, mail } = setup;
    // After the first call none is taken until it is held.
    let isFirst = true;
    mail.fault = ({ callCount }) =>
      callCount > 1 && isFirst
        ? { kind: 'answer', status: 429, headers: { 'retry-after': '60' } }
        : { kind: 'none' };
    await start({ waves: { ...plan, sizes: [{ leads: 40 }] } });
    const isHeld = ({ state }: Progress): boolean => state === 'wave_held';
    const held = last(
      await drive(sessionId, clock, isHeld, async () => {
        if (mail.mails.length > 0) await bounce(mailed().slice(0, 3));
      }),
    );
    // 1 of 40 is within 4 %.
    expect(held).toMatchObject({
      ...{ email: { sent: 4, bounced: 3 }, waveHeld: { number: 1, count: 3, of: 4, percent: 75 } },
      waves: [{ size: 40, state: 'held' }, {}],
    });
    isFirst = false;
    // Not for so long that the keys of what was refused expire.
    clock.advance(3 * hourMs);
    await fire();
    expect(mail.mails).toHaveLength(4);
    await accepted(sessionId, 'next-wave', { after: 1 });
    await driveTo(1, 'watching');
    expect(mailed()).toEqual(upTo(40));
    expect(last(await drive(sessionId, clock))).toMatchObject({
      state: 'completed',
      email: { sent: leadCount },
    });
    await expectSound(sessionId, mail);
  });

  it('can be cancelled, and its activation is taken back only then', async () => {
    const { sessionId, clock, db } = setup;
    await start();
    await driveTo(1, 'watching');
    await bounce([1, 2, 3]);
    const tooEarly = await send('POST', `/crm/activation/${sessionId}/take-back/manifest`, { choice: 'all' });
    expect([tooEarly.status, (await tooEarly.json<{ code: string }>()).code]).toEqual([
      409,
      'session_not_ended',
    ]);
    await accepted(sessionId, 'cancel');
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'cancelled', activation: { activated: 10, skipped: 50 } });
    expect(ended.waveHeld).toBeUndefined();
    expect((await statuses(db)).filter(({ status }) => status === 'active')).toHaveLength(10);
    const forecast = await send('POST', `/crm/activation/${sessionId}/take-back/manifest`, { choice: 'all' });
    expect(await forecast.json()).toMatchObject({ manifest: { reverted: { count: 10 } } });
    expect((await command(sessionId, 'next-wave', { after: 1 })).status).toBe(409);
  });
});

describe('a wave that fails', () => {
  it('is held by failed mail; mail that a person has repeated then belongs to it', async () => {
    const { sessionId, clock, mail } = setup;
    // Not the first ones: a provider that has taken nothing yet would pause the activation.
    for (const leadId of [7, 8, 9, 10]) mail.refused.add(`lead${leadId}@example.com`);
    await start();
    const held = await driveTo(1, 'held');
    // In its middle: of ten mails, two that have failed are too many whatever the others do.
    expect(held).toMatchObject({ waveHeld: { figure: 'failed', count: 2, of: 8 } });
    mail.refused.clear();
    expect(await accepted(sessionId, 'retry', { outcome: 'failed' })).toMatchObject({ state: 'wave_held' });
    await accepted(sessionId, 'next-wave', { after: 1 });
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({
      state: 'completed',
      waves: [{ sent: 10, failed: 0 }, { sent: 30 }, { sent: 20 }],
    });
    await expectSound(sessionId, mail);
  });
});

describe('a watch', () => {
  it('ends for a person before its time, and not twice', async () => {
    const { sessionId, clock } = setup;
    await start();
    const first = await driveTo(1, 'watching');
    await accepted(sessionId, 'next-wave', { after: 1 });
    await driveTo(2, 'watching');
    expect(clock.now()).toBeLessThan(wave(first, 1).watchUntil ?? 0);
    expect(mailed()).toEqual(upTo(40));
    const refused = await command(sessionId, 'next-wave', { after: 3 });
    expect([refused.status, (await refused.json<{ code: string }>()).code]).toEqual([
      409,
      'illegal_transition',
    ]);
  });

  it('goes on while the activation is paused; nothing leaves before it is resumed', async () => {
    const { sessionId, clock } = setup;
    await start();
    await driveTo(1, 'watching');
    await accepted(sessionId, 'pause');
    await fire();
    clock.advance(5 * hourMs);
    await fire();
    expect(mailed()).toEqual(upTo(10));
    expect((await command(sessionId, 'next-wave', { after: 1 })).status).toBe(409);
    await accepted(sessionId, 'resume');
    const resumedAt = clock.now();
    await driveTo(2, 'watching');
    expect(clock.now() - resumedAt).toBeLessThan(10 * minuteMs);
  });

  it('lasts as long when the clock is set back, and is not skipped when it is set forward', async () => {
    const { sessionId, clock } = setup;
    await start();
    const first = await driveTo(1, 'watching');
    const leftMs = (wave(first, 1).watchUntil ?? 0) - clock.now();
    clock.advance(-6 * hourMs);
    const back = await readProgress(sessionId);
    expect(Math.abs((wave(back, 1).watchUntil ?? 0) - clock.now() - leftMs)).toBeLessThan(5_000);
    clock.advance(2 * dayMs);
    await fire();
    expect(mailed()).toEqual(upTo(10));
    const again = await readProgress(sessionId);
    expect(again.waves).toMatchObject([{ state: 'watching' }, {}, {}]);
    expect(Math.abs((wave(again, 1).watchUntil ?? 0) - clock.now() - hourMs)).toBeLessThan(5_000);
    await driveTo(2, 'watching');
    expect(mailed()).toEqual(upTo(40));
  });
});

describe('a crash', () => {
  it('at any one verb of a slice leaves the same waves with the same members, and nothing leaves over its wave', async () => {
    const { clock, db } = setup;
    const audience = { leadIds: upTo(6) };
    const waves = { ...plan, sizes: [{ leads: 4 }] };
    hooks.env = { MAIL_BATCH_MAX: '3' };
    let crashCount = 0;
    for (let crashAt = 1; ; crashAt++) {
      await db.prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL").run();
      setup.mail = new FakeMailApi().install();
      setup.mail.now = () => clock.now();
      watchMails();
      let edge = 0;
      hooks.onVerb = () => ++edge === crashAt;
      const sessionId = freshSessionId();
      setup.sessionId = sessionId;
      await start({ audience, waves }, sessionId);
      let endsAt = Infinity;
      const views = await drive(sessionId, clock, undefined, async () => {
        const view = await look(sessionId);
        endsAt = view?.progress.waves?.[0]?.watchUntil ?? endsAt;
      });
      expect(last(views)).toMatchObject({ state: 'completed', email: { sent: 6, unknown: 0 } });
      expect(await membersOf(sessionId), `crash ${crashAt}`).toEqual([
        [0, 4],
        [4, 6],
      ]);
      const secondLeftAt = [...leftAt].filter(([leadId]) => leadId > 4).map(([, at]) => at);
      expect(Math.min(...secondLeftAt)).toBeGreaterThanOrEqual(endsAt);
      await expectSound(sessionId, setup.mail);
      if (edge < crashAt) break;
      crashCount++;
    }
    expect(crashCount).toBeGreaterThan(40);
  }, 300_000);

  it('that repeats, with lost answers and a person who pauses, keeps waves and members', async () => {
    const { clock, db } = setup;
    let crashCount = 0;
    for (let seed = 1; seed <= 4; seed++) {
      const random = seededRandom(seed);
      await db.prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL").run();
      setup.mail = new FakeMailApi().install();
      setup.mail.now = () => clock.now();
      setup.mail.fault = () =>
        random() < 0.1 ? { kind: random() < 0.5 ? 'loseAfter' : 'loseBefore' } : { kind: 'none' };
      watchMails();
      hooks.onVerb = () => {
        const dies = random() < 0.02;
        if (dies) crashCount++;
        return dies;
      };
      const sessionId = freshSessionId();
      setup.sessionId = sessionId;
      await start(undefined, sessionId);
      const watchedUntil = new Map<number, number>();
      const ended = last(
        await drive(sessionId, clock, undefined, async () => {
          for (const { number, watchUntil } of (await look(sessionId))?.progress.waves ?? [])
            if (watchUntil !== null) watchedUntil.set(number, watchUntil);
          if (random() >= 0.05) return;
          if ((await command(sessionId, 'pause').catch(() => null))?.status !== 200) return;
          clock.advance(random() * hourMs);
          await accepted(sessionId, 'resume');
        }),
      );
      expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount, unknown: 0 } });
      expect(await membersOf(sessionId), `seed ${seed}`).toEqual([
        [0, 10],
        [10, 40],
        [40, 60],
      ]);
      for (const [number, lastLeadId] of [
        [1, 10],
        [2, 40],
      ] as const) {
        const later = [...leftAt].filter(([leadId]) => leadId > lastLeadId).map(([, at]) => at);
        expect(Math.min(...later)).toBeGreaterThanOrEqual(watchedUntil.get(number) ?? Infinity);
      }
      await expectSound(sessionId, setup.mail);
    }
    expect(crashCount).toBeGreaterThan(5);
  }, 120_000);

  it('between two alarms changes nothing', async () => {
    const { sessionId, clock } = setup;
    await start();
    await drive(sessionId, clock, undefined, () => evictDurableObject(stubOf(sessionId)));
    expect(await membersOf(sessionId)).toEqual([
      [0, 10],
      [10, 40],
      [40, 60],
    ]);
  });
});

it('a session that was stored before there were waves is read as one without', async () => {
  const { sessionId, clock } = setup;
  await start({});
  await runInDurableObject(stubOf(sessionId), (_, { storage }) => {
    storage.sql.exec("UPDATE session SET extra = json_remove(extra, '$.waves')");
  });
  await evictDurableObject(stubOf(sessionId));
  expect(last(await drive(sessionId, clock))).toMatchObject({
    state: 'completed',
    email: { sent: leadCount },
  });
  const { session } = await readRows(sessionId);
  expect(presentWave(session)).toBeNull();
});
