/** The settings of Resend. @module */
import type { Setting } from '../../../shared/setting.ts';

export const settings: readonly Setting[] = [
  {
    name: 'RESEND_WEBHOOK_SECRET',
    isSecret: true,
    default: null,
    meaning:
      'Signing secret of the webhook at Resend (`whsec_…`); two with a space between while it is changed.',
  },
];
