/**
 * `lead-activation`: reads the command line, calls a command, and says what went wrong.
 *
 * Owns the exit codes (usage.ts). `verify` and `redact` are in a file of their own (verifier.ts), which works without
 * this one.
 *
 * @module
 */
import { parseArgs } from 'node:util';
import {
  createClient,
  RefusedError,
  SignedOutError,
  UnreachableError,
  WrongAddressError,
} from '../../client/src/index.ts';
import { productVersion } from '../../../src/shared/version.ts';
import {
  adviceOn,
  command,
  nextWave,
  preview,
  receipt,
  results,
  start,
  watch,
} from './commands/activation.ts';
import type { Call, ExitCode } from './commands/call.ts';
import { doctor } from './commands/doctor.ts';
import { importFile } from './commands/import.ts';
import { leads } from './commands/leads.ts';
import { login } from './commands/login.ts';
import { takeBack } from './commands/take-back.ts';
import { templates } from './commands/templates.ts';
import { completionScript } from './completion.ts';
import { FileError } from './csv-file.ts';
import { readSettings } from './settings.ts';
import { processTerminal } from './terminal.ts';
import { UsageError, exitCodes, isCommand, options, usage, type CommandName } from './usage.ts';

type RemoteCommand = Exclude<CommandName, 'login' | 'verify' | 'redact' | 'completion'>;
const remoteCommands: Record<RemoteCommand, (call: Call) => Promise<ExitCode>> = {
  doctor,
  import: importFile,
  leads,
  templates,
  preview,
  start,
  watch,
  pause: command('pause'),
  resume: command('resume'),
  cancel: command('cancel'),
  'next-wave': nextWave,
  undo: command('undo'),
  'take-back': takeBack,
  retry: command('retryFailed'),
  results,
  receipt,
};

async function main(argv: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
  const terminal = processTerminal();
  const [name, ...args] = positionals;
  if (values.version === true) {
    await terminal.write(`${productVersion}\n`);
    return exitCodes.ok;
  }
  if (values.help === true || name === undefined) {
    await terminal.write(`${usage}\n`);
    return name === undefined && values.help !== true ? exitCodes.usage : exitCodes.ok;
  }
  if (!isCommand(name)) throw new UsageError(`There is no command ${name}.`);
  if (name === 'completion') {
    await terminal.write(completionScript(args[0] ?? ''));
    return exitCodes.ok;
  }
  if (name === 'login') return login(values, terminal, process.env);
  if (name === 'verify' || name === 'redact') {
    throw new UsageError(`${name} is a command of lead-activation.mjs, which works without this program.`);
  }
  const { url, token } = readSettings(process.env, values.url);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort(new Error('interrupted')));
  const client = createClient({ url, ...(token === null ? {} : { token }) });
  return remoteCommands[name]({ client, options: values, args, terminal, signal: stop.signal });
}

/** What is told about a fault, and the exit code. */
function explain(error: unknown): { lines: string[]; code: ExitCode } {
  if (
    error instanceof UsageError ||
    String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS')
  ) {
    return {
      lines: [(error as Error).message, 'lead-activation --help says what there is.'],
      code: exitCodes.usage,
    };
  }
  if (error instanceof FileError) return { lines: [error.message], code: exitCodes.usage };
  if (error instanceof RefusedError) {
    return { lines: [error.message, ...adviceOn(error)], code: exitCodes.refused };
  }
  const isOfClient = [SignedOutError, UnreachableError, WrongAddressError].some(
    (kind) => error instanceof kind,
  );
  if (isOfClient) return { lines: [(error as Error).message], code: exitCodes.refused };
  if (error instanceof Error && error.message === 'interrupted')
    return { lines: [], code: exitCodes.interrupted };
  // A pipe that was closed, as by `head`: nobody wants more.
  if ((error as { code?: unknown }).code === 'EPIPE') return { lines: [], code: exitCodes.ok };
  return {
    lines: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
    code: exitCodes.refused,
  };
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
});
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { lines, code } = explain(error);
  for (const line of lines) console.error(line);
  process.exitCode = code;
}
