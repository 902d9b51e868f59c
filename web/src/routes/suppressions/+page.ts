import { suppressionsMessages } from '../../lib/messages/suppressions.ts';

export const load = (): { title: string } => ({ title: suppressionsMessages.title });
