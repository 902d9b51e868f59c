/**
 * `lead-activation verify`: verifies a receipt offline. `lead-activation redact` takes a person out of one.
 *
 * Owns the command line, the output and the exit codes: 0 proved, 1 not proved, 2 wrong usage or a file that cannot be
 * read.
 *
 * @module
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { redact } from './redact.ts';
import { verify, type VerifyOptions } from './verify.ts';

// Lines are short-lived: with a large young generation the process would hold 30 MiB of them.
setFlagsFromString('--semi-space-growth-factor=1');
// V8's second optimizing compiler takes 7 MiB here and saves no time, because most of it is spent in hashes and JSON.
// Node 20 has only this one.
if (Number.parseInt(process.versions.node, 10) >= 22) setFlagsFromString('--no-opt');

const usage = `lead-activation verify RECEIPT [options]     checks a receipt, offline
  --keys FILE        the public keys that you trust: /.well-known/lead-activation-receipt-keys.json of the app
  --leads FILE.csv   leads that the receipt should have, by a column leadId, id or email (with --key)
  --key KEY          the key of the addresses in this receipt (the app's page of the activation shows it)
  --person ADDRESS   shows what the receipt says about this address; needs --key
  --lead ID          shows what the receipt says about this lead

lead-activation redact RECEIPT --lead ID     writes the receipt without this person to the standard output; it still
                                             verifies. Or: --person ADDRESS --key KEY

Exit code: 0 proved, 1 not proved, 2 wrong usage or unreadable file.`;

class UsageError extends Error {}

type Command = { command: 'help' } | { command: 'verify' | 'redact'; options: VerifyOptions };

function readCommand(args: string[]): Command {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      keys: { type: 'string' },
      leads: { type: 'string' },
      key: { type: 'string' },
      person: { type: 'string' },
      lead: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [command, file, ...more] = positionals;
  if (values.help === true) return { command: 'help' };
  if (command !== 'verify' && command !== 'redact') throw new UsageError('Say verify or redact.');
  if (file === undefined || more.length > 0) throw new UsageError('Name one receipt.');
  const { keys = null, leads = null, key = null, person = null, lead = null } = values;
  if (person !== null && key === null)
    throw new UsageError('--person needs --key: a receipt has no addresses.');
  if (lead !== null && !/^\d{1,15}$/.test(lead))
    throw new UsageError('--lead is the id of a lead, a number.');
  if (command === 'redact' && person === null && lead === null) {
    throw new UsageError('Say who is to be taken out: --lead, or --person with --key.');
  }
  return {
    command,
    options: {
      ...{ file, keysFile: keys, leadsFile: leads, addressKey: key, person },
      leadId: lead === null ? null : Number(lead),
    },
  };
}

async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** @returns the exit code */
async function main(args: string[]): Promise<number> {
  const given = readCommand(args);
  if (given.command === 'help') {
    await write(`${usage}\n`);
    return 0;
  }
  if (given.command === 'redact') {
    const count = await redact(given.options, write);
    if (count === 0)
      console.error('This person is not in the receipt by address or id; nothing was taken out.');
    return count === 0 ? 1 : 0;
  }
  const { isProved, lines } = verify(given.options);
  await write(`${lines.join('\n')}\n`);
  return isProved ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  const code = (error as { code?: unknown }).code;
  if (error instanceof UsageError || String(code).startsWith('ERR_PARSE_ARGS')) console.error(`\n${usage}`);
  process.exitCode = 2;
}
