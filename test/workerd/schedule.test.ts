/**
 * Scheduled sessions and sending windows in the runtime: nothing leaves before its time or outside of its hours.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sweep } from '../../src/worker/operations/scheduled-cleanup.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { SendingWindow } from '../../src/shared/schedule/sending-window.ts';
import { isWindowOpen } from '../../src/shared/schedule/sending-window.ts';
import {
  formatLocalTime,
  instantOf,
  isTimeZone,
  localTime,
  parseLocalTime,
} from '../../src/shared/schedule/zoned-time.ts';
import { addLeads } from '../support/crm-database.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  drive,
  freshSessionId,
  look,
  readProgress,
  readRows,
  send,
  sessionContent,
  stubOf,
} from '../support/session-driver.ts';
import {
  accepted,
  blankLeads,
  expectSound,
  last,
  setUpSession,
  tearDownSession,
  type SessionSetup,
} from '../support/session-setup.ts';

let setup: SessionSetup;
const leadCount = 300;
const hourMs = 3_600_000;
const dayMs = 86_400_000;
const minuteMs = 60_000;
const zone = 'Europe/Berlin';

/** When each call left: the mail API may read the clock when others have moved it on. */
let leftAt: number[] = [];

beforeEach(async () => {
  setup = await setUpSession({ leadCount });
  leftAt = [];
  const deliver = globalThis.fetch;
  vi.stubGlobal('fetch', (...call: Parameters<typeof fetch>) => {
    leftAt.push(setup.clock.now());
    return deliver(...call);
  });
});
afterEach(tearDownSession);

/** The local time so many ms ahead, in whole minutes, and its moment. The Worker has the real clock. */
function ahead(ms: number, now = setup.clock.now()): { at: string; startAt: number } {
  const at = formatLocalTime(localTime(zone, now + ms));
  return { at, startAt: instantOf(zone, parseLocalTime(at) ?? 0).at };
}

async function start(body: object): Promise<Response> {
  const { sessionId } = setup;
  return send('POST', '/crm/activation', {
    sessionId,
    audience: { filter: {} },
    templateId: 'welcome',
    ...body,
  });
}

async function scheduleAhead(ms: number, body: object = {}): Promise<number> {
  const { at, startAt } = ahead(ms);
  const response = await start({ schedule: { at, zone, freezeAt: 'scheduling' }, ...body });
  expect(response.status, await response.clone().text()).toBe(201);
  expect(await response.json()).toMatchObject({ state: 'scheduled', schedule: { at, zone, startAt } });
  return startAt;
}

const activeCount = async (): Promise<number> =>
  (await setup.db.prepare("SELECT count(*) AS n FROM leads WHERE status = 'active'").first<{ n: number }>())
    ?.n ?? -1;

const listed = async (view: string): Promise<string[]> => {
  const response = await send('GET', `/crm/activation?view=${view}`);
  const { activations } = await response.json<{ activations: Progress[] }>();
  return activations.map(({ sessionId }) => sessionId);
};

/** Fires the alarm that is due now, if any. */
const fire = (): Promise<unknown> => runDurableObjectAlarm(stubOf(setup.sessionId));

it('the runtime knows every time zone, and when their clocks change', () => {
  const zones = Intl.supportedValuesOf('timeZone');
  expect(zones.length).toBeGreaterThan(400);
  expect(zones.filter((name) => !isTimeZone(name))).toEqual([]);
  const noon = (text: string): number => instantOf(zone, parseLocalTime(text) ?? 0).at;
  expect(noon('2026-03-28T12:00')).toBe(Date.parse('2026-03-28T11:00Z'));
  expect(noon('2026-03-29T12:00')).toBe(Date.parse('2026-03-29T10:00Z'));
  expect(noon('2026-10-25T12:00')).toBe(Date.parse('2026-10-25T11:00Z'));
});

