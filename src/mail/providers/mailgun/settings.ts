/** The settings of Mailgun. @module */
import type { Setting } from '../../../shared/setting.ts';

export const settings: readonly Setting[] = [
  {
    name: 'MAILGUN_WEBHOOK_SIGNING_KEY',
    isSecret: true,
    default: null,
    meaning: 'HTTP webhook signing key of Mailgun.',
  },
  {
    name: 'MAIL_MAILGUN_DOMAIN',
    isSecret: false,
    default: null,
    meaning: 'Sending domain at Mailgun, such as `mg.acme.com`.',
    check: (value) =>
      /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/i.test(value) ? null : 'is a domain, such as mg.acme.com',
  },
];
