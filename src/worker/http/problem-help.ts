/**
 * The words of the problem pages: what each code means and what to do about it.
 *
 * Invariant: every code of the catalog has its words; without them this file does not compile.
 *
 * @module
 */
import type { ProblemCode } from '../../shared/problem.ts';

interface ProblemHelp {
  /** What happened, beyond the title. */
  happened: string;
  /** What the caller or an admin can do. */
  todo: string;
}

export const problemHelp: Readonly<Record<ProblemCode, ProblemHelp>> = {
  invalid_json: {
    happened: 'The body could not be read as JSON in UTF-8. Nothing was written.',
    todo: 'Send one JSON value with nothing before or after it. An empty body is not JSON.',
  },
  invalid_request: {
    happened:
      'A field, a path parameter or a query parameter breaks its rule, is missing or is unknown. `errors` lists where and why. Nothing was written.',
    todo: 'Correct the fields in `errors`. The rules are in /openapi.json. Check the spelling of parameters: an unknown one is refused, so that a misspelt filter never means “all”.',
  },
  invalid_cursor: {
    happened: 'The cursor is not from this list, or is incomplete.',
    todo: 'Send the `nextCursor` of the previous page unchanged, or start without a cursor.',
  },
  empty_audience: {
    happened: 'No lead matches, so there is nothing to activate. Nothing was started.',
    todo: 'Choose other leads or another filter. The preview says how many match.',
  },
  unknown_leads: {
    happened: 'Some ids belong to no lead: they are mistyped, or the leads were erased. Nothing was started.',
    todo: 'Remove the ids in `detail` and send the request again.',
  },
  unknown_template: {
    happened: 'No template has this id; it may have been deleted. Nothing was started.',
    todo: 'Choose a template from GET /crm/templates.',
  },
  text_too_long: {
    happened: 'A text is longer than its limit. Nothing was written.',
    todo: 'Shorten the field in `errors`.',
  },
  too_many_items: {
    happened: 'A list has more items than one request may carry. Nothing was written.',
    todo: 'Send them in several requests; for leads, use a filter instead of ids.',
  },
  page_too_large: {
    happened: '`limit` is above the size of a page.',
    todo: 'Send a lower `limit` and follow `nextCursor`.',
  },
  filter_too_complex: {
    happened: 'The search has more words than one search may have.',
    todo: 'Search for fewer words.',
  },
  endpoint_refused: {
    happened:
      'The address is not a public one, the mailbox is none, or an event is not for this kind of webhook; `errors` says which. Nothing was saved.',
    todo: 'Use an https address with the host name of a server on the internet, on port 443 or 8443.',
  },
  endpoint_not_found: {
    happened: 'The webhook does not exist; it may have been deleted.',
    todo: 'Read GET /crm/webhooks.',
  },
  warm_up_not_found: {
    happened:
      'No email has left from this domain while MAIL_WARM_UP was set, and it is not that of MAIL_FROM; or MAIL_WARM_UP is empty.',
    todo: 'Read GET /crm/warm-up, which lists the domains that are warmed up.',
  },
  delivery_not_found: {
    happened:
      'The log does not have this entry any more, or the activation no longer knows the event: it was erased, or its leads were forgotten after the retention time.',
    todo: 'Read what you need from the activation itself.',
  },
  too_many_endpoints: {
    happened:
      'Every activation tells every webhook of its events, so their number is bounded. Nothing was saved.',
    todo: 'Delete a webhook that is no longer used.',
  },
  endpoint_unsigned: {
    happened: 'Only webhooks of the kind `webhook` are signed. Slack, Teams and email ones have no secret.',
    todo: 'To stop who knows the address of a channel, make a new address there and save it here.',
  },
  unknown_zone: {
    happened:
      'A time zone of the start time or the sending window is not known. An offset such as +01:00 is no time zone: it does not know when clocks change. Nothing was started or changed.',
    todo: 'Use a name of the IANA database, such as Europe/Berlin or UTC.',
  },
  start_in_past: {
    happened: 'The activation was to begin at a time that is over. Nothing was started or changed.',
    todo: 'Choose a time in the future, or leave the schedule out to start now.',
  },
  start_too_far: {
    happened: 'The activation was to begin more than a year from now. Nothing was started or changed.',
    todo: 'Choose an earlier time.',
  },
  window_never_opens: {
    happened:
      'The sending window has no days, or no time between its hours, so no mail would ever leave. Nothing was started or changed.',
    todo: 'Choose at least one day, and an end that differs from the begin.',
  },
  waves_do_not_add_up: {
    happened:
      'The sizes of the waves leave nothing for the last one, or there would be too many waves. Nothing was started.',
    todo: 'Choose smaller or fewer waves before the rest, or more leads a day.',
  },
  body_too_slow: {
    happened: 'The whole body did not arrive in time. Nothing was written.',
    todo: 'Try again over a better connection, or send less in one request.',
  },
  unsupported_media_type: {
    happened: 'The request does not declare its body as JSON. Nothing was written.',
    todo: 'Send the header `content-type: application/json`.',
  },
  body_too_large: {
    happened: 'The body has more bytes than this address accepts. Nothing was written.',
    todo: 'Send less in one request; `detail` has the limit.',
  },
  unauthenticated: {
    happened: 'The request has no identity that could be verified.',
    todo: 'Sign in. If there is no sign-in page, an admin has to set up Cloudflare Access in front of the service.',
  },
  unknown_version: {
    happened:
      'The header `Lead-Activation-Version` has a date that is no version of this API. Nothing was written.',
    todo: 'Send a date of docs/API.md, or leave the header out for the present version.',
  },
  lead_changed: {
    happened: 'The lead is not as it was when the ETag in `If-Match` was read. Nothing was changed.',
    todo: 'Read the lead again, apply your change to it, and send the new ETag.',
  },
  invalid_signature: {
    happened: 'The event is not signed by the mail provider, or is too old. It was ignored.',
    todo: 'Check that the provider and this service have the same signing secret or credentials.',
  },
  forbidden: {
    happened: 'You are signed in, but your role does not allow this. Nothing was written.',
    todo: 'Ask an admin for the role in `detail`.',
  },
  wrong_host: {
    happened:
      'The request to local development has a host name that is not a name of this machine. Nothing was read or written.',
    todo: 'Open the app at localhost or 127.0.0.1. A deployed service answers at its own address.',
  },
  cross_site: {
    happened: 'A page of another site made or caused the request. Nothing was written or downloaded.',
    todo: 'Do it in the app itself. Scripts outside a browser are not affected.',
  },
  not_found: {
    happened: 'There is nothing at this address.',
    todo: 'Check the address against /openapi.json.',
  },
  session_not_found: {
    happened: 'No activation has this id: it was never started, or it was erased.',
    todo: 'Look for it in GET /crm/activation.',
  },
  lead_not_found: {
    happened: 'No lead has this id; it may have been erased.',
    todo: 'Look for the lead in GET /crm/leads.',
  },
  import_not_found: {
    happened: 'No import has this id; it may have been deleted.',
    todo: 'Look for it in GET /crm/imports.',
  },
  view_not_found: {
    happened: 'None of your saved views has this id.',
    todo: 'Look for it in GET /crm/views.',
  },
  suppression_not_found: {
    happened: 'No suppression has this id; it may have been removed.',
    todo: 'Look for the address with POST /crm/suppressions/search.',
  },
  template_not_found: {
    happened: 'No template has this id; it may have been deleted.',
    todo: 'Look for it in GET /crm/templates.',
  },
  method_not_allowed: {
    happened: 'The address exists, but does not accept this method.',
    todo: 'Use a method in the `Allow` header.',
  },
  session_conflict: {
    happened: 'The id belongs to an activation that another request started. Nothing was started.',
    todo: 'Create a new id for a new activation. Repeat a request only unchanged.',
  },
  own_approval: {
    happened:
      'You have started this activation, so your approval or rejection does not count. Nothing was changed.',
    todo: 'Ask a colleague with the role approver or admin. To withdraw it, cancel it.',
  },
  approval_decided: {
    happened:
      'Nobody has to approve this activation, or it was decided already: approved, rejected, cancelled or expired. `detail` says which. Nothing was changed.',
    todo: 'Look at its page. One that was not approved in time has to be started again.',
  },
  manifest_changed: {
    happened:
      'The start or the approval carries the hash of a manifest that would not come out any more: the leads, the template or a setting have changed since. `differences` and `detail` say what, `manifest` has the present one. Nothing was started or approved.',
    todo: 'Look at the differences. To start all the same, send the hash of the present manifest. What waits for an approval is rejected or cancelled, and started again.',
  },
  manifest_mismatch: {
    happened: 'The request has a `manifest` whose hash is not its `manifestHash`. Nothing was started.',
    todo: 'Send both as POST /crm/activation/manifest gave them, or the hash alone.',
  },
  session_erased: {
    happened:
      'The id belonged to an activation that was erased. Ids are never used twice. Nothing was started.',
    todo: 'Create a new id.',
  },
  import_conflict: {
    happened: 'The id was used for another import. Nothing was written.',
    todo: 'Create a new id, or repeat the request that opened the import unchanged.',
  },
  import_closed: {
    happened: 'The import is finished or undone and accepts no more rows.',
    todo: 'Open another import for further rows.',
  },
  chunk_out_of_order: {
    happened:
      'The chunk is not the next one, or its rows come before rows that are already stored. It was not stored.',
    todo: 'Read the import and continue with its `nextSeq` at its `nextLine`.',
  },
  chunk_conflict: {
    happened: 'A chunk with this number is stored already, with other rows. Nothing was written.',
    todo: 'Send the same rows as before, or read the import and continue with its `nextSeq`.',
  },
  too_many_views: {
    happened: 'You have the most saved views that one person may have.',
    todo: 'Delete a view that you do not need.',
  },
  session_not_ended: {
    happened:
      'A receipt, and taking an activation back, need its end, because its results still change before. Nothing was made or changed.',
    todo: 'Wait until the progress has `finishedAt`, and ask again. A paused activation has not ended: resume or cancel it.',
  },
  take_back_changed: {
    happened:
      'The request carries the hash of a manifest that would not come out any more: leads of the activation have changed since. `detail` has the present numbers. Nothing was changed.',
    todo: 'Ask POST …/take-back/manifest again, look at the numbers, and send the new hash.',
  },
  take_back_too_late: {
    happened:
      'An activation can be taken back for `TAKE_BACK_DAYS` days after its end, and no longer than it knows whom it mailed. Nothing was changed.',
    todo: 'Nothing. Its leads stay active.',
  },
  session_anonymized: {
    happened:
      'Its retention is over, and it has only numbers. Nobody can be looked for in receipts with the help of this service any more, and none of its leads can be made new again.',
    todo: 'Nothing. A receipt that was downloaded before stays valid; delete it when you no longer need it.',
  },
  recovery_open: {
    happened:
      'The database was restored to an earlier state, and the leads are not reconciled with the activations yet. Nothing was started.',
    todo: 'Run `npm run reconcile` to its end, then try again (docs/RECOVERY.md).',
  },
  illegal_transition: {
    happened: 'The activation cannot do this in its present state. `detail` says why. Nothing was changed.',
    todo: 'Read its progress and choose a command that its state allows.',
  },
  crm_not_configured: {
    happened: 'The settings name a CRM and lack something, or it is not connected. Nothing was started.',
    todo: 'An admin corrects the setting in `detail` (docs/CRM.md), or empties CRM_PROVIDER to go on without.',
  },
  mail_not_configured: {
    happened: 'The mail settings are incomplete or contradict each other. Nothing was sent.',
    todo: 'An admin corrects the settings in `detail`; the Settings page shows what is missing.',
  },
  template_conflict: {
    happened: 'Another person saved a newer version after you opened the template. Yours was not saved.',
    todo: 'Open the newest version and make your change there.',
  },
  template_read_only: {
    happened: 'The template is built in and cannot be changed or deleted.',
    todo: 'Copy it and change the copy.',
  },
  email_taken: {
    happened: 'Another lead has this address; `leadId` is its id. Nothing was changed.',
    todo: 'Open the other lead, or use another address.',
  },
  external_id_taken: {
    happened: 'Another lead has this external id; `leadId` is its id. Nothing was changed.',
    todo: 'Use PUT /crm/leads to change the lead that has it, or take it from that lead first.',
  },
  external_id_mismatch: {
    happened:
      'A lead has this address and another external id; `leadId` is its id. It may be another person, or the same person twice in your system. Nothing was changed.',
    todo: 'Correct the address in your system, or give the lead the new external id with PATCH /crm/leads/{leadId}.',
  },
  idempotency_key_reused: {
    happened:
      'A request with this `Idempotency-Key` was answered in the last 24 hours, and its body was another one. Nothing was written.',
    todo: 'Send a repeat with the same body, byte for byte, and another request with a new key.',
  },
  too_many_keys: {
    happened:
      'Answers are kept for 24 hours by their `Idempotency-Key`, and there are as many of yours as can be kept. Nothing was written.',
    todo: 'Wait for the seconds in `Retry-After`, or send the request without a key: a repeated upsert changes nothing.',
  },
  changes_expired: {
    happened:
      'Changes of leads are known for 30 days. This cursor is older, or the database was restored from a backup or updated since.',
    todo: 'Read all leads anew with `updatedSince=0` and without a cursor. Leads that this does not list are gone.',
  },
  invalid_template: {
    happened:
      'The template has a fault: it cannot be compiled, or it lacks a part that a mail must have. Nothing was saved or started.',
    todo: 'Open the template in the editor and correct the part in `errors`; `detail` says what is wrong.',
  },
  mail_not_sent: {
    happened: 'The mail provider did not accept the test mail.',
    todo: 'Read the provider’s answer in `detail`, and check the settings.',
  },
  rate_limited: {
    happened: 'You have sent more requests in a minute than a hundred open pages would.',
    todo: 'Wait for the seconds in `Retry-After`. Let scripts ask less often.',
  },
  too_many_sessions: {
    happened: 'You have the most activations that one person may have at once. Nothing was started.',
    todo: 'Wait until some have ended, or cancel those that are no longer wanted.',
  },
  too_many_readers: {
    happened: 'This activation has the most open streams that it can serve.',
    todo: 'Poll its progress instead, every few seconds.',
  },
  internal: {
    happened: 'The service has a fault. Its log has the details under `requestId`.',
    todo: 'Try again. If it happens again, tell an admin the `requestId`.',
  },
  misconfigured: {
    happened: 'A required secret or setting is missing. The log says which.',
    todo: 'An admin sets it by running `npm run deploy` again.',
  },
  unavailable: {
    happened: 'A part of the service is busy or restarting.',
    todo: 'Try again in a few seconds. Repeating the same request is safe.',
  },
};
