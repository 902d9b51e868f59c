/**
 * `lead-activation take-back SESSION`: says what would become new again, asks, and does that or nothing.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Schemas } from '../../../client/src/index.ts';
import { countOf, formatCount } from '../terminal.ts';
import { UsageError, exitCodes } from '../usage.ts';
import { onlyArgument, writeJson, type Call, type ExitCode } from './call.ts';

/** A page of 5,000 leads takes about as long. */
const pollEveryMs = 500;

export async function takeBack(call: Call): Promise<ExitCode> {
  const { client, options, args, terminal, signal } = call;
  const sessionId = onlyArgument(args, 'activation');
  const choice = options.all === true ? 'all' : 'unmailed';
  const manifestHash =
    options.manifest ?? (await agreedHash(call, await client.previewTakeBack(sessionId, choice, signal)));
  if (manifestHash === null) {
    terminal.tell('Nothing was changed.');
    return exitCodes.refused;
  }
  let { takeBack: done } = await client.takeBack(sessionId, { choice, manifestHash });
  try {
    while (done?.endedAt === null) {
      await sleep(pollEveryMs, undefined, { signal });
      ({ takeBack: done } = await client.progress(sessionId, signal));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    terminal.tell('It goes on without this program.');
    return exitCodes.interrupted;
  }
  if (done == null) return exitCodes.refused;
  if (options.json === true) await writeJson(terminal, done);
  else {
    const { reverted, kept, failed } = done;
    const parts = [`${formatCount(reverted)} new again`, `${formatCount(kept)} kept`];
    await terminal.write(
      `${[...parts, ...(failed > 0 ? [`${formatCount(failed)} failed`] : [])].join(', ')}\n`,
    );
  }
  return done.failed > 0 ? exitCodes.incomplete : exitCodes.ok;
}

/** The hash of what a person has just seen and agreed to; null where they did not. */
async function agreedHash(
  { options, terminal }: Call,
  { hash, manifest }: Schemas['HashedTakeBackManifest'],
): Promise<string | null> {
  const { reverted, kept, alreadyTakenBack } = manifest;
  terminal.tell(`${countOf(reverted.count, 'lead')} become new again`);
  terminal.tell(`  ${formatCount(kept)} stay: something else has changed them since`);
  terminal.tell(`  ${formatCount(alreadyTakenBack)} were taken back before`);
  terminal.tell(`Manifest ${hash}`);
  if (options.yes === true) return hash;
  if (terminal.ask === null) {
    throw new UsageError('take-back needs --yes, or --manifest HASH of what it said before.');
  }
  const word = await terminal.ask(`Type ${reverted.count} to take them back`, { isSecret: false });
  return word.replaceAll(/[\s,.]/g, '') === String(reverted.count) ? hash : null;
}
