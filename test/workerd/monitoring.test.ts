/**
 * What is seen from outside, in the runtime: the metrics and alerts of the API, the trace of an activation, points for its
 * batches, and that none of it names a lead.
 */
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PointDataset } from '../../src/runtime/metric-points.ts';
import type { Alerts } from '../../src/shared/schemas/health.ts';
import { judgeAlerts, readSamples, storeSweep } from '../../src/worker/operations/health.ts';
import { sweep } from '../../src/worker/operations/scheduled-cleanup.ts';
import { addLeads } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { meter, meterDatabase, resetMeter } from '../support/meter.ts';
import {
  command,
  freshSessionId,
  readProgress,
  request,
  send,
  startSession,
  waitFor,
  waitForEnd,
  type LogLine,
} from '../support/session-driver.ts';
import { setUpSession, tearDownSession } from '../support/session-setup.ts';
import { tell } from '../support/webhook-sender.ts';

let db: D1Database;
let mail: FakeMailApi;
let log: readonly LogLine[];

beforeEach(async () => {
  ({ db, mail, log } = await setUpSession({ isRealTime: true }));
});
afterEach(tearDownSession);

const present = (): Env => ({ ...env, ...hooks.env });

describe('the metrics of the API', () => {
  it('come in the text format, from the list of activations', async () => {
    await addLeads(db, [{}, {}, {}]);
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    await waitUntil(async () => (await metricsText()).includes('lead_activation_emails{result="sent"} 3'));
    const answer = await request('/crm/metrics');
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await answer.text();
    expect(text).toContain('# TYPE lead_activation_database_up gauge\nlead_activation_database_up 1\n');
    // Every line is one of the format: a comment, or a name with labels and a value.
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(
        /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? -?\d+(?:\.\d+)?)$/,
      );
  });

  it('are for admins, also for a service token of theirs', async () => {
    // Access makes such ids.
    const serviceToken = 'e367826f93b8d71185e03fe518aff3b4.access';
    const as = async (who: string, path: string) => {
      const answer = await request(path, { headers: { 'test-identity': who } });
      await answer.body?.cancel();
      return answer.status;
    };
    hooks.env = { ROLE_APPROVER: 'boss@example.com', ROLE_ADMIN: `token:${serviceToken}` };
    for (const path of ['/crm/metrics', '/crm/alerts']) {
      expect(await as('none', path)).toBe(401);
      expect(await as('{"email":"boss@example.com"}', path)).toBe(403);
      expect(await as(`{"common_name":"${serviceToken}","sub":""}`, path)).toBe(200);
    }
  });

  it('cost two calls of the database, however many activations there are', async () => {
    await addLeads(db, [{}]);
    await startSession(freshSessionId());
    const row = db.prepare(
      `INSERT INTO activations (session_id, name, owner, state, rev, created_at, progress)
       SELECT 'activation_' || ?1, name, owner, 'completed', 1, ?2, json_set(progress, '$.finishedAt', 1)
       FROM activations LIMIT 1`,
    );
    await waitUntil(
      async () => (await db.prepare('SELECT count(*) AS n FROM activations').first<number>('n')) === 1,
    );
    const ids = Array.from({ length: 2_000 }, (_, index) => index);
    for (let from = 0; from < ids.length; from += 500)
      await db.batch(ids.slice(from, from + 500).map((id) => row.bind(id, Date.now())));
    meterDatabase(env.DB);
    resetMeter();
    const samples = await readSamples(present(), Date.now());
    expect(samples.length).toBeGreaterThan(20);
    expect(meter.d1CallCount).toBeLessThanOrEqual(2);
    // The newest 500, each with its entry of the index.
    expect(meter.d1RowsRead).toBeLessThanOrEqual(1_100);
    expect(meter.d1RowsWritten).toBe(0);
  });

  it('say that the database is down, and nothing that nobody knows', async () => {
    const DB = { prepare: fail, batch: fail } as unknown as D1Database;
    const samples = await readSamples({ ...present(), DB }, Date.now());
    expect(samples.map(({ metric, value }) => [metric, value])).toEqual([
      ['database_up', 0],
      ['settings_faulty', 0],
    ]);
    expect(await judgeAlerts({ ...present(), DB }, Date.now())).toEqual(['database_down']);
  });
});

