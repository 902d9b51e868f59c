/**
 * The record by which machines are compared: which event logs came of which sources.
 *
 * `docs/PROOF.md` has it; `npm run proof` writes it, and `unit/event-logs` runs the same worlds on each machine that runs
 * the tests. Invariant: what decides an event log is part of {@link sourcesHere}. So of the same sources the logs are the
 * recorded ones, on every machine.
 *
 * @module
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

export interface EventLogRecord {
  node: string;
  /** SHA-256 of what decides an event log besides: files, and versions of packages. */
  sources: string;
  /** SHA-256 of the event logs of {@link comparedWorlds}. */
  eventLogs: string;
}

/** The seed of the first world, and how many there are: a few seconds of work. */
export const comparedWorlds = ['--seed', '1', '--worlds', '10'] as const;

const root = join(import.meta.dirname, '../..');
const folders = ['src', 'test/simulation', 'migrations'];

/** The sources of this tree, and the Node that runs. */
export function sourcesHere(): Omit<EventLogRecord, 'eventLogs'> {
  const lines = [...folders.flatMap(filesIn).map(fileLine), ...packageLines()];
  return { node: process.version, sources: sha256(lines.join('\n')) };
}

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)).replaceAll(sep, '/'))
    .sort();
}

function fileLine(file: string): string {
  return `${sha256(readFileSync(join(root, file)))}  ${file}`;
}

/** Of the packages that the product loads. */
function packageLines(): string[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; dev?: boolean }>;
  };
  return Object.entries(packages)
    .filter(([path, { dev }]) => path.startsWith('node_modules/') && dev !== true)
    .map(([path, { version = '' }]) => `${version}  ${path}`)
    .sort();
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Around a process that runs worlds; nothing of it may change an event log. */
export interface Surroundings {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
}

/** The SHA-256 of the event logs of {@link comparedWorlds}, from a process of its own. */
export function runEventLogs({ cwd, env }: Surroundings = {}): Promise<string> {
  const args = [join(import.meta.dirname, 'main.ts'), '--sha256', ...comparedWorlds];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd, env: { ...process.env, ...env } }, (error, stdout) => {
      if (error === null) resolve(stdout.trim());
      else reject(new Error(error.message));
    });
  });
}

/** The record of this tree and this machine. */
export async function makeRecord(): Promise<EventLogRecord> {
  return { ...sourcesHere(), eventLogs: await runEventLogs() };
}

/** The record as the page has it. */
export function recordBlock(record: EventLogRecord): string {
  return ['```json', recordText(record), '```'].join('\n');
}

function recordText(record: EventLogRecord): string {
  return JSON.stringify(record, null, 2);
}

/** The record of the page. */
export function readRecord(page: string): EventLogRecord {
  return JSON.parse(textIn(page)) as EventLogRecord;
}

/** The page with another record. */
export function withRecord(page: string, record: EventLogRecord): string {
  return page.replace(textIn(page), recordText(record));
}

function textIn(page: string): string {
  const text = /```json\n(.*?)\n```/s.exec(page)?.[1];
  if (text === undefined) throw new Error('docs/PROOF.md has no record of event logs: run npm run proof.');
  return text;
}
