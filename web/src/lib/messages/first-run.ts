/**
 * Words of the first steps.
 *
 * @module
 */
import { formatCount } from './format.ts';

/** In the order in which they are shown. */
export const firstSteps = ['provider', 'leads', 'suppress', 'test', 'activate'] as const;
export type FirstStep = (typeof firstSteps)[number];

export const firstRunMessages = {
  title: 'Get started',
  progress: (done: number, total: number) => `${formatCount(done)} of ${formatCount(total)} done`,
  done: 'Done',
  optional: 'Optional',
  dismiss: 'Hide this list',
  steps: {
    provider: {
      title: 'Connect an email provider',
      text: 'Until then emails go to the test inbox, so you can try everything.',
      action: 'Open settings',
    },
    leads: {
      title: 'Import leads',
      text: 'From a CSV or Excel file. Importing never sends email.',
      action: 'Import leads',
    },
    suppress: {
      title: 'Suppress who must not be emailed',
      text: 'Add addresses that unsubscribed elsewhere. Bounces and complaints are added automatically.',
      action: 'Add addresses',
    },
    test: {
      title: 'Send yourself a test email',
      text: 'Open a template and send it to your own address.',
      action: 'Choose a template',
    },
    activate: {
      title: 'Activate your first leads',
      text: 'Select leads, check the preview, then start. Each lead gets one email.',
      action: 'Select leads',
    },
  } satisfies Record<FirstStep, { title: string; text: string; action: string }>,
} as const;
