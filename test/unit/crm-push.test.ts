import { describe, expect, it } from 'vitest';
import { judgeRefusals, nextPushStep, type PushOutcome } from '../../src/core/crm/push.ts';
import { chooseCrm } from '../../src/crm/connections/index.ts';
import type { CrmPort } from '../../src/crm/port.ts';

const random = (): number => 0.5;

describe('what follows from an answer of a CRM', () => {
  it.each<[PushOutcome, { failed: number; throttled: number }, string]>([
    [{ kind: 'set', refusals: [] }, { failed: 0, throttled: 0 }, 'done'],
    [{ kind: 'throttled', retryAfterMs: 60_000 }, { failed: 0, throttled: 1 }, 'repeat'],
    [{ kind: 'throttled', retryAfterMs: null }, { failed: 0, throttled: 10 }, 'giveUp'],
    [
      { kind: 'unavailable', code: 'x', message: 'x', retryAfterMs: null },
      { failed: 1, throttled: 0 },
      'repeat',
    ],
    [
      { kind: 'unavailable', code: 'x', message: 'x', retryAfterMs: null },
      { failed: 3, throttled: 0 },
      'giveUp',
    ],
    // A slice does not sit out a long wait: the next alarm waits at no cost.
    [
      { kind: 'unavailable', code: 'x', message: 'x', retryAfterMs: 60_000 },
      { failed: 1, throttled: 0 },
      'giveUp',
    ],
    [{ kind: 'auth', code: 'x', message: 'x' }, { failed: 0, throttled: 0 }, 'pause'],
    [{ kind: 'quota', message: 'x' }, { failed: 0, throttled: 0 }, 'pause'],
    [{ kind: 'notSent' }, { failed: 0, throttled: 0 }, 'stopped'],
  ])('%j after %j: %s', (outcome, tries, kind) => {
    expect(nextPushStep(outcome, tries, random).kind).toBe(kind);
  });

  it('is hopeless after three calls that are refused as a whole, unless a record was taken', () => {
    let crm = { inCrm: 0, refusedCallCount: 0, limitedBy: 'mail' as 'mail' | 'crm' };
    const seen = [10, 9, 10, 10].map((refusedCount) => {
      const judged = judgeRefusals(crm, 10, refusedCount);
      ({ crm } = judged);
      return judged.isHopeless;
    });
    expect(seen).toEqual([false, false, false, true]);
    expect(crm.refusedCallCount).toBe(0);
    expect(judgeRefusals({ ...crm, inCrm: 1, refusedCallCount: 2 }, 10, 10).isHopeless).toBe(false);
  });
});

const complete = { CRM_PROVIDER: 'http', CRM_API_URL: 'https://crm.acme.com/in/', CRM_API_KEY: ' key\n' };
const effects = { fetch: () => Promise.reject(new Error('not called')), now: () => 0 };

describe('the connection of the settings', () => {
  it('is none where nothing is set, and complete with an address and a key', () => {
    expect(chooseCrm({}, effects, false)).toEqual({ kind: 'none' });
    const choice = chooseCrm(
      { ...complete, CRM_ACTIVE: 'stage=on, since=today', CRM_NOT_ACTIVE: 'stage=off,since=' },
      effects,
      false,
    );
    expect(choice).toMatchObject({
      kind: 'ready',
      port: {
        target: {
          host: 'crm.acme.com',
          source: 'crm',
          active: { stage: 'on', since: 'today' },
          undone: { stage: 'off', since: '' },
        },
      },
    });
  });

  it.each([
    [{ CRM_PROVIDER: 'siebel' }, 'CRM_PROVIDER'],
    [{ CRM_API_URL: '' }, 'CRM_API_URL'],
    [{ CRM_API_URL: 'http://crm.acme.com' }, 'CRM_API_URL'],
    [{ CRM_API_URL: 'https://192.168.0.7/' }, 'CRM_API_URL'],
    [{ CRM_API_URL: 'https://crm.internal/' }, 'CRM_API_URL'],
    [{ CRM_API_KEY: ' ' }, 'CRM_API_KEY'],
    [{ CRM_ACTIVE: 'active' }, 'CRM_ACTIVE'],
    // An undo would leave the field.
    [{ CRM_ACTIVE: 'stage=on,extra=1', CRM_NOT_ACTIVE: 'stage=off' }, 'CRM_NOT_ACTIVE'],
    [{ CRM_RATE: '0' }, 'CRM_RATE'],
    [{ CRM_BATCH_MAX: 'many' }, 'CRM_BATCH_MAX'],
  ])('is refused with %j, which names the setting', (change, setting) => {
    expect(chooseCrm({ ...complete, ...change }, effects, false)).toMatchObject({ kind: 'refused', setting });
  });
});

