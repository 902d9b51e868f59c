/**
 * The layers of the bar by which an activation is recognised, from its counts. Pure.
 *
 * Invariant: the layers and what remains add up to the audience, whatever arrives first.
 *
 * @module
 */
import type { Progress } from '../../../../src/shared/progress.ts';

/** In the order in which they are drawn; `skipped` is drawn from the other end. */
export const layerKinds = ['delivered', 'sent', 'unconfirmed', 'failed', 'activated', 'skipped'] as const;
export type LayerKind = (typeof layerKinds)[number];

/** Leads per layer; every lead is in at most one. */
export type Layers = Readonly<Record<LayerKind, number>>;

/**
 * Counts the leads of each layer.
 *
 * A delivered mail leaves `sent`, and `activated` holds who still waits for a mail. A mail can be delivered
 * and marked as spam later; it stays delivered here.
 */
export function layersOf({ activation, email }: Progress): Layers {
  const delivered = Math.min(email.delivered, email.sent);
  return {
    delivered,
    sent: email.sent - delivered,
    unconfirmed: email.unknown,
    failed: email.failed + activation.failed,
    activated: Math.max(0, activation.activated - email.sent - email.failed - email.unknown),
    skipped: activation.skipped,
  };
}

/** Leads whose result is bad or not certain: the ones that a person should look at. */
export function needsAttention(layers: Layers): number {
  return layers.failed + layers.unconfirmed;
}
