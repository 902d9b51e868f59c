/**
 * The kill test's mail API: its rules about keys, its book, and what each fault leaves behind.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fault } from '../chaos/mail-faults.ts';
import { startMailApi, type MailApi } from '../chaos/mail-api.ts';
import { seededRandom } from '../support/random.ts';

let api: MailApi;
let nowMs: number;

beforeEach(async () => {
  nowMs = Date.UTC(2026, 10, 24, 12, 0, 0);
  api = await startMailApi({ random: seededRandom(7), now: () => nowMs });
  api.latencyMs = 0;
});
afterEach(() => api.close());

function mailsOf(leadIds: readonly number[]): unknown[] {
  return leadIds.map((leadId) => ({
    to: [`lead-${String(leadId)}@people.test`],
    subject: 'Hello',
    tags: [
      { name: 'session', value: 'activation_1704123456789_a7bc3d2f1' },
      { name: 'lead', value: String(leadId) },
    ],
  }));
}

/** One batch call. @returns its status and body, or null when no whole answer came */
async function deliver(
  key: string,
  leadIds: readonly number[],
  signal?: AbortSignal,
): Promise<{ status: number; body: string } | null> {
  try {
    const response = await fetch(`${api.url}/emails/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'test', 'idempotency-key': key },
      body: JSON.stringify(mailsOf(leadIds)),
      ...(signal === undefined ? {} : { signal }),
    });
    return { status: response.status, body: await response.text() };
  } catch {
    return null;
  }
}

const takenOf = (leadId: number): number =>
  api.calls.filter((call) => call.takenLeadIds.includes(leadId)).length;

describe('keys', () => {
  test('the same key and payload get the first answer again, for exactly 24 hours', async () => {
    const first = await deliver('k', [1, 2]);
    nowMs += 24 * 60 * 60 * 1_000 - 1;
    expect(await deliver('k', [1, 2])).toEqual(first);
    expect(takenOf(1)).toBe(1);
    nowMs += 1;
    await deliver('k', [1, 2]);
    expect(takenOf(1)).toBe(2);
    expect(api.calls.map(({ effect }) => effect)).toEqual(['taken', 'replayed', 'taken']);
  });

  test('the same key with another payload is a conflict and takes nothing', async () => {
    await deliver('k', [1]);
    const answer = await deliver('k', [2]);
    expect(answer?.status).toBe(409);
    expect(answer?.body).toContain('invalid_idempotent_request');
    expect(takenOf(2)).toBe(0);
  });

  test('a repeat while the first is worked on is a conflict of its own', async () => {
    api.latencyMs = 60_000;
    const patience = new AbortController();
    const first = deliver('k', [1], patience.signal);
    while ((api.calls[0]?.sessionId ?? '') === '') await api.position();
    const second = await deliver('k', [1]);
    expect(second?.body).toContain('concurrent_idempotent_requests');
    patience.abort();
    expect(await first).toBeNull();
  });

  test('content is looked at after keys, or before them where that is the rule', async () => {
    await deliver('k', [1, 2]);
    api.inactive.add('lead-2@people.test');
    expect((await deliver('k', [1, 2]))?.status).toBe(200);
    api.rules = { checksContentFirst: true };
    expect((await deliver('k', [1, 2]))?.status).toBe(422);
    expect(api.calls.at(-1)?.refusedLeadIds).toEqual([2]);
  });

  test('an error is remembered under its key only where that is the rule', async () => {
    const error: Fault = { kind: 'error', status: 500, when: 'before', isForeign: false };
    for (const remembersErrors of [false, true]) {
      api.rules = { remembersErrors };
      await api.begin(error);
      await deliver(`k ${String(remembersErrors)}`, [1]);
      await api.recover();
      expect((await deliver(`k ${String(remembersErrors)}`, [1]))?.status).toBe(remembersErrors ? 500 : 200);
    }
  });

  test.each(['forget-keys', 'key-per-attempt'] as const)(
    'the negative control %s takes a repeat',
    async (control) => {
      api.rules = { control };
      await deliver('k', [1]);
      await deliver('k', [1]);
      expect(takenOf(1)).toBe(2);
    },
  );
});

describe('faults', () => {
  const faults: [fault: Fault, status: number | null, takenCount: number, answer: string][] = [
    [{ kind: 'error', status: 503, when: 'before', isForeign: true }, 503, 0, 'doubt'],
    [{ kind: 'error', status: 503, when: 'after', isForeign: true }, 503, 1, 'doubt'],
    [{ kind: 'error', status: 500, when: 'after', isForeign: false }, 500, 1, 'doubt'],
    [{ kind: 'drop', when: 'before' }, null, 0, 'doubt'],
    [{ kind: 'drop', when: 'after' }, null, 1, 'doubt'],
    [{ kind: 'reset', when: 'after' }, null, 1, 'doubt'],
    [{ kind: 'hang', when: 'after' }, null, 1, 'doubt'],
    [{ kind: 'garbage', when: 'before' }, 200, 0, 'doubt'],
    [{ kind: 'garbage', when: 'after' }, 200, 1, 'doubt'],
    [{ kind: 'truncate' }, 200, 1, 'doubt'],
    [{ kind: 'partial' }, 200, 1, 'doubt'],
    [{ kind: 'edge', status: 403 }, 403, 0, 'doubt'],
    [{ kind: 'throttle', form: 'seconds', seconds: 1 }, 429, 0, 'refused'],
    [{ kind: 'quota', scope: 'daily' }, 429, 0, 'refused'],
    [{ kind: 'auth', status: 401 }, 401, 0, 'refused'],
    [{ kind: 'invalid' }, 422, 0, 'refused'],
  ];
  test.each(faults)('%o', async (fault, status, takenCount, answer) => {
    await api.begin(fault);
    const patience = new AbortController();
    const answered = deliver('k', [1, 2], patience.signal);
    if (fault.kind === 'hang') {
      while (takenOf(1) < takenCount) await api.position();
      patience.abort();
    }
    const seen = await answered;
    expect(seen?.status ?? null).toBe(status);
    expect(takenOf(1)).toBe(takenCount);
    await expect.poll(() => api.calls[0]?.answer).toBe(answer);
    await api.recover();
    // Whatever it was, the repeat under the key makes it one mail.
    await deliver('k', [1, 2]);
    expect(takenOf(1)).toBe(1);
  });

  test('a refused connection is seen by nobody, and the port is the same afterwards', async () => {
    const { url } = api;
    await api.begin({ kind: 'refused' });
    expect(await deliver('k', [1])).toBeNull();
    expect(api.calls).toEqual([]);
    await api.recover();
    expect(api.url).toBe(url);
    expect((await deliver('k', [1]))?.status).toBe(200);
  });
});

test('a position has before it what was on the wire, and nothing that is sent after it', async () => {
  const sent = deliver('k', [1]);
  // On the wire once its socket has been written to: the mail API counts it then.
  while (api.calls.length === 0) await api.position();
  const position = await api.position();
  await deliver('l', [2]);
  await sent;
  expect(api.calls.findIndex(({ key }) => key === 'k')).toBeLessThan(position);
  expect(api.calls.findIndex(({ key }) => key === 'l')).toBeGreaterThanOrEqual(position);
});

test('each of its sending calls is well-formed, or it says what is not', async () => {
  await deliver('lead-1@people.test', [1]);
  expect(api.complaints).toEqual(['an address in a key or URL']);
});
