/**
 * The worker that a file is read in, so that the page stays responsive. Answers one step for each `next`: what
 * is not asked for is not read.
 *
 * @module
 */
import type { ColumnMapping } from '../../../../src/shared/imports/import-file.ts';
import type { ImportReading } from '../../../../src/shared/schemas/imports.ts';
import { checkFile, type CheckStep } from './check-file.ts';
import { RefusedFile, type RefusedKind } from './file-kind.ts';
import {
  UnreadableFile,
  lookAtFile,
  readChunks,
  sourceRows,
  type FileChunk,
  type FileLook,
} from './read-file.ts';

export type ToWorker =
  | { kind: 'look'; file: File; overrides: Partial<ImportReading> }
  | { kind: 'read'; file: File; reading: ImportReading; line: number; mapping: ColumnMapping }
  | { kind: 'count'; file: File; reading: ImportReading }
  | { kind: 'check'; file: File; reading: ImportReading; mapping: ColumnMapping; consentSource: string }
  | { kind: 'next' };

export type FromWorker =
  | { kind: 'look'; look: FileLook }
  | { kind: 'chunk'; chunk: FileChunk }
  | { kind: 'checked'; step: CheckStep }
  | { kind: 'counted'; rowCount: number }
  | { kind: 'end' }
  /** The records end at this line before the file does; null where the file itself cannot be read. */
  | { kind: 'unreadable'; line: number | null }
  | { kind: 'refused'; why: RefusedKind };

let steps: AsyncGenerator<FromWorker> | null = null;

async function* chunkSteps(message: ToWorker & { kind: 'read' }): AsyncGenerator<FromWorker> {
  for await (const chunk of readChunks(message.file, message.reading, message))
    yield { kind: 'chunk', chunk };
}
async function* checkSteps(message: ToWorker & { kind: 'check' }): AsyncGenerator<FromWorker> {
  for await (const step of checkFile(message.file, message.reading, message)) yield { kind: 'checked', step };
}

async function answer(message: ToWorker): Promise<FromWorker | null> {
  switch (message.kind) {
    case 'look':
      return { kind: 'look', look: await lookAtFile(message.file, message.overrides) };
    case 'count': {
      let rowCount = 0;
      const rows = sourceRows(message.file, message.reading);
      while ((await rows.next()).done !== true) rowCount += 1;
      return { kind: 'counted', rowCount };
    }
    case 'read':
      steps = chunkSteps(message);
      return null;
    case 'check':
      steps = checkSteps(message);
      return null;
    case 'next': {
      const next = await steps?.next();
      return next === undefined || next.done ? { kind: 'end' } : next.value;
    }
    default:
      return message satisfies never;
  }
}

self.addEventListener('message', (event: MessageEvent<ToWorker>) => {
  answer(event.data)
    .catch((error: unknown): FromWorker => {
      if (error instanceof RefusedFile) return { kind: 'refused', why: error.why };
      return { kind: 'unreadable', line: error instanceof UnreadableFile ? error.line : null };
    })
    .then((reply) => {
      if (reply !== null) self.postMessage(reply);
    })
    // A reply that cannot be sent has no reader.
    .catch(() => undefined);
});
