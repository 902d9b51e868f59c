/**
 * The limit of every body, in bytes and in time. The body is read whole before the handler runs.
 *
 * A slow sender therefore holds only its own connection. hono's `bodyLimit` has no limit in time, and refuses a body
 * before it has arrived, which its sender sees as a broken connection.
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
 * Bytes of a body that is too large that are read and discarded before it is refused. A client that is still sending
 * does not read the answer: if the connection is closed under it, it gets a reset, or a proxy answers 502, and the
 * refusal is lost. HTTP servers do the same with a lower limit (kj, in workerd: 64 KiB within a second).
 */
const maxDrainedBytes = 16 * 1024 * 1024;

/** Creates the middleware; `boundsOf` gives the bounds of a path. */
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
    // HTTP ends a body at its declared length, so the runtime can read it at once, at a fraction of the cost.
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
    // Tells the sender to stop. A failure of that changes nothing for this request.
    void reader.cancel().catch(() => {});
    throw error;
  }
}

/** The result of `work`, or the refusal when it takes longer than `maxMs`. */
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

/** The parts of a body up to its bound. Bytes above it are counted and discarded. */
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

  /** @throws Refusal for a body that is too large, when it has ended or when enough of it was discarded */
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
