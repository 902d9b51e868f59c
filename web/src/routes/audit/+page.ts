import { auditMessages } from '../../lib/text/audit-messages.ts';

export const load = (): { title: string } => ({ title: auditMessages.title });
