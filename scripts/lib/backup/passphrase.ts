/**
 * The passphrase of a backup: from the environment or asked for, never from the command line, which everybody on
 * the machine can read.
 *
 * @module
 */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { UserError } from '../processes.ts';

/** `BACKUP_PASSPHRASE`, or what a person types; typed twice where it is a new one. */
export async function readPassphrase(isNew: boolean): Promise<string> {
  const given = process.env['BACKUP_PASSPHRASE'];
  if (given !== undefined && given !== '') return given;
  if (!process.stdin.isTTY) {
    throw new UserError('Set BACKUP_PASSPHRASE: nobody is here to be asked for the passphrase.');
  }
  const passphrase = await askHidden('Passphrase of the backup: ');
  if (isNew && (await askHidden('The same once more: ')) !== passphrase) {
    throw new UserError('The two are not the same; nothing was written.');
  }
  return passphrase;
}

async function askHidden(prompt: string): Promise<string> {
  process.stdout.write(prompt);
  const silent = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await terminal.question('');
  } finally {
    terminal.close();
    process.stdout.write('\n');
  }
}
