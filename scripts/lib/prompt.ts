/**
 * A question on the terminal; a secret is not shown while it is typed.
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
      if (!isQuiet) process.stdout.write(chunk as Buffer);
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  try {
    // readline repeats its own prompt while somebody types, so that of a secret is written here.
    if (isSecret) process.stdout.write(`${text}: `);
    isQuiet = isSecret;
    return await terminal.question(isSecret ? '' : `${text}: `);
  } finally {
    terminal.close();
    if (isSecret) process.stdout.write('\n');
  }
}