describe('a scheduled session', () => {
  it('touches nobody, wakes once weeks later, and sends then', async () => {
    const { sessionId, clock, mail } = setup;
    const startAt = await scheduleAhead(21 * dayMs);
    // The first alarm lists it; the next is the start.
    await fire();
    expect(await look(sessionId)).toMatchObject({ progress: { state: 'scheduled' }, alarmAt: startAt });
    expect(await listed('scheduled')).toEqual([sessionId]);
    expect(await listed('open')).toEqual([]);
    await evictDurableObject(stubOf(sessionId));
    clock.advance(startAt - minuteMs - clock.now());
    await fire();
    expect([mail.mails.length, await activeCount()]).toEqual([0, 0]);
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    expect(Math.min(...leftAt)).toBeGreaterThanOrEqual(startAt);
    await expectSound(sessionId, mail);
  });

  it('asks a person when its time was missed by more than an hour', async () => {
    const { sessionId, clock, mail } = setup;
    const startAt = await scheduleAhead(dayMs);
    await fire();
    clock.advance(startAt + hourMs + minuteMs - clock.now());
    await fire();
    expect(await readProgress(sessionId)).toMatchObject({ state: 'paused', reason: 'schedule_missed' });
    expect(await look(sessionId)).toMatchObject({ alarmAt: null });
    expect(await listed('attention')).toEqual([sessionId]);
    expect([mail.mails.length, await activeCount()]).toEqual([0, 0]);
    const { at } = ahead(dayMs);
    expect(await accepted(sessionId, 'schedule', { schedule: { at, zone } })).toMatchObject({
      state: 'scheduled',
      reason: null,
    });
    expect(last(await drive(sessionId, clock))).toMatchObject({
      state: 'completed',
      email: { sent: leadCount },
    });
  });

  it('starts now, after the time to undo', async () => {
    const { sessionId, clock, mail } = setup;
    hooks.env = { ...hooks.env, ACTIVATE_UNDO_SECONDS: '0' };
    await scheduleAhead(dayMs);
    expect(await accepted(sessionId, 'start-now')).toMatchObject({ state: 'queued' });
    // A repeat changes nothing.
    await accepted(sessionId, 'start-now');
    expect(last(await drive(sessionId, clock))).toMatchObject({
      state: 'completed',
      email: { sent: leadCount },
    });
    await expectSound(sessionId, mail);
  });

  it('is cancelled or erased before its time, and nobody was touched', async () => {
    const { clock, mail } = setup;
    await scheduleAhead(dayMs);
    await fire();
    await accepted(setup.sessionId, 'cancel');
    const ended = last(await drive(setup.sessionId, clock));
    expect(ended).toMatchObject({ state: 'cancelled', activation: { skipped: leadCount }, startedAt: null });
    setup.sessionId = freshSessionId();
    await scheduleAhead(dayMs);
    await fire();
    expect((await send('DELETE', `/crm/activation/${setup.sessionId}`)).status).toBe(204);
    expect(await listed('scheduled')).toEqual([]);
    expect([mail.mails.length, await activeCount()]).toEqual([0, 0]);
  });

  it('is for the leads that matched when it was scheduled, or for those that match at its start', async () => {
    const { db, clock, mail } = setup;
    await scheduleAhead(dayMs);
    const frozen = setup.sessionId;
    setup.sessionId = freshSessionId();
    const { at } = ahead(2 * dayMs);
    await start({ schedule: { at, zone, freezeAt: 'start' } });
    await addLeads(
      db,
      blankLeads(50).map((lead, index) => ({ ...lead, id: leadCount + 1 + index })),
    );
    expect(last(await drive(frozen, clock))).toMatchObject({ total: leadCount, email: { sent: leadCount } });
    const late = last(await drive(setup.sessionId, clock));
    expect(late).toMatchObject({
      total: leadCount + 50,
      email: { sent: 50 },
      activation: { skipped: leadCount },
    });
    expect((await readRows(setup.sessionId)).session.spec.schedule?.frozenAt).toBeDefined();
    expect(mail.mails).toHaveLength(leadCount + 50);
    await expectSound(setup.sessionId, mail);
  });

  it('ends with nobody when no lead matches at its start any more', async () => {
    const { db, sessionId, clock, mail } = setup;
    const { at } = ahead(dayMs);
    await start({ schedule: { at, zone, freezeAt: 'start' } });
    await db.prepare('DELETE FROM leads').run();
    expect(last(await drive(sessionId, clock))).toMatchObject({ state: 'completed', total: 0, processed: 0 });
    expect(mail.mails).toEqual([]);
  });

  it('is not called by the sweep before its time, and again when that has come', async () => {
    const { sessionId, clock } = setup;
    const startAt = await scheduleAhead(7 * dayMs);
    await fire();
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => storage.deleteAlarm());
    await sweep(env, () => clock.now());
    expect(await look(sessionId)).toMatchObject({ alarmAt: null });
    clock.advance(startAt + minuteMs - clock.now());
    await sweep(env, () => clock.now());
    expect((await look(sessionId))?.alarmAt).not.toBeNull();
  });

  it('is told from another start by its time, and found again by the same request', async () => {
    const { at } = ahead(dayMs);
    const schedule = { at, zone, freezeAt: 'scheduling' };
    expect((await start({ schedule })).status).toBe(201);
    expect((await start({ schedule })).status).toBe(200);
    expect((await start({})).status).toBe(409);
    // A copy of it has the same leads, whatever its times.
    await accepted(setup.sessionId, 'schedule', { window: workdays });
    const original = await send('GET', `/crm/activation/${setup.sessionId}/original`);
    expect(await original.json()).toMatchObject({ audience: { filter: {} } });
  });
});

