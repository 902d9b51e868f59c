/**
 * `/crm/maintenance/…`: what an admin's scripts need to back up and to recover.
 *
 * Keeps true: the key of the address hash leaves only encrypted for the caller's own key; every call that hands
 * it out or changes something is in the audit.
 *
 * @module
 */
import { createRoute } from '@hono/zod-openapi';
import { encodeCursor } from '../../../crm/cursor.ts';
import { openRecovery } from '../../../crm/recovery.ts';
import { sessionStub, sessionStubById } from '../../../durable/stubs.ts';
import {
  hashKeyAnswerSchema,
  hashKeyRequestSchema,
  reconcileAnswerSchema,
  reconcileRequestSchema,
  recoverySchema,
} from '../../../shared/schemas/recovery.ts';
import type { App } from '../../app-env.ts';
import { noteAudit } from '../../middleware/audit-log.ts';
import { problems, Refusal } from '../../http/problem.ts';
import { reconcilePage } from '../../operations/reconcile.ts';
import { readResultCursor } from '../../operations/results.ts';
import { body, bodyCodes, json } from '../../http/openapi.ts';

const tags = ['maintenance'];

const recovery = createRoute({
  method: 'get',
  path: '/crm/maintenance/recovery',
  tags,
  summary: 'Whether a restore waits for its reconciliation',
  responses: { 200: json('The restore that is open, or null.', recoverySchema), ...problems() },
});

const finish = createRoute({
  method: 'post',
  path: '/crm/maintenance/recovery/finish',
  tags,
  summary: 'Close a restore: every session that is known was reconciled',
  description: 'Activations can start again. Without an open restore it changes nothing.',
  responses: { 204: { description: 'No restore is open.' }, ...problems() },
});

const reconcile = createRoute({
  method: 'post',
  path: '/crm/maintenance/reconcile',
  tags,
  summary: 'Make the leads agree with what one session did, a page at a time',
  description:
    'For a database that was set back while the sessions were not. Call it again with `nextCursor` until that is null. A repeat changes nothing.',
  request: { body: body(reconcileRequestSchema) },
  responses: {
    200: json('What was changed.', reconcileAnswerSchema),
    ...problems(...bodyCodes, 'invalid_cursor', 'session_not_found'),
  },
});

const hashKey = createRoute({
  method: 'post',
  path: '/crm/maintenance/address-hash-key',
  tags,
  summary: 'The key of the address hash, encrypted for a key of the caller',
  description:
    'For a backup: Cloudflare does not give a secret back, and without this key a restored database knows no suppression.',
  request: { body: body(hashKeyRequestSchema) },
  responses: { 200: json('The encrypted key.', hashKeyAnswerSchema), ...problems(...bodyCodes) },
});

export function maintenanceRoutes(app: App): void {
  app.openapi(recovery, async (c) => c.json({ open: await openRecovery(c.env.DB) }, 200));

  app.openapi(finish, async (c) => {
    // The audit entry is what closes it.
    if ((await openRecovery(c.env.DB)) === null) noteAudit(c, false);
    return c.body(null, 204);
  });

  app.openapi(reconcile, async (c) => {
    const { sessionId, objectId, cursor = null } = c.req.valid('json');
    const session = objectId === undefined ? sessionStub(c.env, sessionId ?? '') : objectOf(c.env, objectId);
    const page = await reconcilePage(c.env, session, readResultCursor(cursor));
    if (page === null) throw new Refusal('session_not_found');
    const { next, ...answer } = page;
    const { setActiveCount, setNewCount, erasedAgainCount, suppressedCount } = answer;
    const isChange = setActiveCount + setNewCount + erasedAgainCount + suppressedCount > 0;
    const detail = { setActiveCount, setNewCount, erasedAgainCount, suppressedCount };
    noteAudit(c, isChange && { target: answer.sessionId, detail });
    return c.json(
      { ...answer, nextCursor: next === null ? null : encodeCursor([next.seq, next.index]) },
      200,
    );
  });

  app.openapi(hashKey, async (c) => {
    const { publicKey } = c.req.valid('json');
    const algorithm = { name: 'RSA-OAEP', hash: 'SHA-256' };
    const spki = Uint8Array.from(atob(publicKey), (byte) => byte.charCodeAt(0));
    const key = await crypto.subtle.importKey('spki', spki, algorithm, false, ['encrypt']).catch(() => {
      throw new Refusal('invalid_request', '/publicKey: is not an RSA key in SPKI form');
    });
    const secret = new TextEncoder().encode(c.env.ADDRESS_HASH_KEY);
    const sealed = await crypto.subtle.encrypt(algorithm, key, secret);
    c.header('cache-control', 'no-store');
    return c.json({ sealedKey: btoa(String.fromCodePoint(...new Uint8Array(sealed))) }, 200);
  });
}

/** The object of this id, as Cloudflare's API lists it: a session that no list names any more. */
function objectOf(env: Env, objectId: string): ReturnType<typeof sessionStub> {
  try {
    return sessionStubById(env, objectId);
  } catch {
    throw new Refusal('session_not_found', 'This is no id of a session object here.');
  }
}
