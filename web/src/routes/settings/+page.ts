import { mailMessages } from '../../lib/text/mail-messages.ts';

export const load = (): { title: string } => ({ title: mailMessages.settings.title });
