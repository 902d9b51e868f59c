/**
 * Sessions whose leads are set active in a foreign CRM too, over our own HTTP form: order, refusals, outages, crashes.
 */
import { evictDurableObject } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Issue, Progress } from '../../src/shared/progress.ts';
import { countsAndRecount, statuses, suppress } from '../support/crm-database.ts';
import { expectCounted, expectLedger, httpCrm, linkLeads } from '../support/crm-setup.ts';
import { FakeHttpCrm } from '../support/fake-crm.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  drive,
  freshSessionId,
  readRows,
  request,
  send,
  startSession,
  stubOf,
  type DrivenClock,
} from '../support/session-driver.ts';
import { accepted, expectSound, last, setUpSession, tearDownSession } from '../support/session-setup.ts';
import { FakeMailApi as MailApi } from '../support/fake-mail-api.ts';

let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;
let crm: FakeHttpCrm;
let sessionId: string;

beforeEach(async () => {
  ({ db, mail, clock, sessionId } = await setUpSession({ leadCount: 30, batchSize: 10 }));
  await linkLeads(db, 'crm');
  crm = new FakeHttpCrm().addRecords(30).install();
  crm.now = () => clock.now();
  hooks.env = { ...hooks.env, ...httpCrm };
});

afterEach(tearDownSession);

const issuesOf = async (id: string): Promise<Issue[]> => {
  const response = await request(`/crm/activation/${id}/issues`);
  return (await response.json<{ issues: Issue[] }>()).issues;
};

