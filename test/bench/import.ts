/**
 * Import: a file of generated leads through the API's own handlers, the searches that people make among
 * them, and a session over all of them.
 *
 * `node test/bench/import.ts [--full]` runs it alone.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../scripts/lib/processes.ts';
import { emailHash } from '../../src/crm/email.ts';
import type { Import } from '../../src/shared/schemas/imports.ts';
import type { LeadPage } from '../../src/shared/schemas/leads.ts';
import { connectInspector, heapMiB, type HeapUsage } from './lib/inspector.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import {
  closeAll,
  cpuSeconds,
  freshSessionId,
  freshState,
  peakRssMiB,
  say,
  startMailApi,
  startRuntime,
  startSession,
  takeMeter,
  type MailApi,
  type Runtime,
} from './lib/harness.ts';
import { median, percentile, round } from './lib/stats.ts';

/** Rows of one chunk, as the browser makes them. */
const chunkRowCount = 2_000;
const repeatCount = 5;
/** What a person perceives as immediate. */
const maxQueryMs = 50;
const maxWorkerMiB = 128;
const minRowsPerSecond = 10_000;

const columns = ['Email', 'First name', 'Last name', 'Company', 'Phone', 'Source', 'Stage', 'Notes'] as const;
const firstNames = [
  'Ann',
  'Björn',
  'Chloé',
  'Đorđe',
  'Élodie',
  'François',
  'Güneş',
  'Hiroko',
  'Íris',
  'José',
];
const sources = ['Webinar', 'Fair', 'Web form', 'Referral', 'Ads', 'Cold call', 'Partner', 'Newsletter'];
const stages = ['New', 'Qualified', 'Contacted', 'Proposal'];

/** The row whose address this row repeats. Two rows in a hundred repeat one; one of these repeats a row far above. */
function repeatedBy(index: number): number | null {
  if (index % 50 !== 49) return null;
  const isFar = index % 100 === 99 && index > 5_040;
  return index - (isFar ? 5_040 : 9);
}

/** A row of the file. As in real files, some addresses repeat and one in a hundred is invalid. */
function rowOf(index: number): { line: number; cells: string[] } {
  const owner = repeatedBy(index) ?? index;
  const email = index % 100 === 25 ? 'n/a' : `lead${owner + 1}@example${owner % 200}.com`;
  return {
    line: index + 2,
    cells: [
      email,
      firstNames[index % firstNames.length] ?? '',
      `Name${(index * 7_919) % 50_000}`,
      `Example ${(index * 104_729) % 20_000} Ltd`,
      `+49 30 ${String(1_000_000 + index)}`,
      sources[index % sources.length] ?? '',
      stages[index % stages.length] ?? '',
      index % 10 === 0 ? 'Met at the booth; wants a call in spring.' : '',
    ],
  };
}

/** Watches the heap of the Worker. */
async function watchHeap(inspectorPort: number): Promise<{ peakMiB: number; stop(): void }> {
  const inspector = await connectInspector(inspectorPort);
  const watch = {
    peakMiB: 0,
    stop() {
      clearInterval(timer);
      inspector.close();
    },
  };
  const look = async (): Promise<void> => {
    const usage = await inspector.call<HeapUsage>('Runtime.getHeapUsage');
    watch.peakMiB = Math.max(watch.peakMiB, heapMiB(usage));
  };
  const timer = setInterval(() => void look(), 20);
  return watch;
}

/** The new leads of these rows, as `/bench/insert` takes them. */
function newLeads(rows: readonly { line: number; cells: string[] }[]): unknown[] {
  return rows
    .filter(({ line, cells }) => repeatedBy(line - 2) === null && cells[0] !== 'n/a')
    .map(({ line, cells: [email = '', ...others] }) => [
      email,
      emailHash('bench', email),
      ...others,
      'bench',
      line,
    ]);
}

/** What the bare statement took for the same leads. */
interface BareFigure {
  leadCount: number;
  ms: number;
  cpuSeconds: number;
}

