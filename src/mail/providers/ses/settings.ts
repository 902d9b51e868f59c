/** The settings of Amazon SES. @module */
import type { Setting } from '../../../shared/setting.ts';

export const settings: readonly Setting[] = [
  {
    name: 'MAIL_SES_REGION',
    isSecret: false,
    default: null,
    meaning: 'Region of Amazon SES, where `MAIL_API_URL` does not name it.',
  },
  {
    name: 'MAIL_SES_CONFIGURATION_SET',
    isSecret: false,
    default: null,
    meaning: 'Configuration set of Amazon SES whose events tell of bounces.',
  },
];
