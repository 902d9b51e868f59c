/**
 * Reads a file line by line, in pieces: at most one line is in memory.
 *
 * @module
 */
import { createReadStream } from 'node:fs';

/** No line of a receipt or of a list is longer; a file without line ends must not fill the memory. */
const maxLineBytes = 64 * 1024 * 1024;

export interface FileLine {
  /** Without its line end; null where its bytes are not UTF-8. */
  text: string | null;
  /** It has a line end. */
  isComplete: boolean;
}

/** The lines of a file, as they end with a line feed. */
export async function* readLines(file: string): AsyncGenerator<FileLine> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (bytes: Uint8Array): string | null => {
    try {
      return decoder.decode(bytes);
    } catch {
      return null;
    }
  };
  let rest: Buffer[] = [];
  let restLength = 0;
  for await (const piece of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let to = piece.indexOf(10); to !== -1; to = piece.indexOf(10, from)) {
      const part = piece.subarray(from, to);
      yield { text: decode(rest.length === 0 ? part : Buffer.concat([...rest, part])), isComplete: true };
      rest = [];
      restLength = 0;
      from = to + 1;
    }
    if (from < piece.length) rest.push(piece.subarray(from));
    restLength += piece.length - from;
    if (restLength > maxLineBytes) throw new Error(`${file} has a line of more than 64 MiB.`);
  }
  if (restLength > 0) yield { text: decode(Buffer.concat(rest)), isComplete: false };
}
