import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashAddress } from '../../packages/cli/src/verify.ts';
import { addressHasher, saltsFrom, sha256Text } from '../../src/durable/session/receipt-hash.ts';
import { base64url } from '../../src/shared/base64url.ts';
import { emailHash } from '../../src/crm/email.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import { beginChain, lineHash, type HeadLine } from '../../src/shared/receipt.ts';
import { sha256Hex } from '../../src/shared/sha256.ts';
import { sampleAddress } from '../support/sample-batches.ts';
import {
  sampleAddressKey,
  samplePublicKey,
  sampleReceipt,
  type SampleOptions,
} from '../support/sample-receipt.ts';

const verifier = join(import.meta.dirname, '../../packages/cli/lead-activation.mjs');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'receipt-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function fileOf(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

const receiptFile = (options: SampleOptions): string =>
  fileOf('receipt.jsonl', [...sampleReceipt(options)].join(''));

/** Runs the one-file verifier as a person does. */
function run(...args: string[]): { code: number | null; text: string; error: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [verifier, ...args], { encoding: 'utf8' });
  return { code: status, text: stdout, error: stderr };
}

describe('the verifier', () => {
  it('says what a receipt proves and what it does not', () => {
    const { code, text } = run('verify', receiptFile({ leadCount: 230 }));
    expect(code).toBe(0);
    for (const words of [
      'Receipt of activation_1704123456789_a7bc3d2f1 "Spring"',
      'each of 230 leads has one result, and each batch one idempotency key',
      'all 230 leads that were selected have a result',
      '184 sent, 23 failed, 0 unknown, 0 refused by the CRM, 23 skipped',
      'That a mail was delivered or read',
    ]) {
      expect(text).toContain(words);
    }
    expect(text).toMatch(/Proved, if the key [\w-]{43} is theirs\.\n$/);
  });

  it('trusts only the keys that it is given', () => {
    const file = receiptFile({ leadCount: 20 });
    const keySet = (x: string): string => fileOf('keys.json', JSON.stringify({ keys: [{ kty: 'OKP', x }] }));
    expect(run('verify', file, '--keys', keySet(samplePublicKey))).toMatchObject({ code: 0 });
    const foreign = run('verify', file, '--keys', keySet('A'.repeat(43)));
    expect(foreign.code).toBe(1);
    expect(foreign.text).toContain('which is not in the key set');
  });

  it('finds a person by address and key, and by id', () => {
    const file = receiptFile({ leadCount: 20 });
    const byAddress = run('verify', file, '--key', sampleAddressKey, '--person', ' Lead7@EXAMPLE.com');
    expect(byAddress.text).toContain('lead 7, batch 1: sent');
    expect(byAddress.text).toContain('49a3999c-0ce1-4ea6-ab68-000000000007');
    expect(run('verify', file, '--lead', '9').text).toContain('skipped, no mail: suppressed');
    expect(run('verify', file, '--key', 'another key', '--person', sampleAddress(7)).text).toContain(
      'is not in this receipt',
    );
  });

  it('compares a list of leads, by id or address', () => {
    const file = receiptFile({ leadCount: 20 });
    const ids = fileOf('ids.csv', '\uFEFFleadId,note\r\n1,"a, ""b""\nc"\r\n2,\r\n');
    expect(run('verify', file, '--leads', ids).text).toContain(
      'all 2 leads of the file are in the receipt; the receipt has 18 leads more',
    );
    const missing = run('verify', file, '--leads', fileOf('more.csv', 'id\n20\n21\n'));
    expect(missing.code).toBe(1);
    expect(missing.text).toContain('1 lead of 2 are not in the receipt: 21');
    const addresses = fileOf(
      'addresses.csv',
      `Name;E-Mail\nAnn;${sampleAddress(1)}\nBob;${sampleAddress(2)}\n`,
    );
    expect(run('verify', file, '--leads', addresses, '--key', sampleAddressKey).code).toBe(0);
    expect(run('verify', file, '--leads', addresses)).toMatchObject({
      code: 2,
      error: expect.stringContaining('give the key too') as unknown,
    });
  });

  it('still proves a receipt that a person was taken out of, and no longer finds them', () => {
    const file = receiptFile({ leadCount: 20 });
    const redacted = run('redact', file, '--person', sampleAddress(7), '--key', sampleAddressKey);
    expect(redacted.code).toBe(0);
    const rest = fileOf('redacted.jsonl', redacted.text);
    expect(redacted.text).not.toContain(hashAddress(sampleAddressKey, sampleAddress(7)));
    expect(redacted.text).not.toContain('000000000007');
    const again = run('verify', rest, '--key', sampleAddressKey, '--person', sampleAddress(7));
    expect(again.code).toBe(0);
    expect(again.text).toContain('is not in this receipt');
    // Somebody else's leaf in its place is a change.
    const leaf = /"members":\[.*?,"([\w-]{43})",\[/.exec(redacted.text)?.[1] ?? '';
    const other = fileOf('other.jsonl', redacted.text.replace(leaf, sha256Text('somebody else')));
    expect(run('verify', other)).toMatchObject({
      code: 1,
      text: expect.stringContaining('changed') as unknown,
    });
  });

  it('does not prove what a signer got wrong', () => {
    const withoutOne = receiptFile({
      leadCount: 20,
      lie: (head) => ({ ...head, counts: { ...head.counts, total: 21 } }),
    });
    expect(run('verify', withoutOne)).toMatchObject({
      code: 1,
      text: expect.stringContaining('21 leads were selected, and 20 have a result') as unknown,
    });
    const twice = receiptFile({
      leadCount: 20,
      batchSize: 10,
      lieInBatch: (batch) => ({
        ...batch,
        recipients:
          batch.recipients?.map((recipient) => ({
            ...recipient,
            leadId: recipient.leadId === 12 ? 2 : recipient.leadId,
          })) ?? null,
      }),
    });
    expect(run('verify', twice).text).toContain('leads have two results: 2');
    const sums = receiptFile({
      leadCount: 20,
      lie: (head) => ({ ...head, counts: { ...head.counts, sent: 17 } }),
    });
    expect(run('verify', sums)).toMatchObject({
      code: 1,
      text: expect.stringContaining('sent is 17') as unknown,
    });
    const risked = receiptFile({ leadCount: 20, lieInBatch: (batch) => ({ ...batch, retried: 'risked' }) });
    expect(run('verify', risked)).toMatchObject({
      code: 1,
      text: expect.stringContaining('mailed twice') as unknown,
    });
  });

  it('checks that the manifest has its hash', async () => {
    const manifest = { version: 1, madeBy: 'ana' };
    const lie =
      (hash: string): NonNullable<SampleOptions['lie']> =>
      (head) => ({
        ...head,
        start: { ...head.start, manifest: { manifest, hash } },
      });
    expect(run('verify', receiptFile({ leadCount: 10, lie: lie('0f3a') })).text).toContain(
      'the manifest does not have its hash',
    );
    expect(
      run('verify', receiptFile({ leadCount: 10, lie: lie(await sha256Hex(canonicalJson(manifest))) })),
    ).toMatchObject({
      code: 0,
    });
  });

  it('checks that another person approved exactly this manifest', async () => {
    const manifest = { version: 1, madeBy: 'ana@example.com' };
    const hash = await sha256Hex(canonicalJson(manifest));
    const approvedBy = (by: string, manifestHash = hash): ReturnType<typeof run> =>
      run(
        'verify',
        receiptFile({
          leadCount: 10,
          lie: (head) => ({
            ...head,
            start: {
              ...head.start,
              owner: 'ana@example.com',
              manifest: { manifest, hash },
              approval: { askedAt: 1, expiresAt: 2, approved: { by, at: 1 }, rejected: null, manifestHash },
            },
          }),
        }),
      );
    const approved = approvedBy('bob@example.com');
    expect(approved.code).toBe(0);
    expect(approved.text).toContain('approved by bob@example.com on 1970-01-01');
    expect(approved.text).toContain('another person approved exactly this manifest');
    expect(approvedBy('Ana@example.com').text).toContain('approved by the one who started it');
    expect(approvedBy('bob@example.com', '0f3a')).toMatchObject({ code: 1 });
    const unapproved = receiptFile({
      leadCount: 10,
      lie: (head) => ({
        ...head,
        start: {
          ...head.start,
          approval: { askedAt: 1, expiresAt: 2, approved: null, rejected: null, manifestHash: null },
        },
      }),
    });
    expect(run('verify', unapproved).text).toContain('nobody approved it');
  });

  it('explains wrong usage with code 2', () => {
    for (const args of [
      [],
      ['verify'],
      ['verify', 'a', 'b'],
      ['verify', 'a', '--nope'],
      ['redact', 'a'],
      ['verify', 'a', '--person', 'b'],
    ]) {
      const { code, error } = run(...args);
      expect(code, args.join(' ')).toBe(2);
      expect(error).toContain('lead-activation verify RECEIPT');
    }
    expect(run('verify', join(folder, 'none.jsonl'))).toMatchObject({
      code: 2,
      error: expect.stringContaining('no such file') as unknown,
    });
  });

  it('shows no control characters of a receipt', () => {
    const file = receiptFile({
      leadCount: 10,
      lie: (head) => ({ ...head, about: ['salt', '\u001b[2J', null] }),
    });
    expect(run('verify', file).text).not.toContain('\u001b');
  });
});

describe('hashes of a receipt', () => {
  it('are the same when it is read back, however the keys of an audience were ordered', () => {
    const about = ['salt', 'Fair', { filter: { status: 'new', source: 'fair', tag: 'b' } }];
    const head = { kind: 'receipt', about } as unknown as Parameters<typeof beginChain>[0];
    const { text } = beginChain(head, sha256Text);
    const line = JSON.parse(text) as HeadLine;
    expect(lineHash(null, line, sha256Text)).toBe(line.hash);
  });

  it('are those of the platform', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (key, text) => {
        expect(addressHasher(key)(text)).toBe(emailHash(key, text));
        expect(addressHasher(key)(text)).toBe(hashAddress(key, text));
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        expect(base64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
      }),
    );
  });

  it('have a salt of 128 bits for every recipient, all different', () => {
    const salts = saltsFrom(new Uint8Array(16).fill(7), 1_000);
    expect(new Set(salts).size).toBe(1_000);
    expect(salts.every((salt) => /^[\w-]{22}$/.test(salt))).toBe(true);
    expect(saltsFrom(new Uint8Array(16).fill(7), 3)).toEqual(salts.slice(0, 3));
  });
});
