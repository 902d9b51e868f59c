/**
 * The Worker of the benchmarks: the real one with a meter, and bare objects that do the minimum. Both run in the
 * same process and get the same requests, so that they can be compared.
 *
 * @module
 */
import { DurableObject } from 'cloudflare:workers';
import { flipLeads } from '../../../src/crm/flip.ts';
import { ActivationSession as RealSession } from '../../../src/durable/activation-session.ts';
import { MailGate as RealGate } from '../../../src/durable/mail-gate.ts';
import { findBuiltinTemplate } from '../../../src/mail/templates/builtin.ts';
import { compileTemplate, composeMail, senderNameOf } from '../../../src/mail/templates/render.ts';
import { createResendTransport } from '../../../src/mail/providers/resend/transport.ts';
import { erasedRecipient, type Recipient } from '../../../src/shared/recipient.ts';
import app from '../../../src/worker/index.ts';
import { meter, meterDatabase, meterStorage, resetMeter } from '../../support/meter.ts';

interface BenchEnv extends Env {
  BARE_LOOP: DurableObjectNamespace<BareLoop>;
  BARE_READS: DurableObjectNamespace<BareReads>;
  /** `yes`: the platform's figures are counted, which costs a little time. */
  METER: string;
}

/** Counts of the isolate other than rows. */
const traffic = { alarmCount: 0, leaseCount: 0, reportCount: 0 };

export class ActivationSession extends RealSession {
  constructor(ctx: DurableObjectState, env: BenchEnv) {
    super(ctx, env);
    if (env.METER !== 'yes') return;
    meterStorage(ctx.storage);
    meterDatabase(env.DB);
  }

  override alarm(): Promise<void> {
    traffic.alarmCount++;
    return super.alarm();
  }
}

export class MailGate extends RealGate {
  override lease(...wanted: Parameters<RealGate['lease']>): ReturnType<RealGate['lease']> {
    traffic.leaseCount++;
    return super.lease(...wanted);
  }

  override report(report: Parameters<RealGate['report']>[0]): void {
    traffic.reportCount++;
    super.report(report);
  }
}

const senderCount = 5;
const batchLeadCount = 100;

/** As long and as wide as the leads that the benchmarks put into the database. */
function sampleRecipient(leadId: number): Recipient {
  return {
    ...erasedRecipient(leadId),
    email: `lead${leadId}@example.com`,
    firstName: `Ann${leadId % 1_000}`,
    lastName: `Name${leadId}`,
    company: `Example ${leadId % 5_000} Ltd`,
    source: 'Webinar',
    stage: 'Qualified',
  };
}

/** Renders and posts one batch of leads, and stores nothing. */
type BarePost = (batchId: string, leadIds: readonly number[]) => Promise<void>;

function createBarePost(env: BenchEnv, hasFlip: boolean): BarePost {
  const template = findBuiltinTemplate('welcome');
  const compiled = template === null ? null : compileTemplate(template);
  if (compiled?.kind !== 'compiled') throw new Error('There is no welcome template.');
  const transport = createResendTransport({
    apiUrl: env.MAIL_API_URL,
    apiKey: env.MAIL_API_KEY,
    fetch: (url, init) => fetch(url, init),
    now: Date.now,
  });
  const from = env.MAIL_FROM;
  const runId = crypto.randomUUID();
  return async (batchId, leadIds) => {
    if (hasFlip) await flipLeads(env.DB, { sessionId: runId, number: 1, leadIds, nowMs: Date.now() });
    const mails = [];
    for (const leadId of leadIds) {
      const recipient = sampleRecipient(leadId);
      const unsubscribeUrl = `http://127.0.0.1/unsubscribe/${'x'.repeat(85)}${leadId % 1_000_000}`;
      const context = {
        senderName: senderNameOf(from),
        actionUrl: null,
        unsubscribeUrl,
        postalAddress: null,
      };
      const rendered = compiled.encode(recipient, context);
      if (rendered.kind === 'refused') throw new Error(rendered.message);
      const settings = { from, replyTo: null, unsubscribeUrl, sessionId: runId, batchId };
      mails.push(composeMail(rendered, recipient, settings));
    }
    const { outcome } = await transport.deliver({
      key: `${runId}/${batchId}`,
      payload: transport.encode(mails),
      mailCount: mails.length,
      signal: AbortSignal.timeout(30_000),
    });
    if (outcome.kind !== 'accepted') throw new Error(`The mail API answered ${outcome.kind}.`);
  };
}

const idsFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);

/** Renders and posts the same batches with the same number of senders. */
export class BareLoop extends DurableObject<BenchEnv> {
  async run(leadCount: number, hasFlip: boolean): Promise<{ ms: number }> {
    const post = createBarePost(this.env, hasFlip);
    const startedAt = Date.now();
    let nextLeadId = 1;
    const sender = async (): Promise<void> => {
      while (nextLeadId <= leadCount) {
        const first = nextLeadId;
        nextLeadId += batchLeadCount;
        const leadIds = idsFrom(first, Math.min(batchLeadCount, leadCount - first + 1));
        await post(String(Math.ceil(first / batchLeadCount)), leadIds);
      }
    };
    await Promise.all(Array.from({ length: senderCount }, sender));
    return { ms: Date.now() - startedAt };
  }

  /** Renders only: the rendering rate of one core. */
  async render(leadCount: number): Promise<{ bytes: number }> {
    const template = findBuiltinTemplate('welcome');
    const compiled = template === null ? null : compileTemplate(template);
    if (compiled?.kind !== 'compiled') throw new Error('There is no welcome template.');
    let bytes = 0;
    for (let leadId = 1; leadId <= leadCount; leadId++) {
      const rendered = compiled.render(sampleRecipient(leadId), {
        senderName: 'Lead Activation',
        actionUrl: null,
        unsubscribeUrl: `http://127.0.0.1/unsubscribe/${leadId}`,
        postalAddress: null,
      });
      if (rendered.kind === 'rendered') bytes += rendered.html.length + rendered.text.length;
    }
    return { bytes };
  }
}

/** The minimal method of an object, and the minimal stream to many readers. */
export class BareReads extends DurableObject<BenchEnv> {
  readonly #readers = new Set<ReadableStreamDefaultController<Uint8Array>>();

  async progress() {
    return {
      sessionId: 'activation_1704123456789_a7bc3d2f1',
      state: 'running',
      rev: 1,
      total: 1_000_000,
      processed: 20_600,
      activation: { activated: 20_490, skipped: 100, failed: 10 },
      email: { sent: 20_300, failed: 90, unknown: 0, delivered: 18_021, bounced: 12, complained: 0 },
    };
  }

