/**
 * `/crm/maintenance/…`: the calls of an admin's scripts for backup and recovery.
 *
 * Invariant: the key of the address hash leaves the Worker only encrypted for a key of the caller, and every call that
 * hands it out or changes something is in the audit.
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
import { bytesOfBase64 } from '../../../runtime/base64.ts';
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
  operationId: 'getRecovery',
  tags,
  summary: 'Whether a restore is not reconciled yet',
  responses: { 200: json('The open restore, or null.', recoverySchema), ...problems() },
});

const finish = createRoute({
  method: 'post',
  path: '/crm/maintenance/recovery/finish',
  operationId: 'finishRecovery',
  tags,
  summary: 'Close a restore: every known session was reconciled',
  description: 'Activations can start again. Without an open restore it changes nothing.',
  responses: { 204: { description: 'No restore is open.' }, ...problems() },
});

const reconcile = createRoute({
  method: 'post',
  path: '/crm/maintenance/reconcile',
  operationId: 'reconcileSession',
  tags,
  summary: 'Reconcile the leads with one session, a page per call',
  description:
    'For a database that was restored to an earlier state than the sessions. Repeat the call with `nextCursor` until that is null. A repeat of the same call changes nothing.',
  request: { body: body(reconcileRequestSchema) },
  responses: {
    200: json('The changes.', reconcileAnswerSchema),
    ...problems(...bodyCodes, 'invalid_cursor', 'session_not_found'),
  },
});

const hashKey = createRoute({
  method: 'post',
  path: '/crm/maintenance/address-hash-key',
  operationId: 'exportAddressHashKey',
  tags,
  summary: 'The key of the address hash, encrypted for a key of the caller',
  description:
    'For a backup: Cloudflare does not hand out a secret, and without this key no suppression of a restored database is found.',
  request: { body: body(hashKeyRequestSchema) },
  responses: { 200: json('The encrypted key.', hashKeyAnswerSchema), ...problems(...bodyCodes) },
});

export function maintenanceRoutes(app: App): void {
  app.openapi(recovery, async (c) => c.json({ open: await openRecovery(c.env.DB) }, 200));

  app.openapi(finish, async (c) => {
    // The audit entry closes the restore.
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
    const spki = bytesOfBase64(publicKey);
    const key = await crypto.subtle.importKey('spki', spki, algorithm, false, ['encrypt']).catch(() => {
      throw new Refusal('invalid_request', '/publicKey: is not an RSA key in SPKI form');
    });
    const secret = new TextEncoder().encode(c.env.ADDRESS_HASH_KEY);
    const sealed = await crypto.subtle.encrypt(algorithm, key, secret);
    c.header('cache-control', 'no-store');
    return c.json({ sealedKey: btoa(String.fromCodePoint(...new Uint8Array(sealed))) }, 200);
  });
}

/** The object with this id of Cloudflare's API: a session that may be missing in the list of activations. */
function objectOf(env: Env, objectId: string): ReturnType<typeof sessionStub> {
  try {
    return sessionStubById(env, objectId);
  } catch {
    throw new Refusal('session_not_found', 'No session object here has this id.');
  }
}
