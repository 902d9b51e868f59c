/**
 * The game day: faults are brought into a running installation, one after the other. Each alert fires within 60 s, the
 * step of its runbook in docs/OPERATIONS.md is carried out as it is written there, and the alert ends.
 *
 * Time is handed in. Each fault comes just after a check, which is the worst moment: the checks of the minute cron
 * follow 20 s apart. What somebody else has to do (a provider that is up again) is done by the test, and the runbook says
 * that it is outside. A deploy with other settings is the next request's and slice's other settings.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import page from '../../docs/OPERATIONS.md?raw';
import type { AlertId } from '../../src/core/health/alerts.ts';
import type { Alerts } from '../../src/shared/schemas/health.ts';
import { judgeAlerts, presentAlerts, storeSweep } from '../../src/worker/operations/health.ts';
import { sweep } from '../../src/worker/operations/scheduled-cleanup.ts';
import { addLeads } from '../support/crm-database.ts';
import { httpCrm, linkLeads } from '../support/crm-setup.ts';
import { EventReceiver } from '../support/event-receiver.ts';
import { FakeHttpCrm } from '../support/fake-crm.ts';
import { FakeSalesforce } from '../support/fake-crms.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { readRunbooks, type RunbookStep } from '../support/runbook.ts';
import {
  freshSessionId,
  look,
  readProgress,
  request,
  send,
  stubOf,
  type LogLine,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';
import { tell } from '../support/webhook-sender.ts';

const runbooks = new Map(readRunbooks(page).map((runbook) => [runbook.alertId, runbook]));

let db: D1Database;
let mail: FakeMailApi;
let crm: FakeHttpCrm;
let log: readonly LogLine[];
let receiver: EventReceiver;
let endpointId: string;
/** Sessions whose alarms the platform fires at their time. */
let sessionIds: string[];
/** What ends a deploy's fault. */
let rollBack: () => void;

/** A slice looks so often how far it has come. */
const lookMs = 1_000;
/** When the next drill begins; epoch ms. */
let startAt = 0;
const checkMs = 20_000;
const maxFireMs = 60_000;
const maxEndMs = 300_000;
const checksPerSweep = 3;
let checkCount = 0;
let nextCheckAt = 0;
/** What the last check found. */
let firing: AlertId[] = [];

/** The Worker's environment, with the settings of the last deploy. */
const present = (): Env => ({ ...env, ...hooks.env });
const now = (): number => Date.now();

function advance(ms: number): void {
  // Slots of a gate are fractions of milliseconds, and this clock has whole ones.
  vi.setSystemTime(now() + Math.ceil(ms));
}

beforeEach(async () => {
  ({ db, mail, log } = await setUpSession({ isRealTime: true }));
  // An hour ahead, so that no alarm fires by itself, and only moved by hand. The day goes on from drill to drill, because
  // the gate outlives them.
  startAt = Math.max(startAt, Math.ceil(Date.now() / 1_000) * 1_000 + 3_600_000);
  vi.useFakeTimers({ now: startAt, toFake: ['Date'] });
  // The checks of the cron also come while a slice waits.
  hooks.sleep = async (ms) => {
    // The slice looks by a timer of the platform how far it has come, and records it.
    if (nextCheckAt <= now() + ms) await new Promise((resolve) => setTimeout(resolve, 1.2 * lookMs));
    await passTime(ms);
  };
  hooks.env = { MAIL_BATCH_MAX: '10', MAIL_RATE: '1000' };
  mail.now = now;
  crm = new FakeHttpCrm().install();
  crm.now = now;
  await db.prepare('DELETE FROM event_endpoints').run();
  receiver = new EventReceiver().install();
  hooks.eventBackoff = { baseMs: 20, maxMs: 100 };
  sessionIds = [];
  rollBack = () => undefined;
  checkCount = 0;
  nextCheckAt = now() + checkMs;
  const answer = await send('POST', '/crm/webhooks', {
    ...{ kind: 'webhook', target: 'https://ops.acme.com/alerts', types: ['alert.firing', 'alert.ended'] },
  });
  const made = await answer.json<{ endpoint: { endpointId: string }; secret: string }>();
  ({ endpointId } = made.endpoint);
  receiver.secrets.push(made.secret);
});

afterEach(async () => {
  await send('DELETE', `/crm/webhooks/${endpointId}`);
  startAt = now() + 600_000;
  vi.useRealTimers();
  tearDownSession();
});

