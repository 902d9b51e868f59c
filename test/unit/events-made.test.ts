import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plannedBatch, type Batch } from '../../src/core/batch/batch.ts';
import { withDeliveryEvent } from '../../src/core/batch/delivery-status.ts';
import {
  activationEvents,
  batchEvents,
  reportEvents,
  type StoredEvent,
} from '../../src/core/events/make-events.ts';
import { firstPage, type OutboxRow } from '../../src/core/events/page.ts';
import { newSession, type Session, type SessionSpec } from '../../src/core/session/session.ts';
import { erasedRecipient } from '../../src/shared/recipient.ts';
import { eventTypeNames, maxEventLeadCount, type EventLead } from '../../src/shared/events.ts';

const spec = {
  sessionId: 'activation_1764580800000_a7bc3d2f1',
  name: 'Fair',
  total: 3,
  createdAt: 1,
} as SessionSpec;
const fresh = newSession(spec);
const typesOf = (events: readonly StoredEvent[]): string[] => events.map(({ type }) => type);

describe('a change of the record', () => {
  const running: Session = { ...fresh, state: 'running', startedAt: 5 };

  it('tells of a start when the first slice begins, and not when it was asked for', () => {
    expect(activationEvents(null, fresh)).toEqual([]);
    expect(typesOf(activationEvents(fresh, running))).toEqual(['activation.started']);
  });

  it('tells of a schedule, and again when its time changes', () => {
    const at = (startAt: number): Session => ({
      ...fresh,
      state: 'scheduled',
      spec: { ...spec, schedule: { startAt } as NonNullable<SessionSpec['schedule']> },
    });
    expect(typesOf(activationEvents(null, at(7)))).toEqual(['activation.scheduled']);
    expect(activationEvents(at(7), { ...at(7), rev: 9 })).toEqual([]);
    expect(typesOf(activationEvents(at(7), at(8)))).toEqual(['activation.scheduled']);
  });

  it('tells of a pause with its reason, of another reason, and of going on', () => {
    const paused: Session = { ...running, state: 'paused', reason: 'user' };
    expect(activationEvents(running, paused)).toMatchObject([{ type: 'activation.paused', reason: 'user' }]);
    expect(activationEvents(paused, { ...paused, rev: 4 })).toEqual([]);
    expect(typesOf(activationEvents(paused, { ...paused, reason: 'mail_auth' }))).toEqual([
      'activation.paused',
    ]);
    expect(typesOf(activationEvents(paused, running))).toEqual(['activation.resumed']);
    expect(typesOf(activationEvents(paused, { ...running, state: 'queued' }))).toEqual([
      'activation.resumed',
    ]);
  });

  it('tells of a wave that is held, and of going on', () => {
    const held: Session = { ...running, state: 'wave_held' };
    expect(typesOf(activationEvents(running, held))).toEqual(['activation.wave_held']);
    expect(activationEvents(held, { ...held, rev: 4 })).toEqual([]);
    expect(typesOf(activationEvents(held, running))).toEqual(['activation.resumed']);
  });

  it('tells of the end once, with the last numbers, and again after a retry', () => {
    const counts = { ...fresh.counts, sent: 2, failed: 1, activated: 3 };
    const done: Session = { ...running, state: 'completed', finishedAt: 9, counts };
    expect(activationEvents(running, done)).toEqual([
      {
        type: 'activation.completed',
        reason: null,
        counts: { total: 3, activated: 3, skipped: 0, sent: 2, failed: 1, unconfirmed: 0 },
      },
    ]);
    expect(activationEvents(done, { ...done, rev: 12 })).toEqual([]);
    expect(activationEvents(done, { ...running, counts })).toEqual([]);
    expect(typesOf(activationEvents({ ...running, counts }, done))).toEqual(['activation.completed']);
  });

  it('tells of a cancel when no call is open any more', () => {
    const cancelled: Session = { ...running, state: 'cancelled', cancelledAt: 8 };
    expect(activationEvents(running, cancelled)).toEqual([]);
    expect(typesOf(activationEvents(cancelled, { ...cancelled, finishedAt: 9 }))).toEqual([
      'activation.cancelled',
    ]);
  });
});

