import { templatesMessages } from '../../../lib/messages/templates.ts';

export const load = (): { title: string } => ({ title: templatesMessages.title });