// ── the installation ─────────────────────────────────────────────────────────────────────────────

/** Starts an activation of new leads. */
async function start(leadCount: number, body: object = {}): Promise<string> {
  await addLeads(db, blankLeads(leadCount));
  return startWithLeads(body);
}

/** Starts an activation of the leads that are there. */
async function startWithLeads(body: object = {}): Promise<string> {
  const sessionId = freshSessionId();
  sessionIds.push(sessionId);
  const answer = await send('POST', '/crm/activation', {
    ...{ sessionId, audience: { filter: {} }, templateId: 'welcome' },
    ...body,
  });
  expect(answer.status, await answer.clone().text()).toBe(201);
  return sessionId;
}

/** Fires the alarms that are due. */
async function fireDue(): Promise<void> {
  for (const sessionId of sessionIds) {
    for (let turn = 0; turn < 30; turn++) {
      const seen = await look(sessionId);
      if (seen === null || seen.alarmAt === null || seen.alarmAt > now()) break;
      await runDurableObjectAlarm(stubOf(sessionId)).catch(() => false);
    }
  }
  await runDurableObjectAlarm(env.WEBHOOK_ENDPOINT.getByName(endpointId));
}

/** The cron's check; every third one follows a sweep. */
async function check(): Promise<void> {
  nextCheckAt += checkMs;
  checkCount++;
  if (checkCount % checksPerSweep === 0) {
    const found = await sweep(present(), now);
    if (found !== null) await storeSweep(present(), found, now());
  }
  firing = await judgeAlerts(present(), now());
  if (awaited.alertId !== null && firing.includes(awaited.alertId)) awaited.firedAt ??= now();
}

/** Lets time pass, with the checks that come in it. */
async function passTime(ms: number): Promise<void> {
  const until = now() + ms;
  while (nextCheckAt <= until) {
    advance(Math.max(0, nextCheckAt - now()));
    await check();
  }
  advance(Math.max(0, until - now()));
}

/** Time in which nothing runs, not even the cron. */
function beAway(ms: number): void {
  advance(ms);
  nextCheckAt = now() + checkMs;
}

/** The installation goes on until the next check has come. */
async function nextCheck(): Promise<AlertId[]> {
  const before = checkCount;
  while (checkCount === before) {
    if (isAlive) await fireDue();
    // In steps: a session may wait for some seconds between two alarms.
    await passTime(Math.max(0, Math.min(2_000, nextCheckAt - now())));
  }
  if (isAlive) await fireDue();
  return firing;
}

/** The alert of the drill, and the first check that found it; epoch ms. */
const awaited: { alertId: AlertId | null; firedAt: number | null } = { alertId: null, firedAt: null };

/** False: the platform fires no alarms. */
let isAlive = true;

// ── the runbook ──────────────────────────────────────────────────────────────────────────────────

/** What is set where a runbook has `<…>`. */
const choices: Record<string, string> = {
  '<new key>': 're_new_key',
  '<CRM key>': 'crm-key',
  '<calls a second>': '4',
  '<emails a day>': '1000',
  '<signing secret>': 'whsec_dGVzdC13ZWJob29rLXNlY3JldA==',
};

