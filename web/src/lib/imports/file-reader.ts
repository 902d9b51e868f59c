/**
 * A file that is read in a worker, as the page sees it.
 *
 * @module
 */
import type { ColumnMapping } from '../../../../src/shared/imports/import-file.ts';
import type { ImportReading } from '../../../../src/shared/schemas/imports.ts';
import type { FromWorker, ToWorker } from './file-worker.ts';
import type { FileChunk, FileLook } from './read-file.ts';

/** The file cannot be read on: from this line, or at all. */
export class FileFault extends Error {
  readonly line: number | null;

  constructor(line: number | null) {
    super('unreadable');
    this.line = line;
  }
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
    if (reply.kind !== 'look') throw new FileFault(reply.kind === 'unreadable' ? reply.line : null);
    return reply.look;
  }

  /** The rows from a line on; the next chunk is read while the last one is on its way. */
  async *chunks(reading: ImportReading, line: number, mapping: ColumnMapping): AsyncGenerator<FileChunk> {
    this.#worker.postMessage({ kind: 'read', file: this.#file, reading, line, mapping } satisfies ToWorker);
    let next = this.#ask({ kind: 'next' });
    for (;;) {
      const reply = await next;
      if (reply.kind === 'end') return;
      if (reply.kind !== 'chunk') throw new FileFault(reply.kind === 'unreadable' ? reply.line : null);
      next = this.#ask({ kind: 'next' });
      // Whoever stops listening leaves this one unheard.
      next.catch(() => undefined);
      yield reply.chunk;
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