const fail = (): never => {
  throw new Error('D1_ERROR: Network connection lost.');
};
const metricsText = async (): Promise<string> => (await request('/crm/metrics')).text();

async function waitUntil(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('Waited in vain.');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('the alerts of the API', () => {
  it('name what they are about and since when, and are noted once however often they are judged', async () => {
    await addLeads(db, [{}, {}]);
    mail.fault = () => ({ kind: 'answer', status: 401, body: { name: 'validation_error', message: 'No.' } });
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitFor(sessionId, ({ state }) => state === 'paused');
    await waitUntil(async () => (await judgeAlerts(present(), Date.now())).includes('mail_auth'));
    await Promise.all([judgeAlerts(present(), Date.now()), judgeAlerts(present(), Date.now())]);
    const { alerts } = await (await request('/crm/alerts')).json<Alerts>();
    expect(alerts).toMatchObject([{ alertId: 'mail_auth', severity: 'critical', subjects: [sessionId] }]);
    expect(alerts[0]?.since).toBeGreaterThan(0);
    expect(log.filter(({ event }) => event === 'alert_firing')).toHaveLength(1);

    expect((await command(sessionId, 'cancel')).status).toBe(200);
    await waitUntil(async () => (await judgeAlerts(present(), Date.now())).length === 0);
    expect(await (await request('/crm/alerts')).json<Alerts>()).toMatchObject({ alerts: [] });
    expect(log.filter(({ event }) => event === 'alert_ended')).toHaveLength(1);
  });

  it('are not ended by a database that does not answer', async () => {
    hooks.env = { MAIL_DAILY_CAP: 'x' };
    expect(await judgeAlerts(present(), Date.now())).toEqual(['settings_faulty']);
    const batch = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, 'batch').mockImplementation(fail);
    hooks.env = {};
    expect(await judgeAlerts(present(), Date.now())).toEqual(['database_down']);
    batch.mockRestore();
    expect(log.filter(({ event }) => event === 'alert_ended')).toEqual([]);
  });
});

interface ExportedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}

/** A collector in place of the network: what was exported, as text and as spans. */
function installCollector(answer = () => new Response('{}')): {
  bodies: string[];
  spans: () => ExportedSpan[];
} {
  const bodies: string[] = [];
  const takeMail = globalThis.fetch;
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const call = new Request(input, init);
    if (new URL(call.url).hostname !== 'otlp.acme.com') return takeMail(input, init);
    expect(new URL(call.url).pathname).toBe('/otlp/v1/traces');
    expect(call.headers.get('authorization')).toBe('Basic abc=');
    bodies.push(await call.text());
    return answer();
  });
  const spans = (): ExportedSpan[] =>
    bodies.flatMap((body) => {
      const { resourceSpans } = JSON.parse(body) as {
        resourceSpans: { scopeSpans: { spans: ExportedSpan[] }[] }[];
      };
      return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
    });
  return { bodies, spans };
}

const traced = {
  OTLP_ENDPOINT: 'https://otlp.acme.com/otlp',
  OTLP_HEADERS: 'Authorization=Basic abc=',
  OTLP_SAMPLE_PERCENT: '0',
};
const parent = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

/** Starts an activation as a caller that traces. */
const startTraced = (sessionId: string): Promise<Response> =>
  request('/crm/activation', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      traceparent: `00-${parent.traceId}-${parent.spanId}-01`,
    },
    body: JSON.stringify({ sessionId, audience: { filter: {} }, templateId: 'welcome' }),
  });

