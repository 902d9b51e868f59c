import { leadsMessages } from '../../lib/messages/leads.ts';

export const load = (): { title: string } => ({ title: leadsMessages.title });