  override fetch(): Response {
    let own: ReadableStreamDefaultController<Uint8Array> | null = null;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        own = controller;
        this.#readers.add(controller);
        controller.enqueue(new TextEncoder().encode('retry: 2000\n\n'));
      },
      cancel: () => {
        if (own !== null) this.#readers.delete(own);
      },
    });
    return new Response(stream, { headers: { 'content-type': 'text/event-stream' } });
  }

  /**
   * Sends one event to all, as large as a progress event.
   *
   * @param isStored - true: it is on disk before anybody gets it, as a result of a session is
   */
  async broadcast(rev: number, isStored: boolean): Promise<void> {
    const data = JSON.stringify({
      ...(await this.progress()),
      rev,
      updatedAt: Date.now(),
      filler: 'x'.repeat(350),
    });
    if (isStored) {
      const { sql } = this.ctx.storage;
      sql.exec('CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, data TEXT)');
      sql.exec('INSERT OR REPLACE INTO event (id, data) VALUES (1, ?)', data);
      await this.ctx.storage.sync();
    }
    const bytes = new TextEncoder().encode(`id: ${rev}\nevent: progress\ndata: ${data}\n\n`);
    for (const reader of this.#readers) reader.enqueue(bytes);
  }

  /**
   * Sends events at an interval.
   *
   * @param options.isStored - see {@link broadcast}
   * @param options.mailsFrom - a lead: each event follows a call with a hundred leads from this one on, which are
   *   flipped, rendered and posted as a session does; null: nothing but events
   */
  async broadcastMany(
    eventCount: number,
    intervalMs: number,
    { isStored, mailsFrom }: { isStored: boolean; mailsFrom: number | null },
  ): Promise<void> {
    const post = mailsFrom === null ? null : createBarePost(this.env, true);
    const startedAt = Date.now();
    for (let rev = 1; rev <= eventCount; rev++) {
      if (post !== null && mailsFrom !== null)
        await post(String(rev), idsFrom(mailsFrom + (rev - 1) * batchLeadCount, batchLeadCount));
      await this.broadcast(rev, isStored);
      const dueAt = startedAt + rev * intervalMs;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - Date.now())));
    }
  }
}

/**
 * Writes rows as new leads with one statement: the least that an import does, with the same indexes and words. The
 * body is JSON of arrays in the order of the columns.
 */
async function insertRows(db: D1Database, rowsJson: string): Promise<void> {
  const columns = [
    'email',
    'email_hash',
    'first_name',
    'last_name',
    'company',
    'phone',
    'source',
    'stage',
    'notes',
    'consent_source',
    'import_line',
  ];
  const cells = columns.map((_, at) => `value ->> ${at}`).join(', ');
  await db
    .prepare(
      `INSERT INTO leads (${columns.join(', ')}, import_id, created_at, updated_at)
       SELECT ${cells}, 'bench', ?2, ?2 FROM json_each(?1)`,
    )
    .bind(rowsJson, Date.now())
    .run();
}

async function bench(url: URL, env: BenchEnv, request: Request): Promise<Response> {
  const loop = env.BARE_LOOP.getByName(url.searchParams.get('name') ?? 'bare');
  const reads = env.BARE_READS.getByName('bare');
  const count = Number(url.searchParams.get('count') ?? 0);
  switch (url.pathname) {
    case '/bench/ready':
      return new Response('ok');
    case '/bench/meter': {
      const counted = { ...meter, ...traffic };
      if (request.method === 'DELETE') {
        resetMeter();
        for (const name of Object.keys(traffic) as (keyof typeof traffic)[]) traffic[name] = 0;
      }
      return Response.json(counted);
    }
    case '/bench/loop':
      return Response.json(await loop.run(count, url.searchParams.has('flip')));
    case '/bench/insert':
      await insertRows(env.DB, await request.text());
      return new Response('ok');
    case '/bench/render':
      return Response.json(await loop.render(count));
    case '/bench/progress':
      return Response.json(await reads.progress());
    case '/bench/stream':
      return reads.fetch(request);
    case '/bench/broadcast':
      await reads.broadcastMany(count, Number(url.searchParams.get('intervalMs') ?? 200), {
        isStored: url.searchParams.has('stored'),
        mailsFrom: url.searchParams.has('mailsFrom') ? Number(url.searchParams.get('mailsFrom')) : null,
      });
      return new Response('ok');
    default:
      return new Response('There is no such bench route.', { status: 404 });
  }
}

/** Made once: a copy for each request would be 5 % of a poll. */
let appEnv: (BenchEnv & { LOCAL_PERSON: string }) | null = null;

export default {
  fetch(request, env, ctx): Response | Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname.startsWith('/bench/')) return bench(url, env, request);
    return app.fetch(request, (appEnv ??= { ...env, LOCAL_PERSON: 'bench@example.com' }), ctx);
  },
} satisfies ExportedHandler<BenchEnv>;
