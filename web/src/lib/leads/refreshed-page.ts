/**
 * A page of leads that is read again while an activation changes them. Pure.
 *
 * @module
 */
import type { LeadPage } from '../../../../src/shared/schemas/leads.ts';

/**
 * The page to show next. While leads are being chosen, rows keep their places and only their
 * contents change; a row that no longer matches stays until the page is left or loaded.
 */
export function refreshedPage(shown: LeadPage, fresh: LeadPage, isChoosing: boolean): LeadPage {
  if (!isChoosing) return fresh;
  const known = new Map(fresh.leads.map((lead) => [lead.id, lead]));
  return {
    ...fresh,
    leads: shown.leads.map((lead) => known.get(lead.id) ?? lead),
    nextCursor: shown.nextCursor,
  };
}
