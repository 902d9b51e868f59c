/**
 * Words of the Activate dialog. The dialog is loaded when it is opened, and these words with it.
 *
 * @module
 */
import { formatCount, formatRate, plural } from './format.ts';

const leads = (count: number): string => `${formatCount(count)} ${plural(count, 'lead', 'leads')}`;

export const activateMessages = {
  title: 'Activate leads',
  description: 'Each lead becomes active and gets one email. You can close this page while it runs.',
  name: 'Activation name',
  nameHint: 'Only you and your colleagues see it.',
  /** A name has at most 120 characters. */
  copyName: (name: string) => `${name.slice(0, 113)} (copy)`,
  templateGone: 'The template of the original was deleted. Choose another one.',
  templateChanged: (then: number, now: number) =>
    `The template has changed since the original: version ${formatCount(then)} then, version ${formatCount(now)} now.`,
  defaultName: (time: string) => `Activation of ${time}`,
  template: 'Email template',
  templateSearch: 'Search templates',
  templatesFailed: 'The templates could not be loaded',
  noTemplates: 'There is no template to send.',
  noTemplateFound: 'No template matches.',
  moreTemplates: (count: number) => `${formatCount(count)} more. Search to find them.`,
  preview: 'Preview',
  previewOf: (to: string) => `To ${to}`,
  previewFrame: 'Rendered email',
  previewFailed: 'The preview could not be made',
  sampleOf: (index: number, count: number) => `${formatCount(index)} of ${formatCount(count)}`,
  previousSample: 'Previous sample',
  nextSample: 'Next sample',
  noSample: 'Nobody would get this email.',
  test: {
    action: 'Send a test to me',
    sending: 'Sending…',
    sent: (to: string) => `Test sent to ${to}`,
    failed: 'The test was not sent',
  },
  who: 'Recipients',
  willActivate: (count: number) => plural(count, 'lead gets this email', 'leads get this email'),
  skipped: 'Skipped',
  skippedReasons: {
    already_active: (count: number) => `${formatCount(count)} already active`,
    suppressed: (count: number) => `${formatCount(count)} suppressed`,
    invalid_address: (count: number) => `${formatCount(count)} without a valid address`,
    recently_mailed: (count: number) => `${formatCount(count)} emailed recently`,
  },
  skippedTitles: {
    already_active: 'Already active',
    suppressed: 'Suppressed',
    invalid_address: 'No valid address',
    recently_mailed: 'Emailed recently',
  },
  skippedTexts: {
    already_active: 'They were activated before and get no second email.',
    suppressed: 'They must not be emailed any more.',
    invalid_address: 'Correct the address to activate them.',
    recently_mailed: 'An earlier activation emailed them within the days set in Settings.',
  },
  skippedFirst: (shown: number, total: number) =>
    shown < total ? `First ${formatCount(shown)} of ${formatCount(total)}` : '',
  skippedFailed: 'They could not be loaded',
  backToPreview: 'Back to preview',
  from: 'From',
  duration: 'Takes',
  durationOf: (duration: string, callsPerSecond: number) =>
    `about ${duration} at ${formatRate(callsPerSecond)} ${plural(callsPerSecond, 'call', 'calls')}/s`,
  counting: 'Counting…',
  start: (count: number) => `Activate ${leads(count)}`,
  startUncounted: 'Activate',
  starting: 'Starting…',
  nothing: 'None of the selected leads can be activated.',
  undoHint: (seconds: number) => `You can undo for ${formatCount(seconds)} s after the start.`,
  lost: (attempt: number) => `Reconnecting… nobody will be emailed twice (attempt ${formatCount(attempt)}).`,
  gaveUp:
    'The server could not be reached. Trying again is safe: the same activation is asked for, nobody is emailed twice.',
  startHint: 'Starts with this button or Ctrl+Enter (⌘+Enter), never with Enter alone.',
  confirm: (count: number) => `Type ${formatCount(count)} to confirm`,
  confirmHint: 'This activation is large. Type how many leads it activates.',
  picked: (total: number) => `${leads(total)} selected`,
  whole: (total: number, parts: readonly string[], excluded: number) =>
    [
      parts.length === 0 ? `All ${leads(total)}` : `${leads(total)} ${parts.join(', ')}`,
      ...(excluded === 0 ? [] : [`minus ${formatCount(excluded)}`]),
    ].join(', '),
};
