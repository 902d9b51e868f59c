import { firstRunMessages } from '../../lib/messages/first-run.ts';

export const load = (): { title: string } => ({ title: firstRunMessages.title });
