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
    awaiting_approval: 'Waiting for approval',
    scheduled: 'Scheduled',
    queued: 'Queued',
    running: 'Running',
    paused: 'Paused',
    wave_held: 'Wave held',
    completed: 'Completed',
    cancelled: 'Cancelled',
    failed: 'Failed',
  } satisfies Record<SessionState, string>,

  reasons: {
    user: 'Paused by a person',
    mail_quota: 'The provider’s sending quota is used up',
    mail_auth: 'The provider rejected your API key',
    mail_unreachable: 'The provider cannot be reached',
    mail_refused: 'The provider rejected the first emails',
    bounce_rate: 'Too many emails bounce',
    complaint_rate: 'Too many people mark the emails as spam',
    crm_auth: 'The CRM rejected the key or a field',
    crm_quota: 'The CRM’s allowance of calls is used up',
    crm_refused: 'The CRM rejected the first leads',
    schedule_missed: 'Its start time was missed',
    approval_rejected: 'Rejected by a colleague',
    approval_expired: 'Nobody approved it in time',
  } satisfies Record<SessionReason, string>,

  skipReasons: {
    already_active: 'already active',
    suppressed: 'suppressed',
    invalid_address: 'invalid address',
    recently_mailed: 'emailed recently',
    erased: 'erased',
    cancelled: 'activation was cancelled',
  } satisfies Record<SkipReason, string>,

  activationStates: {
    pending: 'Waiting',
    activated: 'Activated',
    skipped: 'Skipped',
    failed: 'Not activated',
  } satisfies Record<ActivationState, string>,

  emailStates: {
    pending: 'Waiting',
    sent: 'Sent',
    failed: 'Failed',
    unknown: 'Unconfirmed',
    delivered: 'Delivered',
    bounced: 'Bounced',
    complained: 'Marked as spam',
  } satisfies Record<EmailState, string>,

  leadStatuses: { new: 'New', active: 'Active' } satisfies Record<LeadStatus, string>,

  links: {
    connecting: 'Connecting…',
    streaming: 'Live',
    polling: 'Updates every 2 seconds',
    retrying: 'The server does not answer. Trying again…',
    offline: 'You are offline. Your activations continue; the numbers will catch up.',
    'signed-out': 'You are signed out. Your activations continue.',
    refused: 'You don’t have access to this activation.',
  } satisfies Record<Link, string>,
} as const;
