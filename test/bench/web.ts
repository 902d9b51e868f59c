/**
 * Web: bytes of script that a browser loads, how fast the table of a million leads answers, how long the page takes
 * to be usable with an empty cache, and how long an interaction takes until the next paint while an activation runs.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { chromium, type Browser } from 'playwright-core';
import { findChromium } from '../../scripts/lib/chromium.ts';
import { buildWebIfChanged } from '../../scripts/lib/web-build.ts';
import { serveApp } from './lib/app-server.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import { type DeskUse, shortestReportedMs, useDesk } from './lib/desk-use.ts';
import {
  closeAll,
  freshSessionId,
  freshState,
  say,
  startMailApi,
  startRuntime,
  startSession,
} from './lib/harness.ts';
import { median, percentile, round } from './lib/stats.ts';

const build = join(import.meta.dirname, '../../web/build');

/** The requests of the table. */
const questions: readonly (readonly [name: string, query: string])[] = [
  ['first page', 'limit=50'],
  ['by last name', 'limit=50&sort=lastName'],
  ['one status', 'limit=50&status=new'],
  ['search by prefix', 'limit=50&search=name12345'],
];

interface Visit {
  /** From the request for the page to the first row of leads on the screen. */
  rowsMs: number;
  /** Until a click has selected a lead. */
  usableMs: number;
  scriptBytes: number;
}

/** Opens the leads page as a first visit does. */
async function visit(browser: Browser, url: string, cpuSlowdown: number): Promise<Visit> {
  const page = await browser.newPage();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: cpuSlowdown });
  let scriptBytes = 0;
  const scripts = new Set<string>();
  devtools.on('Network.responseReceived', ({ requestId, type }) => {
    if (type === 'Script') scripts.add(requestId);
  });
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) scriptBytes += encodedDataLength;
  });
  const startedAt = performance.now();
  await page.goto(`${url}/leads`, { waitUntil: 'commit' });
  const box = page.locator('tbody input[type=checkbox]').first();
  await box.waitFor();
  const rowsMs = performance.now() - startedAt;
  await box.check();
  const usableMs = performance.now() - startedAt;
  await page.close();
  return { rowsMs, usableMs, scriptBytes };
}

/** Targets of an interaction on a processor four times slower, in ms. */
const interactionTargets = { p75: 50, p98: 100 } as const;

const firstRowTargetMs = 1_800;

/** The app in use while an activation goes on that is longer; null without a browser. */
async function deskInUse(mailUrl: string, forMs: number): Promise<DeskUse | null> {
  const executablePath = findChromium();
  if (executablePath === null) return null;
  // Two leads a call and two calls a second: 20,000 leads last longer than the use.
  const runtime = await startRuntime({
    stateFolder: await freshState(20_000),
    mailUrl,
    vars: { MAIL_RATE: '2', MAIL_BATCH_MAX: '2' },
  });
  const app = await serveApp(runtime.url);
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    await startSession(runtime, freshSessionId());
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    return await useDesk(page, app.url, 4, forMs, (round) => say(`web: the app in use, round ${round}`));
  } finally {
    await browser.close();
    app.close();
    await runtime.stop();
  }
}

/** Visits with an empty cache each time; null without a browser. */
async function visits(url: string, cpuSlowdown: number, count: number): Promise<Visit | null> {
  const executablePath = findChromium();
  if (executablePath === null) return null;
  const found: Visit[] = [];
  for (let i = 0; i < count; i++) {
    // A new browser each time, so that nothing is compiled or cached.
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    found.push(await visit(browser, url, cpuSlowdown));
    await browser.close();
  }
  const of = (value: (visit: Visit) => number): number => median(found.map(value));
  return {
    rowsMs: of((visit) => visit.rowsMs),
    usableMs: of((visit) => visit.usableMs),
    scriptBytes: of((visit) => visit.scriptBytes),
  };
}

