/**
 * The table of routes: which ability each needs, and the name of its action in the audit.
 *
 * Invariant: a route without a line here needs the role admin; a test walks every registered route and fails for it.
 * Public routes are those that callers without an identity must reach: mail providers, recipients and health checks.
 * `/docs` and `/openapi.json` are not public: they describe the API to an attacker, and only users need them.
 *
 * @module
 */
import { mailProviders } from '../../mail/providers/index.ts';
import type { Ability } from '../../shared/roles.ts';

export interface RouteRule {
  /** The ability that a role must have; `public`: no identity is needed. */
  needs: Ability | 'public';
  /** Name of the action in the audit; null for routes that change nothing and export nothing. */
  action: string | null;
  /** The route shows leads by name or address. The audit has one entry per person and hour with their number. */
  showsLeads: boolean;
}

const rule = (needs: RouteRule['needs'], action: string | null = null): RouteRule => ({
  needs,
  action,
  showsLeads: false,
});
const showsLeads = (needs: RouteRule['needs']): RouteRule => ({ needs, action: null, showsLeads: true });

/** The rules by method and path, as the routes are registered. */
export const routeRules: Readonly<Record<string, RouteRule>> = {
  'GET /healthz': rule('public'),
  // Explanations of the problem codes; they contain no data.
  'GET /problems': rule('public'),
  'GET /problems/:code': rule('public'),
  // Whoever verifies a receipt needs the public keys.
  'GET /.well-known/lead-activation-receipt-keys.json': rule('public'),
  // Signed by the provider.
  ...Object.fromEntries(
    mailProviders.flatMap(({ name, webhook }) =>
      webhook === undefined ? [] : [[`POST /webhooks/${name}`, rule('public')]],
    ),
  ),
  'GET /unsubscribe/:token': rule('public'),
  // No user does this, so there is no audit entry: the suppression has its own reason and time.
  'POST /unsubscribe/:token': rule('public'),

  'GET /openapi.json': rule('watch'),
  'GET /docs': rule('watch'),
  'GET /crm/settings': rule('watch'),
  'GET /crm/connection': rule('watch'),
  'POST /crm/connection/test': rule('configure', 'crm.test'),
  'GET /crm/connection/fields': rule('configure'),
  'PUT /crm/connection/fields': rule('configure', 'crm.mapFields'),
  'POST /crm/connection/pull': rule('editLeads', 'crm.pull'),
  // The lists of people in it are colleagues' addresses.
  'GET /crm/settings/values': rule('configure'),
  'GET /crm/metrics': rule('configure'),
  'GET /crm/alerts': rule('configure'),

  'POST /crm/activation': rule('activate', 'activation.start'),
  'POST /crm/activation/preview': showsLeads('activate'),
  // Counts only, and names no lead.
  'POST /crm/activation/manifest': rule('activate'),
  'GET /crm/activation': rule('watch'),
  'GET /crm/activation/:sessionId': rule('watch'),
  'GET /crm/activation/:sessionId/progress': rule('watch'),
  'GET /crm/activation/:sessionId/stream': rule('watch'),
  // The same two by their older addresses.
  'GET /crm/activation/progress/:sessionId': rule('watch'),
  'GET /crm/activation/stream/:sessionId': rule('watch'),
  'GET /crm/activation/:sessionId/issues': rule('watch'),
  'GET /crm/activation/:sessionId/manifest': rule('watch'),
  // Its audience may have search words.
  'GET /crm/activation/:sessionId/original': rule('activate'),
  'GET /crm/activation/:sessionId/timeline': rule('watch'),
  'GET /crm/activation/:sessionId/leads': showsLeads('readLeads'),
  'GET /crm/activation/:sessionId/leads.csv': rule('readLeads', 'activation.download'),
  'GET /crm/activation/:sessionId/receipt': rule('readLeads', 'activation.receipt'),
  // With it and the receipt, an address can be looked for.
  'GET /crm/activation/:sessionId/receipt/key': rule('readLeads', 'activation.receiptKey'),
  // Mails to leads by name, and why it was rejected.
  'GET /crm/activation/:sessionId/approval': showsLeads('activate'),
  'POST /crm/activation/:sessionId/approve': rule('approve', 'activation.approve'),
  'POST /crm/activation/:sessionId/reject': rule('approve', 'activation.reject'),
  'POST /crm/activation/:sessionId/pause': rule('activate', 'activation.pause'),
  'POST /crm/activation/:sessionId/resume': rule('activate', 'activation.resume'),
  'POST /crm/activation/:sessionId/cancel': rule('activate', 'activation.cancel'),
  'POST /crm/activation/:sessionId/undo': rule('activate', 'activation.undo'),
  'POST /crm/activation/:sessionId/start-now': rule('activate', 'activation.startNow'),
  'POST /crm/activation/:sessionId/next-wave': rule('activate', 'activation.nextWave'),
  'POST /crm/activation/:sessionId/schedule': rule('activate', 'activation.schedule'),
  'POST /crm/activation/:sessionId/retry': rule('activate', 'activation.retry'),
  'POST /crm/activation/:sessionId/check': rule('activate', 'activation.check'),
  'POST /crm/activation/:sessionId/assume-sent': rule('activate', 'activation.assumeSent'),
  // Counts only, and names no lead.
  'POST /crm/activation/:sessionId/take-back/manifest': rule('activate'),
  'POST /crm/activation/:sessionId/take-back': rule('activate', 'activation.takeBack'),
  'DELETE /crm/activation/:sessionId': rule('erase', 'activation.erase'),

  'GET /crm/leads': showsLeads('readLeads'),
  // Counted too: a script that counts ids up reads all leads one by one.
  'GET /crm/leads/:leadId': showsLeads('readLeads'),
  'PATCH /crm/leads/:leadId': rule('editLeads', 'lead.edit'),
  'DELETE /crm/leads/:leadId': rule('erase', 'lead.erase'),
  'GET /crm/leads/:leadId/history': showsLeads('readLeads'),
  'POST /crm/leads': rule('editLeads', 'lead.create'),
  'PUT /crm/leads': rule('editLeads', 'lead.upsert'),
  'PUT /crm/leads:batch': rule('editLeads', 'lead.batch'),
  'POST /crm/leads/bulk/edit': rule('editLeads', 'lead.bulkEdit'),
  'POST /crm/leads/bulk/tags': rule('editLeads', 'lead.bulkTag'),
  'POST /crm/leads/bulk/suppress': rule('suppress', 'lead.bulkSuppress'),
  'POST /crm/leads/bulk/erase': rule('erase', 'lead.bulkErase'),
  'POST /crm/leads.csv': rule('readLeads', 'lead.download'),
  'POST /crm/leads/skipped': showsLeads('activate'),
  'POST /crm/leads/results': showsLeads('readLeads'),
  'POST /crm/leads/export': rule('erase', 'person.export'),
  'POST /crm/leads/erase': rule('erase', 'person.erase'),
  'GET /crm/lead-values': rule('readLeads'),

  'GET /crm/views': rule('readLeads'),
  'POST /crm/views': rule('readLeads', 'view.save'),
  'DELETE /crm/views/:viewId': rule('readLeads', 'view.delete'),

  'GET /crm/imports': rule('importLeads'),
  'POST /crm/imports': rule('importLeads', 'import.open'),
  // Says how many, and writes nothing.
  'POST /crm/imports/check': rule('importLeads'),
  'GET /crm/imports/:importId': rule('importLeads'),
  // Not audited: a file has up to a thousand chunks, and opening and finishing the import are audited.
  'PUT /crm/imports/:importId/chunks/:seq': rule('importLeads'),
  'POST /crm/imports/:importId/finish': rule('importLeads', 'import.finish'),
  'POST /crm/imports/:importId/undo': rule('importLeads', 'import.undo'),
  'DELETE /crm/imports/:importId': rule('erase', 'import.delete'),
  'GET /crm/imports/:importId/rejected.csv': rule('importLeads', 'import.download'),

  'GET /crm/templates': rule('watch'),
  'GET /crm/templates/:templateId': rule('watch'),
  'GET /crm/templates/:templateId/versions': rule('watch'),
  // The preview and the check use the data of leads.
  'POST /crm/templates/preview': showsLeads('readLeads'),
  'POST /crm/templates/check': rule('readLeads'),
  'POST /crm/templates/test': rule('editTemplates', 'template.test'),
  'POST /crm/templates': rule('editTemplates', 'template.create'),
  'PUT /crm/templates/:templateId': rule('editTemplates', 'template.change'),
  'DELETE /crm/templates/:templateId': rule('editTemplates', 'template.delete'),

  'GET /crm/sender-check': rule('watch'),
  'GET /crm/warm-up': rule('watch'),
  'PATCH /crm/warm-up/:domain': rule('configure', 'warmUp.change'),
  'GET /crm/test-inbox': showsLeads('readLeads'),
  'GET /crm/test-inbox/:mailId': showsLeads('readLeads'),

  'GET /crm/suppressions': showsLeads('suppress'),
  'POST /crm/suppressions': rule('suppress', 'suppression.add'),
  'POST /crm/suppressions/search': showsLeads('suppress'),
  'POST /crm/suppressions/:suppressionId/remove': rule('suppress', 'suppression.remove'),

  'GET /crm/webhooks': rule('configure'),
  'POST /crm/webhooks': rule('configure', 'webhook.create'),
  'GET /crm/webhooks/:endpointId': rule('configure'),
  'PATCH /crm/webhooks/:endpointId': rule('configure', 'webhook.change'),
  'DELETE /crm/webhooks/:endpointId': rule('configure', 'webhook.delete'),
  'POST /crm/webhooks/:endpointId/secret': rule('configure', 'webhook.rotateSecret'),
  'POST /crm/webhooks/:endpointId/test': rule('configure', 'webhook.test'),
  'GET /crm/webhooks/:endpointId/deliveries': rule('configure'),
  'POST /crm/webhooks/:endpointId/deliveries/:deliveryId/send-again': rule('configure', 'webhook.sendAgain'),

  'GET /crm/audit': rule('readAudit'),
  'GET /crm/audit.csv': rule('readAudit', 'audit.download'),

  'GET /crm/maintenance/recovery': rule('watch'),
  'POST /crm/maintenance/recovery/finish': rule('configure', 'recovery.finish'),
  'POST /crm/maintenance/reconcile': rule('configure', 'recovery.reconcile'),
  'POST /crm/maintenance/address-hash-key': rule('configure', 'recovery.key'),
};

/** The rule of a route without a line in the table. */
export const unlistedRule: RouteRule = { needs: 'configure', action: 'unlisted', showsLeads: false };
