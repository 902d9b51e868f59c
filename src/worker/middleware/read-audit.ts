/**
 * Counts the leads that a person is shown, for the audit: one entry per person and hour, not one per page.
 *
 * Owns which requests count, and what is counted. The table belongs to src/crm/leads/read-log.ts.
 * Leads are counted before the answer is sent. If the database does not store the count, it is logged: the reader is
 * authorized, so the page must not fail because of its own record.
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

/** Notes how many leads this answer shows by name or address. */
export function noteLeadsShown(c: Context<AppEnv>, leadCount: number): void {
  c.set('leadsShownCount', leadCount);
}

/** Counts the leads that the answer has shown. */
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
