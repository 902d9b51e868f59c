/**
 * Whom a filter chose, in words: what the person typed and picked, so that it can be checked before a start.
 *
 * @module
 */
import type { Audience } from '../../../../../src/shared/schemas/activation.ts';
import type { LeadFilter } from '../../../../../src/shared/schemas/leads.ts';
import { formatShortDateTime } from '../../messages/format.ts';
import { activateMessages } from '../../messages/activate.ts';
import { stateMessages } from '../../messages/states.ts';

const m = activateMessages.audience;

function describe(filter: LeadFilter): string[] {
  const { search, status, source, stage, consentSource, importId } = filter;
  const { createdFrom, createdTo, activatedFrom, activatedTo } = filter;
  return [
    ...(search === undefined ? [] : [m.search(search)]),
    ...(status === undefined ? [] : [m.status(stateMessages.leadStatuses[status])]),
    ...(source === undefined ? [] : [m.source(source)]),
    ...(stage === undefined ? [] : [m.stage(stage)]),
    ...(consentSource === undefined ? [] : [m.consentSource(consentSource)]),
    ...(importId === undefined ? [] : [m.import]),
    ...(createdFrom === undefined ? [] : [m.createdFrom(formatShortDateTime(createdFrom))]),
    ...(createdTo === undefined ? [] : [m.createdTo(formatShortDateTime(createdTo))]),
    ...(activatedFrom === undefined ? [] : [m.activatedFrom(formatShortDateTime(activatedFrom))]),
    ...(activatedTo === undefined ? [] : [m.activatedTo(formatShortDateTime(activatedTo))]),
  ];
}

/**
 * `404 leads matching "example.com", minus 2`; null for leads that were picked one by one.
 *
 * @param total - leads of the audience, those taken out not among them
 */
export function describeAudience(audience: Audience, total: number): string | null {
  if (!('filter' in audience)) return null;
  const excludedCount = audience.excludedIds?.length ?? 0;
  return m.whole(total + excludedCount, describe(audience.filter), excludedCount);
}
