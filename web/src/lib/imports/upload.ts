/**
 * Sends the chunks of a file one after the other until all are stored, over a bad network too, and goes on
 * where an earlier upload stopped. Pure except for its ports.
 *
 * Invariant: a chunk whose answer was lost is sent again under the same number, which the server stores once.
 *
 * @module
 */
import type { Import, ImportChunk } from '../../../../src/shared/schemas/imports.ts';
import type { Answer, Refusal } from '../api/client.ts';
import { isWorthAnotherTry } from '../api/retry.ts';
import type { FileChunk } from './read-file.ts';

export interface UploadPorts {
  /** The file's rows from a line on. */
  chunks(fromLine: number): AsyncIterable<FileChunk>;
  put(seq: number, body: string): Promise<Answer<ImportChunk>>;
  finish(): Promise<Answer<Import>>;
  /** Resolves after so many milliseconds, or earlier when trying again is worth it. */
  wait(delayMs: number): Promise<void>;
}

export interface UploadObserver {
  /** These are in; so many bytes of the file were read for it. */
  sent(now: Import, endByte: number): void;
  /** An attempt got no answer; 0 once one did. */
  retrying(attempt: number): void;
}

export type UploadOutcome =
  | { kind: 'done'; import: Import }
  /** The server's definite no. */
  | { kind: 'refused'; refusal: Refusal }
  | { kind: 'stopped' };

/** Waits before each further attempt; the last one repeats for as long as it takes. */
export const uploadRetryWaitsMs = [1_000, 2_000, 4_000, 8_000, 15_000] as const;

/** Goes on with an open import until all of the file is in. Throws what reading the file throws. */
export async function uploadFile(
  from: Pick<Import, 'nextSeq' | 'nextLine'>,
  ports: UploadPorts,
  observer: UploadObserver,
  signal: AbortSignal,
): Promise<UploadOutcome> {
  async function insist<T>(attempt: () => Promise<Answer<T>>): Promise<Answer<T> | null> {
    for (let count = 0; ; count += 1) {
      if (signal.aborted) return null;
      const answer = await attempt();
      if (answer.ok || answer.refusal.kind === 'signed_out' || !isWorthAnotherTry(answer.refusal)) {
        if (count > 0) observer.retrying(0);
        return answer;
      }
      observer.retrying(count + 1);
      await ports.wait(uploadRetryWaitsMs[Math.min(count, uploadRetryWaitsMs.length - 1)] ?? 0);
    }
  }

  let seq = from.nextSeq;
  for await (const { body, endByte } of ports.chunks(from.nextLine)) {
    const answer = await insist(() => ports.put(seq, body));
    if (answer === null) return { kind: 'stopped' };
    if (!answer.ok) return { kind: 'refused', refusal: answer.refusal };
    seq += 1;
    observer.sent(answer.value.import, endByte);
  }
  const finished = await insist(() => ports.finish());
  if (finished === null) return { kind: 'stopped' };
  return finished.ok
    ? { kind: 'done', import: finished.value }
    : { kind: 'refused', refusal: finished.refusal };
}
