/**
 * Putting a staged database into a state folder.
 *
 * Keeps true: a process that is killed at any moment leaves either what was there before, or all of the restore,
 * or a state folder that refuses to start and says that the restore must be run again.
 *
 * @module
 */
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { UserError } from '../processes.ts';
import { prepareState, unfinishedRestoreFile } from '../stack.ts';
import { databaseFileOf } from './local-database.ts';

export interface LocalTarget {
  stateDir: string;
  /** Whether a state folder that is in use may have its database replaced. */
  intoExisting: boolean;
}

function isEmpty(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0;
}

/** @throws UserError where the state folder has something in it and that was not asked for */
export function requireLocalTarget({ stateDir, intoExisting }: LocalTarget): void {
  if (isEmpty(stateDir) || intoExisting) return;
  const wasBrokenOff = existsSync(join(stateDir, unfinishedRestoreFile));
  throw new UserError(
    wasBrokenOff
      ? `A restore into ${stateDir} was broken off. Run it again with --into-existing.`
      : `${stateDir} is not empty. Name another folder with --state-dir, or replace its database with --into-existing.`,
  );
}

/**
 * Where the staged database is built: beside the state folder, on the same file system. What an earlier restore
 * that was killed has left there is removed.
 */
export async function makeWorkFolder(stateDir: string): Promise<string> {
  const folder = join(dirname(stateDir), `.${basename(stateDir)}.restoring`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * Puts the staged database and its key in place, and brings the schema up to date.
 *
 * @param onStep - told what is being done
 */
export async function placeLocally(
  target: LocalTarget,
  staged: { file: string; workFolder: string; addressHashKey: string },
  onStep: (words: string) => void,
): Promise<void> {
  const { stateDir } = target;
  if (isEmpty(stateDir)) {
    const built = join(staged.workFolder, 'state');
    // It holds everybody's address and the key.
    await mkdir(built, { mode: 0o700 });
    await prepareState(built, onStep);
    await replaceDatabase(built, staged.file);
    await writeKey(built, staged.addressHashKey);
    await upgrade(built, onStep);
    onStep('Putting it in place');
    // Over an empty folder or none: one step, which is done or not.
    await rename(built, stateDir);
    return;
  }
  // Refuses where the app runs on it.
  await prepareState(stateDir, onStep, { duringRestore: true });
  await writeFile(join(stateDir, unfinishedRestoreFile), '');
  onStep('Replacing the database');
  await replaceDatabase(stateDir, staged.file);
  await writeKey(stateDir, staged.addressHashKey);
  await upgrade(stateDir, onStep);
  await rm(join(stateDir, unfinishedRestoreFile));
}

/** The staged file in place of the one that wrangler has made: it names the file, and nobody else knows how. */
async function replaceDatabase(stateDir: string, staged: string): Promise<void> {
  const file = databaseFileOf(stateDir);
  const old = new DatabaseSync(file);
  // A log that stays behind would be applied to the new file.
  old.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  old.close();
  for (const suffix of ['-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
  const next = `${file}.next`;
  await copyFile(staged, next);
  await rename(next, file);
}

async function writeKey(stateDir: string, key: string): Promise<void> {
  const file = join(stateDir, 'address-hash-key');
  const next = `${file}.next`;
  await rm(next, { force: true });
  await writeFile(next, key, { mode: 0o600 });
  await rename(next, file);
}

/** The backup may be of an earlier version. */
async function upgrade(stateDir: string, onStep: (words: string) => void): Promise<void> {
  await rm(join(stateDir, 'migrated'), { force: true });
  // Else a start would add the sample leads of a new folder.
  await writeFile(join(stateDir, 'seeded'), '');
  await prepareState(stateDir, onStep, { duringRestore: true });
}
