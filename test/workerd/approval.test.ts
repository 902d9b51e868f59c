/**
 * Activations that another person has to approve, in the runtime: nothing leaves before, only what was approved leaves
 * after it, and every refusal has its code.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { exports } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Progress } from '../../src/shared/progress.ts';
import type { Problem } from '../../src/shared/problem.ts';
import type { Role } from '../../src/shared/roles.ts';
import type { ApprovalRequest } from '../../src/shared/schemas/approval.ts';
import type { SessionManifest } from '../../src/shared/schemas/manifest.ts';
import type { Timeline } from '../../src/shared/timeline.ts';
import { sweep } from '../../src/worker/operations/scheduled-cleanup.ts';
import { env } from 'cloudflare:workers';
import { addLeads } from '../support/crm-database.ts';
import { hooks } from '../support/hooks.ts';
import { identityOf, requestAs, roleSettings } from '../support/routes.ts';
import { drive, look, readProgress, stubOf } from '../support/session-driver.ts';
import {
  expectSound,
  last,
  setUpSession,
  tearDownSession,
  type SessionSetup,
} from '../support/session-setup.ts';

let setup: SessionSetup;
const leadCount = 30;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

beforeEach(async () => {
  setup = await setUpSession({ leadCount });
  hooks.env = { ...roleSettings, APPROVAL_ABOVE: '10', ACTIVATE_UNDO_SECONDS: '0' };
});
afterEach(tearDownSession);

type Who = Role | { clientId: string };

function as(who: Who, method: string, path: string, body?: object): Promise<Response> {
  const identity =
    typeof who === 'string' ? identityOf(who) : { common_name: who.clientId, sub: '', email: undefined };
  return exports.default.fetch(
    requestAs(identity, method, path, {
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    }),
  );
}

const path = (part: string): string => `/crm/activation/${setup.sessionId}/${part}`;

async function start(who: Who, body: object = {}): Promise<Progress & { manifestHash: string }> {
  const response = await as(who, 'POST', '/crm/activation', {
    sessionId: setup.sessionId,
    audience: { filter: {} },
    templateId: 'welcome',
    ...body,
  });
  expect(response.status, await response.clone().text()).toBe(201);
  return response.json();
}

/** New leads behind those that there are. */
const moreLeads = (): Promise<unknown> =>
  addLeads(
    setup.db,
    Array.from({ length: 3 }, (_, at) => ({ id: leadCount + 1 + at })),
  );

async function problem(response: Response, status: number, code: string): Promise<Problem> {
  const body = await response.json<Problem>();
  expect({ status: response.status, code: body.code }).toEqual({ status, code });
  return body;
}

const approve = (who: Who, manifestHash: string): Promise<Response> =>
  as(who, 'POST', path('approve'), { manifestHash });
/** The status; of a refusal its text, so that a failure shows why. */
const taken = async (answer: Promise<Response>): Promise<number | string> => {
  const response = await answer;
  return response.ok ? response.status : response.text();
};
const reject = (who: Who, manifestHash: string, reason = 'Wrong list.'): Promise<Response> =>
  as(who, 'POST', path('reject'), { manifestHash, reason });
const manifest = async (): Promise<SessionManifest> =>
  (await as('approver', 'GET', path('manifest'))).json<SessionManifest>();
const requestOf = async (who: Who = 'approver'): Promise<ApprovalRequest> => {
  const response = await as(who, 'GET', path('approval'));
  expect(response.status, await response.clone().text()).toBe(200);
  return response.json();
};
const fire = (): Promise<unknown> => runDurableObjectAlarm(stubOf(setup.sessionId));

/** Nobody was mailed, and no lead was changed. */
async function expectNothingDone(): Promise<void> {
  const row = await setup.db
    .prepare("SELECT count(*) AS n FROM leads WHERE status = 'active'")
    .first<{ n: number }>();
  expect([setup.mail.mails.length, row?.n]).toEqual([0, 0]);
}