interface ImportFigure {
  rowCount: number;
  ms: number;
  rowsPerSecond: number;
  cpuSeconds: number;
  chunkMsP50: number;
  chunkMsP99: number;
  d1RowsWrittenPerLead: number;
  d1RowsReadPerLead: number;
  peakRssMiB: number;
  bodyMiB: number;
}

async function call<T>(runtime: Runtime, method: string, path: string, body?: string): Promise<T> {
  const response = await fetch(`${runtime.url}${path}`, {
    method,
    ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/**
 * @param bare - another runtime, which gets the same leads by a bare INSERT, in turn with the chunks: what else the
 *   machine does then slows both
 */
async function importFile(
  runtime: Runtime,
  importId: string,
  rowCount: number,
  bare: Runtime | null,
): Promise<{ figure: ImportFigure; bareFigure: BareFigure; done: Import }> {
  const request = {
    importId,
    fileName: 'bench.csv',
    columns,
    mapping: {
      email: [0],
      firstName: [1],
      lastName: [2],
      company: [3],
      phone: [4],
      source: [5],
      stage: [6],
      notes: [7],
    },
    consentSource: 'bench',
  };
  await call(runtime, 'POST', '/crm/imports', JSON.stringify(request));
  await takeMeter(runtime);
  const chunkMs: number[] = [];
  let byteCount = 0;
  const cpuBefore = cpuSeconds(runtime.pid);
  const bareFigure: BareFigure = {
    leadCount: 0,
    ms: 0,
    cpuSeconds: bare === null ? 0 : -cpuSeconds(bare.pid),
  };
  for (let seq = 0; seq * chunkRowCount < rowCount; seq++) {
    const first = seq * chunkRowCount;
    const rows = Array.from({ length: Math.min(chunkRowCount, rowCount - first) }, (_, at) =>
      rowOf(first + at),
    );
    const body = JSON.stringify({ rows });
    byteCount += Buffer.byteLength(body);
    const sentAt = performance.now();
    await call(runtime, 'PUT', `/crm/imports/${importId}/chunks/${seq}`, body);
    chunkMs.push(performance.now() - sentAt);
    if (bare !== null) {
      const leads = newLeads(rows);
      const body = JSON.stringify(leads);
      const insertedAt = performance.now();
      const answer = await fetch(`${bare.url}/bench/insert`, { method: 'POST', body });
      if (!answer.ok) throw new Error(`The bare INSERT failed: ${await answer.text()}`);
      bareFigure.ms += performance.now() - insertedAt;
      bareFigure.leadCount += leads.length;
    }
    if (seq % 50 === 0) say(`import: ${first} of ${rowCount} rows`);
  }
  const done = await call<Import>(runtime, 'POST', `/crm/imports/${importId}/finish`, '{}');
  // Without the time of making the rows, and that of the other runtime.
  const ms = chunkMs.reduce((sum, it) => sum + it, 0);
  if (bare !== null) bareFigure.cpuSeconds += cpuSeconds(bare.pid);
  const counted = await takeMeter(runtime);
  const taken = done.counts.created + done.counts.updated + done.counts.unchanged;
  if (taken + done.counts.duplicate + done.counts.rejected !== rowCount)
    throw new Error(`Of ${rowCount} rows some are missing: ${JSON.stringify(done.counts)}`);
  return {
    done,
    bareFigure,
    figure: {
      rowCount,
      ms,
      rowsPerSecond: (1_000 * rowCount) / ms,
      cpuSeconds: cpuSeconds(runtime.pid) - cpuBefore,
      chunkMsP50: median(chunkMs),
      chunkMsP99: percentile(chunkMs, 0.99),
      d1RowsWrittenPerLead: counted.d1RowsWritten / Math.max(1, taken),
      d1RowsReadPerLead: counted.d1RowsRead / Math.max(1, taken),
      peakRssMiB: peakRssMiB(runtime.pid),
      bodyMiB: byteCount / 2 ** 20,
    },
  };
}

interface QueryFigure {
  query: string;
  matchCount: number;
  isExact: boolean;
  medianMs: number;
}

const queries: readonly (readonly [name: string, query: string])[] = [
  ['all leads, newest first', ''],
  ['all leads by last name', 'sort=lastName'],
  ['new leads', 'status=new'],
  ['a name', 'search=name4711'],
  ['the beginning of a name', 'search=name47'],
  ['a first and a last name', 'search=hiroko%20name123'],
  ['an address', 'search=lead4711%40example'],
  ['a domain', 'search=%40example110.com'],
  ['a domain and those below it', 'search=example110.com'],
  ['the beginning of a domain', 'search=%40exam'],
  ['a top-level domain that every lead has', 'search=.com'],
  ['the beginning of an address with a dot', 'search=lead.4711'],
  ['a name at a domain', 'search=name47%20example110.com'],
  ['a company', 'search=example%204711'],
  ['a word that every lead has', 'search=ltd'],
  ['the beginning of a word that every lead has', 'search=exam'],
  ['one source of eight', 'source=Fair'],
  ['one source, by company', 'source=Fair&sort=company'],
  ['one stage of four', 'stage=Proposal'],
  ['the import', 'importId=bench'],
  ['the import, by last name', 'importId=bench&sort=lastName'],
  ['added since the year 2020', 'createdFrom=1577836800000'],
  ['activated since the year 2020', 'activatedFrom=1577836800000'],
  ['a source and a stage', 'source=Fair&stage=Qualified'],
  ['a name within a source', 'source=Fair&search=name47'],
  ['new leads of the import at one stage', 'importId=bench&status=new&stage=Proposal'],
  ['a name, by company', 'search=name47&sort=company'],
];
/** The page has to read every lead that matches the one condition to find that none matches the other. */
const worstQuery = [
  'a common source and a common stage that nobody has both',
  'source=Fair&stage=Proposal',
] as const;

async function measureQueries(runtime: Runtime): Promise<QueryFigure[]> {
  const figures: QueryFigure[] = [];
  for (const [query, parameters] of [...queries, worstQuery]) {
    const ms: number[] = [];
    let page = { total: 0, isTotalExact: true };
    // A first query fills the caches: in use, somebody has looked at the leads before.
    for (let round = 0; round <= repeatCount; round++) {
      const askedAt = performance.now();
      page = await call<LeadPage>(runtime, 'GET', `/crm/leads?limit=50&${parameters}`);
      if (round > 0) ms.push(performance.now() - askedAt);
    }
    figures.push({ query, matchCount: page.total, isExact: page.isTotalExact, medianMs: median(ms) });
  }
  return figures;
}

interface RunFigure {
  total: number;
  answeredMs: number;
  firstMailMs: number;
}

async function measureSession(runtime: Runtime, mail: MailApi): Promise<RunFigure> {
  await mail.set({ latencyMs: 20 });
  const startedAt = Date.now();
  const { total } = await startSession(runtime, freshSessionId(), { filter: { importId: 'bench' } });
  const answeredMs = Date.now() - startedAt;
  for (;;) {
    const { firstMailAt } = await mail.stats();
    if (firstMailAt !== null) return { total, answeredMs, firstMailMs: firstMailAt - startedAt };
    await sleep(5);
  }
}

/** Measures one import, a second one of the same file, queries among its leads and a session over them. */
export async function importBench(options: BenchOptions): Promise<PartResult> {
  const rowCount = options.leadCounts?.at(-1) ?? (options.isFull ? 1_000_000 : 50_000);
  const mail = await startMailApi();
  const inspectorPort = await freePort();
  const runtime = await startRuntime({
    stateFolder: await freshState(0),
    mailUrl: mail.url,
    vars: { METER: 'yes' },
    inspectorPort,
  });
  const heap = await watchHeap(inspectorPort);
  // The meter is installed when the first object is created. This object has no session.
  await fetch(`${runtime.url}/crm/activation/progress/${freshSessionId()}`);
  const bare = await startRuntime({ stateFolder: await freshState(0), mailUrl: mail.url });
  const first = await importFile(runtime, 'bench', rowCount, bare);
  await bare.kill();
  const again = await importFile(runtime, 'bench_again', Math.min(rowCount, 100_000), null);
  if (again.done.counts.created > 0) throw new Error('The same file made new leads.');
  heap.stop();
  say('import: queries');
  const queryFigures = await measureQueries(runtime);
  say('import: a session over all of them');
  const run = await measureSession(runtime, mail);
  await runtime.kill();
  await closeAll();

  const { figure, bareFigure, done } = first;
  const importUs = (1e6 * figure.cpuSeconds) / figure.rowCount;
  const bareUs = (1e6 * bareFigure.cpuSeconds) / bareFigure.leadCount;
  const bareRate = (1_000 * bareFigure.leadCount) / bareFigure.ms;
  const slowest = queryFigures
    .filter(({ query }) => query !== worstQuery[0])
    .reduce((a, b) => (b.medianMs > a.medianMs ? b : a));
  const rowsOf = (name: string, it: ImportFigure): (string | number)[] => [
    name,
    it.rowCount,
    round(it.rowsPerSecond),
    round(it.chunkMsP50),
    round(it.chunkMsP99),
    round(it.d1RowsWrittenPerLead),
    round(it.d1RowsReadPerLead),
    Math.round(it.peakRssMiB),
    round(it.bodyMiB),
  ];
  return {
    tables: [
      {
        title: 'An import through the API',
        columns: [
          'file',
          'rows',
          'rows/s',
          'chunk ms p50',
          'chunk ms p99',
          'D1 rows written a lead',
          'D1 rows read a lead',
          'peak RSS MiB',
          'sent MiB',
        ],
        rows: [rowsOf('new leads', figure), rowsOf('the same file again', again.figure)],
        notes: [
          `Of ${rowCount} rows ${done.counts.created} were created, ${done.counts.duplicate} repeated and ${done.counts.rejected} rejected.`,
          `The RSS is that of the whole runtime, with the local database and its caches; the Worker's own heap was ${Math.round(heap.peakMiB)} MiB at most.`,
        ],
      },
      {
        title: 'The same leads, in turn with each chunk, by a bare INSERT into a database of its own',
        columns: ['', 'leads', 'rows/s', 'CPU µs a row'],
        rows: [
          ['the import', done.counts.created, round(figure.rowsPerSecond), round(importUs)],
          ['the bare INSERT', bareFigure.leadCount, round(bareRate), round(bareUs)],
          ['import ÷ bare', null, round(figure.rowsPerSecond / bareRate), round(importUs / bareUs)],
        ],
        notes: [
          'The bare INSERT has the same table, indexes and words, and its rows are ready: nothing is parsed, checked, hashed or compared. The CPU is that of the whole runtime, its database included.',
        ],
      },
      {
        title: `Pages of 50 leads among ${done.counts.created}, with the count of those that match`,
        columns: ['query', 'matches', 'counted', 'median ms'],
        rows: queryFigures.map((it) => [
          it.query,
          it.matchCount,
          it.isExact ? 'all' : 'at least',
          round(it.medianMs),
        ]),
      },
      {
        title: 'A session over the import',
        columns: ['leads', 'start answered ms', 'first mail ms'],
        rows: [[run.total, run.answeredMs, run.firstMailMs]],
      },
    ],
    verdicts: [
      {
        target: `at least ${minRowsPerSecond} rows a second`,
        measured: `${Math.round(figure.rowsPerSecond)}; the bare INSERT: ${Math.round(bareRate)}`,
        isMet: figure.rowsPerSecond >= minRowsPerSecond,
      },
      {
        target: `every usual query in less than ${maxQueryMs} ms`,
        measured: `${slowest.query}: ${round(slowest.medianMs)} ms`,
        isMet: slowest.medianMs < maxQueryMs,
      },
      {
        target: 'first mail of a session over the import in less than 1 s',
        measured: `${run.firstMailMs} ms`,
        isMet: run.firstMailMs < 1_000,
      },
      {
        target: `the Worker's heap in less than ${maxWorkerMiB} MiB`,
        measured: `${Math.round(heap.peakMiB)} MiB`,
        isMet: heap.peakMiB < maxWorkerMiB,
      },
    ],
    figures: {
      import: figure,
      bare: bareFigure,
      peakHeapMiB: heap.peakMiB,
      again: again.figure,
      queries: queryFigures,
      run,
    },
  };
}
