/**
 * Reads a request's body within bounds of size and of time, before any handler does.
 *
 * A body is held in memory whole, which its bound allows for, so that a caller who sends slowly holds
 * nothing but its own connection.
 *
 * @module
 */
import type { MiddlewareHandler } from 'hono';
import type { AppEnv } from '../app-env.ts';
import { Refusal } from '../http/problem.ts';

export interface BodyBounds {
  maxBytes: number;
  maxMs: number;
}

/**
 * Bytes of a body that is too large that are read on and thrown away before it is refused. Whoever sends is
 * not listening yet: a connection that is closed under a sender is a reset, or a 502 of the proxy between, and
 * the refusal is lost. HTTP servers do the same for less (kj, in workerd: 64 KiB within a second).
 */
const maxDrainedBytes = 16 * 1024 * 1024;

/** Makes the middleware; `boundsOf` says what holds for a path. */
export function boundedBody(boundsOf: (path: string) => BodyBounds): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const { raw } = c.req;
    if (raw.body !== null) {
      c.req.raw = new Request(raw, { body: await readBounded(raw, boundsOf(c.req.path)) });
    }
    await next();
  };
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal('body_too_large', `Send at most ${maxBytes} bytes.`);
}

async function readBounded(request: Request, bounds: BodyBounds): Promise<ArrayBuffer | Uint8Array> {
  const declared = request.headers.get('content-length');
  const tooSlow = new Refusal('body_too_slow', `Send the whole body within ${bounds.maxMs / 1_000} s.`);
  if (declared !== null && Number(declared) <= bounds.maxBytes) {
    // HTTP holds a body to its declared length: the runtime may read it in one go, at a fraction of the cost.
    const whole = await inTime(bounds.maxMs, request.arrayBuffer(), () => tooSlow);
    if (whole.byteLength > bounds.maxBytes) throw tooLarge(bounds.maxBytes);
    return whole;
  }
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  const body = new BoundedParts(bounds.maxBytes);
  try {
    return await inTime(bounds.maxMs, body.readAll(reader), () =>
      body.isTooLarge ? tooLarge(bounds.maxBytes) : tooSlow,
    );
  } catch (error) {
    // Whoever still sends is told to stop; that this may fail is theirs.
    void reader.cancel().catch(() => {});
    throw error;
  }
}

/** What `work` comes to, or the refusal when its time is over. */
async function inTime<Result>(maxMs: number, work: Promise<Result>, refusal: () => Refusal): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(refusal()), maxMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The parts of a body, up to its bound; what comes above is counted and forgotten. */
class BoundedParts {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #byteCount = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isTooLarge(): boolean {
    return this.#byteCount > this.#maxBytes;
  }

  /** @throws Refusal when it is too large, once the sender is done or has sent far too much */
  async readAll(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      this.#byteCount += value.byteLength;
      if (!this.isTooLarge) this.#parts.push(value);
      else this.#parts = [];
      if (this.#byteCount > this.#maxBytes + maxDrainedBytes) break;
    }
    if (this.isTooLarge) throw tooLarge(this.#maxBytes);
    const whole = new Uint8Array(this.#byteCount);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.byteLength;
    }
    return whole;
  }
}
