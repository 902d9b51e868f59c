import { activationsMessages } from '../../lib/messages/activations.ts';

export const load = (): { title: string } => ({ title: activationsMessages.title });
