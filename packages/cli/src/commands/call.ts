/**
 * What a command works with.
 *
 * @module
 */
import type { LeadActivation } from '../../../client/src/index.ts';
import type { SelectionOptions } from '../selection.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError, type exitCodes } from '../usage.ts';

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The options of a call, as {@link options} of usage.ts names them. */
export interface CallOptions extends SelectionOptions {
  url?: string | undefined;
  'client-id'?: string | undefined;
  template?: string | undefined;
  manifest?: string | undefined;
  name?: string | undefined;
  session?: string | undefined;
  watch?: boolean | undefined;
  yes?: boolean | undefined;
  all?: boolean | undefined;
  'consent-source'?: string | undefined;
  'external-source'?: string | undefined;
  limit?: string | undefined;
  email?: string | undefined;
  csv?: boolean | undefined;
  json?: boolean | undefined;
}

export interface Call {
  client: LeadActivation;
  options: CallOptions;
  /** What follows the command. */
  args: readonly string[];
  terminal: Terminal;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

/** The one argument of a command. @throws UsageError - where there is none, or more */
export function onlyArgument(args: readonly string[], what: string): string {
  const [value, ...more] = args;
  if (value === undefined || more.length > 0) throw new UsageError(`Name one ${what}.`);
  return value;
}

/** Writes a value as a line of JSON. */
export const writeJson = (terminal: Terminal, value: unknown): Promise<void> =>
  terminal.write(`${JSON.stringify(value)}\n`);
