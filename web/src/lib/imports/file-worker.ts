/**
 * The worker that a file is read in, so that the page stays quick. Gives one chunk for each `next`: what is
 * not asked for is not read.
 *
 * @module
 */
import type { ColumnMapping } from '../../../../src/shared/imports/import-file.ts';
import type { ImportReading } from '../../../../src/shared/schemas/imports.ts';
import { UnreadableFile, lookAtFile, readChunks, type FileChunk, type FileLook } from './read-file.ts';

export type ToWorker =
  | { kind: 'look'; file: File; overrides: Partial<ImportReading> }
  | { kind: 'read'; file: File; reading: ImportReading; line: number; mapping: ColumnMapping }
  | { kind: 'next' };

export type FromWorker =
  | { kind: 'look'; look: FileLook }
  | { kind: 'chunk'; chunk: FileChunk }
  | { kind: 'end' }
  /** The records end at this line before the file does; null where the file itself cannot be read. */
  | { kind: 'unreadable'; line: number | null };

let chunks: AsyncGenerator<FileChunk> | null = null;

async function answer(message: ToWorker): Promise<FromWorker | null> {
  switch (message.kind) {
    case 'look':
      return { kind: 'look', look: await lookAtFile(message.file, message.overrides) };
    case 'read':
      chunks = readChunks(message.file, message.reading, message);
      return null;
    case 'next': {
      const next = await chunks?.next();
      return next === undefined || next.done ? { kind: 'end' } : { kind: 'chunk', chunk: next.value };
    }
    default:
      return message satisfies never;
  }
}

self.addEventListener('message', (event: MessageEvent<ToWorker>) => {
  answer(event.data)
    .catch((error: unknown): FromWorker => ({
      kind: 'unreadable',
      line: error instanceof UnreadableFile ? error.line : null,
    }))
    .then((reply) => {
      if (reply !== null) self.postMessage(reply);
    })
    // A reply that cannot be sent has nobody to hear it.
    .catch(() => undefined);
});
