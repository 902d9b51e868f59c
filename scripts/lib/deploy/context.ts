/**
 * The effects that the steps of a deploy are given.
 *
 * @module
 */
import type { Cloudflare } from 'cloudflare';
import type { WranglerConfig } from './config.ts';
import type { Migration } from './migrations.ts';
import type { DeployOptions } from './options.ts';
import type { ProbeAnswer } from './probe.ts';
import type { Question } from './settings.ts';
import { UserError } from '../processes.ts';

/** The result of a wrangler command. */
export interface WranglerAnswer {
  code: number | null;
  /** stdout and stderr, for a person. */
  output: string;
}

export interface DeployContext {
  options: DeployOptions;
  /** Cloudflare's own client. */
  api: Cloudflare;
  accountId: string;
  wrangler(args: readonly string[]): Promise<WranglerAnswer>;
  /** Asks a person; null without a terminal. */
  ask: ((question: Question) => Promise<string>) | null;
  confirm: ((question: string) => Promise<boolean>) | null;
  say(line: string): void;
  given(name: string): string | null;
  /** wrangler.toml. */
  base: WranglerConfig;
  /** The project's version and commit, for the list of deployments. */
  versionName: string;
  /** Writes the configuration; its path. */
  saveConfig(config: WranglerConfig): string;
  migrations: readonly Migration[];
  /** Creates a folder with exactly these migrations; returns its path from the project's root. */
  saveMigrations(names: readonly string[]): string;
  /** Calls `use` with the path of a file that only its owner can read; the file is deleted afterwards. */
  withSecretsFile<T>(secrets: Record<string, string>, use: (path: string) => Promise<T>): Promise<T>;
  buildWeb(): Promise<void>;
  /** A new key for the address hash. */
  makeKey(): string;
  /** A new key for signing receipts, as a JSON Web Key. */
  makeSigningKey(): string;
  /** A GET, redirects not followed; null when nothing answers. */
  probe(url: string, headers: Readonly<Record<string, string>>): Promise<ProbeAnswer | null>;
  wait(ms: number): Promise<void>;
}

export interface DeployResult {
  address: string;
  /** Steps and information for a person, in sentences. */
  left: string[];
  /** Something that must work does not; the command fails. */
  isFault: boolean;
}

/** Runs a wrangler command. @throws UserError when it fails */
export async function must(context: DeployContext, args: readonly string[], fault: string): Promise<string> {
  const { code, output } = await context.wrangler(args);
  if (code !== 0) throw new UserError(`${fault}:\n${output.trim()}`);
  return output;
}
