import { filterNames, hasFilter, parseLeadView } from '../../lib/leads/view.ts';
import { leadsMessages } from '../../lib/messages/leads.ts';

export const load = async ({ url }: { url: URL }): Promise<{ title: string }> => {
  const view = parseLeadView(url.searchParams);
  // Chips that came after the first paint would push the table down.
  if (filterNames.some((name) => hasFilter(view, name)))
    await import('../../lib/leads/filter-chip-list.svelte').catch(() => undefined);
  return { title: leadsMessages.title };
};
