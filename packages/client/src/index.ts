/**
 * Lead Activation from a program: start an activation, follow it through lost connections, read its results.
 *
 * @module
 */
export { createClient, LeadActivation, makeSessionId } from './client.ts';
export type {
  ActivationRequest,
  ClientOptions,
  LeadResult,
  Preview,
  RequestOptions,
  ResultFilter,
  Schemas,
  TakeBackChoice,
} from './client.ts';
export { ErasedError, RefusedError, SignedOutError, UnreachableError, WrongAddressError } from './errors.ts';
export type { FollowOptions } from './follow.ts';
export type { Clock } from './transport.ts';
export { isTerminal, type Progress } from '../../../src/shared/progress.ts';
export type { Problem } from './exchange.ts';
