import { createHash } from 'node:crypto';
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChainCheck } from '../../packages/cli/src/chain.ts';
import { Claims, type Claim, type Found } from '../../packages/cli/src/claims.ts';
import { hashAddress, nodeCrypto } from '../../packages/cli/src/verify.ts';
import type { BatchLine, HeadLine, SignatureLine } from '../../src/shared/receipt.ts';
import type { ReceiptKeySet } from '../../src/shared/schemas/receipt.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  type DrivenClock,
  drive,
  request,
  send,
  sessionContent,
  startSession,
  stubOf,
} from '../support/session-driver.ts';
import { accepted, setUpSession, tearDownSession } from '../support/session-setup.ts';

const dayMs = 86_400_000;

let mail: FakeMailApi;
let clock: DrivenClock;
let sessionId: string;

beforeEach(async () => {
  ({ mail, clock, sessionId } = await setUpSession({ leadCount: 25, batchSize: 10 }));
});

afterEach(tearDownSession);

const path = (end = ''): string => `/crm/activation/${sessionId}/receipt${end}`;

async function receipt(): Promise<string> {
  const response = await request(path());
  expect(response.status).toBe(200);
  return response.text();
}

interface Verified {
  fault: string | null;
  wrong: Claim[];
  head: HeadLine | null;
  found: Found[];
  signature: SignatureLine | null;
  events: string[];
}

function verified(text: string, search: { leadId?: number; addressHash?: string } = {}): Verified {
  const chain = new ChainCheck(nodeCrypto);
  const sha256Hex = (of: string): string => createHash('sha256').update(of).digest('hex');
  const claims = new Claims(sha256Hex, { leadId: null, addressHash: null, ...search });
  for (const line of text.split('\n').slice(0, -1)) {
    const read = chain.add(line, true);
    if (read !== null) claims.add(read);
  }
  return {
    fault: chain.fault()?.message ?? null,
    wrong: claims.all().filter(({ holds }) => !holds),
    head: claims.head,
    found: claims.found,
    signature: chain.signature,
    events: claims.events.map(({ kind }) => kind),
  };
}

function expectProved(text: string): Verified {
  const result = verified(text);
  expect(result.fault).toBeNull();
  expect(result.wrong).toEqual([]);
  return result;
}

const batchesOf = (text: string): BatchLine[] =>
  text
    .split('\n')
    .filter((line) => line.includes('"kind":"batch"'))
    .map((line) => JSON.parse(line) as BatchLine);

const hashOfEnd = (text: string): string =>
  (JSON.parse(text.split('\n').at(-3) ?? '') as { hash: string }).hash;

/** A session with a refused lead, which has ended. */
async function ended(): Promise<void> {
  mail.refused.add('lead4@example.com');
  await startSession(sessionId);
  await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
  await runDurableObjectAlarm(stubOf(sessionId));
}

const addressKey = async (): Promise<string> =>
  (await (await request(path('/key'))).json<{ key: string }>()).key;