const workdays: SendingWindow = { zone, days: [1, 2, 3, 4, 5], from: '09:00', until: '17:00' };

/** Hours around now, by the clock of the zone. */
function hoursFrom(beginMs: number, endMs: number): SendingWindow {
  const hour = (ms: number): string => formatLocalTime(localTime(zone, setup.clock.now() + ms)).slice(11);
  return { zone, days: [1, 2, 3, 4, 5, 6, 7], from: hour(beginMs), until: hour(endMs) };
}

/** One mail in each call, and a second for each. */
function callTakesASecond(): void {
  const { clock, mail } = setup;
  hooks.env = { ...hooks.env, MAIL_BATCH_MAX: '1' };
  mail.fault = () => {
    clock.advance(1_000);
    return { kind: 'none' };
  };
}

describe('a sending window', () => {
  it('that is closed holds everything back until it opens', async () => {
    const { sessionId, clock, mail } = setup;
    const window = hoursFrom(3 * hourMs, 5 * hourMs);
    expect((await start({ window })).status).toBe(201);
    await fire();
    const waiting = await look(sessionId);
    expect(waiting?.progress).toMatchObject({
      state: 'queued',
      waitingFor: { kind: 'window' },
      stalledSince: null,
    });
    const opensAt = waiting?.progress.waitingUntil ?? 0;
    expect(opensAt).toBeGreaterThan(clock.now() + 2 * hourMs);
    expect(waiting?.alarmAt).toBe(opensAt);
    expect(await listed('scheduled')).toEqual([sessionId]);
    expect(mail.mails).toEqual([]);
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    expect(leftAt.filter((time) => !isWindowOpen(window, time))).toEqual([]);
  });

  it('that closes stops what runs, gives its leads back, and goes on when it opens again', async () => {
    const { sessionId, clock, mail } = setup;
    callTakesASecond();
    // Three minutes long, of which one is over.
    const window = hoursFrom(-minuteMs, 2 * minuteMs);
    await start({ window });
    const views = await drive(sessionId, clock);
    const closed = views.find(({ waitingFor, email }) => waitingFor?.kind === 'window' && email.sent > 0);
    expect(closed?.email.sent).toBeGreaterThan(30);
    expect(closed?.email.sent).toBeLessThan(leadCount);
    expect(last(views)).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    expect(leftAt.filter((time) => !isWindowOpen(window, time))).toEqual([]);
    expect(new Set(leftAt.map((time) => Math.floor(time / dayMs))).size).toBeGreaterThan(1);
    await expectSound(sessionId, mail);
  });

  it('lets a check rest until it opens, and gives back what was set active before', async () => {
    const { sessionId, clock, mail } = setup;
    mail.fault = () => ({ kind: 'loseAfter' });
    const window = hoursFrom(-minuteMs, 2 * minuteMs);
    await start({ window });
    await drive(sessionId, clock, ({ reason }) => reason === 'mail_unreachable');
    await accepted(sessionId, 'pause');
    await runInDurableObject(stubOf(sessionId), (instance, { storage }) => {
      const store = instance.rows();
      // A person has mail checked when nothing may leave, and a flip that failed may have set leads active.
      store.transact(() => store.save({ ...store.session(), mayBeFlipped: true, isChecking: true }));
      storage.sql.exec("UPDATE batch SET retried = 'asked' WHERE state = 'waiting'");
    });
    await evictDurableObject(stubOf(sessionId));
    clock.advance(10 * minuteMs);
    expect(isWindowOpen(window, clock.now())).toBe(false);
    const views = await drive(sessionId, clock);
    expect(last(views)).toMatchObject({ state: 'completed', email: { unknown: leadCount } });
    // No wait is longer than an hour.
    expect(views.length).toBeLessThan(30);
    expect(leftAt.filter((time) => !isWindowOpen(window, time))).toEqual([]);
    expect((await readRows(sessionId)).session.mayBeFlipped).toBe(false);
    await expectSound(sessionId, mail);
  });

  it('leaves no lead active while it is closed that was not mailed', async () => {
    const { sessionId, clock, mail } = setup;
    callTakesASecond();
    await start({ window: hoursFrom(-minuteMs, minuteMs) });
    const isClosed = ({ waitingFor, email }: Progress): boolean =>
      waitingFor?.kind === 'window' && email.sent > 0;
    await drive(sessionId, clock, isClosed);
    expect(await activeCount()).toBe(mail.mails.length);
    // Who takes the window away goes on at once.
    await accepted(sessionId, 'schedule', { window: null });
    const began = clock.now();
    expect(last(await drive(sessionId, clock))).toMatchObject({
      state: 'completed',
      email: { sent: leadCount },
    });
    expect(clock.now() - began).toBeLessThan(hourMs);
  });

  it('holds back a repeat too, and a check that a person asks for', async () => {
    const { sessionId, clock, mail } = setup;
    const window = hoursFrom(-hourMs, hourMs);
    await start({ window, audience: { leadIds: [1, 2, 3] } });
    // The first call is lost: the batch waits for its repeat.
    mail.fault = ({ callCount }) => ({ kind: callCount === 1 ? 'loseAfter' : 'none' });
    await drive(sessionId, clock, () => mail.callCount === 1);
    clock.advance(hourMs + minuteMs);
    const callCount = leftAt.length;
    await fire();
    await accepted(sessionId, 'pause');
    await command(sessionId, 'check');
    await fire();
    expect(leftAt).toHaveLength(callCount);
    await accepted(sessionId, 'resume');
    await drive(sessionId, clock);
    expect(leftAt.filter((time) => !isWindowOpen(window, time))).toEqual([]);
    await expectSound(sessionId, mail);
  });
});

