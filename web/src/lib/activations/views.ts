/**
 * The parts of the list of activations, as its tabs. The schema has them too; that is not loaded here, since it
 * brings zod.
 *
 * @module
 */
import type { ActivationView } from '../../../../src/shared/schemas/activation.ts';

export type { ActivationView };
export const activationViews = [
  'open',
  'scheduled',
  'approval',
  'attention',
  'completed',
  'cancelled',
] as const satisfies readonly ActivationView[];