const batchOf = (marks: string, change: Partial<Batch> = {}): Batch => ({
  ...plannedBatch([...marks].map((_, index) => index + 1)),
  seq: 1,
  state: 'inflight',
  skipped: [],
  failures: [],
  messageIds: null,
  attempts: 1,
  attemptAt: 1,
  inDoubtSince: null,
  nextAttemptAt: null,
  payloadHash: null,
  code: null,
  message: null,
  recipients: [...marks].map((_, index) => erasedRecipient(index + 1)),
  recipientStates: marks,
  ...change,
});
const leadsOf = (events: readonly StoredEvent[]): Record<string, number[]> =>
  Object.fromEntries(
    events.flatMap((event) =>
      'leads' in event ? [[event.type, event.leads.map(({ leadId }) => leadId)]] : [],
    ),
  );

describe('a change of a batch', () => {
  it('tells of an activation with the first result of the email, and never before', () => {
    const planned = batchOf('ppp', { recipients: null, recipientStates: '', state: 'pending' });
    expect(batchEvents(planned, batchOf('ppp'), null)).toEqual([]);
    expect(batchEvents(batchOf('ppp'), batchOf('ppp', { state: 'waiting' }), null)).toEqual([]);
    const done = batchOf('sfu', { failures: [{ index: 1, code: 'invalid_to', message: 'ada@example.com' }] });
    expect(batchEvents(batchOf('ppp'), done, null)).toEqual([
      { type: 'lead.activated', leads: [{ leadId: 1 }, { leadId: 2 }, { leadId: 3 }] },
      { type: 'lead.emailed', leads: [{ leadId: 1 }] },
      { type: 'lead.failed', leads: [{ leadId: 2, code: 'invalid_to', step: 'email' }] },
    ]);
  });

  it('tells nothing of leads that are made new again', () => {
    const withdrawn = batchOf('mm', { skipped: [{ leadId: 1, reason: 'cancelled' }], state: 'done' });
    expect(batchEvents(batchOf('pp'), withdrawn, null)).toEqual([]);
  });

  it('tells of unconfirmed email once it is settled', () => {
    expect(leadsOf(batchEvents(batchOf('uu'), batchOf('su'), null))).toEqual({ 'lead.emailed': [1] });
  });

  it('does not tell of an activation again when a failed email is retried', () => {
    const origin = { state: 'done', leadIds: [1, 2] } as const;
    const before = batchOf('pp', { originSeq: 1 });
    expect(leadsOf(batchEvents(before, batchOf('ss', { originSeq: 1 }), origin))).toEqual({
      'lead.emailed': [1, 2],
    });
    const asked = batchOf('pp', { retried: 'asked' });
    expect(leadsOf(batchEvents(asked, batchOf('ss', { retried: 'asked' }), null))).toEqual({
      'lead.emailed': [1, 2],
    });
  });

  it('tells of the activation of leads that were split off or put off', () => {
    const before = batchOf('p', { originSeq: 1 });
    const after = batchOf('s', { originSeq: 1 });
    const both = { 'lead.activated': [1], 'lead.emailed': [1] };
    expect(leadsOf(batchEvents(before, after, { state: 'split', leadIds: [1, 2] }))).toEqual(both);
    // Put off: the batch that it came from does not hold the lead any more.
    expect(leadsOf(batchEvents(before, after, { state: 'done', leadIds: [2] }))).toEqual(both);
  });

  it('tells of an activation when mail in doubt is asked about: it stays active, whatever the answer is', () => {
    const waiting = batchOf('pp', { state: 'waiting', inDoubtSince: 3 });
    const asked: Batch = { ...waiting, retried: 'asked' };
    expect(leadsOf(batchEvents(waiting, asked, null))).toEqual({ 'lead.activated': [1, 2] });
  });

  it('tells of leads that the CRM refused', () => {
    const before = batchOf('', { recipients: null, leadIds: [4, 5], state: 'pending' });
    expect(batchEvents(before, { ...before, state: 'done', code: 'crm_refused' }, null)).toEqual([
      {
        type: 'lead.failed',
        leads: [4, 5].map((leadId) => ({ leadId, code: 'crm_refused', step: 'activation' })),
      },
    ]);
  });

  it('names no address and no text that a provider wrote', () => {
    const done = batchOf('f', { failures: [{ index: 0, code: 'x', message: 'ada@example.com is bad' }] });
    expect(JSON.stringify(batchEvents(batchOf('p'), done, null))).not.toContain('ada');
  });
});

