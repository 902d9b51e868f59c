/**
 * Crashes at every verb of a slice. A crash is `ctx.abort()`: the instance loses its memory and everything that it
 * has not committed.
 *
 * This does not prove that the platform does what it promises (alarms fire, committed rows stay) when a whole
 * process dies; `npm run chaos:kill` does that.
 */
import { evictDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import { addLeads, countsAndRecount, emptyCrm, statuses } from '../support/crm-database.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import {
  command,
  type DrivenClock,
  drive,
  freshSessionId,
  readRows,
  send,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';

let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;

beforeEach(async () => {
  ({ db, mail, clock } = await setUpSession({ batchSize: 10 }));
});

afterEach(tearDownSession);

function expectNeverBack(views: readonly Progress[]): void {
  for (const [index, view] of views.entries()) {
    const before = views[index - 1];
    if (before === undefined) continue;
    expect(view.rev).toBeGreaterThanOrEqual(before.rev);
    expect(view.activation.activated).toBeGreaterThanOrEqual(before.activation.activated);
    expect(view.email.sent).toBeGreaterThanOrEqual(before.email.sent);
    expect(view.processed).toBeGreaterThanOrEqual(before.processed);
  }
}

async function expectOnceAndAll(
  sessionId: string,
  views: readonly Progress[],
  leadCount: number,
): Promise<void> {
  const end = views.at(-1);
  expectNeverBack(views);
  expect(end).toMatchObject({ state: 'completed', total: leadCount, processed: leadCount });
  expect(end?.email).toMatchObject({ sent: leadCount, failed: 0, unknown: 0 });
  expect(mail.mails).toHaveLength(leadCount);
  expect(Math.max(...mail.countByAddress().values())).toBe(1);
  const { session, recount } = await readRows(sessionId);
  expect(recount).toEqual(session.counts);
  expect((await statuses(db)).every((lead) => lead.activated_by === sessionId)).toBe(true);
}

/** Lost and doubtful answers in addition to the faults of a test. */
function troubled(random: () => number): FakeMailApi['fault'] {
  return () => {
    const chance = random();
    if (chance < 0.05) return { kind: 'loseAfter' };
    if (chance < 0.1) return { kind: 'loseBefore' };
    if (chance < 0.13) return { kind: 'acceptThenAnswer', status: 500 };
    if (chance < 0.16) return { kind: 'answer', status: 503 };
    return { kind: 'none' };
  };
}

describe('a crash', () => {
  it('at any one verb of a slice, before or after it, mails nobody twice and loses nobody', async () => {
    hooks.env = { MAIL_BATCH_MAX: '5' };
    await addLeads(db, blankLeads(12));
    let crashCount = 0;
    const places = new Set<string>();
    // The crash comes one step later each time, until a session ends before it.
    for (let crashAt = 1; ; crashAt++) {
      await db.prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL").run();
      mail = new FakeMailApi().install();
      let edge = 0;
      hooks.onVerb = (verb, side) => {
        if (++edge !== crashAt) return false;
        places.add(`${side} ${verb}`);
        return true;
      };
      const sessionId = freshSessionId();
      await startSession(sessionId);
      await expectOnceAndAll(sessionId, await drive(sessionId, clock), 12);
      if (edge < crashAt) break;
      crashCount++;
    }
    expect(crashCount).toBeGreaterThan(80);
    expect([...places]).toEqual(
      expect.arrayContaining(['before plan', 'after plan', 'before settle', 'after settle']),
    );
  }, 300_000);

  it('that repeats, with lost answers and errors after acceptance, still mails each lead once', async () => {
    const wanted = Number(env.CHAOS_CRASHES);
    let crashCount = 0;
    const crashesByVerb = new Map<string, number>();
    for (let seed = 1; crashCount < wanted; seed++) {
      const random = seededRandom(seed);
      await emptyCrm();
      await addLeads(db, blankLeads(100));
      mail = new FakeMailApi().install();
      mail.fault = troubled(random);
      // Anywhere in the next one or two slices, so that each place is hit and the session makes progress in between.
      const drawn = () => 1 + Math.floor(random() * 200);
      let edgesLeft = drawn();
      hooks.onVerb = (verb, edge) => {
        if (--edgesLeft > 0) return false;
        edgesLeft = drawn();
        crashCount++;
        const place = `${edge} ${verb}`;
        crashesByVerb.set(place, (crashesByVerb.get(place) ?? 0) + 1);
        return true;
      };
      const sessionId = freshSessionId();
      await startSession(sessionId);
      const views = await drive(sessionId, clock);
      hooks.onVerb = null;
      await expectOnceAndAll(sessionId, views, 100);
    }
    // A small number of random crashes may miss a place; the test above covers all of them.
    if (wanted < 1_000) return;
    // Planning is not required here, because a session plans once and a random crash may miss it. The test above
    // covers it.
    for (const verb of ['take', 'permit', 'flip', 'prepare', 'intend', 'deliver', 'settle', 'release']) {
      expect(crashesByVerb.get(`before ${verb}`) ?? 0, verb).toBeGreaterThan(0);
      expect(crashesByVerb.get(`after ${verb}`) ?? 0, verb).toBeGreaterThan(0);
    }
  }, 3_600_000);

  it('duplicates mail when each attempt has its own key, which shows that the checks above can fail', async () => {
    const random = seededRandom(7);
    await addLeads(db, blankLeads(12));
    hooks.env = { MAIL_BATCH_MAX: '5' };
    hooks.keyOf = () => `random-${random()}`;
    // Keys exist for this crash: the provider has taken the batch, and the session has not stored that.
    let crashCount = 0;
    hooks.onVerb = (verb, edge) => verb === 'deliver' && edge === 'after' && ++crashCount === 1;
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const views = await drive(sessionId, clock);
    expect(crashCount).toBeGreaterThan(0);
    await expect(expectOnceAndAll(sessionId, views, 12)).rejects.toThrow();
    expect(Math.max(...mail.countByAddress().values())).toBeGreaterThan(1);
  });

  it('at the same place passes these checks with our own keys', async () => {
    await addLeads(db, blankLeads(12));
    hooks.env = { MAIL_BATCH_MAX: '5' };
    let crashCount = 0;
    hooks.onVerb = (verb, edge) => verb === 'deliver' && edge === 'after' && ++crashCount === 1;
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await expectOnceAndAll(sessionId, await drive(sessionId, clock), 12);
    expect(crashCount).toBeGreaterThan(0);
  });
});

describe('a request to the CRM that is carried out after its object has died', () => {
  /** Kills the object at its next batch of statements after `isNext`, and returns what sends them. */
  async function killedAt(sessionId: string, isNext: () => boolean): Promise<() => Promise<unknown>> {
    let late: (() => unknown) | null = null;
    hooks.onCrmCall = (edge, { method, send }) => {
      if (late !== null || edge !== 'before' || method !== 'batch' || !isNext()) return false;
      late = send;
      return true;
    };
    await drive(sessionId, clock, () => late !== null);
    hooks.onCrmCall = null;
    return async () => {
      await late?.();
    };
  }

  /** Kills the object when it flips its first batch. */
  function killedAtFlip(sessionId: string): Promise<() => Promise<unknown>> {
    let isFlipping = false;
    hooks.onVerb = (verb) => {
      isFlipping ||= verb === 'flip';
      return false;
    };
    return killedAt(sessionId, () => isFlipping);
  }

  async function activeCount(): Promise<number> {
    return (await statuses(db)).filter(({ status }) => status === 'active').length;
  }

  async function expectCounted(): Promise<void> {
    const { kept, recount } = await countsAndRecount(db);
    expect(recount).toEqual(kept);
  }

  it.each(['pause', 'cancel'] as const)(
    'sets no lead active that was given back after a %s',
    async (name) => {
      await addLeads(db, blankLeads(12));
      const sessionId = freshSessionId();
      await startSession(sessionId);
      const flip = await killedAtFlip(sessionId);
      expect((await command(sessionId, name)).status).toBe(200);
      await drive(sessionId, clock, ({ state }) => state === 'paused' || state === 'cancelled');
      await flip();
      expect(await activeCount()).toBe(0);
      await expectCounted();
      if (name === 'cancel') return;
      expect((await command(sessionId, 'resume')).status).toBe(200);
      await expectOnceAndAll(sessionId, await drive(sessionId, clock), 12);
    },
  );

  it('sets no lead active after the session was erased', async () => {
    await addLeads(db, blankLeads(12));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const flip = await killedAtFlip(sessionId);
    expect((await command(sessionId, 'pause')).status).toBe(200);
    expect((await send('DELETE', `/crm/activation/${sessionId}`)).status).toBe(204);
    await flip();
    expect(await activeCount()).toBe(0);
    await expectCounted();
  });

  it('changes nothing of a session that has gone on', async () => {
    await addLeads(db, blankLeads(12));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const flip = await killedAtFlip(sessionId);
    const views = await drive(sessionId, clock);
    await db
      .prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL WHERE id = 1")
      .run();
    await flip();
    expect(await activeCount()).toBe(11);
    await db
      .prepare("UPDATE leads SET status = 'active', activated_by = ?, activated_at = 1 WHERE id = 1")
      .bind(sessionId)
      .run();
    await expectOnceAndAll(sessionId, views, 12);
  });

  it('gives back no lead that was mailed after a resume', async () => {
    await addLeads(db, blankLeads(12));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const flip = await killedAtFlip(sessionId);
    await flip();
    expect(await activeCount()).toBe(12);
    expect((await command(sessionId, 'pause')).status).toBe(200);
    const givingBack = await killedAt(sessionId, () => true);
    expect((await command(sessionId, 'resume')).status).toBe(200);
    const views = await drive(sessionId, clock);
    await givingBack();
    await expectOnceAndAll(sessionId, views, 12);
    expect(await activeCount()).toBe(12);
    await expectCounted();
  });
});

describe('an eviction', () => {
  it('between any two alarms changes nothing', async () => {
    await addLeads(db, blankLeads(300));
    const random = seededRandom(3);
    // Batches with different wait times make a session of many alarms.
    mail.fault = () => {
      const chance = random();
      if (chance < 0.25) return { kind: 'loseAfter' };
      return chance < 0.5 ? { kind: 'answer', status: 503 } : { kind: 'none' };
    };
    let evictionCount = 0;
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const views = await drive(sessionId, clock, undefined, async () => {
      await evictDurableObject(stubOf(sessionId));
      evictionCount++;
    });
    await expectOnceAndAll(sessionId, views, 300);
    expect(evictionCount).toBeGreaterThan(3);
  });
});
