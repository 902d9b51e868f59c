/**
 * Starts an activation over a bad network: sends the same request, under the same id, until it is answered. The id is
 * the idempotency key, so a start that got through unseen is answered with its own session.
 *
 * @module
 */
import { manifestHash, whenOf, withTimes, type HashedManifest } from '../../../../../src/shared/manifest.ts';
import type { Progress } from '../../../../../src/shared/progress.ts';
import type { ActivationStartRequest } from '../../../../../src/shared/schemas/activation.ts';
import type { Answer, Refusal } from '../../api/client.ts';
import { isWorthAnotherTry } from '../../api/retry.ts';

export type StartOutcome =
  | { kind: 'started'; progress: Progress }
  /** The server's definite no: nothing was started. */
  | { kind: 'refused'; refusal: Refusal }
  /** Nobody knows; asking again later with the same request is safe. */
  | { kind: 'unreachable'; refusal: Refusal };

/** Waits before each further attempt; their sum is what a person watches before being asked. */
const startRetryWaitsMs = [1_000, 2_000, 4_000, 8_000] as const;

/**
 * The request, held to the manifest that the person looked at: whatever would come out otherwise is refused. What the
 * request says of its time is a part of it.
 *
 * @param made - null while no mail can be sent
 */
export async function holdTo(
  request: ActivationStartRequest,
  made: HashedManifest | null,
): Promise<ActivationStartRequest> {
  if (made === null) return request;
  const manifest = withTimes(made.manifest, whenOf(request));
  return { ...request, manifestHash: await manifestHash(manifest), manifest: { ...manifest } };
}

/**
 * Sends the start request until it is answered, or the attempts are used up.
 *
 * @param send - one attempt
 * @param wait - resolves after so many milliseconds
 * @param onAttempt - called with 2, 3, … as soon as a further attempt is decided on
 */
export async function startActivation(
  request: ActivationStartRequest,
  send: (request: ActivationStartRequest) => Promise<Answer<Progress>>,
  wait: (delayMs: number) => Promise<void>,
  onAttempt: (attempt: number) => void,
): Promise<StartOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await send(request);
    if (answer.ok) return { kind: 'started', progress: answer.value };
    // Whoever stood in front did not let this attempt through; one before it may have been taken.
    if (answer.refusal.kind === 'signed_out') return { kind: 'unreachable', refusal: answer.refusal };
    if (!isWorthAnotherTry(answer.refusal)) return { kind: 'refused', refusal: answer.refusal };
    const delayMs = startRetryWaitsMs[attempt - 1];
    if (delayMs === undefined) return { kind: 'unreachable', refusal: answer.refusal };
    // Said before the wait: that is when a person wonders.
    onAttempt(attempt + 1);
    await wait(delayMs);
  }
}
