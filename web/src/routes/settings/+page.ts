import { settingsMessages } from '../../lib/messages/settings.ts';

export const load = (): { title: string } => ({ title: settingsMessages.title });
