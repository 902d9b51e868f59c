/**
 * Which leads of an activation are shown, as it stands in the page's address. Pure.
 *
 * @module
 */
import {
  activationStates,
  emailStates,
  type ActivationState,
  type EmailState,
  type Issue,
} from '../../../../../src/shared/progress.ts';

export interface ResultFilter {
  activation: ActivationState | '';
  email: EmailState | '';
  /** A skip reason, or the code of an issue. */
  code: string;
}

/** Reads the address; what it does not understand is no filter. */
export function parseResultFilter(query: URLSearchParams): ResultFilter {
  return {
    activation: activationStates.find((state) => state === query.get('activation')) ?? '',
    email: emailStates.find((state) => state === query.get('email')) ?? '',
    code: query.get('code') ?? '',
  };
}

/** A link to exactly these leads, on the page of their activation. */
export function resultHref(filter: Partial<ResultFilter>): string {
  const query = new URLSearchParams(
    Object.entries(filter).filter(([, value]) => value !== '') as [string, string][],
  ).toString();
  return `?${query}#leads`;
}

/** The leads of one issue. */
export function filterOfIssue({ track, state, code }: Issue): Partial<ResultFilter> {
  if (track === 'activation') {
    return { activation: state === 'skipped' ? 'skipped' : 'failed', code };
  }
  return { email: state === 'unknown' ? 'unknown' : 'failed', code };
}
