/** The settings of Postmark. @module */
import type { Setting } from '../../../shared/setting.ts';

export const settings: readonly Setting[] = [
  {
    name: 'POSTMARK_WEBHOOK_CREDENTIALS',
    isSecret: true,
    default: null,
    meaning: '`user:password` of the webhook at Postmark.',
  },
  {
    name: 'MAIL_MESSAGE_STREAM',
    isSecret: false,
    default: 'broadcast',
    meaning: 'Message stream at Postmark.',
  },
];
