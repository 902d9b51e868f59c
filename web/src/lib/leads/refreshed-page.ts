/**
 * A page of leads that is read again while an activation changes them. Pure.
 *
 * @module
 */
import type { LeadPage } from '../../../../src/shared/schemas/leads.ts';

/**
 * The page to show next. While leads are being chosen, rows keep their places and only their
 * contents change; a row that no longer matches stays until the page is left or loaded.
 *
 * A lead that did not change stays the same object, so that its row is not drawn again.
 */
export function refreshedPage(shown: LeadPage, fresh: LeadPage, isChoosing: boolean): LeadPage {
  const before = new Map(shown.leads.map((lead) => [lead.id, lead]));
  const leads = fresh.leads.map((lead) => {
    const old = before.get(lead.id);
    return old !== undefined && JSON.stringify(old) === JSON.stringify(lead) ? old : lead;
  });
  if (!isChoosing) return { ...fresh, leads };
  const known = new Map(leads.map((lead) => [lead.id, lead]));
  return {
    ...fresh,
    leads: shown.leads.map((lead) => known.get(lead.id) ?? lead),
    nextCursor: shown.nextCursor,
  };
}
