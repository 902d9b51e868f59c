/**
 * CPU profiles of the Worker through the runtime's inspector, and the functions that took the time.
 *
 * @module
 */
import { writeFileSync } from 'node:fs';
import { connectInspector } from './inspector.ts';

interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples: number[];
  timeDeltas: number[];
}

/** Profiles the Worker while `work` runs, and writes a `.cpuprofile` that Chrome's tools open. */
export async function profileWorker<Result>(
  inspectorPort: number,
  file: string,
  work: () => Promise<Result>,
): Promise<{ result: Result; hotFunctions: { name: string; share: number }[] }> {
  const inspector = await connectInspector(inspectorPort);
  await inspector.call('Profiler.enable');
  await inspector.call('Profiler.setSamplingInterval', { interval: 500 });
  await inspector.call('Profiler.start');
  const result = await work();
  const { profile } = await inspector.call<{ profile: CpuProfile }>('Profiler.stop');
  inspector.close();
  writeFileSync(file, JSON.stringify(profile));
  return { result, hotFunctions: hotFunctions(profile) };
}

/** Functions by their share of self time. */
function hotFunctions({ nodes, samples, timeDeltas }: CpuProfile): { name: string; share: number }[] {
  const names = new Map(
    nodes.map(({ id, callFrame }) => [
      id,
      `${callFrame.functionName || '(anonymous)'}:${callFrame.lineNumber + 1}`,
    ]),
  );
  const times = new Map<string, number>();
  let total = 0;
  samples.forEach((id, index) => {
    const us = timeDeltas[index] ?? 0;
    const name = names.get(id) ?? '(unknown)';
    total += us;
    times.set(name, (times.get(name) ?? 0) + us);
  });
  return [...times]
    .map(([name, us]) => ({ name, share: us / total }))
    .sort((a, b) => b.share - a.share)
    .slice(0, 40);
}
