import { inboxMessages } from '../../lib/messages/inbox.ts';

export const load = (): { title: string } => ({ title: inboxMessages.title });
