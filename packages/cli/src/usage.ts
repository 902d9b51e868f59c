/**
 * The words of the command line: what there is, and how it is called.
 *
 * @module
 */

/** Wrong usage; the message says what is right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Commands by name, with their arguments and one line each, in the order in which a person meets them. */
export const commands = {
  login: ['--url URL', 'remembers where the product is, and a service token'],
  doctor: ['', 'says what is missing before mail can leave'],
  import: [
    'FILE.csv [--consent-source WORDS] [--source WORDS] [--external-source SYSTEM]',
    'imports leads; SYSTEM is what a column “External ID” is of',
  ],
  leads: ['[selection] [--limit N]', 'lists leads'],
  templates: ['', 'lists the emails that an activation can send, by their id'],
  preview: ['[selection] --template ID', 'says what a start would do; changes nothing'],
  start: [
    '[selection] --template ID [--manifest HASH | --yes] [--name WORDS] [--watch]',
    'starts an activation',
  ],
  watch: ['SESSION', 'shows the progress until the activation has ended'],
  pause: ['SESSION', 'no email leaves after the answer'],
  resume: ['SESSION', 'goes on after a pause'],
  cancel: ['SESSION', 'ends it; whoever was not emailed becomes new again'],
  'next-wave': ['SESSION', 'begins the next wave of one that is held or watched'],
  undo: ['SESSION', 'takes a start back before the first lead is touched'],
  'take-back': ['SESSION [--all] [--manifest HASH | --yes]', 'makes leads of an ended one new again'],
  retry: ['SESSION', 'sends the emails again that certainly did not leave'],
  results: ['SESSION [--email STATE] [--csv]', 'lists what became of each lead'],
  receipt: ['SESSION', 'writes the signed receipt to the standard output'],
  verify: ['RECEIPT [options]', 'checks a receipt, offline'],
  redact: ['RECEIPT --lead ID', 'takes a person out of a receipt, offline'],
  completion: ['bash | zsh | fish', 'writes a script that completes commands in a shell'],
} as const satisfies Record<string, readonly [args: string, what: string]>;
export type CommandName = keyof typeof commands;

export const isCommand = (name: string): name is CommandName => Object.hasOwn(commands, name);

/** Every option, for completion and for reading the command line. */
export const options = {
  url: { type: 'string' },
  'client-id': { type: 'string' },
  template: { type: 'string' },
  manifest: { type: 'string' },
  name: { type: 'string' },
  session: { type: 'string' },
  watch: { type: 'boolean' },
  yes: { type: 'boolean' },
  all: { type: 'boolean' },
  leads: { type: 'string' },
  status: { type: 'string' },
  search: { type: 'string' },
  'consent-source': { type: 'string' },
  'external-source': { type: 'string' },
  source: { type: 'string' },
  stage: { type: 'string' },
  import: { type: 'string' },
  limit: { type: 'string' },
  email: { type: 'string' },
  csv: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

export const exitCodes = {
  /** It was done; of `watch`: every lead that was to be emailed was. */
  ok: 0,
  /** The server refused it, did not answer, or a person said no. */
  refused: 1,
  /** The command line, or a file, cannot be used. */
  usage: 2,
  /** It has ended with leads that failed or are not confirmed. */
  incomplete: 3,
  /** It was cancelled. */
  cancelled: 4,
  /** The person pressed Ctrl-C. The activation goes on. */
  interrupted: 130,
} as const;

const width = Math.max(...Object.entries(commands).map(([name, [args]]) => name.length + args.length)) + 1;

export const usage = `lead-activation COMMAND

${Object.entries(commands)
  .map(([name, [args, what]]) => `  ${`${name} ${args}`.padEnd(width)}  ${what}`)
  .join('\n')}

A selection is --leads 1,2,3, or any of
  --status new|active  --search WORDS  --source WORDS  --stage WORDS  --import IMPORT-ID

take-back is about leads whose email certainly did not leave; with --all also about those that were emailed. An email is
never recalled.

--json       one JSON value on each line, for programs
--url URL    instead of the one of login; so does LEAD_ACTIVATION_URL

In place of login, a program sets LEAD_ACTIVATION_URL, CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET.

Exit code: 0 done, 1 refused or not reachable, 2 wrong usage or unreadable file, 3 ended with leads that failed or are
not confirmed, 4 cancelled, 130 Ctrl-C (the activation goes on).`;
