/**
 * Erasure in the running product: a person is written into every place that can hold one, erased, and searched
 * for in every byte of the state folder. Also the folder's access rights, and bodies that are too large.
 */
import { chmod, readFile, readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Import } from '../../src/shared/schemas/imports.ts';
import type { LeadPage } from '../../src/shared/schemas/leads.ts';
import { limits } from '../../src/shared/limits.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import { type Product, startProduct } from '../support/product.ts';

/** Texts that are in no file by chance. Each names a place, so that a failure says which. */
const marks = ['qzjnow', 'qzjold', 'qzjnote', 'qzjfrst', 'qzjlast', 'qzjcomp', 'qzjphon', 'qzjbulk'];
const now = { email: 'qzjnow@leads.example', firstName: 'Qzjfrst', lastName: 'Qzjlast' };
const old = { email: 'qzjold@leads.example', company: 'Qzjcomp Ltd' };

let product: Product;

beforeAll(async () => {
  product = await startProduct({ leadCount: 300, env: { MAIL_RATE: '100' } });
});
afterAll(() => product.close());

async function call(method: string, path: string, body?: unknown): Promise<Response> {
  const response = await fetch(product.stack.url + path, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${String(response.status)} ${await response.text()}`);
  return response;
}

/** Every mark that a file of the state folder contains, with the file; case does not matter. */
async function marksInFiles(): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(product.stateDir, { recursive: true })) {
    const path = join(product.stateDir, name);
    if (!(await stat(path)).isFile()) continue;
    const text = (await readFile(path)).toString('latin1').toLowerCase();
    found.push(...marks.filter((mark) => text.includes(mark)).map((mark) => `${mark} in ${name}`));
  }
  return found;
}

async function importFile(importId: string, fileName: string, rows: readonly (readonly string[])[]) {
  await call('POST', '/crm/imports', {
    importId,
    fileName,
    columns: ['Email', 'First name', 'Last name', 'Company', 'Phone'],
    mapping: { email: [0], firstName: [1], lastName: [2], company: [3], phone: [4] },
  });
  await call('PUT', `/crm/imports/${importId}/chunks/0`, {
    rows: rows.map((cells, at) => ({ line: at + 2, cells })),
  });
  await call('POST', `/crm/imports/${importId}/finish`);
}

describe('a person who is erased', () => {
  test('is in no byte of the state folder any more', async () => {
    const { email, firstName, lastName } = now;
    await importFile('hers', `${lastName}, ${firstName}.csv`, [
      [old.email, 'Qzjfrst', 'Former', old.company, '+49 Qzjphon'],
      [old.email, 'Qzjfrst', 'again', old.company, ''],
    ]);
    const { leads } = await product.ask<LeadPage>('/crm/leads?importId=hers');
    const leadId = leads[0]?.id ?? 0;
    expect(leads).toHaveLength(1);
    const sessionId = await product.startRun(`For ${firstName} ${lastName}`, [1, 2, 3, leadId]);
    await product.untilRun(sessionId, ({ finishedAt }) => finishedAt !== null);
    // Changed since: the activation and the rejected row know the address and the name of before.
    await call('PATCH', `/crm/leads/${String(leadId)}`, { ...now, notes: 'Qzjnote' });
    await importFile('later', 'later.csv', [
      [email, firstName, lastName, '', ''],
      [email, firstName, lastName, '', 'twice'],
    ]);
    for (const address of [email, old.email]) {
      await call('POST', '/crm/suppressions', {
        addresses: [address],
        reason: 'manual',
        note: `qzjnote ${email}`,
      });
    }
    await call('POST', '/crm/views', { name: 'Her', query: `search=${encodeURIComponent(email)}` });
    const searched = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
    await call('POST', '/crm/activation', {
      sessionId: searched,
      name: `All ${old.email} to ${email}`,
      audience: { filter: { search: email } },
      templateId: 'welcome',
    }).catch(() => undefined);
    await call('GET', `/crm/leads?search=${encodeURIComponent(email)}`);
    // Leads that an undone import takes along are gone in the same way.
    await importFile(
      'undone',
      'undone.csv',
      Array.from({ length: 200 }, (_, at) => [`qzjbulk${String(at)}@leads.example`, 'Qzjbulk', '', '', '']),
    );
    expect((await marksInFiles()).length).toBeGreaterThan(0);

    for (;;) {
      const undone = (await (await call('POST', '/crm/imports/undone/undo')).json()) as Import;
      if (undone.state === 'undone') break;
    }
    await call('DELETE', `/crm/leads/${String(leadId)}`);
    const { total } = await product.ask<LeadPage>('/crm/leads?search=Last2');
    expect(total).toBeGreaterThan(50);

    await product.stack.stop();
    expect(await marksInFiles()).toEqual([]);
    await product.restart();
    // The others are all there, and found.
    expect(await product.ask<LeadPage>('/crm/leads?search=Last2')).toMatchObject({ total });
    const results = await product.ask<{ leads: object[] }>(`/crm/activation/${sessionId}/leads`);
    expect(results.leads).toContainEqual(expect.objectContaining({ leadId, email: null }));
  });

  test('is gone after a kill too, once the product was started again', async () => {
    await importFile('killed', 'killed.csv', [['qzjold@leads.example', 'Qzjold', '', '', '']]);
    await call('POST', '/crm/leads/erase', { email: 'qzjold@leads.example' });
    await product.stack.killHard();
    await product.restart();
    await product.stack.stop();
    expect(await marksInFiles()).toEqual([]);
    await product.restart();
  });
});

describe('the state folder', () => {
  test('has no URL of a request, in a trace or a log, and is for its owner alone, though it was open before', async () => {
    expect((await stat(product.stateDir)).mode & 0o777).toBe(0o700);
    await call('GET', '/crm/leads?search=qzjsearched');
    await fetch(`${product.stack.url}/unsubscribe/qzjtoken`);
    await product.stack.stop();
    expect(await readdir(join(product.stateDir, 'v3'))).not.toContain('observability');
    for (const name of await readdir(product.stateDir, { recursive: true })) {
      const path = join(product.stateDir, name);
      if (!(await stat(path)).isFile()) continue;
      const text = (await readFile(path)).toString('latin1');
      expect([name, text.includes('qzjsearched'), text.includes('?search=')]).toEqual([name, false, false]);
    }
    await chmod(product.stateDir, 0o755);
    await product.restart();
    expect((await stat(product.stateDir)).mode & 0o777).toBe(0o700);
  });
});

/** Sends a body in chunks over a socket of its own; what comes back, and whether the socket can be used again. */
function sendChunked(path: string, byteCount: number): Promise<{ answer: string; isOpen: boolean }> {
  const { port, host } = new URL(product.stack.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    const chunk = Buffer.alloc(64 * 1024, 'a');
    let answer = '';
    let sentCount = 0;
    let isSent = false;
    const settle = (): void => {
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
      if (!isSent || body.length < length || Number.isNaN(length)) return;
      resolve({ answer, isOpen: socket.writable });
      socket.destroy();
    };
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text;
      settle();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${String(sentCount)} bytes: ${answer}`)));
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
    );
    const send = (): void => {
      if (sentCount >= byteCount) {
        isSent = true;
        socket.write('0\r\n\r\n');
        settle();
        return;
      }
      sentCount += chunk.length;
      socket.write(`${chunk.length.toString(16)}\r\n`);
      socket.write(chunk);
      socket.write('\r\n', send);
    };
    send();
  });
}

describe('a body in chunks that is too large', () => {
  test.each([
    ['/crm/leads/export', limits.maxJsonBodyBytes + 1],
    ['/crm/leads/export', 8 * 1024 * 1024],
    ['/crm/imports/none/chunks/0', 4 * limits.maxImportChunkBytes],
    ['/webhooks/resend', 2 * 1024 * 1024],
    ['/unsubscribe/none', 2 * 1024 * 1024],
  ])('gets its 413, and the connection stays: %s, %i bytes', async (path, byteCount) => {
    const { answer, isOpen } = await sendChunked(path, byteCount);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('"code":"body_too_large"');
    expect(isOpen).toBe(true);
    expect((await fetch(`${product.stack.url}/healthz`)).status).toBe(200);
  });
});
