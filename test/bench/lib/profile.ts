/**
 * CPU profiles of the Worker through the runtime's inspector, and the functions that took the time.
 *
 * @module
 */
import { writeFileSync } from 'node:fs';

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
  const targets = (await (await fetch(`http://127.0.0.1:${inspectorPort}/json`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const url = targets[0]?.webSocketDebuggerUrl;
  if (url === undefined) throw new Error('The runtime has no inspector.');
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  let nextId = 1;
  const call = (method: string, params: object = {}): Promise<unknown> =>
    new Promise((resolve) => {
      const id = nextId++;
      const onMessage = (event: MessageEvent): void => {
        const message = JSON.parse(String(event.data)) as { id?: number; result?: unknown };
        if (message.id !== id) return;
        socket.removeEventListener('message', onMessage);
        resolve(message.result);
      };
      socket.addEventListener('message', onMessage);
      socket.send(JSON.stringify({ id, method, params }));
    });
  await call('Profiler.enable');
  await call('Profiler.setSamplingInterval', { interval: 500 });
  await call('Profiler.start');
  const result = await work();
  const { profile } = (await call('Profiler.stop')) as { profile: CpuProfile };
  socket.close();
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
