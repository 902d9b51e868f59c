/**
 * Reads a file line by line, with one buffer for all of them.
 *
 * Reads synchronously: a stream would make a new buffer for each piece, and the process would hold many of them until the
 * next garbage collection. Nothing else is to be done meanwhile.
 *
 * @module
 */
import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';

/** The longest line that is read; a file without line ends must not fill the memory. */
const maxLineBytes = 64 * 1024 * 1024;
const firstBufferBytes = 256 * 1024;

export interface FileLine {
  /** Without its line end; null where its bytes are not UTF-8. */
  text: string | null;
  /** It has a line end. */
  isComplete: boolean;
}

/**
 * The lines of a file, as they end with a line feed.
 *
 * @throws Error when the file cannot be read, or has a line of more than 64 MiB
 */
export function* readLines(file: string): Generator<FileLine> {
  const descriptor = openSync(file, 'r');
  try {
    let buffer = Buffer.allocUnsafe(firstBufferBytes);
    /** Bytes in the buffer that belong to no whole line yet. */
    let length = 0;
    for (;;) {
      if (length === buffer.length) {
        if (length >= maxLineBytes) throw new Error(`${file} has a line of more than 64 MiB.`);
        buffer = Buffer.concat([buffer, Buffer.allocUnsafe(buffer.length)]);
      }
      const readCount = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (readCount === 0) break;
      const end = length + readCount;
      let from = 0;
      // What was there before has no line end.
      let to = buffer.subarray(0, end).indexOf(10, length);
      while (to !== -1) {
        yield { text: textOf(buffer.subarray(from, to)), isComplete: true };
        from = to + 1;
        to = buffer.subarray(0, end).indexOf(10, from);
      }
      buffer.copyWithin(0, from, end);
      length = end - from;
    }
    if (length > 0) yield { text: textOf(buffer.subarray(0, length)), isComplete: false };
  } finally {
    closeSync(descriptor);
  }
}

function textOf(bytes: Buffer): string | null {
  return isUtf8(bytes) ? bytes.toString('utf8') : null;
}
