/**
 * A question on the terminal; a secret is not shown while it is typed. It is written beside the output, so that a pipe
 * does not get it.
 *
 * @module
 */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/**
 * Asks a person and returns the line that was typed, as it is.
 *
 * @param text - the question, without the colon
 */
export async function askOnTerminal(text: string, { isSecret }: { isSecret: boolean }): Promise<string> {
  let isQuiet = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!isQuiet) process.stderr.write(chunk as Buffer);
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  try {
    // readline repeats its own prompt while somebody types, so that of a secret is written here.
    if (isSecret) process.stderr.write(`${text}: `);
    isQuiet = isSecret;
    return await terminal.question(isSecret ? '' : `${text}: `);
  } finally {
    terminal.close();
    if (isSecret) process.stderr.write('\n');
  }
}
