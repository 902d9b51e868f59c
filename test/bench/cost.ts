/**
 * Cost: what one run is billed for, counted by the platform's own figures, and in dollars a million leads.
 *
 * Owns: the price list and the arithmetic beside other designs. Prices are those of the Workers Paid plan
 * as Cloudflare publishes them (developers.cloudflare.com: Durable Objects, D1, Queues, Workflows and
 * Workers pricing), without the included amounts: the price of one more million.
 *
 * @module
 */
import type { BenchOptions, PartResult } from './lib/part.ts';
import {
  closeAll,
  freshState,
  proveOnceEach,
  readProgress,
  runSession,
  say,
  startMailApi,
  startRuntime,
  takeMeter,
  type BilledMeter,
} from './lib/harness.ts';
import { billedRowsWritten } from '../support/bill.ts';
import { round } from './lib/stats.ts';

/** Dollars for one of each. */
const prices = {
  rowWritten: 1 / 1e6,
  rowRead: 0.001 / 1e6,
  objectRequest: 0.15 / 1e6,
  gbSecond: 12.5 / 1e6,
  workerRequest: 0.3 / 1e6,
  queueOperation: 0.4 / 1e6,
} as const;
/** An object is billed for 128 MB while it is in memory. */
const objectGb = 0.128;
/** The rate that the product is set up with: MAIL_RATE calls of 100 mails. */
const defaultLeadsPerSecond = 8 * 100;

interface Billed {
  leadCount: number;
  ms: number;
  counted: BilledMeter;
  mailCallCount: number;
  progressRowsRead: number;
}

async function measure(leadCount: number): Promise<Billed> {
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    vars: { METER: 'yes' },
  });
  say(`cost: ${leadCount} leads`);
  // The objects' prototypes are metered when the first object is made.
  const run = await runSession(runtime);
  const counted = await takeMeter(runtime);
  await readProgress(runtime, run.progress.sessionId);
  const afterRead = await takeMeter(runtime);
  const stats = await mail.stats();
  proveOnceEach(stats, leadCount);
  await closeAll();
  return {
    leadCount,
    ms: run.ms,
    counted,
    mailCallCount: stats.callCount,
    progressRowsRead: afterRead.sessionRowsRead + afterRead.d1RowsRead,
  };
}