describe('a session with a connected CRM', () => {
  it('sets each record before its mail leaves, one call for a batch, and counts what is in the CRM', async () => {
    const activeAtMail: boolean[] = [];
    mail.fault = ({ to }) => {
      for (const address of to)
        activeAtMail.push(
          crm.records.get(address.replace('lead', 'r').split('@')[0] ?? '')?.lead_activation === 'active',
        );
      return { kind: 'none' };
    };
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({
      state: 'completed',
      processed: 30,
      crm: { provider: 'http', inCrm: 30, limitedBy: 'crm' },
    });
    expect(activeAtMail).toEqual(Array.from({ length: 30 }, () => true));
    expect(crm.callTimes).toHaveLength(3);
    expect(new Set(crm.keys).size).toBe(3);
    await expectSound(sessionId, mail);
    await expectLedger(db, crm);
    await expectCounted(sessionId);
  });

  it('is held to a manifest that names the CRM and what is set there', async () => {
    const wanted = { audience: { filter: {} }, templateId: 'welcome' };
    const response = await send('POST', '/crm/activation/manifest', wanted);
    const { hash, manifest } = await response.json<{ hash: string; manifest: { crm?: unknown } }>();
    expect(manifest.crm).toEqual({
      provider: 'http',
      host: 'crm.acme.com',
      set: { lead_activation: 'active' },
    });
    hooks.env = { ...hooks.env, CRM_ACTIVE: 'stage=on', CRM_NOT_ACTIVE: 'stage=off' };
    const refused = await send('POST', '/crm/activation', { sessionId, ...wanted, manifestHash: hash });
    expect([refused.status, (await refused.json<{ code: string }>()).code]).toEqual([
      409,
      'manifest_changed',
    ]);
  });

  it('mails leads that the CRM does not have, without a call for them', async () => {
    await db.prepare('UPDATE leads SET external_source = NULL, external_id = NULL WHERE id > 10').run();
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: 30 }, crm: { inCrm: 10 } });
    expect(crm.callTimes).toHaveLength(1);
    await expectCounted(sessionId);
  });

  it('fails leads whose record the CRM refuses: they are new again, not mailed, and listed with its reason', async () => {
    crm.records.delete('r4');
    crm.refused.set('r15', 'locked');
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({
      state: 'completed',
      processed: 30,
      activation: { activated: 28, failed: 2, skipped: 0 },
      email: { sent: 28 },
      crm: { inCrm: 28 },
    });
    expect(mail.mails.map(({ to }) => to)).not.toContain('lead4@example.com');
    const byId = new Map((await statuses(db)).map((lead) => [lead.id, lead.status]));
    expect([byId.get(4), byId.get(15), byId.get(5)]).toEqual(['new', 'new', 'active']);
    const issues = (await issuesOf(sessionId)).filter(({ track }) => track === 'activation');
    expect(issues.map(({ code, count }) => [code, count]).sort()).toEqual([
      ['crm_locked', 1],
      ['crm_not_found', 1],
    ]);
    expect(JSON.stringify(issues)).not.toContain('ana@example.com');
    await expectSound(sessionId, mail);
    await expectLedger(db, crm);
    await expectCounted(sessionId);
    const { kept, recount } = await countsAndRecount(db);
    expect(recount).toEqual(kept);
  });

  it('pauses when three calls are refused as a whole, and goes on when the cause is gone', async () => {
    for (const id of crm.records.keys()) crm.refused.set(id, 'invalid_value');
    await startSession(sessionId);
    const paused = last(await drive(sessionId, clock, ({ state }) => state === 'paused'));
    expect(paused.reason).toBe('crm_refused');
    expect(mail.mails).toHaveLength(0);
    expect(paused.activation.failed).toBeLessThanOrEqual(20);
    crm.refused.clear();
    await accepted(sessionId, 'resume');
    const end = last(await drive(sessionId, clock));
    expect(end.email.sent).toBe(30 - end.activation.failed);
    await expectLedger(db, crm);
    await expectSound(sessionId, mail);
  });

  it('waits while the CRM is down, says so, and loses nobody', async () => {
    let isDown = true;
    crm.fault = () => (isDown ? { kind: 'page', status: 503 } : { kind: 'none' });
    await startSession(sessionId);
    const views = await drive(sessionId, clock, ({ waitingFor }) => waitingFor?.kind === 'crm');
    expect(last(views)).toMatchObject({ state: 'running', email: { sent: 0 } });
    isDown = false;
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: 30 }, crm: { inCrm: 30 } });
    await expectLedger(db, crm);
  });

  it('repeats a call whose answer was lost, and asks later where the CRM says so', async () => {
    crm.fault = ({ callCount }) =>
      callCount === 1
        ? { kind: 'loseAfter' }
        : callCount === 3
          ? { kind: 'answer', status: 429, headers: { 'retry-after': '2' } }
          : { kind: 'none' };
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', email: { sent: 30 }, crm: { inCrm: 30 } });
    expect(crm.callTimes).toHaveLength(5);
    await expectSound(sessionId, mail);
  });

  it('pauses when the key is refused, gives back what was not mailed, and goes on with the right key', async () => {
    hooks.env = { ...hooks.env, CRM_API_KEY: 'wrong' };
    await startSession(sessionId);
    const paused = last(await drive(sessionId, clock, ({ state }) => state === 'paused'));
    expect(paused).toMatchObject({ reason: 'crm_auth', email: { sent: 0 } });
    expect(paused.lastError).not.toContain('wrong');
    hooks.env = { ...hooks.env, CRM_API_KEY: 'crm-key' };
    await accepted(sessionId, 'resume');
    expect(last(await drive(sessionId, clock))).toMatchObject({ state: 'completed', email: { sent: 30 } });
    await expectLedger(db, crm);
  });

  it('pauses when the settings name another CRM, and ends when it is cancelled then', async () => {
    await startSession(sessionId);
    hooks.env = { ...hooks.env, CRM_API_URL: 'https://other.acme.com/' };
    const paused = last(await drive(sessionId, clock, ({ state }) => state === 'paused'));
    expect(paused.reason).toBe('crm_auth');
    expect(paused.lastError).toContain('crm.acme.com');
    await accepted(sessionId, 'cancel');
    expect(last(await drive(sessionId, clock)).state).toBe('cancelled');
    await expectLedger(db, crm);
  });

  it('is not started while the connection lacks something', async () => {
    hooks.env = { ...hooks.env, CRM_API_KEY: '' };
    const response = await send('POST', '/crm/activation', {
      sessionId,
      audience: { filter: {} },
      templateId: 'welcome',
    });
    expect([response.status, (await response.json<{ code: string }>()).code]).toEqual([
      409,
      'crm_not_configured',
    ]);
  });
});