describe('a delivery report', () => {
  const bits = (...events: Parameters<typeof withDeliveryEvent>[1][]): number =>
    events.reduce(withDeliveryEvent, 0);

  it('tells of each new status once', () => {
    const change = (before: number, after: number) => leadsOf(reportEvents([{ leadId: 7, before, after }]));
    expect(change(0, bits('delayed'))).toEqual({});
    expect(change(0, bits('delivered'))).toEqual({ 'lead.delivered': [7] });
    expect(change(bits('bounced'), bits('bounced', 'hardBounced'))).toEqual({});
    expect(change(bits('delivered'), bits('delivered', 'complained'))).toEqual({ 'lead.complained': [7] });
    expect(change(bits('delivered'), bits('delivered', 'unsubscribed'))).toEqual({
      'lead.unsubscribed': [7],
    });
  });

  it('never puts more leads into an event than there may be', () => {
    const changes = Array.from({ length: 1_201 }, (_, leadId) => ({
      leadId,
      before: 0,
      after: bits('delivered'),
    }));
    expect(reportEvents(changes).map((event) => ('leads' in event ? event.leads.length : 0))).toEqual([
      500, 500, 201,
    ]);
  });
});

describe('a page of events', () => {
  const session = { sessionId: spec.sessionId, name: 'Fair' };
  const counts = { total: 3, activated: 0, skipped: 0, sent: 0, failed: 0, unconfirmed: 0 };
  const lead = fc.record({ leadId: fc.integer({ min: 1, max: 5_000 }) });
  const leadEvent = fc
    .constantFrom(...eventTypeNames.filter((type) => type.startsWith('lead.')))
    .chain((type) =>
      fc
        .uniqueArray(lead, { selector: ({ leadId }) => leadId, minLength: 1, maxLength: 200 })
        .map((leads) => ({ type, leads }) as StoredEvent),
    );
  const row = fc.oneof(
    fc.uniqueArray(leadEvent, { selector: ({ type }) => type, minLength: 1, maxLength: 3 }),
    fc.constant<StoredEvent[]>([{ type: 'activation.paused', reason: 'user', counts }]),
  );
  const rows = fc
    .array(row, { minLength: 1, maxLength: 12 })
    .map((list): OutboxRow[] => list.map((events, index) => ({ seq: index + 1, at: 100 + index, events })));

  /** All pages, as an endpoint fetches them. */
  function pagesOf(list: readonly OutboxRow[]) {
    const pages = [];
    for (let rest = list; rest.length > 0;) {
      const page = firstPage(rest, session);
      pages.push(page);
      rest = rest.filter(({ seq }) => seq > page.until);
    }
    return pages;
  }

  it('has every event of every lead, in the order of each lead, and no event that is too large', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const historyOf = (events: readonly { type: string; leads?: readonly EventLead[] }[]) => {
          const history = new Map<number, string[]>();
          for (const { type, leads = [] } of events)
            for (const { leadId } of leads) history.set(leadId, [...(history.get(leadId) ?? []), type]);
          return history;
        };
        const sent = pagesOf(list).flatMap(({ events }) => events);
        const flat = sent.map(({ type, data }) => ('leads' in data ? { type, leads: data.leads } : { type }));
        // Of one row, the order is that of the types.
        const stored = list.flatMap(({ events }) =>
          [...events].sort((a, b) => eventTypeNames.indexOf(a.type) - eventTypeNames.indexOf(b.type)),
        );
        expect(historyOf(flat)).toEqual(historyOf(stored));
        for (const event of flat) expect(event.leads?.length ?? 0).toBeLessThanOrEqual(maxEventLeadCount);
        const sequences = sent.map(({ data }) => data.sequence);
        expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
      }),
    );
  });

  it('is the same again when it is asked for by its ends, although later events have come', () => {
    fc.assert(
      fc.property(rows, rows, (list, more) => {
        const page = firstPage(list, session);
        const later = more.map((one) => ({ ...one, seq: one.seq + list.length }));
        const again = [...list, ...later].filter(({ seq }) => seq <= page.until);
        expect(firstPage(again, session)).toEqual(page);
      }),
    );
  });

  it('merges the rows of small batches', () => {
    const list = Array.from({ length: 600 }, (_, index): OutboxRow => ({
      seq: index + 1,
      at: index,
      events: [
        { type: 'lead.activated', leads: [{ leadId: index }] },
        { type: 'lead.emailed', leads: [{ leadId: index }] },
      ],
    }));
    expect(pagesOf(list).map(({ until, events }) => [until, events.length])).toEqual([
      [500, 2],
      [600, 2],
    ]);
  });
});
