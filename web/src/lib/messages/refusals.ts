/**
 * What is said about a refused call, whatever was called.
 *
 * @module
 */
export const refusalMessages = {
  unreachable: {
    title: 'The server did not answer',
    text: 'Check the connection. Nothing that runs was stopped.',
  },
  signedOut: {
    title: 'You are signed out',
    text: 'Sign in again to go on. Nothing that runs was stopped.',
    action: 'Sign in again',
  },
  requestId: (id: string) => `Reference: ${id}`,
} as const;
