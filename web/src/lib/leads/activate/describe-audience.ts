/**
 * Whom a filter selected, in words: what the person typed and picked, so that it can be checked before a start.
 *
 * @module
 */
import type { Audience } from '../../../../../src/shared/schemas/activation.ts';
import { activateMessages as m } from '../../messages/activate.ts';
import { describeFilter } from '../describe-filter.ts';

/**
 * `404 leads matching "example.com", minus 2`; null for leads that were picked one by one.
 *
 * @param total - leads of the audience, those taken out not among them
 */
export function describeAudience(audience: Audience, total: number): string | null {
  if (!('filter' in audience)) return null;
  const excludedCount = audience.excludedIds?.length ?? 0;
  return m.whole(total + excludedCount, describeFilter(audience.filter), excludedCount);
}

/**
 * How long the sending takes: a call for each batch, so many calls a second.
 *
 * @param mail - as the settings have it
 * @returns milliseconds
 */
export function expectedMs(
  mailCount: number,
  mail: { callsPerSecond: number; mailsPerCall: number },
): number {
  const callCount = Math.ceil(mailCount / Math.max(1, mail.mailsPerCall));
  return (callCount / Math.max(0.01, mail.callsPerSecond)) * 1_000;
}
