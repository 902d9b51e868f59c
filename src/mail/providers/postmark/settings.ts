/** The settings of Postmark. @module */
import type { Setting } from '../../../shared/setting.ts';

export const settings: readonly Setting[] = [
  {
    name: 'MAIL_MESSAGE_STREAM',
    isSecret: false,
    default: 'broadcast',
    meaning: 'The message stream of Postmark that mails leave by.',
  },
  {
    name: 'POSTMARK_WEBHOOK_CREDENTIALS',
    isSecret: true,
    default: null,
    meaning: 'user:password of the address at which Postmark tells of deliveries and bounces.',
  },
];