describe('a start of more leads than one person may start', () => {
  it('waits with one alarm at the end of its time, is listed, and does nothing', async () => {
    const { sessionId, clock } = setup;
    const started = await start('operator');
    expect(started).toMatchObject({ state: 'awaiting_approval', total: leadCount });
    const { expiresAt = 0 } = (await readProgress(sessionId)).approval ?? {};
    await fire();
    expect(await look(sessionId)).toMatchObject({ alarmAt: expiresAt });
    expect(Math.abs(expiresAt - clock.now() - 2 * dayMs)).toBeLessThan(60_000);
    for (const [view, ids] of [
      ['approval', [sessionId]],
      ['open', []],
      ['scheduled', []],
    ] as const) {
      const list = await as('viewer', 'GET', `/crm/activation?view=${view}`);
      const { activations } = await list.json<{ activations: Progress[] }>();
      expect(
        activations.map((one) => one.sessionId),
        view,
      ).toEqual(ids);
    }
    // The sweep does not wake it for nothing.
    await sweep(env, () => clock.now());
    clock.advance(dayMs);
    await fire();
    await expectNothingDone();
  });

  it('begins once somebody else has approved it, and everyone is mailed once', async () => {
    const { sessionId, clock, mail } = setup;
    const { manifestHash } = await start('operator');
    await fire();
    const answer = await approve('approver', manifestHash);
    expect(await answer.json()).toMatchObject({
      state: 'queued',
      approval: { approved: { by: 'approver@staff.example' } },
    });
    expect(await taken(approve('approver', manifestHash))).toBe(200);
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    await expectSound(sessionId, mail);
    const timeline = await (await as('viewer', 'GET', path('timeline'))).json<Timeline>();
    expect(timeline.events.map(({ kind, by }) => [kind, by]).slice(0, 3)).toEqual([
      ['approval_asked', 'operator@staff.example'],
      ['approved', 'approver@staff.example'],
      ['started', null],
    ]);
    const audit = await (
      await as('admin', 'GET', '/crm/audit')
    ).json<{ entries: { action: string; actor: string; detail: unknown }[] }>();
    expect(audit.entries.find(({ action }) => action === 'activation.approve')).toMatchObject({
      actor: 'approver@staff.example',
      detail: { manifestHash },
    });
  });

  it('needs nobody at the number itself, nor where no number is set', async () => {
    for (const above of ['30', '']) {
      hooks.env = { ...hooks.env, APPROVAL_ABOVE: above };
      setup.sessionId = `${setup.sessionId.slice(0, -1)}${above === '' ? 'y' : 'z'}`;
      expect(await start('operator')).toMatchObject({ state: 'queued' });
      expect((await readProgress(setup.sessionId)).approval).toBeUndefined();
      await problem(await approve('approver', '0'.repeat(64)), 409, 'approval_decided');
      await drive(setup.sessionId, setup.clock);
      await setup.db
        .prepare("UPDATE leads SET status = 'new', activated_at = NULL, activated_by = NULL")
        .run();
    }
  });

  it('is refused while the number cannot be read, with the reason', async () => {
    hooks.env = { ...hooks.env, APPROVAL_ABOVE: 'many' };
    const response = await as('operator', 'POST', '/crm/activation', {
      sessionId: setup.sessionId,
      audience: { filter: {} },
      templateId: 'welcome',
    });
    const { detail } = await problem(response, 409, 'mail_not_configured');
    expect(detail).toContain('APPROVAL_ABOVE must be a whole number');
  });
});

describe('who may decide', () => {
  it('is another person with the role; nobody else changes anything', async () => {
    const { manifestHash } = await start('approver');
    await problem(await approve('operator', manifestHash), 403, 'forbidden');
    await problem(await approve('viewer', manifestHash), 403, 'forbidden');
    await problem(await approve('approver', manifestHash), 403, 'own_approval');
    await problem(await reject('approver', manifestHash), 403, 'own_approval');
    expect(await readProgress(setup.sessionId)).toMatchObject({ state: 'awaiting_approval' });
    expect((await approve('admin', manifestHash)).status).toBe(200);
  });

  it('is not the service token that started it, whatever its capitals', async () => {
    const clientId = 'e367826f93b8d71185e03fe518aff3b4.access';
    hooks.env = { ...hooks.env, ROLE_ADMIN: `${roleSettings.ROLE_ADMIN},token:${clientId}` };
    const { manifestHash } = await start({ clientId });
    expect((await readProgress(setup.sessionId)).owner).toBe(clientId);
    await problem(await approve({ clientId }, manifestHash), 403, 'own_approval');
    expect(await taken(approve('approver', manifestHash))).toBe(200);
  });

  it('signs what they have looked at: another hash is refused, and a change of the times asks anew', async () => {
    const at = new Date(setup.clock.now() + dayMs).toISOString().slice(0, 16);
    const { manifestHash } = await start('operator', {
      schedule: { at, zone: 'UTC', freezeAt: 'scheduling' },
    });
    await problem(await approve('approver', 'f'.repeat(64)), 409, 'manifest_changed');
    expect(await taken(approve('approver', manifestHash))).toBe(200);
    expect(await readProgress(setup.sessionId)).toMatchObject({ state: 'scheduled' });
    const later = new Date(setup.clock.now() + 2 * dayMs).toISOString().slice(0, 16);
    await as('operator', 'POST', path('schedule'), { schedule: { at: later, zone: 'UTC' } });
    expect(await readProgress(setup.sessionId)).toMatchObject({
      state: 'awaiting_approval',
      approval: { approved: null },
    });
    await problem(await approve('approver', manifestHash), 409, 'manifest_changed');
    expect((await approve('approver', (await manifest()).hash ?? '')).status).toBe(200);
    await fire();
    await expectNothingDone();
  });

  it('unknown ids, bodies that do not fit, and activations that nobody has to approve are refused', async () => {
    await problem(await approve('approver', 'f'.repeat(64)), 404, 'session_not_found');
    await start('operator');
    await problem(await approve('approver', 'short'), 422, 'invalid_request');
    await problem(await reject('approver', (await manifest()).hash ?? '', '  '), 422, 'invalid_request');
    await problem(
      await reject('approver', (await manifest()).hash ?? '', 'x'.repeat(501)),
      422,
      'text_too_long',
    );
    expect(await readProgress(setup.sessionId)).toMatchObject({ state: 'awaiting_approval' });
  });
});

