/**
 * The inspector of the local runtime: calls of Chrome's protocol to the isolate of the Worker and its objects.
 *
 * @module
 */

/** A connection to one isolate. */
export interface Inspector {
  /** @param method - of https://chromedevtools.github.io/devtools-protocol/v8/ */
  call<Result>(method: string, params?: object): Promise<Result>;
  close(): void;
}

/** Of `Runtime.getHeapUsage`, in bytes. */
export interface HeapUsage {
  usedSize: number;
  backingStorageSize?: number;
}

/** @throws Error when the runtime was started without an inspector */
export async function connectInspector(inspectorPort: number): Promise<Inspector> {
  const targets = (await (await fetch(`http://127.0.0.1:${inspectorPort}/json`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  // The first is the Worker of the project; the others belong to the local runtime.
  const url = targets[0]?.webSocketDebuggerUrl;
  if (url === undefined) throw new Error('The runtime has no inspector.');
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  let nextId = 1;
  return {
    call: <Result>(method: string, params: object = {}) =>
      new Promise<Result>((resolve) => {
        const id = nextId++;
        const onMessage = (event: MessageEvent): void => {
          const message = JSON.parse(String(event.data)) as { id?: number; result: Result };
          if (message.id !== id) return;
          socket.removeEventListener('message', onMessage);
          resolve(message.result);
        };
        socket.addEventListener('message', onMessage);
        socket.send(JSON.stringify({ id, method, params }));
      }),
    close: () => socket.close(),
  };
}

/** The JavaScript heap with its buffers, to which the platform's limit of 128 MB applies. */
export const heapMiB = ({ usedSize, backingStorageSize = 0 }: HeapUsage): number =>
  (usedSize + backingStorageSize) / 2 ** 20;

/**
 * What the Worker and its objects still need: their heap after a collection, in MiB.
 *
 * @param wake - a request: the runtime answers its inspector only while the isolate has something to do
 */
export async function measureLiveHeap(inspectorPort: number, wake: () => Promise<unknown>): Promise<number> {
  // The last one may be on its way when the runtime stops.
  const timer = setInterval(() => void wake().catch(() => undefined), 20);
  try {
    const inspector = await connectInspector(inspectorPort);
    await inspector.call('HeapProfiler.collectGarbage');
    const usage = await inspector.call<HeapUsage>('Runtime.getHeapUsage');
    inspector.close();
    return heapMiB(usage);
  } finally {
    clearInterval(timer);
  }
}
