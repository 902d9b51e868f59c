/**
 * Reads a request's body within bounds of size and of time, before any handler does.
 *
 * A body is held in memory whole, which its bound allows for, so that a caller who sends slowly holds
 * nothing but its own connection.
 *
 * @module
 */
import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from './app-env.ts';
import { Refusal } from './problem.ts';

export interface BodyBounds {
  maxBytes: number;
  maxMs: number;
}

/** Makes the middleware; `boundsOf` says what holds for a path. */
export function boundedBody(boundsOf: (path: string) => BodyBounds): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { raw } = c.req;
    if (raw.body !== null) {
      const bounds = boundsOf(c.req.path);
      const declared = Number(c.req.header('content-length') ?? 0);
      if (declared > bounds.maxBytes) throw tooLarge(bounds.maxBytes);
      c.req.raw = new Request(raw, { body: await readBounded(raw, bounds) });
    }
    await next();
  };
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal('body_too_large', `Send at most ${maxBytes} bytes.`);
}

async function readBounded(request: Request, bounds: BodyBounds): Promise<ArrayBuffer | Uint8Array> {
  if (request.headers.has('content-length')) {
    // HTTP holds a body to its declared length: the runtime may read it in one go, at a fraction of the cost.
    const whole = await inTime(bounds, request.arrayBuffer());
    if (whole.byteLength > bounds.maxBytes) throw tooLarge(bounds.maxBytes);
    return whole;
  }
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  try {
    return await inTime(bounds, readParts(reader, bounds.maxBytes));
  } catch (error) {
    // Whoever still sends is told to stop; that this may fail is theirs.
    void reader.cancel().catch(() => {});
    throw error;
  }
}

/** What `work` comes to, or the refusal when its time is over. */
async function inTime<Result>({ maxMs }: BodyBounds, work: Promise<Result>): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooSlow = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Refusal('body_too_slow', `Send the whole body within ${maxMs / 1_000} s.`)),
      maxMs,
    );
  });
  try {
    return await Promise.race([work, tooSlow]);
  } finally {
    clearTimeout(timer);
  }
}

async function readParts(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let byteCount = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    byteCount += value.byteLength;
    if (byteCount > maxBytes) throw tooLarge(maxBytes);
    parts.push(value);
  }
  const whole = new Uint8Array(byteCount);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