describe('an approval is compared with the world', () => {
  it.each([
    [
      'a lead of it has become active',
      "UPDATE leads SET status = 'active', activated_at = 1, activated_by = 'x' WHERE id = 3",
      'already active',
    ],
    ['a lead was suppressed', null, 'suppressed'],
  ])('%s: it is refused in words, and approved by nobody', async (_, sql, words) => {
    const { manifestHash } = await start('operator');
    if (sql !== null) await setup.db.prepare(sql).run();
    else
      await as('admin', 'POST', '/crm/suppressions', {
        addresses: ['lead5@example.com'],
        reason: 'manual',
        note: 'asked',
      });
    const shown = await requestOf();
    expect(shown.differences.map(({ message }) => message).join(' ')).toContain(words);
    const { detail } = await problem(await approve('approver', manifestHash), 409, 'manifest_changed');
    expect(detail).toContain(words);
    expect(detail).toContain('It was not approved.');
    expect(await readProgress(setup.sessionId)).toMatchObject({ state: 'awaiting_approval' });
    expect((await reject('approver', manifestHash)).status).toBe(200);
  });

  it('a lead that was added later does not belong to it', async () => {
    const { manifestHash } = await start('operator');
    await moreLeads();
    expect((await requestOf()).differences).toEqual([]);
    expect(await taken(approve('approver', manifestHash))).toBe(200);
    const ended = last(await drive(setup.sessionId, setup.clock));
    expect(ended).toMatchObject({ state: 'completed', total: leadCount, email: { sent: leadCount } });
  });

  it('another sender, and another version of its template, are refused', async () => {
    const { manifestHash } = await start('operator');
    hooks.env = { ...hooks.env, MAIL_FROM: 'Other <other@example.com>' };
    const { differences } = await problem(await approve('approver', manifestHash), 409, 'manifest_changed');
    expect(differences?.map(({ path: at }) => at)).toEqual(['/mail/from']);
  });

  it('shows five of its emails, always the same, and the difference to the last one like it', async () => {
    const { sessionId } = setup;
    hooks.env = { ...hooks.env, APPROVAL_ABOVE: '' };
    await start('operator', { audience: { leadIds: [1, 2] } });
    await drive(sessionId, setup.clock);
    hooks.env = { ...hooks.env, APPROVAL_ABOVE: '10' };
    setup.sessionId = `${sessionId.slice(0, -1)}q`;
    await start('operator');
    const shown = await requestOf();
    expect(shown.sample).toHaveLength(5);
    const ids = shown.sample.map(({ leadId }) => leadId);
    expect([ids[0], ids.at(-1)]).toEqual([3, leadCount]);
    expect(new Set(ids).size).toBe(5);
    expect((await requestOf()).sample).toEqual(shown.sample);
    expect(shown.last).toMatchObject({ sessionId });
    expect(shown.last?.differences.map(({ path: at }) => at)).toContain('/audience/words');
    // A viewer sees no lead.
    await problem(await as('viewer', 'GET', path('approval')), 403, 'forbidden');
  });
});