export async function web(options: BenchOptions): Promise<PartResult> {
  await buildWebIfChanged(() => say('web: building the app'));
  // Files outside `_app` belong to the API page; the app never loads them.
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
  const app = await serveApp(runtime.url);
  const opened: { name: string; visit: Visit }[] = [];
  for (const [name, slowdown] of [
    ['this machine', 1],
    ['a processor four times slower', 4],
  ] as const) {
    say(`web: the leads page, ${name}`);
    const visit = await visits(app.url, slowdown, options.repeatCount ?? 5);
    if (visit !== null) opened.push({ name, visit });
  }
  app.close();
  await runtime.stop();
  const useMs = options.isFull ? 1_800_000 : 60_000;
  const loads = [loadavg()[0] ?? Number.NaN];
  const use = await deskInUse(mail.url, useMs);
  loads.push(loadavg()[0] ?? Number.NaN);
  const durations = use?.interactions.map(({ ms }) => ms) ?? [];
  const empty = use?.emptyPageMs ?? [];
  const p75 = percentile(durations, 0.75);
  const p98 = percentile(durations, 0.98);
  const steps = [...new Set(use?.interactions.map(({ step }) => step))].map((step) => {
    const ofStep = use?.interactions.filter((it) => it.step === step).map(({ ms }) => ms) ?? [];
    return [step, ofStep.length, percentile(ofStep, 0.75), percentile(ofStep, 0.98), Math.max(...ofStep)];
  });
  await closeAll();
  const slowOpened = opened.at(-1);
  return {
    tables: [
      {
        title: `The leads page over ${leadCount} leads, from an empty cache`,
        columns: ['on', 'first row ms', 'a lead is chosen by a click ms', 'script kB over the wire'],
        rows: opened.map(({ name, visit: { rowsMs, usableMs, scriptBytes } }) => [
          name,
          Math.round(rowsMs),
          Math.round(usableMs),
          round(scriptBytes / 1_000),
        ]),
        notes: [
          opened.length === 0
            ? 'Not measured: there is no Chromium on this machine.'
            : 'Median of visits, each in a browser of its own; the server is on the same machine.',
        ],
      },
      {
        title: `Interaction to next paint, ${round(useMs / 60_000)} min of use, a processor four times slower`,
        columns: ['step', 'interactions', 'p75 ms', 'p98 ms', 'longest ms'],
        rows: [
          ['all', durations.length, p75, p98, Math.max(...durations)],
          [
            'a page that only changes a text',
            empty.length,
            percentile(empty, 0.75),
            percentile(empty, 0.98),
            Math.max(...empty),
          ],
          ...steps.sort((one, other) => Number(other[3]) - Number(one[3])),
        ],
        notes: [
          use === null
            ? 'Not measured: there is no Chromium on this machine.'
            : `${use.roundCount} rounds while an activation runs; the browser rounds to 8 ms and reports none below ${shortestReportedMs} ms, which count as that. ` +
              `Load of the machine before and after: ${loads.map((load) => round(load, 2)).join(' and ')}. ` +
              `Steps that were not done: ${use.skippedSteps.length === 0 ? 'none' : use.skippedSteps.join(', ')}.`,
        ],
      },
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
    verdicts: [
      {
        target: `interaction to next paint ≤ ${interactionTargets.p75} ms p75 and ≤ ${interactionTargets.p98} ms p98, a processor four times slower`,
        measured: `${p75} and ${p98} ms; an empty page ${percentile(empty, 0.75)} and ${percentile(empty, 0.98)} ms`,
        isMet: p75 <= interactionTargets.p75 && p98 <= interactionTargets.p98,
      },
      {
        target: `first row of ${leadCount} leads ≤ ${firstRowTargetMs} ms, a processor four times slower`,
        measured: slowOpened === undefined ? 'not measured' : `${Math.round(slowOpened.visit.rowsMs)} ms`,
        isMet: slowOpened !== undefined && slowOpened.visit.rowsMs <= firstRowTargetMs,
      },
    ],
    figures: { firstBytes, bytes, leadCount, timings, opened, use: { p75, p98, steps, useMs, empty }, loads },
  };
}
