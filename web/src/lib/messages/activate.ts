/**
 * Words of the Activate dialog. The dialog is loaded when it is opened, and these words with it.
 *
 * @module
 */
import { formatCount, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

export const activateMessages = {
  title: 'Activate leads',
  description: 'Each lead is set to active and gets one e-mail. You can close this page while it runs.',
  name: 'Name of this run',
  nameHint: 'For you and your colleagues; leads never see it.',
  defaultName: (time: string) => `Activation of ${time}`,
  template: 'E-mail template',
  templatesFailed: 'The templates could not be loaded',
  noTemplates: 'There is no template to send.',
  preview: 'Preview',
  previewOf: (to: string) => `To ${to}`,
  previewFrame: 'Rendered e-mail',
  previewFailed: 'The preview could not be made',
  sampleOf: (index: number, count: number) => `Sample ${formatCount(index)} of ${formatCount(count)}`,
  previousSample: 'Previous sample',
  nextSample: 'Next sample',
  noSample: 'Nobody would get this e-mail.',
  who: 'Who it touches',
  willActivate: 'will be activated',
  alreadyActive: 'already active',
  suppressed: 'suppressed',
  invalidAddress: 'with an invalid address',
  skippedHint:
    'Left out are leads that are active already, on the suppression list, or without a valid address.',
  counting: 'Counting…',
  start: (count: number) => `Activate ${leads(count)}`,
  startUncounted: 'Activate',
  starting: 'Starting…',
  nothing: 'None of the chosen leads can be activated.',
  lost: (attempt: number) =>
    `The connection broke while starting. Trying again with the same id, so nobody is mailed twice (attempt ${formatCount(attempt)}).`,
  gaveUp:
    'The server could not be reached. Trying again is safe: the same run is asked for, so nobody is mailed twice.',
  startHint: 'Starts with this button or Ctrl+Enter (⌘+Enter), never with Enter alone.',
  confirm: (count: number) => `Type ${formatCount(count)} to confirm`,
  confirmHint: 'This activation is large. Type how many leads it activates.',
  audience: {
    search: (search: string) => `matching "${search}"`,
    status: (status: string) => `with status ${status}`,
    source: (source: string) => `source "${source}"`,
    stage: (stage: string) => `stage "${stage}"`,
    consentSource: (consent: string) => `consent "${consent}"`,
    import: 'of one import',
    createdFrom: (day: string) => `added from ${day}`,
    createdTo: (day: string) => `added until ${day}`,
    activatedFrom: (day: string) => `activated from ${day}`,
    activatedTo: (day: string) => `activated until ${day}`,
    whole: (total: number, parts: readonly string[], excluded: number) =>
      [
        parts.length === 0 ? `All ${leads(total)}` : `${leads(total)} ${parts.join(', ')}`,
        ...(excluded === 0 ? [] : [`minus ${formatCount(excluded)}`]),
      ].join(', '),
  },
};
