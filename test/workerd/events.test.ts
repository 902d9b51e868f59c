/**
 * Events to endpoints, from the change that makes them to the receiver that takes them.
 *
 * A kill is `ctx.abort()`: the instance loses its memory and everything that it has not committed. That the platform
 * fires alarms again after a whole process dies is shown by `npm run chaos:kill` for sessions, and not here.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isLeadEvent } from '../../src/core/events/make-events.ts';
import type { Attempt } from '../../src/core/events/retry.ts';
import { changeEndpoint, disableEndpoint, type EndpointRow } from '../../src/crm/event-endpoints.ts';
import { type DeliveryEnd, sendDue } from '../../src/durable/webhooks/deliveries.ts';
import { OutboxStore } from '../../src/durable/store/outbox-store.ts';
import { EndpointStore, type DeliveryRow } from '../../src/durable/webhooks/endpoint-store.ts';
import type { Message } from '../../src/durable/webhooks/send-event.ts';
import type { EventType, OutEvent } from '../../src/shared/events.ts';
import { eventTypeNames } from '../../src/shared/events.ts';
import { isTerminal } from '../../src/shared/progress.ts';
import type { Delivery, Endpoint, EndpointView } from '../../src/shared/schemas/webhooks.ts';
import { sweep } from '../../src/worker/operations/scheduled-cleanup.ts';
import { addLeads, emptyCrm } from '../support/crm-database.ts';
import { EventReceiver } from '../support/event-receiver.ts';
import { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import { seededRandom } from '../support/random.ts';
import {
  command,
  drive,
  freshSessionId,
  request,
  send,
  startSession,
  stubOf,
  waitForEnd,
  type DrivenClock,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';
import { tell } from '../support/webhook-sender.ts';

let db: D1Database;
let mail: FakeMailApi;
let clock: DrivenClock;
let receiver: EventReceiver;

/** `isRealTime`: alarms fire by themselves. */
async function setUp(options: Parameters<typeof setUpSession>[0]): Promise<void> {
  ({ db, mail, clock } = await setUpSession(options));
  await db.prepare('DELETE FROM event_endpoints').run();
  receiver = new EventReceiver().install();
  hooks.eventBackoff = { baseMs: 20, maxMs: 100 };
}

afterEach(async () => {
  tearDownSession();
  for (const { endpointId } of await endpoints()) await send('DELETE', `/crm/webhooks/${endpointId}`);
});

const endpoints = async (): Promise<Endpoint[]> =>
  (await (await request('/crm/webhooks')).json<{ endpoints: Endpoint[] }>()).endpoints;

async function addEndpoint(
  change: { kind?: string; target?: string; types?: readonly EventType[] } = {},
): Promise<string> {
  const response = await send('POST', '/crm/webhooks', {
    ...{ kind: 'webhook', target: 'https://crm.acme.com/events', types: eventTypeNames },
    ...change,
  });
  expect(response.status).toBe(201);
  const { endpoint, secret } = await response.json<{ endpoint: Endpoint; secret: string }>();
  if (secret !== '') receiver.secrets.push(secret);
  return endpoint.endpointId;
}

const viewOf = async (endpointId: string): Promise<EndpointView> =>
  (await request(`/crm/webhooks/${endpointId}`)).json();
const logOf = async (endpointId: string): Promise<Delivery[]> =>
  (await (await request(`/crm/webhooks/${endpointId}/deliveries`)).json<{ deliveries: Delivery[] }>())
    .deliveries;
const endpointOf = (endpointId: string) => env.WEBHOOK_ENDPOINT.getByName(endpointId);

let lastLeadId = 1_000;

/** New leads with ids that no others have. */
const addMore = (count: number): Promise<unknown> =>
  addLeads(
    db,
    Array.from({ length: count }, () => ({ id: ++lastLeadId })),
  );

