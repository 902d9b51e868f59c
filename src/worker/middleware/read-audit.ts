/**
 * Counts the leads that a person is shown, for the audit: one entry per person and hour, not one per page.
 *
 * Owns: which requests count and what is written of them. Never: the table (../crm/lead-reads.ts).
 * Counted before the answer leaves, as other entries are written. When the database does not take it, it
 * goes to the log: whoever reads has been let in, and a page that fails for its own record helps nobody.
 *
 * @module
 */
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { countLeadRead } from '../../crm/leads/read-log.ts';
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
import type { AppEnv } from '../app-env.ts';
import { callerOf } from './audit-log.ts';
import { permissionOf } from '../auth/authorize.ts';

/** Says how many leads this answer shows by name or address. */
export function noteLeadsShown(c: Context<AppEnv>, leadCount: number): void {
  c.set('leadsShownCount', leadCount);
}

/** Counts what a route that shows leads has shown. */
export const countReads = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  const leadCount = c.get('leadsShownCount') ?? 0;
  if (permissionOf(c)?.rule.showsLeads !== true || leadCount === 0 || c.res.status >= 400) return;
  const read = { at: Date.now(), ...callerOf(c), leadCount };
  try {
    await countLeadRead(c.env.DB, read);
  } catch (error) {
    logEvent('error', 'audit_not_stored', { ...read, action: 'lead.read', error: faultText(error) });
  }
});