describe('a command', () => {
  it.each(['pause', 'cancel'] as const)(
    'to %s after a crash between push and intent undoes the push before the lead is given back',
    async (name) => {
      let crashCount = 0;
      hooks.onVerb = (verb, edge) => verb === 'push' && edge === 'after' && ++crashCount === 1;
      await startSession(sessionId);
      await drive(sessionId, clock, () => crashCount === 1);
      hooks.onVerb = null;
      expect(crm.idsWith('lead_activation', 'active').length).toBeGreaterThan(0);
      await accepted(sessionId, name);
      await drive(sessionId, clock, ({ state, finishedAt }) => state === 'paused' || finishedAt !== null);
      expect(crm.idsWith('lead_activation', 'active')).toEqual([]);
      await expectLedger(db, crm);
      if (name === 'cancel') return;
      await accepted(sessionId, 'resume');
      expect(last(await drive(sessionId, clock))).toMatchObject({ state: 'completed', email: { sent: 30 } });
      await expectLedger(db, crm);
      await expectSound(sessionId, mail);
    },
  );

  it('lets no push leave after its answer', async () => {
    let isAsked = false;
    let callsAtAnswer = 0;
    hooks.hold = (verb) => {
      if (verb !== 'push' || isAsked) return null;
      isAsked = true;
      return accepted(sessionId, 'pause').then(() => (callsAtAnswer = crm.callTimes.length));
    };
    await startSession(sessionId);
    await drive(sessionId, clock, ({ state }) => state === 'paused');
    await drive(sessionId, clock, ({ state }) => state === 'paused');
    const sets = crm.writes.slice(callsAtAnswer * 10).filter(({ set }) => set.lead_activation === 'active');
    expect(isAsked).toBe(true);
    expect(sets).toEqual([]);
    await expectLedger(db, crm);
  });

  it('undoes a push that was lost on its way, and waits until that can no longer arrive', async () => {
    let isLosing = true;
    crm.fault = () => (isLosing ? { kind: 'lateAfterLoss' } : { kind: 'none' });
    await startSession(sessionId);
    await drive(sessionId, clock, ({ waitingFor }) => waitingFor?.kind === 'crm');
    await evictDurableObject(stubOf(sessionId));
    isLosing = false;
    await accepted(sessionId, 'cancel');
    let longestMs = 0;
    hooks.sleep = (ms) => {
      clock.advance(ms);
      longestMs = Math.max(longestMs, ms);
      // It arrives while the new instance waits.
      for (const arrive of crm.late.splice(0)) arrive();
      return Promise.resolve();
    };
    await drive(sessionId, clock);
    expect(longestMs).toBeGreaterThan(10_000);
    expect(crm.writes.some(({ set }) => set.lead_activation === 'active')).toBe(true);
    expect(crm.idsWith('lead_activation', 'active')).toEqual([]);
    await expectLedger(db, crm);
  });
});

describe('a lead that is suppressed after its push and before its mail', () => {
  it('is undone in the CRM when its batch is flipped again', async () => {
    let crashCount = 0;
    hooks.onVerb = (verb, edge) => verb === 'push' && edge === 'after' && ++crashCount === 1;
    await startSession(sessionId);
    await drive(sessionId, clock, () => crashCount === 1);
    hooks.onVerb = null;
    await suppress(db, 'lead1@example.com');
    const end = last(await drive(sessionId, clock));
    expect(end).toMatchObject({ state: 'completed', activation: { skipped: 1 }, email: { sent: 29 } });
    expect(crm.records.get('r1')?.lead_activation).toBe('new');
    await expectLedger(db, crm);
  });
});

