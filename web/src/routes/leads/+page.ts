import { messages } from '../../lib/text/messages.ts';

export const load = (): { title: string } => ({ title: messages.leads.title });