/** Waits until the condition holds. */
async function until(isTrue: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('Waited in vain.');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Fires the alarm of an endpoint's object, whose times are by the driven clock. */
async function fireEndpoint(endpointId: string): Promise<void> {
  await runDurableObjectAlarm(endpointOf(endpointId));
}

const typesOf = (sessionId: string): string[] =>
  receiver
    .bySession()
    .get(sessionId)
    ?.map(({ type }) => type) ?? [];

/** The leads of all taken events of a type, sorted. */
const leadsOf = (type: string): number[] =>
  [...receiver.bySession().values()]
    .flat()
    .filter((event) => event.type === type)
    .flatMap(({ data }) => ('leads' in data ? data.leads.map(({ leadId }) => leadId) : []))
    .sort((a, b) => a - b);

describe('a session', () => {
  beforeEach(() => setUp({ isRealTime: true, leadCount: 30, batchSize: 10 }));

  it('tells an endpoint of everything that happens, signed, in order and once', async () => {
    await addEndpoint();
    mail.refused.add('lead7@example.com');
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const end = await waitForEnd(sessionId);
    await until(() => typesOf(sessionId).includes('activation.completed'));
    const events = receiver.bySession().get(sessionId) ?? [];
    expect(events[0]?.type).toBe('activation.started');
    const sequences = events.map(({ data }) => data.sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    expect(receiver.taken).toHaveLength(events.length);
    expect(leadsOf('lead.activated')).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(leadsOf('lead.emailed')).toHaveLength(end.email.sent);
    expect(leadsOf('lead.failed')).toHaveLength(end.email.failed);
    expect(events.at(-1)?.data).toMatchObject({
      sessionId,
      counts: { total: 30, sent: end.email.sent, failed: end.email.failed },
    });
    // Ids only: no address and no name leaves.
    expect(JSON.stringify(receiver.taken)).not.toContain('@');
  });

  it('tells an endpoint of what happens by a clock that was set back to before it was added', async () => {
    await addEndpoint();
    await db.prepare('UPDATE event_endpoints SET created_at = created_at + 3600000').run();
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    await until(() => typesOf(sessionId).includes('activation.completed'));
    expect(typesOf(sessionId)[0]).toBe('activation.started');
    expect(leadsOf('lead.emailed')).toHaveLength(30);
  });

  it('writes no event while there is no endpoint, and none after the last one is gone', async () => {
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    await expectOutbox(sessionId, 0);
    const endpointId = await addEndpoint();
    await send('DELETE', `/crm/webhooks/${endpointId}`);
    await addMore(5);
    const later = freshSessionId();
    await startSession(later);
    await waitForEnd(later);
    await expectOutbox(later, 0);
    expect(receiver.requests).toEqual([]);
  });

  it('tells of what mail programs and recipients report, once', async () => {
    await addEndpoint();
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    await tell({ type: 'email.delivered', sessionId, leadId: 1 });
    await tell({ type: 'email.delivered', sessionId, leadId: 2 });
    await tell({ type: 'email.bounced', sessionId, leadId: 3 });
    await tell({ type: 'email.delivered', sessionId, leadId: 1 });
    await tell({ type: 'email.complained', sessionId, leadId: 2 });
    await until(() => leadsOf('lead.complained').length > 0);
    expect(leadsOf('lead.delivered')).toEqual([1, 2]);
    expect(leadsOf('lead.bounced')).toEqual([3]);
    expect(leadsOf('lead.complained')).toEqual([2]);
  });

  it('tells of an unsubscribe once, also when the Worker died before the session knew of it', async () => {
    await addEndpoint({ types: ['lead.unsubscribed'] });
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    await db.prepare('INSERT INTO unsubscribe_events VALUES (?, 4), (?, 5)').bind(sessionId, sessionId).run();
    await sweep(env);
    await stubOf(sessionId).addDeliveryEvents([{ leadId: 4, event: 'unsubscribed' }]);
    await sweep(env);
    await until(() => leadsOf('lead.unsubscribed').length === 2);
    expect(leadsOf('lead.unsubscribed')).toEqual([4, 5]);
    expect(await db.prepare('SELECT count(*) AS n FROM unsubscribe_events').first('n')).toBe(0);
  });

  it('gives an endpoint that is added while it runs everything from then on', async () => {
    const sessionId = freshSessionId();
    hooks.env = { ...hooks.env, ACTIVATE_UNDO_SECONDS: '1' };
    await startSession(sessionId);
    await addEndpoint();
    await waitForEnd(sessionId);
    await until(() => typesOf(sessionId).includes('activation.completed'));
    expect(leadsOf('lead.emailed')).toHaveLength(30);
  });

  it('has its event at a receiver within a second', async () => {
    await addEndpoint();
    const tookMs: number[] = [];
    for (let round = 0; round < 20; round++) {
      const sessionId = freshSessionId();
      await addMore(1);
      await startSession(sessionId);
      await waitForEnd(sessionId);
      const { finishedAt } = await runInDurableObject(stubOf(sessionId), (instance) =>
        instance.rows().session(),
      );
      await until(() => typesOf(sessionId).includes('activation.completed'));
      const arrived = receiver.taken.find(
        ({ type, data }) =>
          type === 'activation.completed' && 'sessionId' in data && data.sessionId === sessionId,
      );
      tookMs.push((arrived?.at ?? Infinity) - (finishedAt ?? 0));
    }
    tookMs.sort((a, b) => a - b);
    console.debug(
      JSON.stringify({ event: 'event_latency', p50: tookMs[10], p95: tookMs[18], max: tookMs[19] }),
    );
    expect(tookMs[18]).toBeLessThan(1_000);
  });
});

async function expectOutbox(sessionId: string, rowCount: number): Promise<void> {
  const count = await runInDurableObject(
    stubOf(sessionId),
    (_, { storage }) => storage.sql.exec<{ n: number }>('SELECT count(*) AS n FROM outbox').one().n,
  );
  expect(count).toBe(rowCount);
}

describe('a crash', () => {
  beforeEach(() => setUp({ batchSize: 5 }));

  it('at any one verb of a slice loses no event and makes none up', async () => {
    await addEndpoint();
    await addLeads(db, blankLeads(12));
    let crashCount = 0;
    // The crash comes one step later each time, until a session ends before it.
    for (let crashAt = 1; ; crashAt += 3) {
      await db.prepare("UPDATE leads SET status = 'new', activated_by = NULL, activated_at = NULL").run();
      mail = new FakeMailApi().install();
      let edge = 0;
      hooks.onVerb = () => ++edge === crashAt;
      const sessionId = freshSessionId();
      await startSession(sessionId);
      const isExact = () => expectExactEvents(sessionId);
      await drive(sessionId, clock, isTerminal, isExact);
      const told = await isExact();
      expect(told.filter((type) => type === 'activation.started')).toHaveLength(1);
      expect(told.filter((type) => type === 'activation.completed')).toHaveLength(1);
      if (edge < crashAt) break;
      crashCount++;
    }
    expect(crashCount).toBeGreaterThan(25);
  }, 300_000);

  it('during a pause, a retry and a cancel loses no event and makes none up', async () => {
    await addEndpoint();
    for (let seed = 1; seed <= 6; seed++) {
      const random = seededRandom(seed);
      await emptyCrm();
      await addLeads(db, blankLeads(40));
      mail = new FakeMailApi().install();
      mail.fault = () => {
        const chance = random();
        if (chance < 0.1) return { kind: 'loseAfter' };
        return chance < 0.25 ? { kind: 'answer', status: 503 } : { kind: 'none' };
      };
      let edgesLeft = 150;
      hooks.onVerb = () => {
        if (--edgesLeft > 0) return false;
        edgesLeft = 1 + Math.floor(random() * 300);
        return true;
      };
      const sessionId = freshSessionId();
      await startSession(sessionId);
      let turn = 0;
      await drive(sessionId, clock, isTerminal, async () => {
        await expectExactEvents(sessionId);
        // Later it is left alone, so that it ends.
        if (++turn > 8) return;
        const isCancelled = seed % 3 === 0 && turn === 6;
        for (const name of isCancelled ? (['cancel'] as const) : (['pause', 'resume'] as const)) {
          await command(sessionId, name);
          await expectExactEvents(sessionId);
        }
      });
      await command(sessionId, 'retry', { outcome: 'failed' });
      await drive(sessionId, clock, isTerminal, () => expectExactEvents(sessionId));
      await expectExactEvents(sessionId);
    }
  }, 300_000);
});

/**
 * The events on disk are what the rows on disk say: as many emailed leads as are sent, each activation told once, as
 * many ends as there were.
 */
async function expectExactEvents(sessionId: string): Promise<string[]> {
  const found = await runInDurableObject(stubOf(sessionId), (instance) => {
    const store = instance.rows();
    return {
      session: store.session(),
      events: store.outbox.rows(0, 1e9, 1e6).flatMap(({ events }) => events),
    };
  }).catch(() => null);
  // The object is being destroyed.
  if (found === null) return [];
  const { session, events } = found;
  const leads = (type: EventType): number[] =>
    events
      .filter((event) => event.type === type)
      .flatMap((event) => (isLeadEvent(event) ? event.leads.map(({ leadId }) => leadId) : []));
  const emailed = leads('lead.emailed');
  expect(new Set(emailed).size).toBe(emailed.length);
  expect(emailed).toHaveLength(session.counts.sent);
  const activated = leads('lead.activated');
  expect(new Set(activated).size).toBe(activated.length);
  // Whoever has a result was told of as active before it.
  for (const leadId of [...emailed, ...leads('lead.failed')]) expect(activated).toContain(leadId);
  expect(activated.length).toBeGreaterThanOrEqual(
    session.counts.sent + session.counts.failed + session.counts.unknown,
  );
  const isEnded = session.finishedAt !== null;
  const last = events.findLast(({ type }) => type.startsWith('activation.'))?.type;
  expect(['activation.completed', 'activation.cancelled'].includes(last ?? '')).toBe(isEnded);
  if (session.state === 'paused') expect(last).toBe('activation.paused');
  return events.map(({ type }) => type);
}

describe('an endpoint', () => {
  beforeEach(() => setUp({ isRealTime: true, leadCount: 20, batchSize: 5 }));

  async function finished(): Promise<string> {
    await addMore(5);
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    return sessionId;
  }

  it('gets an event that it refused again, and no later one of the session before it', async () => {
    const endpointId = await addEndpoint();
    let refusals = 3;
    receiver.refuse = (_, callCount) =>
      callCount > 1 && refusals-- > 0 ? new Response(null, { status: 500 }) : null;
    const sessionId = await finished();
    await until(() => typesOf(sessionId).includes('activation.completed'));
    const [first, ...others] = receiver.requests.map(({ id }) => id);
    expect(new Set([first, ...others]).size).toBe(receiver.bySession().get(sessionId)?.length);
    // The refused event four times in a row.
    expect(new Set(others.slice(0, 4)).size).toBe(1);
    const entry = (await logOf(endpointId)).find(({ attempts }) => attempts > 1);
    expect(entry).toMatchObject({ state: 'taken', attempts: 4, status: 200, error: null, nextAt: null });
  });

  it('is told what another system calls a lead, where one does', async () => {
    await addEndpoint({ types: ['lead.emailed'] });
    const known = { source: 'hubspot', id: '901' };
    expect((await send('PATCH', '/crm/leads/3', { externalId: known })).status).toBe(200);
    const sessionId = await finished();
    await until(() => leadsOf('lead.emailed').length >= 20);
    const leads = (receiver.bySession().get(sessionId) ?? []).flatMap(({ data }) =>
      'leads' in data ? data.leads : [],
    );
    expect(leads.filter((lead) => lead.externalId !== undefined)).toEqual([{ leadId: 3, externalId: known }]);
  });

  it('gets only the events that it wants', async () => {
    await addEndpoint({ types: ['activation.completed'] });
    const sessionId = await finished();
    await until(() => typesOf(sessionId).length > 0);
    expect(receiver.requests).toHaveLength(1);
  });

  it('that answers 410 is switched off, and gets what it missed when it is switched on again', async () => {
    const endpointId = await addEndpoint();
    receiver.refuse = () => new Response(null, { status: 410 });
    const sessionId = await finished();
    await until(async () => (await viewOf(endpointId)).disabledAt !== null);
    expect(await viewOf(endpointId)).toMatchObject({ disabledReason: 'gone', waitingCount: 1 });
    const later = await finished();
    expect(receiver.taken).toEqual([]);
    receiver.refuse = () => null;
    expect((await send('PATCH', `/crm/webhooks/${endpointId}`, { isEnabled: true })).status).toBe(200);
    await until(() => typesOf(later).includes('activation.completed'));
    await until(() => typesOf(sessionId).includes('activation.completed'));
    expect(typesOf(sessionId)[0]).toBe('activation.started');
  });

  it.each([503, 410])(
    'that is saved while its old address answers %i gets what waits at the new one',
    async (status) => {
      const endpointId = await addEndpoint();
      const target = 'https://crm.acme.com/new';
      receiver.refuse = (request, callCount) => {
        if (new URL(request.url).pathname === '/new') return null;
        const refusal = new Response(null, { status, headers: { 'retry-after': '86400' } });
        if (callCount > 1) return refusal;
        return send('PATCH', `/crm/webhooks/${endpointId}`, { target }).then(() => refusal);
      };
      const sessionId = await finished();
      await until(() => typesOf(sessionId).includes('activation.completed'));
      expect(await viewOf(endpointId)).toMatchObject({ target, disabledAt: null });
    },
  );

  it('that is saved while it answers 410 stays on', async () => {
    const endpointId = await addEndpoint();
    receiver.refuse = (_, callCount) =>
      callCount > 1
        ? null
        : send('PATCH', `/crm/webhooks/${endpointId}`, { description: 'Sales' }).then(
            () => new Response(null, { status: 410 }),
          );
    const sessionId = await finished();
    await until(() => typesOf(sessionId).includes('activation.completed'));
    expect(await viewOf(endpointId)).toMatchObject({ description: 'Sales', disabledAt: null });
  });

  it('that redirects is not followed, and the log says why', async () => {
    const endpointId = await addEndpoint();
    receiver.refuse = (_, callCount) =>
      callCount === 1
        ? new Response(null, { status: 302, headers: { location: 'http://169.254.169.254/' } })
        : null;
    await finished();
    await until(() => receiver.taken.length > 0);
    expect(receiver.requests.every(({ path }) => path === '/events')).toBe(true);
    receiver.refuse = () => Response.redirect('https://crm.acme.com/elsewhere', 307);
    const entry = await (await send('POST', `/crm/webhooks/${endpointId}/test`)).json<Delivery>();
    expect(entry).toMatchObject({ status: 307, error: expect.stringContaining('redirect') as string });
  });

  it('whose name leads to a private network gets nothing', async () => {
    const endpointId = await addEndpoint();
    receiver.addresses = ['203.0.114.9', '10.0.0.8'];
    const entry = await (await send('POST', `/crm/webhooks/${endpointId}/test`)).json<Delivery>();
    expect(entry).toMatchObject({
      state: 'given_up',
      error: expect.stringContaining('private network') as string,
    });
    expect(receiver.requests).toEqual([]);
  });

  it.each([
    'https://127.0.0.1/',
    'https://2130706433/',
    'http://crm.acme.com/',
    'https://db.internal/',
    'nonsense',
  ])('at %s is refused, in words', async (target) => {
    const wanted = { kind: 'webhook', target, types: ['lead.emailed'] };
    const response = await send('POST', '/crm/webhooks', wanted);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 'endpoint_refused', errors: [{ path: '/target' }] });
  });

  it('is signed with both secrets for a day after a new one was made, and with the new one afterwards', async () => {
    const endpointId = await addEndpoint();
    const test = async (): Promise<string> =>
      (await (await send('POST', `/crm/webhooks/${endpointId}/test`)).json<Delivery>()).state;
    const rotated = await (
      await send('POST', `/crm/webhooks/${endpointId}/secret`)
    ).json<{ secret: string; previousUntil: number }>();
    const [old = ''] = receiver.secrets;
    expect(rotated.secret).not.toBe(old);
    expect(await viewOf(endpointId)).toMatchObject({ previousSecretUntil: rotated.previousUntil });
    for (const secret of [old, rotated.secret]) {
      receiver.secrets.splice(0, 2, secret);
      expect(await test()).toBe('taken');
    }
    hooks.now = () => rotated.previousUntil + 1;
    receiver.secrets.splice(0, 2, old);
    receiver.refuse = (attempt) =>
      attempt.headers.get('webhook-signature')?.includes(' ') === true
        ? new Response(null, { status: 400 })
        : null;
    expect(await test()).toBe('given_up');
    expect(await logOf(endpointId)).toMatchObject([{ status: 401 }, {}, {}]);
    expect(JSON.stringify(await viewOf(endpointId))).not.toContain('whsec');
  });

  it('gets an event of the log again under its id', async () => {
    const endpointId = await addEndpoint();
    const sessionId = await finished();
    await until(() => typesOf(sessionId).includes('activation.completed'));
    const [last] = await logOf(endpointId);
    await evictDurableObject(endpointOf(endpointId));
    const again = await send('POST', `/crm/webhooks/${endpointId}/deliveries/${last?.id}/send-again`);
    expect(await again.json()).toMatchObject({
      messageId: last?.messageId,
      state: 'taken',
      type: last?.type,
    });
    const copies = receiver.taken.filter(({ id }) => id === last?.messageId);
    expect(copies).toHaveLength(2);
    expect(copies[0]?.data).toEqual(copies[1]?.data);
    expect((await send('POST', `/crm/webhooks/${endpointId}/deliveries/999/send-again`)).status).toBe(404);
  });

  it('gets an event again without what happened before it was added', async () => {
    await addEndpoint();
    const sessionId = await finished();
    await tell({ type: 'email.delivered', sessionId, leadId: 1 });
    await until(() => leadsOf('lead.delivered').length === 1);
    await runInDurableObject(stubOf(sessionId), (_, { storage }) =>
      storage.sql.exec('UPDATE outbox SET at = at - 3600000 WHERE seq > 0'),
    );
    const endpointId = await addEndpoint({ target: 'https://crm.acme.com/later' });
    await tell({ type: 'email.delivered', sessionId, leadId: 2 });
    const ofLater = () => receiver.taken.filter(({ path }) => path === '/later');
    await until(async () => ofLater().length === 1 && (await logOf(endpointId)).length === 1);
    const [entry] = await logOf(endpointId);
    const again = await send('POST', `/crm/webhooks/${endpointId}/deliveries/${entry?.id}/send-again`);
    expect(await again.json()).toMatchObject({ messageId: entry?.messageId, state: 'taken' });
    const [first, second] = ofLater();
    expect(first?.data).toMatchObject({ leads: [{ leadId: 2 }] });
    expect(second).toMatchObject({ id: first?.id, data: first?.data });
  });

  it('of Slack, Teams and mail gets a sentence, and only news for people', async () => {
    const bodies = new Map<string, string>();
    receiver.refuse = async (attempt) => {
      bodies.set(new URL(attempt.url).hostname, await attempt.text());
      return new Response('ok');
    };
    const types: EventType[] = ['activation.completed'];
    await addEndpoint({ kind: 'slack', target: 'https://hooks.slack.com/services/T/B/secret', types });
    await addEndpoint({
      kind: 'teams',
      target: 'https://acme.environment.api.powerplatform.com/x?sig=secret',
      types,
    });
    await addEndpoint({ kind: 'email', target: 'Ops@Example.com', types });
    await addEndpoint({ kind: 'email', target: 'sales@example.com', types });
    await finished();
    const isNoticed = (to: string): boolean => mail.mails.some((one) => one.to === to);
    await until(() => bodies.size === 2 && isNoticed('Ops@example.com') && isNoticed('sales@example.com'));
    expect(bodies.get('hooks.slack.com')).toContain('Activation done');
    expect(bodies.get('acme.environment.api.powerplatform.com')).toContain('AdaptiveCard');
    expect(mail.mails.filter(({ to }) => to === 'Ops@example.com')).toMatchObject([
      {
        subject: expect.stringContaining('Activation done') as string,
        key: expect.stringMatching(/^event\//) as string,
      },
    ]);
    // Whoever knows the address of a channel can write to it.
    expect(JSON.stringify(await endpoints())).not.toContain('secret');
    const lead = { kind: 'slack', target: 'https://hooks.slack.com/services/x', types: ['lead.emailed'] };
    expect((await send('POST', '/crm/webhooks', lead)).status).toBe(422);
  });

  it('is changed by two people at the same time in what each of them has changed', async () => {
    const endpointId = await addEndpoint();
    const nothing = { target: null, description: null, types: null, isEnabled: null };
    await changeEndpoint(db, endpointId, { ...nothing, isEnabled: false }, 5);
    // Made from a row that was read before.
    expect(await changeEndpoint(db, endpointId, { ...nothing, description: 'Sales' }, 6)).toMatchObject({
      ...{ description: 'Sales', target: 'https://crm.acme.com/events', types: eventTypeNames },
      ...{ disabledAt: 5, disabledReason: 'person' },
    });
    const on = { ...nothing, isEnabled: true };
    expect(await changeEndpoint(db, endpointId, on, 7)).toMatchObject({
      disabledAt: null,
      disabledReason: null,
    });
    expect(await changeEndpoint(db, 'we_none', on, 8)).toBeNull();
    // By an answer of an address that it had before.
    expect(await disableEndpoint(db, { endpointId, target: 'https://old.acme.com/' }, 'gone', 9)).toBe(false);
    expect(await disableEndpoint(db, { endpointId, target: 'https://crm.acme.com/events' }, 'gone', 9)).toBe(
      true,
    );
  });

  it('that was deleted is erased when the call that erases it was lost', async () => {
    const endpointId = await addEndpoint();
    await db.prepare('DELETE FROM event_endpoints WHERE endpoint_id = ?').bind(endpointId).run();
    expect((await send('DELETE', `/crm/webhooks/${endpointId}`)).status).toBe(404);
    await runInDurableObject(endpointOf(endpointId), (object, { storage }) => {
      // Nor does another person who asks for the next secret at that moment make it anew.
      expect(object.makeSecret(true, false)).toBeNull();
      expect(new EndpointStore(storage).endpoint()).toBeNull();
    });
  });

  it('sends what was announced when storage had refused the alarm', async () => {
    const endpointId = await addEndpoint();
    await runInDurableObject(endpointOf(endpointId), async (object, { storage }) => {
      const setAlarm = storage.setAlarm.bind(storage);
      storage.setAlarm = () => Promise.reject(new Error('internal error'));
      await expect(object.announce('activation', 1)).rejects.toThrow('internal error');
      storage.setAlarm = setAlarm;
      expect(await storage.getAlarm()).toBeNull();
      await object.announce('activation', 1);
      expect(await storage.getAlarm()).not.toBeNull();
      // Of another session, whose receiver asked for an hour.
      await storage.setAlarm(Date.now() + 3_600_000);
      await object.announce('activation', 1);
      expect(await storage.getAlarm()).toBeLessThan(Date.now() + 60_000);
      await storage.deleteAlarm();
      expect(await object.status()).toMatchObject({ waitingCount: 1 });
      expect(await storage.getAlarm()).not.toBeNull();
      await storage.deleteAlarm();
    });
  });

  it('waits inside its alarm for storage that takes no write', async () => {
    const endpointId = await addEndpoint();
    await runInDurableObject(endpointOf(endpointId), async (object, { storage }) => {
      const setAlarm = storage.setAlarm.bind(storage);
      let refusals = 1;
      storage.setAlarm = (...args) =>
        refusals-- > 0 ? Promise.reject(new Error('internal error')) : setAlarm(...args);
      await object.alarm();
      storage.setAlarm = setAlarm;
      expect(refusals).toBeLessThan(0);
    });
  });

  it('is one of twenty at most', async () => {
    for (let index = 0; index < 20; index++) await addEndpoint();
    const more = { kind: 'webhook', target: 'https://crm.acme.com/', types: ['lead.emailed'] };
    const response = await send('POST', '/crm/webhooks', more);
    expect(await response.json()).toMatchObject({ code: 'too_many_endpoints' });
  });
});

describe('a turn of an endpoint', () => {
  const endpoint: EndpointRow = {
    ...{ endpointId: 'endpoint', kind: 'webhook', target: 'https://crm.acme.com/events', description: '' },
    ...{ types: [...eventTypeNames], createdAt: 0, createdBy: 'ana', disabledAt: null, disabledReason: null },
  };
  const counts = { total: 1, activated: 1, skipped: 0, sent: 1, failed: 0, unconfirmed: 0 };
  const eventOf = (sessionId: string, seq: number): OutEvent => ({
    ...{ type: 'activation.completed', at: 1 },
    data: { sessionId, name: 'Autumn', sequence: seq * 1_000, reason: null, counts },
  });

  /** Sends what sessions have of which the last event has the number 2, or `lastSeq`. */
  const turnOf = (
    store: EndpointStore,
    send: (message: Message) => Promise<Attempt>,
    lastSeq = 2,
    isOutdated = (): boolean => false,
  ): Promise<DeliveryEnd> =>
    sendDue(
      {
        ...{ store, send, isOutdated, now: () => 1, random: () => 0.5 },
        backoff: { baseMs: 20, maxMs: 100 },
        pull: (sessionId, { afterSeq, untilSeq }) => {
          const until = untilSeq ?? Math.min(afterSeq + 1, lastSeq);
          const events = until > afterSeq ? [eventOf(sessionId, until)] : [];
          return Promise.resolve({ kind: 'page', until, lastSeq, events: JSON.stringify(events) });
        },
      },
      endpoint,
      1_000,
    );

  /** In the storage of an object of its own. */
  const withStore = (name: string, work: (store: EndpointStore) => Promise<void>): Promise<void> =>
    runInDurableObject(endpointOf(name), async (_, state) => {
      const store = new EndpointStore(state.storage);
      store.create(0);
      await work(store);
      await store.deleteAll();
    });

  it('ends when no sender waits for an answer any more, also when storage failed meanwhile', () =>
    withStore('a turn', async (store) => {
      store.announce('away', 1);
      store.announce('slow', 1);
      const { promise: asked, resolve: ask } = Promise.withResolvers<undefined>();
      const { promise: answered, resolve: answer } = Promise.withResolvers<Attempt>();
      const send = async ({ id }: Message): Promise<Attempt> => {
        if (id.startsWith('away')) throw new Error('database is locked');
        ask(undefined);
        return answered;
      };
      let end: unknown = null;
      const turn = turnOf(store, send, 1).then(
        (ended) => (end = ended),
        (error: unknown) => (end = error),
      );
      await asked;
      // As long as anything else in this object takes that needs no answer.
      await new Promise((resolve) => setTimeout(resolve, 0));
      expect(end).toBeNull();
      answer({ kind: 'taken', status: 200 });
      await turn;
      expect(end).toEqual(new Error('database is locked'));
      expect(store.source('slow')).toMatchObject({ afterSeq: 1, untilSeq: null });
      expect(store.source('away')).toMatchObject({ afterSeq: 0, untilSeq: 1 });
    }));

  it('of the version before may have left a page that was sent: the events after it are sent', () =>
    withStore('a page', async (store) => {
      store.announce('activation', 2);
      const source = store.source('activation');
      if (source === null) throw new Error('It was announced.');
      store.saveSource({ ...source, afterSeq: 1, untilSeq: 1, attempts: 1, firstFailedAt: 0 });
      const sent: string[] = [];
      const send = ({ id }: Message): Promise<Attempt> => {
        sent.push(id);
        return Promise.resolve({ kind: 'taken', status: 200 });
      };
      expect(await turnOf(store, send)).toBe('nothing_due');
      expect(sent).toEqual(['activation_2000']);
      expect(store.source('activation')).toMatchObject({ afterSeq: 2, untilSeq: null, attempts: 0 });
    }));

  it('ends after the event that is on its way when the endpoint was changed', () =>
    withStore('a changed endpoint', async (store) => {
      store.announce('activation', 2);
      const sent: string[] = [];
      const send = ({ id }: Message): Promise<Attempt> => {
        sent.push(id);
        return Promise.resolve({ kind: 'taken', status: 200 });
      };
      expect(await turnOf(store, send, 2, () => sent.length > 0)).toBe('time_over');
      expect(sent).toEqual(['activation_1000']);
      // By the types of now, the page may have more.
      expect(store.source('activation')).toMatchObject({ afterSeq: 0, untilSeq: 1, part: 1 });
    }));

  it('does not go by the row of before where the endpoint was changed while a page was read', () =>
    withStore('a changed page', async (store) => {
      store.announce('activation', 2);
      let askedCount = 0;
      const send = (): Promise<Attempt> => Promise.reject(new Error('it was sent'));
      // Asked before and after the page was read.
      expect(await turnOf(store, send, 2, () => ++askedCount > 2)).toBe('time_over');
      expect(store.source('activation')).toMatchObject({ afterSeq: 0, untilSeq: null });
    }));

  it('begins the attempts anew when the endpoint was saved while one was under way', () =>
    withStore('a saved endpoint', async (store) => {
      store.announce('activation', 1);
      const source = store.source('activation');
      if (source === null) throw new Error('It was announced.');
      store.saveSource({ ...source, attempts: 15, firstFailedAt: -200_000_000 });
      const send = (): Promise<Attempt> => {
        store.hurry();
        return Promise.resolve({ kind: 'refused', status: 500, error: 'no', retryAfterMs: null });
      };
      expect(await turnOf(store, send, 1)).toBe('nothing_due');
      expect(store.source('activation')).toMatchObject({ attempts: 1, firstFailedAt: 1 });
      expect(store.source('activation')?.nextAt).toBeLessThan(1_000);
    }));

  it('does not take a test for a sign that the endpoint takes events', () =>
    withStore('a tested endpoint', (store) => {
      const entry: Omit<DeliveryRow, 'id'> = {
        ...{ messageId: 'test_1', type: 'endpoint.test', sessionId: null, afterSeq: 0, untilSeq: 0, part: 0 },
        ...{
          state: 'taken',
          attempts: 1,
          attemptedAt: 7,
          durationMs: 1,
          status: 200,
          error: null,
          nextAt: null,
        },
      };
      store.transact(() => store.log(entry));
      expect([store.takenAt('anything'), store.takenAt('events')]).toEqual([7, null]);
      store.transact(() => store.log({ ...entry, messageId: 'a_1000', sessionId: 'a', attemptedAt: 9 }));
      expect(store.takenAt('events')).toBe(9);
      return Promise.resolve();
    }));
});

describe('the numbers of a session', () => {
  beforeEach(() => setUp({ isRealTime: true, leadCount: 5 }));

  it('are not given out again after the last endpoint was deleted', async () => {
    await addEndpoint();
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    await runInDurableObject(stubOf(sessionId), (_, { storage }) => {
      const outbox = new OutboxStore(storage.sql);
      const { lastSeq } = outbox;
      expect(lastSeq).toBeGreaterThan(2);
      storage.transactionSync(() => outbox.turnOff());
      expect([outbox.isOn, outbox.lastSeq, outbox.rows(0, lastSeq, 10).length]).toEqual([false, lastSeq, 1]);
      storage.transactionSync(() => outbox.turnOn(['another']));
      expect([outbox.isTold, outbox.knownAfter('another')]).toEqual([true, lastSeq]);
      storage.transactionSync(() => outbox.note([{ type: 'lead.delivered', leads: [{ leadId: 1 }] }], 1));
      expect(outbox.lastSeq).toBe(lastSeq + 1);
    });
  });
});

describe('an endpoint that is away', () => {
  beforeEach(async () => {
    await setUp({ leadCount: 5 });
    hooks.eventBackoff = null;
  });

  it('for three days is switched off, its maker is told by mail, and nothing is lost', async () => {
    const endpointId = await addEndpoint();
    receiver.refuse = () => new Response(null, { status: 503, headers: { 'retry-after': '3600' } });
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await drive(sessionId, clock);
    const startedAt = clock.now();
    let attempts = 0;
    for (; (await viewOf(endpointId)).disabledAt === null; attempts++) {
      await fireEndpoint(endpointId);
      const [entry] = await logOf(endpointId);
      if (entry?.nextAt != null) {
        // The receiver's wish is kept, but the last attempt is at the end of the three days.
        const isLast = entry.nextAt - startedAt > 2.99 * 86_400_000;
        expect(isLast || entry.nextAt - clock.now() > 3_500_000).toBe(true);
        clock.advance(entry.nextAt - clock.now());
      }
    }
    expect(attempts).toBeGreaterThan(10);
    expect(clock.now() - startedAt).toBeGreaterThan(2.9 * 86_400_000);
    await fireEndpoint(endpointId);
    await fireEndpoint(endpointId);
    expect(mail.mails.filter(({ subject }) => subject.includes('switched off'))).toMatchObject([
      { to: 'ana@example.com' },
    ]);
    receiver.refuse = () => null;
    await send('PATCH', `/crm/webhooks/${endpointId}`, { isEnabled: true });
    await fireEndpoint(endpointId);
    expect(typesOf(sessionId)).toEqual([
      'activation.started',
      'lead.activated',
      'lead.emailed',
      'activation.completed',
    ]);
  });
});

describe('a receiver that refuses three of ten', () => {
  beforeEach(() => setUp({ isRealTime: true }));

  /**
   * `EVENT_COUNT=10000 EVENT_KILLS=20 npm run test:workerd -- test/workerd/events.test.ts` is the long form.
   */
  it('gets each event at least once and in order, whichever object is killed', async () => {
    const endpointId = await addEndpoint();
    const random = seededRandom(7);
    receiver.refuse = () => (random() < 0.3 ? new Response(null, { status: 500 }) : null);
    const sessionCount = 10;
    const perSession = Math.ceil(Number(env.EVENT_COUNT) / sessionCount);
    const sessionIds: string[] = [];
    await addLeads(db, blankLeads(sessionCount));
    const at = '2027-06-01T09:00';
    for (let leadId = 1; leadId <= sessionCount; leadId++) {
      const sessionId = freshSessionId();
      sessionIds.push(sessionId);
      const started = await send('POST', '/crm/activation', {
        ...{ sessionId, audience: { leadIds: [leadId] }, templateId: 'welcome' },
        schedule: { at, zone: 'Europe/Berlin', freezeAt: 'scheduling' },
      });
      expect(started.status).toBe(201);
    }
    const begunAt = Date.now();
    // Each new time of a scheduled session is an event, and events of the session itself are not merged.
    const writer = Promise.all(
      sessionIds.map(async (sessionId) => {
        for (let minute = 1; minute < perSession; minute++) {
          const startAt = Date.parse(`${at}:00Z`) + minute * 60_000;
          const time = { at: new Date(startAt).toISOString().slice(0, 16), zone: 'UTC', startAt };
          // One that is killed has written it or not; the events are counted below.
          await stubOf(sessionId)
            .command({ kind: 'reschedule', time })
            .catch(() => undefined);
        }
      }),
    );
    const total = async (): Promise<number> => {
      const counts = await Promise.all(
        sessionIds.map((sessionId) =>
          runInDurableObject(
            stubOf(sessionId),
            (instance) =>
              instance
                .rows()
                .outbox.rows(0, 1e9, 1e9)
                .flatMap(({ events }) => events).length,
          ),
        ),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    };
    const killed: string[] = [];
    const uniqueCount = (): number => new Set(receiver.taken.map(({ id }) => id)).size;
    const killCount = Number(env.EVENT_KILLS);
    for (let kill = 0; kill < killCount; kill++) {
      // Spread over the whole run, and never at the same step.
      const wanted = Math.floor(((kill + random()) * Number(env.EVENT_COUNT)) / (killCount + 1));
      await until(() => uniqueCount() >= wanted, 600_000);
      const isSession = kill % 4 === 3;
      const sessionId = sessionIds[kill % sessionCount] ?? '';
      const stub = isSession ? stubOf(sessionId) : endpointOf(endpointId);
      await runInDurableObject(stub as DurableObjectStub, (_, state) => state.abort('kill')).catch(
        () => undefined,
      );
      killed.push(isSession ? 'session' : 'endpoint');
    }
    await writer;
    const wantedCount = await total();
    await until(() => uniqueCount() >= wantedCount, 600_000);
    for (const sessionId of sessionIds) {
      const sequences = (receiver.bySession().get(sessionId) ?? []).map(({ data }) => data.sequence);
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    }
    expect(uniqueCount()).toBe(wantedCount);
    expect(wantedCount).toBeGreaterThan(0.9 * Number(env.EVENT_COUNT));
    expect(killed).toHaveLength(killCount);
    console.debug(
      JSON.stringify({
        ...{
          event: 'failing_receiver',
          events: wantedCount,
          kills: killCount,
          requests: receiver.requests.length,
        },
        ...{ taken: receiver.taken.length, repeated: receiver.taken.length - wantedCount },
        seconds: (Date.now() - begunAt) / 1_000,
      }),
    );
  }, 1_200_000);
});