describe('taking back', () => {
  const takeBack = async (choice: 'all' | 'unmailed'): Promise<void> => {
    const made = await send('POST', `/crm/activation/${sessionId}/take-back/manifest`, { choice });
    const { hash } = await made.json<{ hash: string }>();
    await accepted(sessionId, 'take-back', { choice, manifestHash: hash });
  };
  const isDone = ({ takeBack: its }: Progress): boolean => its?.endedAt != null;

  it('undoes the state in the CRM too, but for leads that something else has touched', async () => {
    await startSession(sessionId);
    await drive(sessionId, clock);
    await db.prepare('UPDATE leads SET revision = (SELECT revision + 1 FROM lead_counts) WHERE id = 5').run();
    await db.prepare('UPDATE lead_counts SET revision = revision + 1').run();
    await takeBack('all');
    const { takeBack: its } = last(await drive(sessionId, clock, isDone));
    expect(its).toMatchObject({ reverted: 29, kept: 1, failed: 0 });
    expect(crm.idsWith('lead_activation', 'active')).toEqual(['r5']);
    await expectLedger(db, crm);
  });

  it('that dies between the CRM and our database leaves both the same in the end', async () => {
    await startSession(sessionId);
    await drive(sessionId, clock);
    await takeBack('all');
    let killCount = 0;
    hooks.onCrmCall = (edge, { method }) =>
      edge === 'before' &&
      method === 'batch' &&
      crm.idsWith('lead_activation', 'new').length > 1 &&
      ++killCount === 1;
    await drive(sessionId, clock, () => killCount === 1);
    hooks.onCrmCall = null;
    // One of them is edited meanwhile: it stays active, and so does its record.
    await db.prepare('UPDATE leads SET revision = (SELECT revision + 1 FROM lead_counts) WHERE id = 7').run();
    await db.prepare('UPDATE lead_counts SET revision = revision + 1').run();
    crm.fault = ({ callCount }) => (callCount % 3 === 0 ? { kind: 'loseAfter' } : { kind: 'none' });
    const { takeBack: its } = last(await drive(sessionId, clock, isDone));
    expect(killCount).toBe(1);
    expect(its).toMatchObject({ reverted: 29, kept: 1 });
    expect(crm.idsWith('lead_activation', 'active')).toEqual(['r7']);
    await expectLedger(db, crm);
  });

  it('reverts our own leads where the CRM is not connected any more', async () => {
    await startSession(sessionId);
    await drive(sessionId, clock);
    hooks.env = { ...hooks.env, CRM_PROVIDER: '' };
    await takeBack('all');
    const { takeBack: its } = last(await drive(sessionId, clock, isDone));
    expect(its).toMatchObject({ reverted: 30 });
    expect(crm.idsWith('lead_activation', 'active')).toHaveLength(30);
  });
});

describe('a crash', () => {
  it('at any one verb of a slice leaves the CRM as the ledger is, mails nobody twice and loses nobody', async () => {
    hooks.env = { ...hooks.env, MAIL_BATCH_MAX: '5' };
    await db.prepare('DELETE FROM leads WHERE id > 7').run();
    const places = new Set<string>();
    let crashCount = 0;
    for (let crashAt = 1; ; crashAt++) {
      await db.prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL").run();
      mail = new MailApi().install();
      crm = new FakeHttpCrm().addRecords(30).install();
      let edge = 0;
      hooks.onVerb = (verb, side) => {
        if (++edge !== crashAt) return false;
        places.add(`${side} ${verb}`);
        return true;
      };
      const id = freshSessionId();
      await startSession(id);
      const end = last(await drive(id, clock));
      expect(end).toMatchObject({ state: 'completed', email: { sent: 7 }, crm: { inCrm: 7 } });
      expect(Math.max(...mail.countByAddress().values())).toBe(1);
      await expectLedger(db, crm);
      await expectCounted(id);
      if (edge < crashAt) break;
      crashCount++;
    }
    expect(crashCount).toBeGreaterThan(50);
    expect([...places]).toEqual(
      expect.arrayContaining(['before pushPermit', 'after pushPermit', 'before push', 'after push']),
    );
  }, 300_000);
});

describe('without a connection', () => {
  it('a session makes no call and has no counter of the CRM', async () => {
    hooks.env = { MAIL_BATCH_MAX: '10' };
    await startSession(sessionId);
    const end = last(await drive(sessionId, clock));
    expect(end.state).toBe('completed');
    expect(end).not.toHaveProperty('crm');
    expect(crm.callTimes).toHaveLength(0);
    const { batches } = await readRows(sessionId);
    expect(JSON.stringify(batches)).not.toContain('crmRecordId');
    expect((await command(sessionId, 'pause')).status).toBe(409);
  });
});
