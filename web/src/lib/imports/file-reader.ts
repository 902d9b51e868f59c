/**
 * A file that is read in a worker, as the page sees it.
 *
 * @module
 */
import type { ColumnMapping } from '../../../../src/shared/imports/import-file.ts';
import type { ImportReading } from '../../../../src/shared/schemas/imports.ts';
import type { CheckStep } from './check-file.ts';
import type { RefusedKind } from './file-kind.ts';
import type { FromWorker, ToWorker } from './file-worker.ts';
import type { FileChunk, FileLook } from './read-file.ts';

/** The file cannot be read on: from this line, or at all; `why` where its kind is not read. */
export class FileFault extends Error {
  readonly line: number | null;
  readonly why: RefusedKind | null;

  constructor(line: number | null, why: RefusedKind | null = null) {
    super('unreadable');
    this.line = line;
    this.why = why;
  }
}

function faultOf(reply: FromWorker): FileFault {
  if (reply.kind === 'refused') return new FileFault(null, reply.why);
  return new FileFault(reply.kind === 'unreadable' ? reply.line : null);
}

export class FileReader {
  readonly #file: File;
  readonly #worker = new Worker(new URL('./file-worker.ts', import.meta.url), { type: 'module' });

  constructor(file: File) {
    this.#file = file;
  }

  close(): void {
    this.#worker.terminate();
  }

  async look(overrides: Partial<ImportReading> = {}): Promise<FileLook> {
    const reply = await this.#ask({ kind: 'look', file: this.#file, overrides });
    if (reply.kind !== 'look') throw faultOf(reply);
    return reply.look;
  }

  /** The rows from a line on; the next chunk is read while the last one is on its way. */
  async *chunks(reading: ImportReading, line: number, mapping: ColumnMapping): AsyncGenerator<FileChunk> {
    this.#worker.postMessage({ kind: 'read', file: this.#file, reading, line, mapping } satisfies ToWorker);
    let next = this.#ask({ kind: 'next' });
    for (;;) {
      const reply = await next;
      if (reply.kind === 'end') return;
      if (reply.kind !== 'chunk') throw faultOf(reply);
      next = this.#ask({ kind: 'next' });
      // A caller that stops leaves this one unread.
      next.catch(() => undefined);
      yield reply.chunk;
    }
  }

  /** Counts the rows below the header. */
  async count(reading: ImportReading): Promise<number> {
    const reply = await this.#ask({ kind: 'count', file: this.#file, reading });
    if (reply.kind !== 'counted') throw faultOf(reply);
    return reply.rowCount;
  }

  /** Goes through all rows and sends none. */
  async *check(
    reading: ImportReading,
    mapping: ColumnMapping,
    consentSource: string,
  ): AsyncGenerator<CheckStep> {
    const start: ToWorker = { kind: 'check', file: this.#file, reading, mapping, consentSource };
    this.#worker.postMessage(start);
    for (;;) {
      const reply = await this.#ask({ kind: 'next' });
      if (reply.kind === 'end') return;
      if (reply.kind !== 'checked') throw faultOf(reply);
      yield reply.step;
    }
  }

  /** One question at a time: the worker answers in order. */
  #ask(message: ToWorker): Promise<FromWorker> {
    return new Promise((resolve, reject) => {
      const stop = new AbortController();
      const settle = (act: () => void) => (): void => {
        stop.abort();
        act();
      };
      this.#worker.addEventListener(
        'message',
        (event: MessageEvent<FromWorker>) => settle(() => resolve(event.data))(),
        { signal: stop.signal },
      );
      this.#worker.addEventListener(
        'error',
        settle(() => reject(new FileFault(null))),
        { signal: stop.signal },
      );
      this.#worker.postMessage(message);
    });
  }
}
