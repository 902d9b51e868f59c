/**
 * What each refusal means and what to do about it: the words of the pages that problem `type`s lead to.
 *
 * Keeps true: every code of the catalog has its words, or this does not compile.
 *
 * @module
 */
import type { ProblemCode } from '../../shared/problem.ts';

interface ProblemHelp {
  /** What happened, beyond the title. */
  happened: string;
  /** What the caller, or whoever runs the service, can do. */
  todo: string;
}

export const problemHelp: Readonly<Record<ProblemCode, ProblemHelp>> = {
  invalid_json: {
    happened: 'The body could not be read as JSON in UTF-8. Nothing was written.',
    todo: 'Send one JSON value with nothing before or after it. An empty body is no JSON.',
  },
  invalid_request: {
    happened:
      'A field, a path or a query parameter breaks its rule, is missing or is not known here. `errors` lists where and why. Nothing was written.',
    todo: 'Correct what `errors` names. The rules are in /openapi.json. Check the spelling of parameters: an unknown one is refused, so that a misspelt filter never means “all”.',
  },
  invalid_cursor: {
    happened: 'The cursor was not given out by this list, or was cut.',
    todo: 'Send `nextCursor` of the page before, unchanged, or begin without a cursor.',
  },
  empty_audience: {
    happened: 'No lead matches, so there is nothing to activate. Nothing was started.',
    todo: 'Choose other leads or another filter. The preview says how many match.',
  },
  unknown_leads: {
    happened:
      'Some ids belong to no lead: they were mistyped, or the leads were erased. Nothing was started.',
    todo: 'Leave out the ids that `detail` names, and send the request again.',
  },
  unknown_template: {
    happened: 'No template has this id; it may have been deleted. Nothing was started.',
    todo: 'Choose one of GET /crm/templates.',
  },
  text_too_long: {
    happened: 'A text is longer than is kept. Nothing was written.',
    todo: 'Shorten the field that `errors` names.',
  },
  too_many_items: {
    happened: 'A list has more items than one request may carry. Nothing was written.',
    todo: 'Send them in several requests; for leads, use a filter instead of ids.',
  },
  page_too_large: {
    happened: 'More entries were asked for than one page holds.',
    todo: 'Ask for fewer with `limit`, and follow `nextCursor`.',
  },
  filter_too_complex: {
    happened: 'The search has more words than are looked up at once.',
    todo: 'Search for fewer words.',
  },
  body_too_slow: {
    happened: 'The whole body did not arrive in time. Nothing was written.',
    todo: 'Try again over a better connection, or send less in one request.',
  },
  unsupported_media_type: {
    happened: 'The body does not say that it is JSON. Nothing was written.',
    todo: 'Send the header `content-type: application/json`.',
  },
  body_too_large: {
    happened: 'The body has more bytes than this address takes. Nothing was written.',
    todo: 'Send less in one request; `detail` says how much it may be.',
  },
  unauthenticated: {
    happened: 'The request came without an identity that could be verified.',
    todo: 'Sign in. If there is no sign-in page, whoever runs the service has to set up Cloudflare Access in front of it.',
  },
  invalid_signature: {
    happened: 'The event is not signed by the mail provider, or is too old. It was not taken.',
    todo: 'Check the signing secret or the credentials that the provider and this service were given.',
  },
  forbidden: {
    happened: 'You are signed in, and your role does not allow this. Nothing was written.',
    todo: 'Ask whoever runs the service for the role that `detail` names.',
  },
  wrong_host: {
    happened:
      'Local development was asked for under a host name that is not this machine. Nothing was read or written.',
    todo: 'Open the app under localhost or 127.0.0.1. A deployed service answers under its own address.',
  },
  cross_site: {
    happened: 'A page of another site made or caused the request. Nothing was written or downloaded.',
    todo: 'Open the app and do it there. Scripts that run outside of a browser are not affected.',
  },
  not_found: {
    happened: 'There is nothing at this address.',
    todo: 'Check the address against /openapi.json.',
  },
  session_not_found: {
    happened:
      'No activation has this id: it was never started, or was erased or removed when its time was over.',
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
    happened: 'The address exists and does not take this method.',
    todo: 'Use one of those that the `Allow` header names.',
  },
  session_conflict: {
    happened: 'The id was used for an activation with another request. Nothing was started.',
    todo: 'Make a new id for a new activation. Repeat a request only unchanged.',
  },
  session_erased: {
    happened:
      'The id was used for an activation that was erased. Ids are never used twice. Nothing was started.',
    todo: 'Make a new id.',
  },
  import_conflict: {
    happened: 'The id was used for another import. Nothing was written.',
    todo: 'Make a new id, or open the import with exactly the request it was opened with.',
  },
  import_closed: {
    happened: 'The import is finished or undone and takes no more rows.',
    todo: 'Open another import for further rows.',
  },
  chunk_out_of_order: {
    happened: 'The chunk is not the next one, or its rows lie before those that are in. It was not taken.',
    todo: 'Read the import, and go on with its `nextSeq` at its `nextLine`.',
  },
  chunk_conflict: {
    happened: 'A chunk with this number was taken before, with other rows. Nothing was written.',
    todo: 'Send the same rows as before, or read the import and go on with its `nextSeq`.',
  },
  too_many_views: {
    happened: 'You have as many saved views as one person may have.',
    todo: 'Delete one that you do not need.',
  },
  recovery_open: {
    happened:
      'The database was restored to an earlier time, and the leads do not agree with the activations yet. Nothing was started.',
    todo: 'Run `npm run reconcile` to its end, then try again. docs/RECOVERY.md says how.',
  },
  illegal_transition: {
    happened: 'The activation cannot do that in its present state. `detail` says why. Nothing was changed.',
    todo: 'Read its progress; do what its state allows.',
  },
  mail_not_configured: {
    happened:
      'The settings of the mail provider are not complete or do not fit each other. Nothing was sent.',
    todo: 'Whoever runs the service corrects what `detail` names; Settings shows what is missing.',
  },
  template_conflict: {
    happened: 'Somebody else saved a newer version after you opened the template. Yours was not saved.',
    todo: 'Open the newest version, and make your change in it.',
  },
  template_read_only: {
    happened: 'The template comes with the product and cannot be changed or deleted.',
    todo: 'Copy it, and change the copy.',
  },
  email_taken: {
    happened: 'Another lead has this address. Nothing was changed.',
    todo: 'Open the other lead, or use another address.',
  },
  invalid_template: {
    happened: 'The template has a fault: it cannot be read, or it lacks something that mail must have.',
    todo: 'Correct what `detail` and `errors` name; the preview shows it.',
  },
  mail_not_sent: {
    happened: 'The mail provider did not take the test mail.',
    todo: 'Read what the provider says in `detail`, and check the settings.',
  },
  rate_limited: {
    happened: 'You have sent more requests in a minute than a hundred open pages would.',
    todo: 'Wait as long as `Retry-After` says. Let scripts ask less often.',
  },
  too_many_sessions: {
    happened: 'You have as many activations that have not ended as one person may have. Nothing was started.',
    todo: 'Wait for some to end, or cancel those that are not wanted any more.',
  },
  too_many_readers: {
    happened: 'As many pages follow this activation as it can serve.',
    todo: 'Ask for its progress instead, every few seconds.',
  },
  internal: {
    happened: 'Something broke that is a fault of the service. It is in its log under `requestId`.',
    todo: 'Try again. If it stays, tell whoever runs the service the `requestId`.',
  },
  misconfigured: {
    happened: 'A secret that the service cannot work without is missing. Its log says which.',
    todo: 'Whoever runs the service deploys it again and answers what it asks.',
  },
  unavailable: {
    happened: 'A part of the service is busy or restarts.',
    todo: 'Try again in a moment. Repeating the same request is safe.',
  },
};
