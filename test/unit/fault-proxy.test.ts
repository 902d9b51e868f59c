/**
 * The fault proxy and the mailbox are what the browser and chaos tests believe; here they are doubted.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type StandInMail, startStandInMail } from '../../scripts/lib/stand-in-mail.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { countMails, readMailbox } from '../support/mailbox.ts';

let standIn: StandInMail;
let proxy: FaultProxy;
let nowMs: number;

beforeAll(async () => {
  standIn = await startStandInMail();
});
afterAll(() => standIn.close());
beforeEach(async () => {
  standIn.reset();
  nowMs = Date.UTC(2026, 10, 23, 12, 0, 0, 250);
  proxy = await startFaultProxy({ target: standIn.url, seed: 7, now: () => nowMs });
});
afterEach(() => proxy.close());

/** One batch call for the addresses given. */
function deliver(key: string, addresses: string[], signal = AbortSignal.timeout(5_000)): Promise<Response> {
  return fetch(`${proxy.url}/emails/batch`, {
    method: 'POST',
    headers: { authorization: 'Bearer re_x', 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(
      addresses.map((to) => ({ from: 'a@example.com', to: [to], subject: 's', html: 'h' })),
    ),
    signal,
  });
}

async function takenCount(): Promise<number> {
  return (await readMailbox(standIn.url)).mails.length;
}

test('without rules every call reaches the API and its answer comes back', async () => {
  const response = await deliver('k1', ['ann@example.com', 'bob@example.com']);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    data: [{ id: expect.any(String) }, { id: expect.any(String) }],
  });
  expect(proxy.calls).toEqual([{ at: nowMs, key: 'k1', mailCount: 2, fault: 'none', apiStatus: 200 }]);
  expect([...proxy.acceptedKeys]).toEqual([['k1', 1]]);
});

test('the mailbox can be read through the proxy while every call fails', async () => {
  await deliver('k1', ['ann@example.com']);
  proxy.add({ fault: { kind: 'unavailable' } });
  expect((await readMailbox(proxy.url)).countByAddress.get('ann@example.com')).toBe(1);
});

describe('faults after the API has taken the mail leave it taken, once, also when the call is repeated', () => {
  const faults: { fault: Fault; seen: 'no answer' | number }[] = [
    { fault: { kind: 'dropAfter' }, seen: 'no answer' },
    { fault: { kind: 'hangAfter' }, seen: 'no answer' },
    { fault: { kind: 'errorAfter', status: 500 }, seen: 500 },
    { fault: { kind: 'truncateAfter' }, seen: 200 },
    { fault: { kind: 'delayAfter', ms: 20 }, seen: 200 },
  ];
  test.each(faults)('$fault.kind', async ({ fault, seen }) => {
    proxy.add({ fault, times: 1 });
    const isHang = fault.kind === 'hangAfter';
    const first = deliver('k1', ['ann@example.com'], AbortSignal.timeout(isHang ? 150 : 5_000));
    if (seen === 'no answer') await expect(first).rejects.toThrow();
    else expect((await first).status).toBe(seen);
    expect(await takenCount()).toBe(1);
    expect((await deliver('k1', ['ann@example.com'])).status).toBe(200);
    expect(await takenCount()).toBe(1);
    expect(proxy.counts).toEqual({ [fault.kind]: 1, none: 1 });
  });
});

describe('faults before the API has the mail leave it untaken', () => {
  const faults: { fault: Fault; seen: 'no answer' | number; code?: string }[] = [
    { fault: { kind: 'hang' }, seen: 'no answer' },
    { fault: { kind: 'reset' }, seen: 'no answer' },
    { fault: { kind: 'unavailable' }, seen: 503 },
    { fault: { kind: 'quota', scope: 'daily' }, seen: 429, code: 'daily_quota_exceeded' },
    { fault: { kind: 'quota', scope: 'monthly' }, seen: 429, code: 'monthly_quota_exceeded' },
    { fault: { kind: 'refuseKey', status: 401 }, seen: 401, code: 'missing_api_key' },
    { fault: { kind: 'refuseKey', status: 403 }, seen: 403, code: 'invalid_api_key' },
    { fault: { kind: 'concurrent' }, seen: 409, code: 'concurrent_idempotent_requests' },
  ];
  test.each(faults)('$fault.kind $code', async ({ fault, seen, code }) => {
    proxy.add({ fault, times: 1 });
    const isHang = fault.kind === 'hang';
    const first = deliver('k1', ['ann@example.com'], AbortSignal.timeout(isHang ? 150 : 5_000));
    if (seen === 'no answer') await expect(first).rejects.toThrow();
    else {
      const response = await first;
      expect(response.status).toBe(seen);
      if (code !== undefined) expect(await response.json()).toMatchObject({ name: code });
    }
    expect(await takenCount()).toBe(0);
    expect(proxy.acceptedKeys.size).toBe(0);
  });
});

