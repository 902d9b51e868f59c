/**
 * The settings of the product and of its mail providers in one list, for `npm start` and `npm run deploy`.
 *
 * @module
 */
import { settings, type ProductSetting } from '../../src/runtime/settings.ts';
import type { Setting } from '../../src/shared/setting.ts';

const anything = ['start', 'deploy'] as const;

/** Settings that only one mail provider knows. */
export const providerSettings: readonly Setting[] = [
  {
    name: 'RESEND_WEBHOOK_SECRET',
    meaning:
      'Signing secret of the webhook at Resend (`whsec_…`); two with a space between while it is changed.',
    default: null,
    isSecret: true,
  },
  {
    name: 'POSTMARK_WEBHOOK_CREDENTIALS',
    meaning: '`user:password` of the webhook at Postmark.',
    default: null,
    isSecret: true,
  },
  {
    name: 'MAIL_MESSAGE_STREAM',
    meaning: 'Message stream at Postmark.',
    default: 'broadcast',
    isSecret: false,
  },
  {
    name: 'MAIL_SES_REGION',
    meaning: 'Region of Amazon SES, where `MAIL_API_URL` does not name it.',
    default: null,
    isSecret: false,
  },
  {
    name: 'MAIL_SES_CONFIGURATION_SET',
    meaning: 'Configuration set of Amazon SES whose events tell of bounces.',
    default: null,
    isSecret: false,
  },
];

/** Every setting, by its place in docs/OPERATIONS.md. */
export const allSettings: readonly (Omit<ProductSetting, 'group'> & { group: string })[] = [
  ...settings,
  ...providerSettings.map((setting) => ({
    ...setting,
    group: 'One mail provider only',
    takenBy: anything,
  })),
];
