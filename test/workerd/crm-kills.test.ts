/**
 * Each CRM under crashes and faults: at the end it holds what our ledger holds, and nobody was mailed twice.
 *
 * `CRM_KILLS=200 CRM_FAULTS=20 npm run test:workerd -- test/workerd/crm-kills.test.ts` is the long form.
 */
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { expectCounted, expectLedger, httpCrm } from '../support/crm-setup.ts';
import { FakeHttpCrm, type CrmFault, type FakeCrm } from '../support/fake-crm.ts';
import { FakeHubSpot, FakeSalesforce, FakeTwenty } from '../support/fake-crms.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import { command, drive, freshSessionId, startSession, type DrivenClock } from '../support/session-driver.ts';
import { blankLeads, last, setUpSession, tearDownSession } from '../support/session-setup.ts';

let db: D1Database;
let clock: DrivenClock;

beforeEach(async () => {
  ({ db, clock } = await setUpSession({ batchSize: 10 }));
});

afterEach(tearDownSession);

const cases = [
  {
    name: 'our own form',
    env: httpCrm,
    source: 'crm',
    fake: (): FakeCrm => new FakeHttpCrm(),
    id: (at: number) => `C-${at}`,
    field: 'lead_activation',
    limit: { count: 51, spanMs: 10_000 },
  },
  {
    name: 'HubSpot',
    env: { CRM_PROVIDER: 'hubspot', CRM_API_KEY: 'crm-key' },
    source: 'hubspot',
    fake: (): FakeCrm => new FakeHubSpot(),
    id: String,
    field: 'lead_activation',
    limit: { count: 190, spanMs: 10_000 },
  },
  {
    name: 'Salesforce',
    env: {
      ...{ CRM_PROVIDER: 'salesforce', CRM_API_KEY: 'secret', CRM_CLIENT_ID: 'client' },
      CRM_API_URL: 'https://acme.my.salesforce.com',
    },
    source: 'salesforce',
    fake: (): FakeCrm => new FakeSalesforce(),
    id: (at: number) => `00Q${String(at).padStart(15, '0')}`,
    field: 'Lead_Activation__c',
    // Tokens are asked for besides: one for each instance.
    limit: { count: 102, spanMs: 10_000 },
  },
  {
    name: 'Twenty',
    env: { CRM_PROVIDER: 'twenty', CRM_API_KEY: 'crm-key', CRM_API_URL: 'https://crm.acme.com' },
    source: 'twenty',
    fake: (): FakeCrm => new FakeTwenty(),
    id: (at: number) => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`,
    field: 'leadActivation',
    limit: { count: 100, spanMs: 60_000 },
  },
];

const leadCount = 60;
const faults: readonly CrmFault[] = [
  { kind: 'loseBefore' },
  { kind: 'loseAfter' },
  { kind: 'page', status: 503 },
  { kind: 'page', status: 502, isPassedOn: true },
  { kind: 'page', status: 200 },
  { kind: 'answer', status: 429, headers: { 'retry-after': '1' } },
  { kind: 'answer', status: 500 },
];

describe.each(cases)('$name', ({ env: settings, source, fake, id, field, limit }) => {
  it('holds what our ledger holds after crashes, faults, pauses and cancels', async () => {
    const wantedKills = Number(env.CRM_KILLS);
    const wantedFaults = Number(env.CRM_FAULTS);
    hooks.env = { ...hooks.env, ...settings };
    let [killCount, faultCount, sessionCount] = [0, 0, 0];
    for (let seed = 1; killCount < wantedKills || faultCount < wantedFaults; seed++) {
      const random = seededRandom(seed);
      await emptyCrm();
      await addLeads(db, blankLeads(leadCount));
      const ids = Array.from({ length: leadCount }, (_, index) => id(index + 1));
      await db
        .prepare('UPDATE leads SET external_source = ?1, external_id = (?2 ->> (id - 1))')
        .bind(source, JSON.stringify(ids))
        .run();
      // A call must not pass through the fakes of the seed before.
      vi.unstubAllGlobals();
      const mail = new FakeMailApi().install();
      const crm = fake().install();
      crm.now = () => clock.now();
      for (const recordId of ids) crm.records.set(recordId, { [field]: 'new' });
      crm.records.delete(id(3));
      crm.fault = () => {
        if (random() > 0.15) return { kind: 'none' };
        faultCount++;
        return faults[Math.floor(random() * faults.length)] ?? { kind: 'none' };
      };
      const drawn = (): number => 1 + Math.floor(random() * 150);
      let edgesLeft = drawn();
      hooks.onVerb = () => {
        if (--edgesLeft > 0) return false;
        edgesLeft = drawn();
        killCount++;
        return true;
      };
      const sessionId = freshSessionId();
      await startSession(sessionId);
      sessionCount++;
      // A person interferes with half of the sessions.
      const word = random() < 0.5 ? null : random() < 0.5 ? 'cancel' : 'pause';
      const at = Math.floor(random() * 40);
      if (word !== null) {
        await drive(sessionId, clock, ({ email, finishedAt }) => email.sent >= at || finishedAt !== null);
        await command(sessionId, word);
        await drive(sessionId, clock, ({ state, finishedAt }) => state === 'paused' || finishedAt !== null);
        // At rest nothing is on its way: what is not mailed is not active, here and there.
        for (let look = 0; look < 3; look++)
          await drive(sessionId, clock, ({ state, finishedAt }) => state === 'paused' || finishedAt !== null);
        hooks.onVerb = null;
        if (word === 'pause') await command(sessionId, 'resume');
      }
      const end = last(await drive(sessionId, clock));
      hooks.onVerb = null;
      expect(['completed', 'cancelled']).toContain(end.state);
      if (end.state === 'completed') expect(end.email.sent + end.activation.failed).toBe(leadCount);
      expect(Math.max(0, ...mail.countByAddress().values())).toBeLessThanOrEqual(1);
      expect(mail.mails.map(({ to }) => to)).not.toContain('lead3@example.com');
      await expectLedger(db, crm, field);
      await expectCounted(sessionId);
      expect(crm.mostCallsIn(limit.spanMs)).toBeLessThanOrEqual(limit.count);
    }
    expect(killCount).toBeGreaterThanOrEqual(wantedKills);
    expect(faultCount).toBeGreaterThanOrEqual(wantedFaults);
    expect(sessionCount).toBeGreaterThan(0);
  }, 3_600_000);
});
