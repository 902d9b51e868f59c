/** The settings of SendGrid. @module */
import type { Setting } from '../../../shared/setting.ts';

export const settings: readonly Setting[] = [
  {
    name: 'MAIL_SENDGRID_TEMPLATE',
    isSecret: false,
    default: null,
    meaning:
      'Id of the dynamic template of placeholders at SendGrid ([MAIL.md](MAIL.md#sendgrid)); empty: one mail a call.',
    check: (value) => (/^d-[0-9a-f]{32}$/.test(value) ? null : 'is the id of a dynamic template, d-…'),
  },
  {
    name: 'MAIL_SENDGRID_WEBHOOK_KEY',
    isSecret: false,
    default: null,
    meaning: 'Verification key (public) of the signed event webhook at SendGrid.',
    check: (value) => (/^[A-Za-z0-9+/]{40,}={0,2}$/.test(value) ? null : 'is a public key in base64'),
  },
];
