/**
 * Writes the audit: one entry for every call that changed or exported something.
 *
 * Entries are written before the answer is sent. If the database does not store an entry, the whole entry is logged:
 * the action has been done by then, so a refusal would be wrong.
 * Invariant: an entry has no address of a lead; targets are ids.
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

/** Adds to this request's audit entry; `false`: the call changed nothing, so there is no entry. */
export function noteAudit(c: Context<AppEnv>, note: AuditNote | false): void {
  c.set('auditNote', note);
}

/** Writes the entry of a request whose route is audited and that was not refused. */
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

/** The caller as in an audit entry: who, from which country, and by which request. */
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

/** The id in the path, with its subject, so that a person can tell a lead from a template. */
function targetOf(c: Context<AppEnv>): string | null {
  const [name, value] = Object.entries(c.req.param()).find(([key]) => key !== '*') ?? [];
  if (name === undefined || value === undefined) return null;
  return name === 'sessionId' || name === 'importId' ? value : `${subjectOf(c.req.path)}:${value}`;
}

/** The subject of a path: `lead` for `/crm/leads/7`. */
function subjectOf(path: string): string {
  return (path.split('/')[2] ?? '').replace(/s$/, '');
}
