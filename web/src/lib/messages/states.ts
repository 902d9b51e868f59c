/**
 * Words for the states of sessions, leads and mails, for their reasons, and for the connection to the server.
 *
 * @module
 */
import type {
  ActivationState,
  EmailState,
  SessionReason,
  SessionState,
  SkipReason,
} from '../../../../src/shared/progress.ts';
import type { LeadStatus } from '../../../../src/shared/schemas/leads.ts';
import type { Link } from '../sync/wire.ts';

export const stateMessages = {
  states: {
    queued: 'Queued',
    running: 'Running',
    paused: 'Paused',
    completed: 'Completed',
    cancelled: 'Cancelled',
    failed: 'Failed',
  } satisfies Record<SessionState, string>,

  cancelling: 'Cancelling',

  waiting: 'Waiting',

  stalled: 'Stalled',

  reasons: {
    user: 'Paused by a person.',
    mail_quota: 'The mail provider’s quota is used up. Resume when there is quota again.',
    mail_auth:
      'The mail provider refuses our settings, or they were changed. Look at them before you resume.',
    mail_unreachable: 'The mail provider cannot be reached. It is tried again by itself.',
    mail_refused:
      'The mail provider refused the first emails and has accepted none. See why below, mend it, then resume.',
    bounce_rate: 'Too many mails bounce. Look at the addresses before you resume.',
    complaint_rate: 'Too many people complain. Look at the audience before you resume.',
  } satisfies Record<SessionReason, string>,

  skipReasons: {
    already_active: 'already active',
    suppressed: 'on the suppression list',
    invalid_address: 'invalid address',
    erased: 'erased',
    cancelled: 'run was cancelled',
  } satisfies Record<SkipReason, string>,

  activationStates: {
    pending: 'Pending',
    activated: 'Activated',
    skipped: 'Skipped',
    failed: 'Failed',
  } satisfies Record<ActivationState, string>,

  emailStates: {
    pending: 'Pending',
    sent: 'Sent',
    failed: 'Failed',
    unknown: 'Unknown',
    delivered: 'Delivered',
    bounced: 'Bounced',
    complained: 'Complained',
  } satisfies Record<EmailState, string>,

  leadStatuses: { new: 'New', active: 'Active' } satisfies Record<LeadStatus, string>,

  links: {
    connecting: 'Connecting…',
    streaming: 'Live',
    polling: 'Updates every 2 seconds',
    retrying: 'The server does not answer; trying again',
    offline: 'You are offline. The run goes on; the numbers will catch up.',
    'signed-out': 'You are signed out. Nothing that runs was stopped.',
    refused: 'The server does not show you this run.',
  } satisfies Record<Link, string>,
} as const;
