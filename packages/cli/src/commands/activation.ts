/**
 * Commands on activations: what a start would do, the start, the progress, commands of a person, results.
 *
 * @module
 */
import {
  isTerminal,
  RefusedError,
  type ActivationRequest,
  type LeadActivation,
  type Preview,
  type Progress,
} from '../../../client/src/index.ts';
import { emailStates, type EmailState } from '../../../../src/shared/progress.ts';
import { audienceOf } from '../selection.ts';
import { bar, countOf, formatCount, formatEta, type Terminal } from '../terminal.ts';
import { UsageError, exitCodes } from '../usage.ts';
import { onlyArgument, writeJson, type Call, type CallOptions, type ExitCode } from './call.ts';

function requestOf(options: CallOptions): ActivationRequest {
  const { template, name } = options;
  if (template === undefined)
    throw new UsageError('Say which email: --template ID. The command templates lists them.');
  return { audience: audienceOf(options), templateId: template, ...(name === undefined ? {} : { name }) };
}

/** What a start would do, in lines. */
function previewLines({ hash, manifest }: Preview): string[] {
  const { audience, template, mail } = manifest;
  const { outcomes } = audience;
  const skipped = (count: number, why: string): string[] =>
    count === 0 ? [] : [`  ${formatCount(count)} skipped: ${why}`];
  return [
    `${countOf(audience.total, 'lead')} (${audience.words})`,
    ...(outcomes === null
      ? []
      : [
          `  ${formatCount(outcomes.willActivate)} become active and get one email each`,
          ...skipped(outcomes.alreadyActive, 'active already'),
          ...skipped(outcomes.suppressed, 'suppressed'),
          ...skipped(outcomes.invalidAddress, 'invalid address'),
          ...skipped(outcomes.recentlyMailed, 'emailed recently'),
        ]),
    `Template ${template.id}, version ${template.version}; from ${mail.from}`,
    `Manifest ${hash}`,
  ];
}

export async function preview({ client, options, terminal, signal }: Call): Promise<ExitCode> {
  const answer = await client.preview(requestOf(options), signal);
  if (options.json === true) await writeJson(terminal, answer);
  else await terminal.write(`${previewLines(answer).join('\n')}\n`);
  return exitCodes.ok;
}

/** The hash that a start is held to: the one that was given, or one that a person has just seen and agreed to. */
async function agreedHash(call: Call, request: ActivationRequest): Promise<string | null> {
  const { client, options, terminal, signal } = call;
  if (options.manifest !== undefined) return options.manifest;
  const answer = await client.preview(request, signal);
  for (const line of previewLines(answer)) terminal.tell(line);
  if (options.yes === true) return answer.hash;
  if (terminal.ask === null) {
    throw new UsageError(
      'A start needs --manifest HASH (from preview), or --yes for what is previewed at the moment of the start.',
    );
  }
  // The number and not a key: who only presses Enter has emailed nobody.
  const count = answer.manifest.audience.outcomes?.willActivate ?? answer.manifest.audience.total;
  const word = await terminal.ask(`Type ${count} to start it`, { isSecret: false });
  return word.replaceAll(/[\s,.]/g, '') === String(count) ? answer.hash : null;
}

export async function start(call: Call): Promise<ExitCode> {
  const { client, options, terminal, signal } = call;
  const request = requestOf(options);
  const manifestHash = await agreedHash(call, request);
  if (manifestHash === null) {
    terminal.tell('Nothing was started.');
    return exitCodes.refused;
  }
  const started = await client.start(
    {
      ...request,
      manifestHash,
      ...(options.session === undefined ? {} : { sessionId: options.session }),
    },
    signal,
  );
  if (options.json === true) await writeJson(terminal, started);
  else await terminal.write(`${started.sessionId}\n`);
  if (options.watch !== true) return exitCodes.ok;
  return watchSession(client, started.sessionId, options, terminal, signal);
}

export async function watch({ client, options, args, terminal, signal }: Call): Promise<ExitCode> {
  return watchSession(client, onlyArgument(args, 'activation'), options, terminal, signal);
}

const stateWords: Partial<Record<Progress['state'], string>> = {
  awaiting_approval: 'waits for approval',
  wave_held: 'held after a wave',
};

/** One line about a view, without a time. */
export function progressLine(progress: Progress): string {
  const { state, reason, processed, total, email, activation } = progress;
  const failed = email.failed + activation.failed;
  const parts = [
    `${formatCount(processed)} of ${formatCount(total)}`,
    `${formatCount(email.sent)} sent`,
    ...(failed > 0 ? [`${formatCount(failed)} failed`] : []),
    ...(email.unknown > 0 ? [`${formatCount(email.unknown)} unconfirmed`] : []),
    ...(activation.skipped > 0 ? [`${formatCount(activation.skipped)} skipped`] : []),
  ];
  const words = `${stateWords[state] ?? state}${reason === null ? '' : ` (${reason.replaceAll('_', ' ')})`}`;
  const eta = state === 'running' ? formatEta(progress.etaSeconds) : '';
  return `${words}: ${parts.join(', ')}${eta === '' ? '' : `, ${eta}`}`;
}

