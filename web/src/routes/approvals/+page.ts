import { approvalMessages } from '../../lib/messages/approvals.ts';

export const load = (): { title: string } => ({ title: approvalMessages.title });
