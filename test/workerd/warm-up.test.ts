/**
 * Warm-up through the whole Worker: two sessions share a day, crashes waste but never exceed it, webhooks lower it, and an
 * admin holds it, lets it go on or declares the domain warm.
 */
import { evictDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MailGate } from '../../src/durable/mail-gate.ts';
import type { Problem } from '../../src/shared/problem.ts';
import type { Progress } from '../../src/shared/progress.ts';
import type { WarmUpList, WarmUpView } from '../../src/shared/schemas/warm-up.ts';
import { addLeads } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  drive,
  type DrivenClock,
  freshSessionId,
  readProgress,
  request,
  send,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import { blankLeads, expectSound, last, setUpSession, tearDownSession } from '../support/session-setup.ts';
import { tell } from '../support/webhook-sender.ts';

const dayMs = 86_400_000;
let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;
/** The gate outlives a test, so each has a domain of its own. */
let domain = '';
let domainCount = 0;

beforeEach(async () => {
  ({ db, mail, clock } = await setUpSession());
  // One in the morning: the day does not end during a test, unless the test moves the clock.
  clock.advance(nextMidnight() + 3_600_000 - clock.now());
  domain = `warm-${++domainCount}.test`;
  hooks.env = { MAIL_WARM_UP: '50+20%', MAIL_FROM: `Acme <hello@${domain}>` };
});

afterEach(tearDownSession);

const nextMidnight = (): number => (Math.floor(clock.now() / dayMs) + 1) * dayMs;

const idsFrom = (first: number, count: number): { leadIds: number[] } => ({
  leadIds: Array.from({ length: count }, (_, index) => first + index),
});

async function warmUp(): Promise<WarmUpView> {
  const list = await (await request('/crm/warm-up')).json<WarmUpList>();
  const found = list.domains.find((one) => one.domain === domain);
  if (found === undefined) throw new Error(`${domain} is not listed.`);
  return found;
}

const change = (mode: unknown, of = domain): Promise<Response> =>
  send('PATCH', `/crm/warm-up/${of}`, { mode });

const isHeld = ({ waitingFor, waitingUntil }: Progress): boolean =>
  waitingFor?.kind === 'daily_cap' && waitingUntil === nextMidnight();

/** Drives the session until it waits for the next day. */
async function held(sessionId: string): Promise<Progress> {
  return last(await drive(sessionId, clock, isHeld));
}

async function heldOrEnded(sessionId: string): Promise<Progress> {
  return last(await drive(sessionId, clock, (view) => view.finishedAt !== null || isHeld(view)));
}

function nextDay(): void {
  clock.advance(nextMidnight() + 1_000 - clock.now());
}