/** How an activation that has ended is told to a script. */
export function exitCodeOf({ state, email, activation }: Progress): ExitCode {
  if (state === 'cancelled') return exitCodes.cancelled;
  const isComplete = state === 'completed' && email.failed + email.unknown + activation.failed === 0;
  return isComplete ? exitCodes.ok : exitCodes.incomplete;
}

async function watchSession(
  client: LeadActivation,
  sessionId: string,
  options: CallOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<ExitCode> {
  let last: Progress | null = null;
  let lastLine = '';
  try {
    for await (const progress of client.follow(sessionId, { signal })) {
      last = progress;
      if (options.json === true) {
        await writeJson(terminal, progress);
        continue;
      }
      const line = progressLine(progress);
      if (terminal.isLive) {
        const shown = `${bar(progress.processed, progress.total, 24)} ${line}`;
        await terminal.write(`\r\x1b[K${shown.slice(0, terminal.columns - 1)}`);
      } else if (line !== lastLine) {
        await terminal.write(`${line}\n`);
      }
      lastLine = line;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    if (terminal.isLive && options.json !== true) await terminal.write('\n');
    terminal.tell(`It goes on without this program. Watch it again: lead-activation watch ${sessionId}`);
    return exitCodes.interrupted;
  }
  if (terminal.isLive && options.json !== true) await terminal.write('\n');
  return last !== null && isTerminal(last) ? exitCodeOf(last) : exitCodes.refused;
}

/** A command of a person on an activation. */
export function command(name: 'pause' | 'resume' | 'cancel' | 'undo' | 'retryFailed') {
  return async ({ client, options, args, terminal }: Call): Promise<ExitCode> => {
    const progress = await client[name](onlyArgument(args, 'activation'));
    if (options.json === true) await writeJson(terminal, progress);
    else await terminal.write(`${progressLine(progress)}\n`);
    return exitCodes.ok;
  };
}

/** Begins the next wave of an activation that is held, or whose wave is watched. */
export async function nextWave({ client, options, args, terminal, signal }: Call): Promise<ExitCode> {
  const sessionId = onlyArgument(args, 'activation');
  const { waves = [], waveHeld } = await client.progress(sessionId, signal);
  const present = waves.find(({ state }) => state === 'held' || state === 'watching');
  if (present === undefined) {
    terminal.tell('No wave is held or watched.');
    return exitCodes.refused;
  }
  const progress = await client.nextWave(sessionId, present.number, waveHeld?.hold ?? 0);
  if (options.json === true) await writeJson(terminal, progress);
  else await terminal.write(`${progressLine(progress)}\n`);
  return exitCodes.ok;
}

const isEmailState = (word: string): word is EmailState => (emailStates as readonly string[]).includes(word);

export async function results({ client, options, args, terminal, signal }: Call): Promise<ExitCode> {
  const sessionId = onlyArgument(args, 'activation');
  const { email, csv, json } = options;
  if (email !== undefined && !isEmailState(email)) {
    throw new UsageError(`--email is one of ${emailStates.join(', ')}.`);
  }
  if (csv === true) {
    if (email !== undefined) throw new UsageError('--csv has every lead; --email is for the list.');
    await copy(await client.resultsCsv(sessionId, signal), terminal);
    return exitCodes.ok;
  }
  for await (const lead of client.results(sessionId, email === undefined ? {} : { email }, signal)) {
    if (json === true) await writeJson(terminal, lead);
    else {
      const words = [
        lead.leadId,
        lead.email ?? '(erased)',
        lead.emailState ?? lead.skipReason ?? lead.activation,
      ];
      await terminal.write(`${words.join('\t')}${lead.message === null ? '' : `\t${lead.message}`}\n`);
    }
  }
  return exitCodes.ok;
}

export async function receipt({ client, args, terminal, signal }: Call): Promise<ExitCode> {
  await copy(await client.receipt(onlyArgument(args, 'activation'), signal), terminal);
  return exitCodes.ok;
}

async function copy(body: ReadableStream<Uint8Array>, terminal: Terminal): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of body) await terminal.write(decoder.decode(bytes, { stream: true }));
  await terminal.write(decoder.decode());
}

/** What a person does about a refusal of a start that would do something else by now. */
export function adviceOn(error: unknown): string[] {
  if (!(error instanceof RefusedError)) return [];
  const differences = error.problem.differences ?? [];
  return [
    ...differences.map(({ message }) => `  ${message}`),
    ...(error.code === 'manifest_changed'
      ? ['Look at it again with preview, then start with the new hash.']
      : []),
  ];
}
