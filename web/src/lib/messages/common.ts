/**
 * Words that many screens share: of buttons, and of what is not there.
 *
 * @module
 */
export const commonMessages = {
  loading: 'Loading',
  retry: 'Try again',
  close: 'Close',
  cancel: 'Cancel',
  dismiss: 'Dismiss',
  previous: 'Previous',
  next: 'Next',
  firstPage: 'First page',
  keep: 'Not now',
  none: '–',
} as const;
