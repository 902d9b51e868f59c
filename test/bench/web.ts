/**
 * Web: bytes of script that a browser loads, and how fast a table of a million leads has its first page.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { BenchOptions, PartResult } from './lib/part.ts';
import { closeAll, freshState, say, startMailApi, startRuntime } from './lib/rig.ts';
import { percentile, round } from './lib/stats.ts';

const build = join(import.meta.dirname, '../../web/build');

/** What the table asks for. */
const questions: readonly (readonly [name: string, query: string])[] = [
  ['first page', 'limit=50'],
  ['by last name', 'limit=50&sort=lastName'],
  ['one status', 'limit=50&status=new'],
  ['search by prefix', 'limit=50&search=name12345'],
];

export async function web(options: BenchOptions): Promise<PartResult> {
  // What is beside `_app` is the API page's own, which the app never loads.
  const files = readdirSync(build, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.startsWith('_app') && name.endsWith('.js'),
  );
  const bytes = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(build, name))).length, 0);
  const html = readFileSync(join(build, 'index.html'), 'utf8');
  const first = [
    ...new Set([...html.matchAll(/[^"'()]*_app\/[^"'()]+\.js/g)].map(([path]) => path.replace(/^\/+/, ''))),
  ];
  const firstBytes = first.reduce((sum, name) => sum + gzipSync(readFileSync(join(build, name))).length, 0);

  const leadCount = options.leadCounts?.at(-1) ?? (options.isFull ? 1_000_000 : 10_000);
  const mail = await startMailApi();
  const runtime = await startRuntime({ stateFolder: await freshState(leadCount), mailUrl: mail.url });
  const timings: { name: string; firstMs: number; p50Ms: number; p95Ms: number }[] = [];
  for (const [name, query] of questions) {
    say(`web: ${name} of ${leadCount} leads`);
    const timesMs: number[] = [];
    for (let i = 0; i < 30; i++) {
      const startedAt = performance.now();
      const response = await fetch(`${runtime.url}/crm/leads?${query}`);
      await response.text();
      if (!response.ok) throw new Error(`${name}: ${response.status}`);
      timesMs.push(performance.now() - startedAt);
    }
    const warm = timesMs.slice(1);
    timings.push({
      name,
      firstMs: timesMs[0] ?? Number.NaN,
      p50Ms: percentile(warm, 0.5),
      p95Ms: percentile(warm, 0.95),
    });
  }
  await closeAll();
  return {
    tables: [
      {
        title: 'Script, gzip',
        columns: ['what', 'files', 'kB'],
        rows: [
          ['named by the page itself', first.length, round(firstBytes / 1_000)],
          ['all pages together', files.length, round(bytes / 1_000)],
        ],
      },
      {
        title: `The table’s questions over ${leadCount} leads`,
        columns: ['question', 'first ms', 'p50 ms', 'p95 ms'],
        rows: timings.map(({ name, firstMs, p50Ms, p95Ms }) => [
          name,
          round(firstMs),
          round(p50Ms),
          round(p95Ms),
        ]),
      },
    ],
    verdicts: [],
    figures: { firstBytes, bytes, leadCount, timings },
  };
}