export async function cost(options: BenchOptions): Promise<PartResult> {
  const leadCounts = options.leadCounts ?? (options.isFull ? [20_000, 100_000, 1_000_000] : [2_000, 10_000]);
  const runs: Billed[] = [];
  for (const leadCount of leadCounts) runs.push(await measure(leadCount));
  const last = runs.at(-1);
  if (last === undefined) throw new Error('Nothing was measured.');

  const perMillion = (count: number): number => (1e6 * count) / last.leadCount;
  const { counted } = last;
  const rowsWritten = perMillion(billedRowsWritten(counted));
  const objectRequests = perMillion(counted.alarmCount + counted.leaseCount + counted.reportCount);
  const rowsRead = perMillion(counted.sessionRowsRead + counted.gateRowsRead);
  // Two objects are awake as long as the session takes, and that is as long as the mail API makes it.
  const gbSeconds = (1e6 / defaultLeadsPerSecond) * 2 * objectGb;
  const d1Written = perMillion(counted.d1RowsWritten);
  const d1Read = perMillion(counted.d1RowsRead);
  const lines: [name: string, count: number, dollars: number][] = [
    ['Durable Object rows written', rowsWritten, rowsWritten * prices.rowWritten],
    ['Durable Object rows read', rowsRead, rowsRead * prices.rowRead],
    ['Durable Object requests (alarms, permits)', objectRequests, objectRequests * prices.objectRequest],
    [
      `Durable Object GB-s, two objects at ${defaultLeadsPerSecond} leads/s`,
      gbSeconds,
      gbSeconds * prices.gbSecond,
    ],
  ];
  const objectDollars = lines.reduce((sum, [, , dollars]) => sum + dollars, 0);
  const d1Dollars = d1Written * prices.rowWritten + d1Read * prices.rowRead;
  const d1OfAnyone = 2 * 1e6 * prices.rowWritten;

  const ratios = runs.map(({ leadCount, counted: count }) => ({
    objectRows: billedRowsWritten(count) / leadCount,
    d1Rows: count.d1RowsWritten / leadCount,
  }));
  // Making the tables costs 30 rows or so, which a session of a few thousand leads would be judged by.
  const objectRows = ratios.at(-1)?.objectRows ?? Number.NaN;
  const maxD1Rows = Math.max(...ratios.map(({ d1Rows }) => d1Rows));
  const maxProgressRows = Math.max(...runs.map(({ progressRowsRead }) => progressRowsRead));
  return {
    tables: [
      {
        title: 'What a run writes, reads and asks, per lead',
        columns: [
          'leads',
          'DO rows written',
          'of them alarms',
          'DO rows read',
          'D1 rows written',
          'D1 rows read',
          'D1 calls',
          'mail calls',
          'permit requests',
          'alarms fired',
          'rows read by a progress request',
        ],
        rows: runs.map(({ leadCount, counted: count, mailCallCount, progressRowsRead }) => [
          leadCount,
          round(billedRowsWritten(count) / leadCount),
          round(count.alarmWriteCount / leadCount),
          round((count.sessionRowsRead + count.gateRowsRead) / leadCount),
          round(count.d1RowsWritten / leadCount),
          round(count.d1RowsRead / leadCount),
          round(count.d1CallCount / leadCount),
          round(mailCallCount / leadCount),
          round(count.leaseCount / leadCount),
          round(count.alarmCount / leadCount, 2),
          progressRowsRead,
        ]),
      },
      {
        title: 'Dollars per million leads, by published prices beyond the included amounts',
        columns: ['billed', 'count', 'dollars'],
        rows: [
          ...lines.map(([name, count, dollars]) => [name, Math.round(count), round(dollars)]),
          ['Durable Objects together', null, round(objectDollars)],
          ['D1 rows written', Math.round(d1Written), round(d1Written * prices.rowWritten)],
          ['D1 rows read', Math.round(d1Read), round(d1Read * prices.rowRead)],
        ],
        notes: [
          'D1 is the CRM itself: a lead becomes active in one row and one index, whoever runs the activation.',
        ],
      },
      {
        title: 'The same million by other designs, computed from the prices; without the CRM',
        columns: ['design', 'what is billed', 'dollars', '× ours'],
        rows: [
          ['this one', 'see above', round(objectDollars), 1],
          ...alternatives().map(({ name, billed, dollars }) => [
            name,
            billed,
            round(dollars),
            round(dollars / objectDollars),
          ]),
        ],
        notes: [
          `With the CRM's own writes (at least 2 rows a lead, $${d1OfAnyone} a million in each design) ours comes to $${round(objectDollars + d1Dollars)}.`,
        ],
      },
    ],
    verdicts: [
      {
        target: `≤ 0.06 Durable Object rows written per lead at ${last.leadCount}, alarms too`,
        measured: String(round(objectRows)),
        isMet: objectRows <= 0.06,
      },
      { target: '≤ 3 D1 rows written per lead', measured: String(round(maxD1Rows)), isMet: maxD1Rows <= 3 },
      {
        target: '≤ 5 rows read by a progress request',
        measured: String(maxProgressRows),
        isMet: maxProgressRows <= 5,
      },
      {
        target: 'Durable Objects ≤ $0.15 per million leads',
        measured: `$${round(objectDollars)}`,
        isMet: objectDollars <= 0.15,
      },
    ],
    figures: {
      runs,
      perMillion: Object.fromEntries(lines.map(([name, count, dollars]) => [name, { count, dollars }])),
      objectDollars,
      d1Dollars,
      prices,
    },
  };
}

function alternatives(): { name: string; billed: string; dollars: number }[] {
  const million = 1e6;
  const gbSeconds = (million / defaultLeadsPerSecond) * objectGb * prices.gbSecond;
  return [
    {
      name: 'a row per lead in one object',
      // Insert, in flight and done, each with the index on the state: 3 rows and 4 index entries.
      billed: '7 rows written per lead',
      dollars: 7 * million * prices.rowWritten + gbSeconds,
    },
    {
      name: 'Queues, message per lead',
      billed: '3 operations per lead (write, read, delete), and a counter row per batch',
      dollars:
        3 * million * prices.queueOperation +
        (million / 100) * prices.rowWritten +
        (million / 100) * prices.workerRequest,
    },
    {
      name: 'Queues, message per batch',
      billed: '3 operations and a counter row per 100 leads; keeps no result of a lead',
      dollars: (million / 100) * (3 * prices.queueOperation + prices.rowWritten + prices.workerRequest),
    },
    {
      name: 'Workflows, instance per lead',
      // Billed as Worker requests; a step's state is storage, here not counted.
      billed: 'one request per lead and 2 steps of CPU each; storage not counted',
      dollars: million * prices.workerRequest,
    },
  ];
}
