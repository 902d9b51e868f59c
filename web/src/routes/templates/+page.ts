import { mailMessages } from '../../lib/messages/mail.ts';

export const load = (): { title: string } => ({ title: mailMessages.templates.title });
