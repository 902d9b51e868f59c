/**
 * One session of a contender on Node: flip in SQLite, render, post; by BullMQ's workers or by a loop in memory.
 *
 * Uses the same renderer, payload and number of mails at once as the engine. The contenders promise less when they
 * are killed; the comparison shows what the engine's promises cost.
 *
 * @module
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { findBuiltinTemplate } from '../../../src/mail/templates/builtin.ts';
import {
  compileTemplate,
  composeMail,
  senderNameOf,
  type CompiledTemplate,
} from '../../../src/mail/templates/render.ts';
import { createResendTransport } from '../../../src/mail/providers/resend/transport.ts';
import { erasedRecipient, type Recipient } from '../../../src/shared/recipient.ts';
import type { BaselineOptions } from '../lib/baseline.ts';

/** The part of BullMQ that is used here. Its own types are missing, because it is installed on demand. */
interface BullMq {
  Queue: new (
    name: string,
    options: object,
  ) => {
    addBulk(jobs: { name: string; data: number[]; opts: object }[]): Promise<unknown>;
    close(): Promise<void>;
  };
  Worker: new (
    name: string,
    process: (job: { id: string; data: number[] }) => Promise<void>,
    options: object,
  ) => {
    on(event: 'completed' | 'failed', listener: (job: unknown, error: unknown) => void): void;
    close(): Promise<void>;
  };
}

const options = JSON.parse(process.argv[2] ?? '{}') as BaselineOptions;
const from = 'Lead Activation <hello@example.com>';
const batchLeadCount = 100;

const db = new DatabaseSync(options.databaseFile);
db.exec('PRAGMA journal_mode = wal; PRAGMA synchronous = normal;');
const flip = db.prepare(
  "UPDATE leads SET status = 'active', activated_at = ?1, activated_by = ?2 WHERE id IN (SELECT value FROM json_each(?3)) AND +status = 'new'",
);
const read = db.prepare(
  'SELECT id, email, first_name, last_name, company, phone, source, stage FROM leads WHERE id IN (SELECT value FROM json_each(?1))',
);

const compiled = welcomeTemplate();
const transport = createResendTransport({
  apiUrl: options.mailUrl,
  apiKey: 're_bench',
  fetch: (url, init) => fetch(url, init),
  now: Date.now,
});
const runId = crypto.randomUUID();

function welcomeTemplate(): CompiledTemplate {
  const template = findBuiltinTemplate('welcome');
  const result = template === null ? null : compileTemplate(template);
  if (result?.kind !== 'compiled') throw new Error('There is no welcome template.');
  return result;
}

/** Flips, renders and mails these leads. */
async function activate(leadIds: readonly number[], key: string): Promise<void> {
  const ids = JSON.stringify(leadIds);
  flip.run(Date.now(), runId, ids);
  const rows = read.all(ids) as Record<string, string | number>[];
  const mails = rows.map((row) => {
    const text = (name: string): string => String(row[name]);
    const recipient: Recipient = {
      ...erasedRecipient(Number(row['id'])),
      email: text('email'),
      firstName: text('first_name'),
      lastName: text('last_name'),
      company: text('company'),
      phone: text('phone'),
      source: text('source'),
      stage: text('stage'),
    };
    const unsubscribeUrl = `http://127.0.0.1/unsubscribe/${'x'.repeat(91)}`;
    const rendered = compiled.encode(recipient, {
      senderName: senderNameOf(from),
      actionUrl: null,
      unsubscribeUrl,
      postalAddress: null,
    });
    if (rendered.kind === 'refused') throw new Error(rendered.message);
    return composeMail(rendered, recipient, {
      from,
      replyTo: null,
      unsubscribeUrl,
      sessionId: runId,
      batchId: key,
    });
  });
  const { outcome } = await transport.deliver({
    key: `${runId}/${key}`,
    payload: transport.encode(mails),
    mailCount: mails.length,
    signal: AbortSignal.timeout(30_000),
  });
  if (outcome.kind !== 'accepted') throw new Error(`The mail API answered ${outcome.kind}.`);
}

function batches(size: number): number[][] {
  const list: number[][] = [];
  for (let first = 1; first <= options.leadCount; first += size) {
    list.push(
      Array.from({ length: Math.min(size, options.leadCount - first + 1) }, (_, index) => first + index),
    );
  }
  return list;
}

/** As a plain server does it: a list, five calls at once, and progress in a variable. */
async function inMemory(): Promise<void> {
  const todo = batches(batchLeadCount);
  const progress = { processed: 0 };
  const sender = async (): Promise<void> => {
    for (let batch = todo.shift(); batch !== undefined; batch = todo.shift()) {
      await activate(batch, String(batch[0]));
      progress.processed += batch.length;
    }
  };
  await Promise.all(Array.from({ length: 5 }, sender));
}

async function bullMq(size: number, concurrency: number): Promise<void> {
  const { Queue, Worker } = createRequire(join(options.packageFolder, 'package.json'))('bullmq') as BullMq;
  const connection = { host: '127.0.0.1', port: options.redisPort, maxRetriesPerRequest: null };
  const queue = new Queue('activation', { connection });
  const jobs = batches(size).map((data) => ({
    name: 'activate',
    data,
    opts: { attempts: 5, removeOnComplete: true },
  }));
  await new Promise<void>((resolve, reject) => {
    let doneCount = 0;
    const worker = new Worker('activation', (job) => activate(job.data, job.id), { connection, concurrency });
    worker.on('completed', () => {
      doneCount++;
      if (doneCount === jobs.length)
        void worker
          .close()
          .then(() => queue.close())
          .then(resolve);
    });
    worker.on('failed', (_, error) => reject(error instanceof Error ? error : new Error(String(error))));
    void (async () => {
      for (let first = 0; first < jobs.length; first += 1_000)
        await queue.addBulk(jobs.slice(first, first + 1_000));
    })().catch(reject);
  });
}

const startedAt = Date.now();
switch (options.kind) {
  case 'in memory':
    await inMemory();
    break;
  case 'BullMQ, job per batch':
    await bullMq(batchLeadCount, 5);
    break;
  case 'BullMQ, job per lead':
    // A call has one mail here. With five calls at once it would mostly wait, so it makes a hundred.
    await bullMq(1, 100);
    break;
  default:
    options.kind satisfies never;
}
process.send?.({ ms: Date.now() - startedAt });
process.on('disconnect', () => process.exit());
