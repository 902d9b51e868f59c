import { messages } from '../../lib/messages/messages.ts';

export const load = (): { title: string } => ({ title: messages.activity.title });
