/**
 * The passphrase of a backup, from the environment or the terminal. It is never an argument: everybody on a machine
 * can read the command lines of its processes.
 *
 * @module
 */
import { UserError } from '../processes.ts';
import { askOnTerminal } from '../../../packages/cli/src/prompt.ts';

/** `BACKUP_PASSPHRASE`, or what a person types; a new passphrase is typed twice. */
export async function readPassphrase(isNew: boolean): Promise<string> {
  const given = process.env['BACKUP_PASSPHRASE'];
  if (given !== undefined && given !== '') return given;
  if (!process.stdin.isTTY) {
    throw new UserError('Set BACKUP_PASSPHRASE: there is no terminal to ask for the passphrase.');
  }
  const passphrase = await askOnTerminal('Passphrase of the backup', { isSecret: true });
  if (isNew && (await askOnTerminal('The same passphrase again', { isSecret: true })) !== passphrase) {
    throw new UserError('The two passphrases differ; nothing was written.');
  }
  return passphrase;
}