describe('the warm-up of a domain', () => {
  it('is shared by two sessions, says until when they wait, and has 20 % more on the next day', async () => {
    await addLeads(db, blankLeads(200));
    const [one, two] = [freshSessionId(), freshSessionId()];
    await Promise.all([startSession(one, idsFrom(1, 100)), startSession(two, idsFrom(101, 100))]);
    const midnight = nextMidnight();
    await drive(one, clock, ({ email }) => email.sent > 0);
    await held(two);
    const seen = await held(one);
    expect(seen).toMatchObject({ state: 'running', waitingUntil: midnight, stalledSince: null });
    expect(seen.waitingFor?.warmUp).toEqual({ domain, allowance: 50, goesOnAt: midnight });
    expect(mail.mails).toHaveLength(50);
    expect(await warmUp()).toMatchObject({ mode: 'growing', allowance: 50, sent: 50 });

    nextDay();
    // One of them needs no more than the day has, so it ends, and the other one gets the rest.
    const views = [await heldOrEnded(one), await heldOrEnded(two)];
    expect(views.filter(({ state }) => state === 'running')).not.toEqual([]);
    expect(mail.mails).toHaveLength(50 + 60);
    expect((await warmUp()).days.map(({ allowance, sent }) => [allowance, sent])).toEqual([
      [60, 60],
      [50, 50],
    ]);
  });

  it.each(['permit', 'flip', 'prepare', 'intend', 'deliver'])(
    'is never exceeded when a session dies before and after %s',
    async (wanted) => {
      await addLeads(db, blankLeads(80));
      let killCount = 0;
      hooks.onVerb = (verb) => verb === wanted && killCount < 6 && ++killCount % 2 === 0;
      const sessionId = freshSessionId();
      await startSession(sessionId, idsFrom(1, 80));
      await held(sessionId);
      expect(killCount).toBeGreaterThan(1);
      expect(mail.mails.length).toBeLessThanOrEqual(50);
      expect((await warmUp()).sent).toBeLessThanOrEqual(50);
      await expectSound(sessionId, mail);
    },
  );

  it('counts each bounce once, for the day of its mail, and rests a day where they are too many', async () => {
    await addLeads(db, blankLeads(130));
    const sessionId = freshSessionId();
    await startSession(sessionId, idsFrom(1, 130));
    await held(sessionId);
    nextDay();
    await held(sessionId);
    const firstDay = mail.mails.slice(0, 50).map(({ to }) => Number(/\d+/.exec(to)?.[0]));
    const bounce = (leadId: number): Promise<number> =>
      tell({ type: 'email.bounced', sessionId, leadId, bounceType: 'Permanent' });
    // Of the first day, on the second, and each twice.
    for (let repeat = 0; repeat < 2; repeat++) {
      expect(await Promise.all(firstDay.slice(0, 3).map(bounce))).toEqual([200, 200, 200]);
      await evictDurableObject(stubOf(sessionId));
      // A repeat may not have woken it.
      await evictDurableObject(env.MAIL_GATE.getByName('resend')).catch(() => undefined);
    }
    let seen = await warmUp();
    expect(seen.days.map(({ bounced }) => bounced)).toEqual([0, 3]);
    expect(seen.mode).toBe('growing');
    await bounce(firstDay[3] ?? 0);
    seen = await warmUp();
    expect(seen).toMatchObject({
      allowance: 0,
      verdict: { kind: 'lowered', figure: 'bounced', sent: 50, count: 4 },
    });
    // Nothing leaves on the day of rest, and what waits says when it goes on.
    nextDay();
    const resting = await held(sessionId);
    expect(resting.waitingFor?.warmUp).toMatchObject({ allowance: 0, goesOnAt: nextMidnight() });
    expect(mail.mails).toHaveLength(110);
    nextDay();
    expect(last(await drive(sessionId, clock))).toMatchObject({ state: 'completed', email: { sent: 130 } });
  });

  it('answers a webhook only when the gate has its bounce, and a repeat tells it what is missing', async () => {
    await addLeads(db, blankLeads(20));
    const sessionId = freshSessionId();
    await startSession(sessionId, idsFrom(1, 20));
    await drive(sessionId, clock);
    const event = {
      type: 'email.bounced',
      sessionId,
      leadId: 1,
      bounceType: 'Permanent',
    } as const;
    vi.spyOn(MailGate.prototype, 'countResults').mockImplementationOnce(() => {
      throw new Error('Network connection lost');
    });
    expect(await tell(event)).toBe(503);
    expect((await readProgress(sessionId)).email.bounced).toBe(1);
    expect((await warmUp()).days[0]).toMatchObject({ sent: 20, bounced: 0 });
    expect(await tell(event)).toBe(200);
    expect((await warmUp()).days[0]).toMatchObject({ sent: 20, bounced: 1 });
    expect((await readProgress(sessionId)).email.bounced).toBe(1);
  });

  it('declared warm lets what waits leave at once', async () => {
    await addLeads(db, blankLeads(90));
    const sessionId = freshSessionId();
    await startSession(sessionId, idsFrom(1, 90));
    await held(sessionId);
    const answer = await change('warm');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ mode: 'warm', allowance: null, verdict: { kind: 'person' } });
    expect(last(await drive(sessionId, clock))).toMatchObject({ state: 'completed', email: { sent: 90 } });
    expect((await warmUp()).days).toHaveLength(1);
  });

  it('is changed by admins only, in known ways, for known domains, and the audit has it once', async () => {
    expect((await change('held')).status).toBe(200);
    expect((await change('held')).status).toBe(200);
    expect((await warmUp()).mode).toBe('held');
    for (const mode of ['stopped', 'hot', null, 7]) expect((await change(mode)).status).toBe(422);
    for (const bad of ['UPPER.test', 'a b', 'a'.repeat(254), '%00'])
      expect((await change('warm', encodeURIComponent(bad))).status, bad).toBe(422);
    const unknown = await change('warm', 'other.test');
    expect([unknown.status, (await unknown.json<Problem>()).code]).toEqual([404, 'warm_up_not_found']);

    hooks.env = { ...hooks.env, ROLE_OPERATOR: 'olga@example.com' };
    const operator = JSON.stringify({ email: 'olga@example.com' });
    const headers = { 'content-type': 'application/json', 'test-identity': operator };
    expect((await request('/crm/warm-up', { headers })).status).toBe(200);
    const body = JSON.stringify({ mode: 'warm' });
    const refused = await request(`/crm/warm-up/${domain}`, { method: 'PATCH', headers, body });
    expect(refused.status).toBe(403);

    const { entries } = await (
      await request(`/crm/audit?target=${encodeURIComponent(`domain:${domain}`)}`)
    ).json<{ entries: { action: string; detail: unknown }[] }>();
    expect(entries.map(({ action, detail }) => ({ action, detail }))).toEqual([
      { action: 'warmUp.change', detail: { before: { mode: 'growing' }, after: { mode: 'held' } } },
    ]);
  });

  it('is off by default: nothing is listed, and nothing can be changed', async () => {
    hooks.env = { MAIL_FROM: `hello@${domain}` };
    expect(await (await request('/crm/warm-up')).json()).toEqual({ plan: null, domains: [] });
    expect((await change('warm')).status).toBe(404);
    await addLeads(db, blankLeads(120));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    expect(last(await drive(sessionId, clock))).toMatchObject({ email: { sent: 120 } });
  });

  it('that cannot be read lets nothing start, and says so', async () => {
    hooks.env = { ...hooks.env, MAIL_WARM_UP: '300' };
    await addLeads(db, blankLeads(1));
    const refused = await send('POST', '/crm/activation', {
      sessionId: freshSessionId(),
      audience: { filter: {} },
      templateId: 'welcome',
    });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({
      code: 'mail_not_configured',
      errors: [{ path: '/settings/MAIL_WARM_UP' }],
    });
  });
});
