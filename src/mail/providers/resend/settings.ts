/** The settings of Resend. @module */
import type { Setting } from '../../../shared/setting.ts';

export const settings: readonly Setting[] = [
  {
    name: 'RESEND_WEBHOOK_SECRET',
    isSecret: true,
    default: null,
    meaning: "Resend's signing secret, whsec_…; two while it is changed, with a space between.",
  },
];