/** Carries out a step as it is written; the answer of a call has values for the next. */
async function carryOut(
  step: RunbookStep,
  alertId: string,
  subject: string,
  known: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  if (step.kind === 'sh') {
    const deploy = /^(?:([A-Z_]+)='(<[^>]+>)' )?npm run deploy( -- --rollback)?$/.exec(step.command);
    if (deploy !== null) {
      const [, name, choice = '', isRollback] = deploy;
      if (isRollback !== undefined) rollBack();
      if (name !== undefined) hooks.env = { ...hooks.env, [name]: choices[choice] };
    } else expect(step.command).toMatch(/^npm run reconcile /);
    return {};
  }
  const filled = (text: string): string =>
    text.replaceAll(/\{([\w.]+)\}/g, (_, name: string) =>
      name === 'subject' ? subject : String(valueAt(known, name)),
    );
  const path = filled(step.path);
  const answer = await request(path, {
    method: step.method,
    headers: { 'content-type': 'application/json', 'test-identity': `boss-${alertId}@example.com` },
    ...(step.body === null ? {} : { body: filled(step.body) }),
  });
  const text = await answer.text();
  expect([200, 202, 204], `${step.method} ${path}: ${answer.status} ${text}`).toContain(answer.status);
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** The value of an answer under `a.b`. */
const valueAt = (answer: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce((value, name) => (value as Record<string, unknown> | null | undefined)?.[name], answer);

interface Drill {
  alertId: AlertId;
  /** Brings the fault in. The installation runs before and after. */
  fault: () => Promise<unknown>;
  /** What nobody here can do, which the runbook calls outside. `before`: the steps follow it. */
  outside?: { at: 'before' | 'after'; end: () => unknown };
}

interface Told {
  type: string;
  alertId: string;
}

const toldOf = (): Told[] =>
  receiver.taken.flatMap(({ type, data }) => ('alertId' in data ? [{ type, alertId: data.alertId }] : []));

const drills: Drill[] = [
  {
    alertId: 'mail_auth',
    async fault() {
      mail.fault = () =>
        hooks.env.MAIL_API_KEY === 're_new_key'
          ? { kind: 'none' }
          : {
              kind: 'answer',
              status: 401,
              body: { name: 'validation_error', message: 'API key is invalid' },
            };
      await start(30);
    },
  },
  {
    alertId: 'mail_unreachable',
    async fault() {
      mail.fault = () => ({ kind: 'loseBefore' });
      await start(200);
    },
    outside: { at: 'before', end: () => (mail.fault = () => ({ kind: 'none' })) },
  },
  {
    alertId: 'mail_quota',
    async fault() {
      const body = { name: 'monthly_quota_exceeded', message: 'You have reached your monthly quota.' };
      mail.fault = () => ({ kind: 'answer', status: 429, body });
      await start(30);
    },
    outside: { at: 'before', end: () => (mail.fault = () => ({ kind: 'none' })) },
  },
  {
    alertId: 'mail_refused',
    async fault() {
      const body = { name: 'validation_error', message: 'The attachment is too large.' };
      mail.fault = () => ({ kind: 'answer', status: 422, body });
      await start(80);
    },
    outside: { at: 'before', end: () => (mail.fault = () => ({ kind: 'none' })) },
  },
  {
    alertId: 'mail_throttled',
    async fault() {
      // Others use the account too, and leave four calls a second.
      mail.fault = () => {
        const lastSecond = mail.callTimes.filter((at) => at > now() - 1_000);
        return lastSecond.length <= 4
          ? { kind: 'none' }
          : {
              ...{ kind: 'answer', status: 429, headers: { 'retry-after': '1' } },
              body: tooManyRequests,
            };
      };
      hooks.env = { ...hooks.env, MAIL_BATCH_MAX: '1' };
      await start(300);
    },
  },
  {
    alertId: 'emails_unconfirmed',
    async fault() {
      hooks.env = { ...hooks.env, MAIL_PROVIDER: 'postmark' };
      mail.fault = ({ callCount }) => ({ kind: callCount === 1 ? 'loseAfter' : 'none' });
      await start(10);
    },
  },
  {
    alertId: 'reports_silent',
    async fault() {
      hooks.env = { ...hooks.env, RESEND_WEBHOOK_SECRET: 'whsec_b3RoZXItc2VjcmV0LW9mLXRoZS1hcHA=' };
      const sessionId = await start(30);
      await fireDue();
      expect(await report(sessionId)).toBe(401);
    },
    outside: {
      at: 'after',
      end: async () => expect(await report(sessionIds[0] ?? '')).toBe(200),
    },
  },
  {
    alertId: 'bounce_rate',
    fault: () => badMail('email.bounced'),
  },
  {
    alertId: 'complaint_rate',
    fault: () => badMail('email.complained'),
  },
  {
    alertId: 'crm_unreachable',
    async fault() {
      crm.fault = () => ({ kind: 'page', status: 503 });
      await startWithCrm(30);
    },
    outside: { at: 'before', end: () => (crm.fault = () => ({ kind: 'none' })) },
  },
  {
    alertId: 'crm_auth',
    fault: () => startWithCrm(30, { CRM_API_KEY: 'revoked' }),
  },
  {
    alertId: 'crm_allowance',
    async fault() {
      // Other programs of the organisation have used most of it.
      const salesforce = new FakeSalesforce().install();
      salesforce.now = now;
      salesforce.allowance = 4;
      const id = (at: number): string => `00Q${String(at).padStart(15, '0')}`;
      for (let at = 1; at <= 30; at++) salesforce.records.set(id(at), { Lead_Activation__c: 'new' });
      hooks.env = {
        ...{ ...hooks.env, CRM_PROVIDER: 'salesforce', CRM_API_KEY: 'secret', CRM_CLIENT_ID: 'client' },
        CRM_API_URL: `https://${salesforce.host}`,
      };
      enlargeAllowance = () => (salesforce.allowance = 100_000);
      await addLeads(db, blankLeads(30));
      await db
        .prepare("UPDATE leads SET external_source = 'salesforce', external_id = printf('00Q%015d', id)")
        .run();
      await startWithLeads();
    },
    outside: { at: 'before', end: () => enlargeAllowance() },
  },
  {
    alertId: 'crm_quota',
    async fault() {
      const body = { error: { code: 'used_up', message: 'No calls are left for today.' } };
      crm.fault = () => ({ kind: 'answer', status: 402, body });
      await startWithCrm(30);
    },
    outside: { at: 'before', end: () => (crm.fault = () => ({ kind: 'none' })) },
  },
  {
    alertId: 'crm_refused',
    async fault() {
      for (let at = 1; at <= 40; at++) crm.refused.set(`r${at}`, 'invalid_value');
      await startWithCrm(40);
    },
    outside: { at: 'before', end: () => crm.refused.clear() },
  },
  {
    alertId: 'wave_held',
    async fault() {
      const sessionId = await start(40, {
        waves: { sizes: [{ leads: 20 }], watchMinutes: 10, limits: { minMails: 20 } },
      });
      await fireDue();
      await reportResults(sessionId, 'email.bounced', 2);
    },
  },
  {
    alertId: 'daily_cap',
    async fault() {
      hooks.env = { ...hooks.env, MAIL_DAILY_CAP: '10', MAIL_FROM: 'Acme <hello@gameday.test>' };
      await start(30);
    },
  },
  {
    alertId: 'schedule_missed',
    async fault() {
      const at = new Date(now() + 600_000).toISOString().slice(0, 16);
      await start(10, { schedule: { at, zone: 'UTC', freezeAt: 'scheduling' } });
      // The platform was away for two hours.
      beAway(7_800_000);
    },
  },
  {
    alertId: 'schedule_late',
    async fault() {
      // The sweep would notice it too: its next one is a minute away.
      while (checkCount % checksPerSweep !== 0) await nextCheck();
      const startAt = (Math.floor(now() / 60_000) + 2) * 60_000;
      const at = new Date(startAt).toISOString().slice(0, 16);
      await start(10, { schedule: { at, zone: 'UTC', freezeAt: 'scheduling' } });
      await fireDue();
      // The platform fires no alarm from then on.
      isAlive = false;
      beAway(startAt - now());
    },
  },
  {
    alertId: 'activation_stalled',
    async fault() {
      // Of a deploy: each slice dies at its first call.
      hooks.onVerb = (verb) => verb === 'prepare';
      rollBack = () => (hooks.onVerb = null);
      await start(30);
      await fireDue();
    },
  },
  {
    alertId: 'alarm_late',
    async fault() {
      hooks.onVerb = (verb) => verb === 'prepare';
      await start(30);
      await fireDue();
      hooks.onVerb = null;
      // The platform does not fire the alarm of its next slice.
      isAlive = false;
    },
  },
  {
    alertId: 'alarm_lost',
    async fault() {
      hooks.onVerb = (verb) => verb === 'prepare';
      const sessionId = await start(30);
      await fireDue();
      hooks.onVerb = null;
      isAlive = false;
      await runInDurableObject(stubOf(sessionId), (_, { storage }) => storage.deleteAlarm());
    },
  },
  {
    alertId: 'activation_unreached',
    async fault() {
      hooks.onVerb = (verb) => verb === 'prepare';
      const sessionId = await start(30);
      await fireDue();
      hooks.onVerb = null;
      isAlive = false;
      const renameTable = (from: string, to: string) =>
        runInDurableObject(stubOf(sessionId), (_, { storage }) =>
          storage.sql.exec(`ALTER TABLE ${from} RENAME TO ${to}`),
        );
      // Its storage fails.
      await renameTable('session', 'lost');
      await evictDurableObject(stubOf(sessionId));
      repairStorage = () => renameTable('lost', 'session');
    },
    outside: { at: 'before', end: () => repairStorage() },
  },
  {
    alertId: 'database_down',
    fault() {
      const failed = (): never => {
        throw new Error('D1_ERROR: Network connection lost.');
      };
      const prototype = Object.getPrototypeOf(env.DB) as D1Database;
      const spies = [vi.spyOn(prototype, 'prepare'), vi.spyOn(prototype, 'batch')];
      for (const spy of spies) spy.mockImplementation(failed);
      repairDatabase = () => spies.forEach((spy) => spy.mockRestore());
      return Promise.resolve();
    },
    outside: { at: 'before', end: () => repairDatabase() },
  },
  {
    alertId: 'endpoint_failed',
    async fault() {
      receiver.refuse = () => new Response(null, { status: 410 });
      // An alert that the endpoint is told of, so that it refuses an event.
      hooks.env = { ...hooks.env, APPROVAL_ABOVE: 'x' };
      await judgeAlerts(present(), now());
      await fireDue();
      hooks.env = { ...hooks.env, APPROVAL_ABOVE: '' };
      receiver.refuse = () => null;
    },
  },
  {
    alertId: 'settings_faulty',
    fault() {
      hooks.env = { ...hooks.env, MAIL_DAILY_CAP: '1k' };
      return Promise.resolve();
    },
  },
  {
    alertId: 'sender_dns',
    async fault() {
      hooks.env = {
        ...hooks.env,
        MAIL_API_URL: 'https://api.resend.com',
        MAIL_FROM: 'Acme <hello@news.acme.test>',
        MAIL_POSTAL_ADDRESS: 'Acme, Main Street 1',
        PUBLIC_URL: 'https://app.acme.test',
      };
      isPublished = false;
      const takeMail = globalThis.fetch;
      vi.stubGlobal('fetch', (input: RequestInfo | URL, init?: RequestInit) => {
        const { hostname, searchParams } = new URL(new Request(input).url);
        if (hostname !== 'cloudflare-dns.com') return takeMail(input, init);
        const name = searchParams.get('name') ?? '';
        const text = name.startsWith('_dmarc')
          ? 'v=DMARC1; p=reject'
          : name.includes('_domainkey')
            ? `p=${'A'.repeat(60)}`
            : 'v=spf1 include:amazonses.com ~all';
        const found = isPublished ? [{ type: 16, data: `"${text}"` }] : [];
        return Promise.resolve(Response.json({ Status: isPublished ? 0 : 3, Answer: found }));
      });
      const sessionId = await start(10);
      await send('POST', `/crm/activation/${sessionId}/pause`);
    },
    outside: { at: 'before', end: () => (isPublished = true) },
  },
  {
    alertId: 'import_stuck',
    async fault() {
      const answer = await send('POST', '/crm/imports', {
        ...{ importId: 'import_1', fileName: 'people.csv', consentSource: 'fair 2026' },
        ...{ columns: ['E-mail'], mapping: { email: [0] } },
      });
      expect(answer.status, await answer.clone().text()).toBe(201);
    },
  },
  {
    alertId: 'restore_open',
    async fault() {
      await db
        .prepare(
          "INSERT INTO audit (at, actor, action, request_id) VALUES (?, 'test', 'recovery.restore', '')",
        )
        .bind(now())
        .run();
    },
  },
  // The last one: the assertions of people do not live for a day longer.
  {
    alertId: 'approval_expires',
    async fault() {
      hooks.env = { ...hooks.env, APPROVAL_ABOVE: '0' };
      const sessionId = await start(10);
      await fireDue();
      const { approval } = await readProgress(sessionId);
      // Everybody forgot it, until now.
      beAway((approval?.expiresAt ?? 0) - 86_400_000 - now());
    },
  },
];

const tooManyRequests = { name: 'rate_limit_exceeded', message: 'Too many requests.' };
let isPublished = false;
let repairDatabase = (): void => undefined;
let repairStorage = (): Promise<unknown> => Promise.resolve();

let enlargeAllowance = (): unknown => undefined;

/** Starts an activation that sets its leads active in a CRM too. */
async function startWithCrm(leadCount: number, settings: Partial<Env> = {}): Promise<string> {
  crm.addRecords(leadCount);
  hooks.env = { ...hooks.env, ...httpCrm, ...settings };
  await addLeads(db, blankLeads(leadCount));
  await linkLeads(db, 'crm');
  return startWithLeads();
}

/** The provider reports the first email of a session as delivered. */
const report = (sessionId: string): Promise<number> =>
  tell({ type: 'email.delivered', sessionId, leadId: 1 }, { at: new Date(now()) });

/** Of the first 20 emails one is bad; the rest has not left. */
async function badMail(type: 'email.bounced' | 'email.complained'): Promise<void> {
  hooks.env = { ...hooks.env, MAIL_GUARD_MIN_RESULTS: '10', MAIL_BATCH_MAX: '20' };
  mail.fault = ({ callCount }) =>
    callCount > 1
      ? {
          kind: 'answer',
          status: 429,
          body: tooManyRequests,
          headers: { 'retry-after': '30' },
        }
      : { kind: 'none' };
  const sessionId = await start(40);
  await fireDue();
  await reportResults(sessionId, type, 1);
}

/** The provider reports the emails so far: as bad, and the rest as delivered. */
async function reportResults(
  sessionId: string,
  type: 'email.bounced' | 'email.complained',
  badCount: number,
): Promise<void> {
  const signing = { at: new Date(now()) };
  const ids = mail.mails.map(({ to }) => Number(/\d+/.exec(to)?.[0]));
  for (const [index, leadId] of ids.entries())
    await tell(
      { type: index < badCount ? type : 'email.delivered', sessionId, leadId, bounceType: 'Permanent' },
      signing,
    );
}

/** A busy machine takes its time. */
const timeout = 120_000;

describe('game day', { timeout }, () => {
  beforeEach(() => {
    isAlive = true;
  });

  it('has a drill for every alert that a check can find, and a runbook for each', () => {
    expect(new Set(drills.map(({ alertId }) => alertId)).size).toBe(drills.length);
    expect(drills.length).toBeGreaterThanOrEqual(15);
    for (const { alertId } of drills) expect(runbooks.has(alertId), alertId).toBe(true);
    // The cron that would tell of it has stopped: only Prometheus and the page see it, and after three minutes.
    expect([...runbooks.keys()].filter((id) => drills.every(({ alertId }) => alertId !== id))).toEqual([
      'sweep_stopped',
    ]);
  });

  it.each(drills)(
    '$alertId fires within 60 s, and its runbook ends it',
    async ({ alertId, fault, outside }) => {
      const runbook = runbooks.get(alertId);
      if (runbook === undefined) throw new Error('There is no runbook.');
      expect(runbook.isOutside).toBe(outside !== undefined);

      // A running installation, in which nothing fires.
      expect(await nextCheck()).toEqual([]);
      await fault();
      // A fault that takes its own time has come at its end.
      const faultAt = now();
      Object.assign(awaited, { alertId, firedAt: null });
      while (awaited.firedAt === null && now() - faultAt < maxFireMs) await nextCheck();
      expect(firing).toContain(alertId);
      const firedMs = (awaited.firedAt ?? Infinity) - faultAt;
      expect(firedMs).toBeLessThanOrEqual(maxFireMs);

      const shown: Alerts = await presentAlerts(present(), now());
      const { subjects = [] } = shown.alerts.find((alert) => alert.alertId === alertId) ?? {};
      if (outside?.at === 'before') await outside.end();
      isAlive = true;
      let known: Record<string, unknown> = {};
      for (const step of runbook.steps) known = await carryOut(step, alertId, String(subjects[0]), known);
      if (outside?.at === 'after') await outside.end();

      const endedFrom = now();
      do await nextCheck();
      while (firing.includes(alertId) && now() - endedFrom < maxEndMs);
      const endedMs = now() - endedFrom;
      expect(firing).not.toContain(alertId);
      // Whoever asked for it was told, by the endpoint that was there before.
      await nextCheck();
      // The database has the list of endpoints: while it is down, the log is all that says it.
      if (alertId === 'database_down')
        expect(log).toContainEqual(expect.objectContaining({ event: 'alert_firing', alertId }));
      else
        expect(toldOf()).toEqual(
          expect.arrayContaining([
            { type: 'alert.firing', alertId },
            { type: 'alert.ended', alertId },
          ]),
        );
      console.log(
        `${alertId}: fired after ${firedMs / 1_000} s, ended ${endedMs / 1_000} s after ${runbook.steps.length} step(s)`,
      );
    },
  );
});