describe('refused, with nothing written', () => {
  it.each<[string, () => object, string]>([
    [
      'an unknown zone',
      () => ({ schedule: { at: ahead(dayMs).at, zone: 'Mars/Olympus', freezeAt: 'start' } }),
      'unknown_zone',
    ],
    [
      'a time that is over',
      () => ({ schedule: { at: ahead(-hourMs, Date.now()).at, zone, freezeAt: 'start' } }),
      'start_in_past',
    ],
    [
      'a time in two years',
      () => ({ schedule: { at: ahead(730 * dayMs).at, zone, freezeAt: 'start' } }),
      'start_too_far',
    ],
    [
      'a time that is none',
      () => ({ schedule: { at: '2026-02-30T09:00', zone, freezeAt: 'start' } }),
      'invalid_request',
    ],
    ['a window without days', () => ({ window: { ...workdays, days: [] } }), 'window_never_opens'],
    ['a window without time', () => ({ window: { ...workdays, until: '09:00' } }), 'window_never_opens'],
    ['a window in an unknown zone', () => ({ window: { ...workdays, zone: 'Berlin' } }), 'unknown_zone'],
    ['an hour that is none', () => ({ window: { ...workdays, until: '24:30' } }), 'invalid_request'],
    ['a day that is none', () => ({ window: { ...workdays, days: [8] } }), 'invalid_request'],
  ])('%s', async (_, body, code) => {
    const response = await start(body());
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code });
    expect((await send('GET', `/crm/activation/progress/${setup.sessionId}`)).status).toBe(404);
    expect(await sessionContent(setup.sessionId)).toBe('[]');
  });

  it('a change to such a time changes nothing', async () => {
    const { sessionId } = setup;
    await scheduleAhead(dayMs);
    const before = await readProgress(sessionId);
    for (const [body, code] of [
      [{ schedule: { at: ahead(-dayMs, Date.now()).at, zone } }, 'start_in_past'],
      [{ window: { ...workdays, days: [] } }, 'window_never_opens'],
    ] as const) {
      const response = await command(sessionId, 'schedule', body);
      expect(await response.json()).toMatchObject({ status: 422, code });
    }
    expect(await readProgress(sessionId)).toEqual(before);
  });

  it('the start time of one that has begun, with its reason', async () => {
    const { sessionId, clock } = setup;
    await start({});
    await drive(sessionId, clock);
    const response = await command(sessionId, 'schedule', { schedule: { at: ahead(dayMs).at, zone } });
    expect(await response.json()).toMatchObject({ status: 409, code: 'illegal_transition' });
  });
});