describe('a trace', () => {
  it('goes from the request to the slice, the batch and the call', async () => {
    const collector = installCollector();
    hooks.env = { ...traced, MAIL_BATCH_MAX: '10' };
    await addLeads(
      db,
      Array.from({ length: 20 }, () => ({})),
    );
    const sessionId = freshSessionId();
    expect((await startTraced(sessionId)).status).toBe(201);
    await waitForEnd(sessionId);
    await waitUntil(() => Promise.resolve(collector.spans().some(({ name }) => name === 'slice')));
    const spans = collector.spans();
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([parent.traceId]));
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const chainOf = (span: ExportedSpan): string[] => {
      const above = byId.get(span.parentSpanId ?? '');
      return [span.name, ...(above === undefined ? [span.parentSpanId ?? ''] : chainOf(above))];
    };
    const calls = spans.filter(({ name }) => name === 'call');
    expect(calls).toHaveLength(2);
    for (const call of calls)
      expect(chainOf(call)).toEqual(['call', 'batch', 'slice', 'POST /crm/activation', parent.spanId]);
    expect(spans.filter(({ name }) => name === 'flip')).toHaveLength(2);
    expect(log.find(({ event, route }) => event === 'request' && route === '/crm/activation')).toMatchObject({
      traceId: parent.traceId,
    });
  });

  it('is not begun where nothing is sampled, and not at all where no collector is set', async () => {
    const collector = installCollector();
    await addLeads(db, [{}]);
    hooks.env = traced;
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    await addLeads(db, [{ id: 2 }]);
    hooks.env = {};
    const other = freshSessionId();
    expect((await startTraced(other)).status).toBe(201);
    await waitForEnd(other);
    expect(collector.bodies).toEqual([]);
  });

  it('that the collector refuses costs nothing but a line in the log', async () => {
    installCollector(() => new Response(null, { status: 503 }));
    hooks.env = traced;
    await addLeads(db, [{}, {}]);
    const sessionId = freshSessionId();
    await startTraced(sessionId);
    expect(await waitForEnd(sessionId)).toMatchObject({ state: 'completed', email: { sent: 2 } });
    await waitUntil(() => Promise.resolve(log.some(({ event }) => event === 'trace_not_exported')));
  });
});

describe('nothing that is exported', () => {
  it('names a lead: not a trace, a point, a metric, an alert or a line of the log', async () => {
    const collector = installCollector();
    const points: unknown[] = [];
    const dataset: PointDataset = { writeDataPoint: (point) => void points.push(point) };
    hooks.env = { ...traced, METRICS: dataset, MAIL_BATCH_MAX: '5' };
    const secrets = ['zelda.quux', 'quuxmail', 'Zelda', 'Quuxington'];
    await addLeads(
      db,
      Array.from({ length: 10 }, (_, index) => ({
        email: `zelda.quux${index}@quuxmail.example`,
        firstName: 'Zelda',
        lastName: 'Quuxington',
      })),
    );
    // Providers repeat addresses in what they refuse.
    mail.fault = ({ callCount, to }) =>
      callCount === 1
        ? {
            ...{ kind: 'answer', status: 422 },
            body: { name: 'validation_error', message: `Invalid \`to\` field: ${to.join(', ')}, Zelda` },
          }
        : callCount === 3
          ? { kind: 'loseAfter' }
          : { kind: 'none' };
    const sessionId = freshSessionId();
    await startTraced(sessionId);
    await waitForEnd(sessionId);
    for (const leadId of [1, 2, 3])
      await tell({
        type: leadId === 1 ? 'email.bounced' : 'email.delivered',
        ...{ sessionId, leadId, to: `zelda.quux${leadId}@quuxmail.example`, bounceType: 'Permanent' },
      });
    // A caller's words, in a path, a query and a body.
    await send('POST', '/crm/leads/results', { search: 'zelda.quux1@quuxmail.example' });
    await request('/crm/leads?search=Quuxington');
    await request('/crm/leads/zelda.quux@quuxmail.example', {
      method: 'PATCH',
      headers: { traceparent: `00-${parent.traceId}-${parent.spanId}-01` },
    });
    const found = await sweep(present());
    if (found !== null) await storeSweep(present(), found, Date.now());
    await judgeAlerts(present(), Date.now());
    await waitUntil(() => Promise.resolve(collector.spans().some(({ name }) => name === 'slice')));
    const alerts = await (await request('/crm/alerts')).text();
    const stored = await db.prepare('SELECT * FROM alert_events').all();
    const exported = {
      traces: collector.bodies.join('\n'),
      points: JSON.stringify(points),
      metrics: await metricsText(),
      alerts: alerts + JSON.stringify(stored.results),
      log: JSON.stringify(log),
    };
    // Each has something in it.
    expect(points.length).toBeGreaterThanOrEqual(3);
    expect(exported.traces).toContain('"call"');
    expect(exported.log).toContain(sessionId);
    for (const [name, text] of Object.entries(exported))
      for (const secret of secrets)
        expect([name, secret, text.includes(secret)]).toEqual([name, secret, false]);
    expect((await readProgress(sessionId)).total).toBe(10);
  });
});
