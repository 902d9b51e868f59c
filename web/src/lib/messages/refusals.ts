/**
 * What is said about a refused call, whatever was called.
 *
 * @module
 */
export const refusalMessages = {
  unreachable: {
    title: 'The server did not answer',
    text: 'Check your connection. Your activations continue.',
    again: 'This page tries again by itself.',
  },
  signedOut: {
    title: 'You are signed out',
    text: 'Sign in again to continue. Your activations continue.',
    action: 'Sign in again',
  },
  requestId: (id: string) => `Reference: ${id}`,
} as const;
