/**
 * Reads a stream of server-sent events (WHATWG HTML, "Server-sent events"), as far as our server writes them:
 * one `event`, `id` and `data` line each.
 *
 * @module
 */

/** One event of a stream, as received. */
export interface StreamEvent {
  event: string;
  id: number | null;
  data: unknown;
}

/** Hands out each event of a body until the body ends. @throws when the connection breaks */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  take: (event: StreamEvent) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const id = /^id: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event !== undefined && data !== undefined)
        take({ event, id: id === undefined ? null : Number(id), data: JSON.parse(data) });
    }
  }
}