describe('the receipt of an activation', () => {
  it('proves once, nobody lost and the sums, and has the same bytes twice', async () => {
    await ended();
    const text = await receipt();
    const { head, signature, events } = expectProved(text);
    expect(head?.counts).toMatchObject({ total: 25, sent: 24, failed: 1, unknown: 0, skipped: 0 });
    expect(head?.revision).toBe(1);
    expect(head?.start).toMatchObject({ manifest: { manifest: { audience: { total: 25 } } } });
    expect(events).toEqual(['started', 'finished']);
    expect(await receipt()).toBe(text);
    const { keys } = await (
      await request('/.well-known/lead-activation-receipt-keys.json')
    ).json<ReceiptKeySet>();
    expect(keys).toMatchObject([{ kid: signature?.keyId, x: signature?.publicKey }]);
    // The thumbprint of RFC 8037, appendix A.3.
    expect(signature?.keyId).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  it('has nobody by address, name or message, and shows one person with the key', async () => {
    await ended();
    const text = await receipt();
    expect(text).not.toMatch(/lead\d+@/);
    const hash = hashAddress(await addressKey(), 'Lead4@example.com');
    expect(verified(text, { addressHash: hash }).found.at(-1)).toMatchObject({
      leadId: 4,
      result: 'failed: the mail was certainly not taken',
    });
    // The key of another session finds nobody.
    expect(text).not.toContain(hashAddress(env.ADDRESS_HASH_KEY, 'lead4@example.com'));
  });

  it('says who commanded what, and which mail a person risked', async () => {
    mail.fault = () => ({ kind: 'loseAfter' });
    await startSession(sessionId);
    await drive(sessionId, clock, ({ state }) => state === 'paused');
    await accepted(sessionId, 'cancel');
    await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
    const { head, events } = expectProved(await receipt());
    expect(events).toContain('cancelled');
    expect(head?.counts.unknown).toBeGreaterThan(0);
    expect(head?.counts.total).toBe(25);
  });

  it('is of an activation that has ended', async () => {
    await startSession(sessionId);
    expect(await (await request(path())).json()).toMatchObject({ code: 'session_not_ended', status: 409 });
    const unknown = await request(path().replace(/_[a-z0-9]{9}/, '_000000000'));
    expect(await unknown.json()).toMatchObject({ code: 'session_not_found' });
  });

  it('is not made without a key, and nothing else is affected', async () => {
    await ended();
    hooks.env = { ...hooks.env, RECEIPT_SIGNING_KEY: '' };
    expect(await (await request(path())).json()).toMatchObject({ code: 'misconfigured' });
    expect((await request(`/crm/activation/progress/${sessionId}`)).status).toBe(200);
  });

  it('writes nothing while the session works, and few rows when it is asked for', async () => {
    await ended();
    const rows = (): Promise<number> =>
      runInDurableObject(stubOf(sessionId), (_, { storage }) =>
        ['receipt', 'receipt_seeds', 'receipt_closed']
          .map((table) => storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n)
          .reduce((sum, count) => sum + count, 0),
      );
    expect(await rows()).toBe(0);
    await receipt();
    await receipt();
    expect(await rows()).toBe(2);
  });
});

describe('a receipt after the end', () => {
  it('has the next revision when results change, which names the one before', async () => {
    await ended();
    const first = await receipt();
    mail.refused.clear();
    await accepted(sessionId, 'retry', { outcome: 'failed' });
    await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
    const second = await receipt();
    const { head } = expectProved(second);
    expect(head).toMatchObject({ revision: 2, previous: { revision: 1, hash: hashOfEnd(first) } });
    expect(head?.counts).toMatchObject({ sent: 25, failed: 0 });
    expect(batchesOf(second).some(({ results }) => results.includes('m'))).toBe(true);
    expectProved(first);
  });

  it('breaks off when results change during the download', async () => {
    await ended();
    const first = await stubOf(sessionId).receipt(null);
    if (first.kind !== 'page') throw new Error(first.kind);
    mail.refused.clear();
    await accepted(sessionId, 'retry', { outcome: 'failed' });
    expect(await stubOf(sessionId).receipt(first.next)).toEqual({ kind: 'changed' });
    await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
    expect(await stubOf(sessionId).receipt(first.next)).toEqual({ kind: 'changed' });
  });

  it('keeps its hash when somebody is erased, of whom only a leaf is left', async () => {
    await ended();
    const before = await receipt();
    const key = await addressKey();
    const hash = hashAddress(key, 'lead7@example.com');
    // Of the batch with the refused lead, and of the one that the others moved to.
    const open = batchesOf(before)
      .flatMap(({ members }) => members)
      .filter((member) => member?.[1] === hash);
    expect(open.map((member) => typeof member?.[2])).toEqual(['object', 'string']);
    expect((await send('DELETE', '/crm/leads/7')).status).toBe(204);
    expect((await send('DELETE', '/crm/leads/8')).status).toBe(204);

    const after = await receipt();
    expect(hashOfEnd(after)).toBe(hashOfEnd(before));
    expect(after.split('\n').at(-2)).toBe(before.split('\n').at(-2));
    expectProved(after);
    expect(after).not.toContain(hash);
    expect(after).not.toContain(open.at(-1)?.[2]);
    expect(verified(after, { addressHash: hash }).found).toEqual([]);
    expect(verified(after, { leadId: 7 }).found.at(-1)).toMatchObject({
      result: 'sent: the mail provider took the mail',
    });
    // The salt is gone from what is kept, and so is every way to it.
    const kept = await sessionContent(sessionId);
    for (const member of open) expect(kept).not.toContain(member?.[0]);
    expect(await receipt()).toBe(after);
    // The file from before is as valid as it was.
    expectProved(before);
  });

  it('has no leaf of somebody who was erased before the first receipt', async () => {
    await ended();
    await send('DELETE', '/crm/leads/7');
    const text = await receipt();
    expectProved(text);
    const batch = batchesOf(text).find(({ leads }) => leads.includes(7));
    expect(batch?.members[batch.leads.indexOf(7)]).toBeNull();
  });

  it('keeps its hash when a name that mentions an erased person is changed', async () => {
    const name = 'For lead7@example.com';
    const started = await send('POST', '/crm/activation', {
      ...{ sessionId, name, audience: { filter: {} }, templateId: 'welcome' },
    });
    expect(started.status).toBe(201);
    await drive(sessionId, clock, ({ finishedAt }) => finishedAt !== null);
    const before = await receipt();
    expect(before).toContain(name);
    await send('DELETE', '/crm/leads/7');
    const after = await receipt();
    expect(after).not.toContain('For ');
    expect(hashOfEnd(after)).toBe(hashOfEnd(before));
    expectProved(after);
  });

  it('has only numbers once retention removed whom it was for, and no key for addresses', async () => {
    await ended();
    const before = await receipt();
    clock.advance(31 * dayMs);
    await runDurableObjectAlarm(stubOf(sessionId));
    const after = await receipt();
    const { head, fault } = verified(after);
    expect(fault).toBeNull();
    expect(head).toMatchObject({ revision: 2, previous: { hash: hashOfEnd(before) } });
    expect(head?.anonymizedAt).toBeGreaterThan(0);
    expect(batchesOf(after)).toEqual([]);
    expect(await (await request(path('/key'))).json()).toMatchObject({ code: 'session_anonymized' });
  });
});
