/**
 * Writes the audit: one entry for every call that changed something or took something out of the house.
 *
 * Owns: what is put into an entry. Never: an address of a lead; targets are ids. Entries are written
 * before the answer leaves. When the database does not take one, it goes to the log instead, whole: the
 * act is done by then, and refusing it would be a lie.
 *
 * @module
 */
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import { appendAudit } from '../../crm/audit.ts';
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
import type { AppEnv, AuditNote } from '../app-env.ts';
import { permissionOf } from '../auth/authorize.ts';

/** Adds to this request's audit entry; `false` when the call turned out to change nothing. */
export function noteAudit(c: Context<AppEnv>, note: AuditNote | false): void {
  c.set('auditNote', note);
}

/** Writes an entry for what was just done, if it was something to be audited and was not refused. */
export const audit = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  const found = permissionOf(c);
  if (found === null || found.rule.action === null || c.error !== undefined || c.res.status >= 400) return;
  const note = c.get('auditNote');
  if (note === false) return;
  const { target, before, after, detail } = note ?? {};
  const isChange = before !== undefined || after !== undefined;
  const particulars = {
    ...detail,
    ...(isChange ? { before: before ?? null, after: after ?? null } : {}),
  };
  const entry = {
    at: Date.now(),
    ...callerOf(c),
    action: found.rule.action === 'unlisted' ? `${c.req.method} ${found.path}` : found.rule.action,
    target: target ?? targetOf(c),
    detail: Object.keys(particulars).length === 0 ? null : particulars,
  };
  try {
    await appendAudit(c.env.DB, entry);
  } catch (error) {
    const text = entry.detail === null ? null : JSON.stringify(entry.detail);
    logEvent('error', 'audit_not_stored', { ...entry, detail: text, error: faultText(error) });
  }
});

/** Who asks, from where and under which request, as the audit tells it. */
export function callerOf(c: Context<AppEnv>) {
  const { actor, role } = c.get('person');
  const country = c.req.raw.cf?.country;
  return {
    actor,
    role,
    country: typeof country === 'string' ? country : null,
    requestId: c.get('requestId'),
  };
}

/** The id in the path, said so that a person can tell a lead from a session. */
function targetOf(c: Context<AppEnv>): string | null {
  const [name, value] = Object.entries(c.req.param()).find(([key]) => key !== '*') ?? [];
  if (name === undefined || value === undefined) return null;
  return name === 'sessionId' || name === 'importId' ? value : `${subjectOf(c.req.path)}:${value}`;
}

/** `/crm/leads/7` is about a lead. */
function subjectOf(path: string): string {
  return (path.split('/')[2] ?? '').replace(/s$/, '');
}
