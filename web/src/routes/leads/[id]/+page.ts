import { error } from '@sveltejs/kit';
import { leadsMessages } from '../../../lib/messages/leads.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = ({ params }) => {
  if (!/^[1-9]\d{0,14}$/.test(params.id)) error(404);
  return { title: leadsMessages.title, leadId: Number(params.id) };
};
