/**
 * Which role each route needs, and what the audit calls it: the one table that the door goes by.
 *
 * Owns: the table. Closed by default: a route without a line here is the admin's, and a test walks every
 * registered route and fails for it. Public routes are those that strangers must reach: mail providers,
 * recipients and health checks. `/docs` and `/openapi.json` are not: they tell a stranger what there is
 * to attack, and nobody needs them who may not come in.
 *
 * @module
 */
import type { Ability } from '../../shared/roles.ts';

export interface RouteRule {
  /** What one must be able to do; `public`: nobody is asked who they are. */
  needs: Ability | 'public';
  /** Name in the audit; null for routes that change nothing and hand out nothing that leaves the house. */
  action: string | null;
  /** It shows leads by name or address: how many one person saw in an hour is one entry of the audit. */
  showsLeads: boolean;
}

const rule = (needs: RouteRule['needs'], action: string | null = null): RouteRule => ({
  needs,
  action,
  showsLeads: false,
});
const showsLeads = (needs: RouteRule['needs']): RouteRule => ({ needs, action: null, showsLeads: true });

/** By method and path, as the routes are registered. */
export const routeRules: Readonly<Record<string, RouteRule>> = {
  'GET /healthz': rule('public'),
  // What each refusal means: the same words for everybody, in no way about what is held here.
  'GET /problems': rule('public'),
  'GET /problems/:code': rule('public'),
  'POST /webhooks/resend': rule('public'),
  'POST /webhooks/postmark': rule('public'),
  'GET /unsubscribe/:token': rule('public'),
  // Nobody's act in the house: the suppression itself says why it is there and since when.
  'POST /unsubscribe/:token': rule('public'),

  'GET /openapi.json': rule('watch'),
  'GET /docs': rule('watch'),
  'GET /crm/settings': rule('watch'),

  'POST /crm/activation': rule('activate', 'activation.start'),
  'POST /crm/activation/preview': showsLeads('activate'),
  'GET /crm/activation': rule('watch'),
  'GET /crm/activation/progress/:sessionId': rule('watch'),
  'GET /crm/activation/stream/:sessionId': rule('watch'),
  'GET /crm/activation/:sessionId/issues': rule('watch'),
  'GET /crm/activation/:sessionId/timeline': rule('watch'),
  'GET /crm/activation/:sessionId/leads': showsLeads('readLeads'),
  'GET /crm/activation/:sessionId/leads.csv': rule('readLeads', 'activation.download'),
  'POST /crm/activation/:sessionId/pause': rule('activate', 'activation.pause'),
  'POST /crm/activation/:sessionId/resume': rule('activate', 'activation.resume'),
  'POST /crm/activation/:sessionId/cancel': rule('activate', 'activation.cancel'),
  'POST /crm/activation/:sessionId/undo': rule('activate', 'activation.undo'),
  'POST /crm/activation/:sessionId/retry': rule('activate', 'activation.retry'),
  'POST /crm/activation/:sessionId/check': rule('activate', 'activation.check'),
  'POST /crm/activation/:sessionId/assume-sent': rule('activate', 'activation.assumeSent'),
  'DELETE /crm/activation/:sessionId': rule('erase', 'activation.erase'),

  'GET /crm/leads': showsLeads('readLeads'),
  // One at a time, and many: whoever counts ids up reads all of them too.
  'GET /crm/leads/:id': showsLeads('readLeads'),
  'PATCH /crm/leads/:id': rule('editLeads', 'lead.edit'),
  'DELETE /crm/leads/:id': rule('erase', 'lead.erase'),
  'GET /crm/leads/:id/history': showsLeads('readLeads'),
  'POST /crm/leads/export': rule('erase', 'person.export'),
  'POST /crm/leads/erase': rule('erase', 'person.erase'),
  'GET /crm/lead-values': rule('readLeads'),

  'GET /crm/views': rule('readLeads'),
  'POST /crm/views': rule('readLeads', 'view.save'),
  'DELETE /crm/views/:viewId': rule('readLeads', 'view.delete'),

  'GET /crm/imports': rule('importLeads'),
  'POST /crm/imports': rule('importLeads', 'import.open'),
  'GET /crm/imports/:importId': rule('importLeads'),
  // A file is a thousand chunks: that it was opened and finished, and by whom, says the same.
  'PUT /crm/imports/:importId/chunks/:seq': rule('importLeads'),
  'POST /crm/imports/:importId/finish': rule('importLeads', 'import.finish'),
  'POST /crm/imports/:importId/undo': rule('importLeads', 'import.undo'),
  'DELETE /crm/imports/:importId': rule('erase', 'import.delete'),
  'GET /crm/imports/:importId/rejected.csv': rule('importLeads', 'import.download'),

  'GET /crm/templates': rule('watch'),
  'GET /crm/templates/:templateId': rule('watch'),
  'GET /crm/templates/:templateId/versions': rule('watch'),
  // They show leads: who a mail would go to, and what is known of them.
  'POST /crm/templates/preview': showsLeads('readLeads'),
  'POST /crm/templates/check': rule('readLeads'),
  'POST /crm/templates/test': rule('editTemplates', 'template.test'),
  'POST /crm/templates': rule('editTemplates', 'template.create'),
  'PUT /crm/templates/:templateId': rule('editTemplates', 'template.change'),
  'DELETE /crm/templates/:templateId': rule('editTemplates', 'template.delete'),

  'GET /crm/sender-check': rule('watch'),

  'GET /crm/suppressions': showsLeads('suppress'),
  'POST /crm/suppressions': rule('suppress', 'suppression.add'),
  'POST /crm/suppressions/search': showsLeads('suppress'),
  'POST /crm/suppressions/:id/remove': rule('suppress', 'suppression.remove'),

  'GET /crm/audit': rule('readAudit'),
  'GET /crm/audit.csv': rule('readAudit', 'audit.download'),

  'GET /crm/maintenance/recovery': rule('watch'),
  'POST /crm/maintenance/recovery/finish': rule('configure', 'recovery.finish'),
  'POST /crm/maintenance/reconcile': rule('configure', 'recovery.reconcile'),
  'POST /crm/maintenance/address-hash-key': rule('configure', 'recovery.key'),
};

/** What a route needs that nobody has written a line for. */
export const unlistedRule: RouteRule = { needs: 'configure', action: 'unlisted', showsLeads: false };
