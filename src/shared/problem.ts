/**
 * The catalog of problem responses (RFC 9457): every expected refusal has a stable `code`, an HTTP status and a
 * sentence for a person.
 *
 * Invariant: the title of a code never changes; the detail may.
 *
 * @module
 */
import type { HashedManifest, ManifestDifference } from './manifest.ts';

/** Status and title by code. Programs use the code; the words are for people. */
export const problemCatalog = {
  invalid_json: { status: 400, title: 'The request body is not valid JSON.' },
  invalid_request: { status: 422, title: 'The request does not fit its schema.' },
  invalid_cursor: { status: 422, title: 'The page cursor is not one that this list gave out.' },
  empty_audience: { status: 422, title: 'The audience has no leads.' },
  unknown_leads: { status: 422, title: 'Some of the leads do not exist.' },
  unknown_template: { status: 422, title: 'The template does not exist.' },
  text_too_long: { status: 422, title: 'A text in the request is too long.' },
  too_many_items: { status: 422, title: 'A list in the request is too long.' },
  page_too_large: { status: 422, title: 'A page cannot hold that many.' },
  filter_too_complex: { status: 422, title: 'The search has too many words.' },
  endpoint_refused: { status: 422, title: 'Events are not sent to this address.' },
  unknown_zone: { status: 422, title: 'The time zone does not exist.' },
  start_in_past: { status: 422, title: 'The start time is over.' },
  start_too_far: { status: 422, title: 'The start time is too far ahead.' },
  window_never_opens: { status: 422, title: 'The sending window never opens.' },
  waves_do_not_add_up: { status: 422, title: 'The waves do not fit the audience.' },
  body_too_slow: { status: 408, title: 'The request body took too long to arrive.' },
  unsupported_media_type: { status: 415, title: 'The request body must be application/json.' },
  body_too_large: { status: 413, title: 'The request body is too large.' },
  unauthenticated: { status: 401, title: 'No identity came with the request.' },
  unknown_version: { status: 400, title: 'This API has no such version.' },
  lead_changed: { status: 412, title: 'The lead has changed meanwhile.' },
  invalid_signature: { status: 401, title: 'The signature is missing, wrong or too old.' },
  forbidden: { status: 403, title: 'Your role does not allow this.' },
  wrong_host: { status: 421, title: 'This service does not answer under this host name.' },
  cross_site: { status: 403, title: 'The request came from another site.' },
  not_found: { status: 404, title: 'There is nothing at this address.' },
  session_not_found: { status: 404, title: 'No activation has this id.' },
  lead_not_found: { status: 404, title: 'No lead has this id.' },
  import_not_found: { status: 404, title: 'No import has this id.' },
  view_not_found: { status: 404, title: 'No saved view has this id.' },
  suppression_not_found: { status: 404, title: 'No suppression has this id.' },
  template_not_found: { status: 404, title: 'No template has this id.' },
  endpoint_not_found: { status: 404, title: 'No webhook has this id.' },
  warm_up_not_found: { status: 404, title: 'No domain of this name is warmed up.' },
  delivery_not_found: { status: 404, title: 'This event can no longer be sent again.' },
  method_not_allowed: { status: 405, title: 'This address does not take this method.' },
  session_conflict: { status: 409, title: 'This id already names another activation.' },
  own_approval: { status: 403, title: 'Another person has to approve what you have started.' },
  approval_decided: { status: 409, title: 'The activation does not wait for an approval.' },
  manifest_changed: { status: 409, title: 'The activation would do something else by now.' },
  session_erased: { status: 409, title: 'This id named an activation that was erased; it names no other.' },
  import_conflict: { status: 409, title: 'This id already names another import.' },
  import_closed: { status: 409, title: 'The import takes no more rows.' },
  chunk_out_of_order: { status: 409, title: 'This is not the next chunk of the import.' },
  chunk_conflict: { status: 409, title: 'This chunk was taken before, with other rows.' },
  too_many_views: { status: 409, title: 'There are too many saved views.' },
  too_many_endpoints: { status: 409, title: 'There are too many webhooks.' },
  endpoint_unsigned: { status: 409, title: 'This webhook has no secret.' },
  illegal_transition: { status: 409, title: 'The activation cannot do that in its present state.' },
  session_not_ended: { status: 409, title: 'The activation has not ended.' },
  take_back_changed: { status: 409, title: 'Taking the activation back would do something else by now.' },
  take_back_too_late: { status: 409, title: 'The activation can no longer be taken back.' },
  session_anonymized: { status: 409, title: 'The activation no longer knows whom it mailed.' },
  recovery_open: {
    status: 409,
    title: 'The database was restored, and who was mailed since is not in it yet.',
  },
  crm_not_configured: { status: 409, title: 'The connected CRM cannot be used with the present settings.' },
  mail_not_configured: { status: 409, title: 'Mail cannot be sent with the present settings.' },
  template_conflict: { status: 409, title: 'Somebody else has changed this template meanwhile.' },
  template_read_only: { status: 409, title: 'This template comes with the product; copy it to change it.' },
  email_taken: { status: 409, title: 'Another lead has this email address.' },
  external_id_taken: { status: 409, title: 'Another lead has this external id.' },
  external_id_mismatch: { status: 409, title: 'The lead with this email address has another external id.' },
  idempotency_key_reused: { status: 422, title: 'This Idempotency-Key came with another body before.' },
  too_many_keys: { status: 429, title: 'Too many answers are kept by an Idempotency-Key.' },
  changes_expired: { status: 410, title: 'The changes after this cursor are no longer known.' },
  manifest_mismatch: { status: 422, title: 'The manifest does not have this hash.' },
  invalid_template: { status: 422, title: 'The template cannot be used as it is.' },
  mail_not_sent: { status: 502, title: 'The mail provider did not take the mail.' },
  rate_limited: { status: 429, title: 'Too many requests.' },
  too_many_sessions: { status: 429, title: 'You have too many activations that have not ended.' },
  too_many_readers: { status: 429, title: 'Too many pages follow this activation.' },
  internal: { status: 500, title: 'Something broke on our side.' },
  misconfigured: { status: 503, title: 'The service is not set up completely.' },
  unavailable: { status: 503, title: 'The service is busy; try again in a moment.' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problemCatalog;

/** One fault of a request: its path (`/audience/leadIds/3`) and a message. */
export interface ProblemFault {
  path: string;
  message: string;
}

/** The body of `application/problem+json`. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail: string;
  instance: string;
  requestId: string;
  errors?: ProblemFault[];
  /** Of `email_taken`, `external_id_taken` and `external_id_mismatch`: the lead that is in the way. */
  leadId?: number;
  /** Of `manifest_changed`: what is otherwise than in the manifest that the request knew. */
  differences?: ManifestDifference[];
  /** Of `manifest_changed`: the manifest that would come out now. */
  manifest?: HashedManifest;
}