/** The port of our own form, whose next call gets this answer. */
function portWith(answer: () => Promise<Response>): { port: CrmPort; calls: Request[] } {
  const calls: Request[] = [];
  const choice = chooseCrm(
    complete,
    { fetch: (url, init) => (calls.push(new Request(url, init)), answer()), now: () => 0 },
    false,
  );
  if (choice.kind !== 'ready') throw new Error('not ready');
  return { port: choice.port, calls };
}

const call = (order = 1): Parameters<CrmPort['set']>[0] => ({
  ...{ sessionId: 'activation_1', batch: 3, order, set: { stage: 'on' } },
  records: [
    { leadId: 1, recordId: 'a' },
    { leadId: 2, recordId: 'b' },
  ],
  signal: new AbortController().signal,
});

const json = (status: number, body: unknown, headers?: HeadersInit) => () =>
  Promise.resolve(Response.json(body, { status, ...(headers === undefined ? {} : { headers }) }));
const error = { error: { code: 'nope', message: 'No, ana@example.com.' } };

describe('our own form of a CRM', () => {
  it('sends ids and no address, with a key that is the same for the same body', async () => {
    const both = {
      results: [
        { id: 'a', status: 'set' },
        { id: 'b', status: 'set' },
      ],
    };
    const { port, calls } = portWith(json(200, both));
    await port.set(call());
    await port.set(call());
    await port.set(call(2));
    expect(await calls[0]?.json()).toEqual({
      ...{ sessionId: 'activation_1', batch: 3, order: 1, set: { stage: 'on' } },
      leads: [
        { leadId: 1, id: 'a' },
        { leadId: 2, id: 'b' },
      ],
    });
    const keys = calls.map(({ headers }) => headers.get('idempotency-key'));
    expect(keys[0]).toBe(keys[1]);
    expect(keys[2]).not.toBe(keys[0]);
    expect(calls[0]?.headers.get('authorization')).toBe('Bearer key');
  });

  it.each<[string, () => Promise<Response>, object]>([
    [
      'one record refused',
      json(200, {
        results: [
          { id: 'a', status: 'set' },
          { id: 'b', status: 'refused', code: 'gone', message: 'Gone' },
        ],
      }),
      { kind: 'set', refusals: [{ index: 1, code: 'gone', message: 'Gone' }] },
    ],
    ['a record left out', json(200, { results: [{ id: 'a', status: 'set' }] }), { kind: 'unavailable' }],
    ['a page of something else', () => Promise.resolve(new Response('<html>')), { kind: 'unavailable' }],
    ['401', json(401, error), { kind: 'auth', message: 'No, (address)' }],
    ['401 of a proxy', () => Promise.resolve(new Response('no', { status: 401 })), { kind: 'unavailable' }],
    ['402', json(402, error), { kind: 'quota' }],
    ['422', json(422, error), { kind: 'auth' }],
    ['429', json(429, {}, { 'retry-after': '3' }), { kind: 'throttled', retryAfterMs: 3_000 }],
    ['500', json(500, error), { kind: 'unavailable', code: 'nope' }],
    [
      'no connection',
      () => Promise.reject(new TypeError('lost')),
      { kind: 'unavailable', code: 'connection_lost' },
    ],
  ])('%s', async (_, answer, outcome) => {
    expect(await portWith(answer).port.set(call())).toMatchObject(outcome);
  });

  it('is not called when a command came', async () => {
    const { port, calls } = portWith(json(200, { results: [] }));
    expect(await port.set({ ...call(), mayLeave: () => false })).toEqual({ kind: 'notSent' });
    expect(calls).toHaveLength(0);
  });
});
