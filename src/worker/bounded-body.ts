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
      c.req.raw = new Request(raw, {
        body: await readBounded(raw.body as ReadableStream<Uint8Array>, bounds),
      });
    }
    await next();
  };
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal('body_too_large', `Send at most ${maxBytes} bytes.`);
}

async function readBounded(body: ReadableStream<Uint8Array>, bounds: BodyBounds): Promise<Uint8Array> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooSlow = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Refusal('body_too_slow', `Send the whole body within ${bounds.maxMs / 1_000} s.`)),
      bounds.maxMs,
    );
  });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), tooSlow]);
      if (done) break;
      byteCount += value.byteLength;
      if (byteCount > bounds.maxBytes) throw tooLarge(bounds.maxBytes);
      chunks.push(value);
    }
  } catch (error) {
    // Whoever still sends is told to stop; that this may fail is theirs.
    void reader.cancel().catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const whole = new Uint8Array(byteCount);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
