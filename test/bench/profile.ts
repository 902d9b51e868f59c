/**
 * Profile: where the Worker's own time goes while a session is at full speed.
 *
 * @module
 */
import { join } from 'node:path';
import { freePort } from '../../scripts/lib/processes.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import { profileWorker } from './lib/profile.ts';
import {
  cacheFolder,
  closeAll,
  freshState,
  runSession,
  say,
  startMailApi,
  startRuntime,
} from './lib/harness.ts';
import { round } from './lib/stats.ts';

export async function profile(options: BenchOptions): Promise<PartResult> {
  const leadCount = options.leadCounts?.[0] ?? 20_000;
  say(`profile: a run of ${leadCount} leads`);
  const mail = await startMailApi();
  await mail.set({ latencyMs: 20 });
  const inspectorPort = await freePort();
  const runtime = await startRuntime({
    stateFolder: await freshState(leadCount),
    mailUrl: mail.url,
    inspectorPort,
  });
  const file = join(cacheFolder, 'run.cpuprofile');
  const { hotFunctions } = await profileWorker(inspectorPort, file, () => runSession(runtime));
  await closeAll();
  return {
    tables: [
      {
        title: `Functions by their own share of the time of a run of ${leadCount} leads`,
        columns: ['function', 'line of the bundle', 'share %'],
        rows: hotFunctions.map(({ name, share }) => [...name.split(':'), round(100 * share)]),
        notes: [
          '“(idle)” and “(program)” are the profiler’s words: waiting, and work outside of JavaScript. The whole profile is `run.cpuprofile` in the benchmark’s folder of the temporary files; Chrome’s developer tools open it.',
        ],
      },
    ],
    verdicts: [],
    figures: hotFunctions,
  };
}