describe('an activation that nobody approves', () => {
  it('is cancelled by a rejection, whose reason stays in the session and is deleted with whom it was for', async () => {
    const { sessionId, clock } = setup;
    hooks.env = { ...hooks.env, RETENTION_DAYS: '1' };
    const { manifestHash } = await start('operator');
    const reason = 'Not to Jan Jansen.';
    expect((await reject('approver', manifestHash, reason)).status).toBe(200);
    expect((await reject('approver', manifestHash, reason)).status).toBe(200);
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({
      state: 'cancelled',
      reason: 'approval_rejected',
      approval: { rejected: { by: 'approver@staff.example' } },
      activation: { skipped: leadCount },
    });
    await expectNothingDone();
    expect((await requestOf('operator')).reason).toBe(reason);
    const rows = await setup.db.prepare('SELECT progress FROM activations').all();
    expect(JSON.stringify(rows.results)).not.toContain('Jansen');
    clock.advance(2 * dayMs);
    await fire();
    expect((await requestOf('operator')).reason).toBeNull();
  });

  it('is cancelled after 48 hours, by its one alarm, and can no longer be approved', async () => {
    const { sessionId, clock } = setup;
    const { manifestHash } = await start('operator');
    await fire();
    await evictDurableObject(stubOf(sessionId));
    clock.advance(2 * dayMs + 60_000);
    await fire();
    expect(await readProgress(sessionId)).toMatchObject({ state: 'cancelled', reason: 'approval_expired' });
    await problem(await approve('approver', manifestHash), 409, 'approval_decided');
    await expectNothingDone();
  });

  it('is withdrawn by a cancel and erased like one that is scheduled', async () => {
    await start('operator');
    expect((await as('operator', 'POST', path('cancel'), {})).status).toBe(200);
    expect(last(await drive(setup.sessionId, setup.clock))).toMatchObject({
      state: 'cancelled',
      reason: null,
    });
    setup.sessionId = `${setup.sessionId.slice(0, -1)}e`;
    await start('operator');
    expect((await as('admin', 'DELETE', path('').slice(0, -1))).status).toBe(204);
    await expectNothingDone();
  });
});

describe('a start time', () => {
  it('that has passed by more than an hour asks a person, after the approval', async () => {
    const { sessionId, clock } = setup;
    const at = new Date(setup.clock.now() + 2 * hourMs).toISOString().slice(0, 16);
    const { manifestHash } = await start('operator', {
      schedule: { at, zone: 'UTC', freezeAt: 'scheduling' },
    });
    clock.advance(4 * hourMs);
    expect(await taken(approve('approver', manifestHash))).toBe(200);
    await fire();
    expect(await readProgress(sessionId)).toMatchObject({ state: 'paused', reason: 'schedule_missed' });
    await expectNothingDone();
  });

  it('with leads that are found then: more of them than were approved are asked about, with their number', async () => {
    const { sessionId, clock, mail } = setup;
    const at = new Date(setup.clock.now() + 2 * hourMs).toISOString().slice(0, 16);
    const { manifestHash } = await start('operator', { schedule: { at, zone: 'UTC', freezeAt: 'start' } });
    await moreLeads();
    expect(await taken(approve('approver', manifestHash))).toBe(200);
    const { schedule } = await readProgress(sessionId);
    clock.advance((schedule?.startAt ?? 0) - clock.now() + 1_000);
    await fire();
    expect(await readProgress(sessionId)).toMatchObject({ state: 'awaiting_approval', total: leadCount + 3 });
    await expectNothingDone();
    const { hash, startedHash } = await manifest();
    expect([hash === manifestHash, startedHash]).toEqual([false, manifestHash]);
    await problem(await approve('approver', manifestHash), 409, 'manifest_changed');
    expect((await approve('approver', hash ?? '')).status).toBe(200);
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount + 3 } });
    await expectSound(sessionId, mail);
  });
});

describe('a crash', () => {
  it('at every place between start and end loses neither the approval nor a lead', async () => {
    const { sessionId, clock, mail } = setup;
    const evict = (): Promise<void> => evictDurableObject(stubOf(sessionId));
    const { manifestHash } = await start('operator');
    await evict();
    await fire();
    await evict();
    await approve('approver', manifestHash);
    await evict();
    expect(await taken(approve('approver', manifestHash))).toBe(200);
    // The alarm of the approval is lost: the next reader sets it again.
    await runInDurableObject(stubOf(sessionId), (_, state) => state.storage.deleteAlarm());
    await evict();
    await readProgress(sessionId);
    const ended = last(await drive(sessionId, clock));
    expect(ended).toMatchObject({ state: 'completed', email: { sent: leadCount } });
    await expectSound(sessionId, mail);
  });
});

describe('the receipt of an approved activation', () => {
  it('says by whom and when, and which manifest', async () => {
    const { sessionId, clock } = setup;
    const { manifestHash } = await start('operator');
    await approve('approver', manifestHash);
    await drive(sessionId, clock);
    const text = await (await as('operator', 'GET', path('receipt'))).text();
    const head = JSON.parse(text.slice(0, text.indexOf('\n'))) as { start: { approval: unknown } };
    expect(head.start.approval).toMatchObject({
      approved: { by: 'approver@staff.example' },
      manifestHash,
      rejected: null,
    });
    expect(text).toContain('"kind":"approved"');
  });
});
