import { importMessages } from '../../lib/messages/imports.ts';

export const load = (): { title: string } => ({ title: importMessages.title });
