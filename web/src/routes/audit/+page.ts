import { auditMessages } from '../../lib/messages/audit.ts';

export const load = (): { title: string } => ({ title: auditMessages.title });
