import { importMessages } from '../../lib/text/import-messages.ts';

export const load = (): { title: string } => ({ title: importMessages.title });