test('Retry-After comes as seconds, as a date, not at all, or as nonsense', async () => {
  const seen: (string | null)[] = [];
  for (const retryAfter of ['seconds', 'date', 'missing', 'garbage'] as const) {
    proxy.add({ fault: { kind: 'throttle', retryAfter, seconds: 3 }, times: 1 });
    const response = await deliver('k1', ['ann@example.com']);
    expect(response.status).toBe(429);
    seen.push(response.headers.get('retry-after'));
  }
  expect(seen).toEqual(['3', 'Mon, 23 Nov 2026 12:00:03 GMT', null, 'soon']);
});

test('a delay before the API holds the call back by the time asked for', async () => {
  proxy.add({ fault: { kind: 'delayBefore', ms: 60 } });
  const startedAt = performance.now();
  await deliver('k1', ['ann@example.com']);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(58);
});

test('every call is slowed by msPerCall', async () => {
  proxy.msPerCall = 60;
  const startedAt = performance.now();
  await deliver('k1', ['ann@example.com']);
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(58);
});

test('a refused proxy takes no connection, and listens again on the same port', async () => {
  const { url } = proxy;
  await proxy.refuse();
  await expect(deliver('k1', ['ann@example.com'])).rejects.toThrow();
  await proxy.listen();
  expect(proxy.url).toBe(url);
  expect((await deliver('k1', ['ann@example.com'])).status).toBe(200);
});

test('a call that holds a rejected address is refused whole, and the rest passes without it', async () => {
  proxy.rejectedAddresses.add('bad@example.com');
  expect((await deliver('k1', ['ann@example.com', 'bad@example.com'])).status).toBe(422);
  expect(await takenCount()).toBe(0);
  expect((await deliver('k2', ['ann@example.com'])).status).toBe(200);
});

test('calls above the limit of a second are refused until the next second begins', async () => {
  proxy.callsPerSecond = 2;
  const statuses: number[] = [];
  const remaining: (string | null)[] = [];
  for (const key of ['k1', 'k2', 'k3']) {
    const response = await deliver(key, ['ann@example.com']);
    statuses.push(response.status);
    remaining.push(response.headers.get('ratelimit-remaining'));
  }
  expect(statuses).toEqual([200, 200, 429]);
  expect(remaining).toEqual(['1', '0', '0']);
  nowMs += 750;
  expect((await deliver('k3', ['ann@example.com'])).status).toBe(200);
});

test('a rule takes only the calls it names, and as many as it says', async () => {
  proxy.add({
    fault: { kind: 'unavailable' },
    when: (call) => call.recipients.includes('ann@example.com'),
    times: 1,
  });
  expect((await deliver('k1', ['bob@example.com'])).status).toBe(200);
  expect((await deliver('k2', ['ann@example.com'])).status).toBe(503);
  expect((await deliver('k2', ['ann@example.com'])).status).toBe(200);
});

test('one seed gives the same faults every time', async () => {
  async function statuses(seed: number): Promise<string> {
    const other = await startFaultProxy({ target: proxy.url, seed });
    other.add({ fault: { kind: 'unavailable' }, probability: 0.5 });
    for (let call = 0; call < 24; call += 1) {
      await fetch(`${other.url}/emails/batch`, { method: 'POST', body: '[]' });
    }
    await other.close();
    return other.calls.map(({ fault }) => fault).join(' ');
  }
  const [first, again, different] = [await statuses(1), await statuses(1), await statuses(2)];
  expect(again).toBe(first);
  expect(different).not.toBe(first);
  expect(first).toContain('unavailable');
  expect(first).toContain('none');
});

test('healed, the proxy lets everything through', async () => {
  proxy.add({ fault: { kind: 'unavailable' } });
  proxy.rejectedAddresses.add('ann@example.com');
  proxy.callsPerSecond = 0;
  proxy.recover();
  expect((await deliver('k1', ['ann@example.com'])).status).toBe(200);
});

test('the mailbox counts an address once whatever its case, and names those mailed twice', async () => {
  await deliver('k1', ['ann@example.com', 'bob@example.com']);
  await deliver('k2', ['Ann@Example.com']);
  const mailbox = await readMailbox(standIn.url);
  expect(mailbox.duplicates).toEqual(['ann@example.com']);
  expect(mailbox.countByAddress.get('bob@example.com')).toBe(1);
  expect(countMails([]).duplicates).toEqual([]);
});
