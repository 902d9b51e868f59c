import { Buffer } from 'node:buffer';
import { env, exports } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendAudit } from '../../src/crm/audit.ts';
import { recoveryActions } from '../../src/crm/recovery.ts';
import type { ReconcileAnswer } from '../../src/shared/schemas/recovery.ts';
import { addLeads, countsAndRecount, statuses } from '../support/crm-database.ts';
import { identityOf, requestAs, roleSettings } from '../support/routes.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import { hooks } from '../support/hooks.ts';
import {
  command,
  freshSessionId,
  readProgress,
  request,
  send,
  startSession,
  stubOf,
  waitFor,
  waitForEnd,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  ({ db, mail } = await setUpSession({ isRealTime: true }));
});

afterEach(tearDownSession);

/** The leads, their counts and the list of activations as they are now, to be set back to. */
async function snapshot(): Promise<() => Promise<void>> {
  const { results: leads } = await db.prepare('SELECT * FROM leads').all();
  const { results: activations } = await db.prepare('SELECT * FROM activations').all();
  const counts = await db
    .prepare('SELECT new_count, active_count FROM lead_counts')
    .first<Record<string, number>>();
  return async () => {
    const insert = (table: string, rows: Record<string, unknown>[]): D1PreparedStatement[] =>
      rows.map((row) =>
        db
          .prepare(
            `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${Object.keys(row)
              .map(() => '?')
              .join(', ')})`,
          )
          .bind(...Object.values(row)),
      );
    await db.batch([
      db.prepare('DELETE FROM leads'),
      db.prepare('DELETE FROM activations'),
      db.prepare("DELETE FROM sqlite_sequence WHERE name = 'leads'"),
      ...insert('leads', leads),
      ...insert('activations', activations),
      db
        .prepare('UPDATE lead_counts SET new_count = ?, active_count = ?')
        .bind(counts?.['new_count'], counts?.['active_count']),
    ]);
  };
}

/** Reconciles one session to its end; the sums over its pages. */
async function reconcile(named: { sessionId: string } | { objectId: string }): Promise<ReconcileAnswer> {
  const pages: ReconcileAnswer[] = [];
  let cursor: string | null = null;
  do {
    const response = await send('POST', '/crm/maintenance/reconcile', { ...named, cursor });
    if (!response.ok) throw new Error(await response.text());
    const page: ReconcileAnswer = await response.json();
    pages.push(page);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return pages.reduce((sum, page) => ({
    ...page,
    activatedCount: sum.activatedCount + page.activatedCount,
    setActiveCount: sum.setActiveCount + page.setActiveCount,
    setNewCount: sum.setNewCount + page.setNewCount,
    erasedAgainCount: sum.erasedAgainCount + page.erasedAgainCount,
  }));
}

async function completed(sessionId = freshSessionId()): Promise<string> {
  await startSession(sessionId);
  await waitForEnd(sessionId);
  return sessionId;
}

const timesMailed = (): number[] => [...mail.countByAddress().values()];

describe('a database that was restored while the sessions were not', () => {
  it('mails everybody again when nothing is reconciled', async () => {
    await addLeads(db, blankLeads(30));
    const setBack = await snapshot();
    await completed();
    await setBack();
    await completed();
    expect(timesMailed()).toEqual(Array.from({ length: 30 }, () => 2));
  });

  it('mails nobody twice after the sessions were reconciled, and mails all others', async () => {
    await addLeads(db, blankLeads(30));
    const setBack = await snapshot();
    const first = freshSessionId();
    await startSession(first, { leadIds: Array.from({ length: 20 }, (_, index) => index + 1) });
    await waitForEnd(first);
    await setBack();

    expect(await reconcile({ sessionId: first })).toMatchObject({
      activatedCount: 20,
      expectedCount: 20,
      setActiveCount: 20,
      setNewCount: 0,
    });
    expect(await reconcile({ sessionId: first })).toMatchObject({ setActiveCount: 0 });
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);

    await completed();
    expect(timesMailed()).toEqual(Array.from({ length: 30 }, () => 1));
  });

  it('is reconciled by object id where no list has the session', async () => {
    await addLeads(db, [{}, {}]);
    const setBack = await snapshot();
    const sessionId = await completed();
    await setBack();
    const objectId = stubOf(sessionId).id.toString();
    expect(await reconcile({ objectId })).toMatchObject({ sessionId, setActiveCount: 2 });
    const list: { activations: { sessionId: string; state: string }[] } = await (
      await request('/crm/activation')
    ).json();
    expect(list.activations).toMatchObject([{ sessionId, state: 'completed' }]);
  });

  it('reconciles a large session in bounded pages', async () => {
    await addLeads(db, blankLeads(2_300));
    const setBack = await snapshotOfNew();
    const sessionId = await completed();
    await setBack();
    const first: ReconcileAnswer = await (
      await send('POST', '/crm/maintenance/reconcile', { sessionId })
    ).json();
    expect(first.setActiveCount).toBeGreaterThan(0);
    expect(first.setActiveCount).toBeLessThanOrEqual(2_000);
    expect(first.nextCursor).not.toBeNull();
    expect(await reconcile({ sessionId })).toMatchObject({
      activatedCount: 2_300,
      setActiveCount: 2_300 - first.setActiveCount,
    });
  });

  it('keeps a failed, an unknown and a pending lead of a paused session as its own', async () => {
    await addLeads(db, blankLeads(40));
    const setBack = await snapshot();
    const sessionId = freshSessionId();
    hooks.env = { MAIL_BATCH_MAX: '10' };
    await startSession(sessionId);
    await waitFor(sessionId, ({ email }) => email.sent > 0);
    await command(sessionId, 'pause');
    await waitFor(sessionId, ({ state }) => state === 'paused' || state === 'completed');
    await setBack();
    await reconcile({ sessionId });
    const other = await completed();
    await command(sessionId, 'resume');
    await waitForEnd(sessionId);
    expect(timesMailed()).toEqual(Array.from({ length: 40 }, () => 1));
    const sent = (await readProgress(sessionId)).email.sent + (await readProgress(other)).email.sent;
    expect(sent).toBe(40);
  });

  it('sets a lead new again that the database has as active and the session cancelled', async () => {
    await addLeads(db, [{}, {}, {}]);
    const sessionId = freshSessionId();
    await db
      .prepare(
        "INSERT INTO suppressions (email_hash, reason, created_at) SELECT email_hash, 'manual', 0 FROM leads WHERE id = 2",
      )
      .run();
    await completed(sessionId);
    // As a restore to a time between a flip and its being taken back leaves it.
    await db.batch([
      db
        .prepare("UPDATE leads SET status = 'active', activated_at = 1, activated_by = ? WHERE id = 2")
        .bind(sessionId),
      db.prepare('UPDATE lead_counts SET new_count = new_count - 1, active_count = active_count + 1'),
    ]);
    expect(await reconcile({ sessionId })).toMatchObject({ setNewCount: 1, setActiveCount: 0 });
    expect((await statuses(db)).map(({ status }) => status)).toEqual(['active', 'new', 'active']);
    const { kept, recount } = await countsAndRecount(db);
    expect(kept).toEqual(recount);
  });

  it.each(['mailer', 'former owner'])(
    'gives a lead to the session that mailed it, whatever owner the backup names; the %s is reconciled first',
    async (first) => {
      await addLeads(db, [{}, {}, {}]);
      const formerOwner = freshSessionId();
      mail.fault = () => ({
        kind: 'answer',
        status: 409,
        body: { name: 'resource_locked', message: 'Busy.' },
      });
      await startSession(formerOwner);
      await waitFor(formerOwner, ({ activation }) => activation.activated === 3);
      await command(formerOwner, 'cancel');
      await waitForEnd(formerOwner);
      mail.fault = () => ({ kind: 'none' });
      const mailer = await completed();
      expect(timesMailed()).toEqual([1, 1, 1]);
      // As a restore to the time between the first session's flip and its cancellation leaves it.
      await db.prepare('UPDATE leads SET activated_by = ?').bind(formerOwner).run();
      for (const sessionId of first === 'mailer' ? [mailer, formerOwner] : [formerOwner, mailer])
        await reconcile({ sessionId });
      expect(await statuses(db)).toEqual(
        [1, 2, 3].map((id) => expect.objectContaining({ id, status: 'active', activated_by: mailer })),
      );
      const { kept, recount } = await countsAndRecount(db);
      expect(kept).toEqual(recount);
    },
  );

  it('erases leads again that were erased after the backup', async () => {
    await addLeads(db, [{}, { email: 'ivy.erased@leads.example' }, {}]);
    const setBack = await snapshot();
    const sessionId = await completed();
    expect((await send('DELETE', '/crm/leads/2')).status).toBe(204);
    await setBack();
    expect(await reconcile({ sessionId })).toMatchObject({ erasedAgainCount: 1, setActiveCount: 2 });
    expect((await statuses(db)).map(({ id }) => id)).toEqual([1, 3]);
    expect(await reconcile({ sessionId })).toMatchObject({ erasedAgainCount: 0 });
  });

  it('suppresses recipients again who complained', async () => {
    await addLeads(db, [{}, {}]);
    const sessionId = await completed();
    await stubOf(sessionId).addDeliveryEvents([
      { leadId: 1, event: 'complained' },
      { leadId: 2, event: 'hardBounced' },
    ]);
    await reconcile({ sessionId });
    const { results } = await db.prepare('SELECT reason FROM suppressions ORDER BY reason').all();
    expect(results).toEqual([{ reason: 'complained' }, { reason: 'hard_bounce' }]);
  });

  it('does not confuse two people who were given the same id', async () => {
    await addLeads(db, [{}]);
    const setBack = await snapshot();
    await addLeads(db, [
      { id: 2, email: 'first@leads.example' },
      { id: 3, email: 'ivy.erased@leads.example' },
    ]);
    const sessionId = await completed();
    expect((await send('DELETE', '/crm/leads/3')).status).toBe(204);
    await setBack();
    const later = Date.now() + 60_000;
    await addLeads(db, [
      { id: 2, email: 'second@leads.example', createdAt: later },
      { id: 3, email: 'third@leads.example', createdAt: later },
      { id: 4, email: 'FIRST@leads.example', createdAt: later },
    ]);
    expect(await reconcile({ sessionId })).toMatchObject({ erasedAgainCount: 0 });
    // Lead 4 is the address that was mailed; 2 and 3 are people whom nobody has mailed.
    expect((await statuses(db)).map(({ id, status }) => `${String(id)} ${status}`)).toEqual([
      '1 active',
      '2 new',
      '3 new',
      '4 active',
    ]);
  });

  it('gives no id again that a session knows', async () => {
    await addLeads(db, [{}]);
    const setBack = await snapshot();
    await addLeads(db, [{ id: 2 }, { id: 3 }]);
    const sessionId = await completed();
    await setBack();
    await reconcile({ sessionId });
    const row = await db
      .prepare("SELECT seq FROM sqlite_sequence WHERE name = 'leads'")
      .first<{ seq: number }>();
    expect(row?.seq).toBe(3);
  });

  it('refuses an unknown session and an invalid cursor', async () => {
    const post = async (body: unknown): Promise<string> => {
      const response = await send('POST', '/crm/maintenance/reconcile', body);
      const { code }: { code: string } = await response.json();
      return `${String(response.status)} ${code}`;
    };
    const sessionId = freshSessionId();
    expect(await post({ sessionId })).toBe('404 session_not_found');
    expect(await post({ objectId: 'ab'.repeat(32) })).toBe('404 session_not_found');
    expect(await post({ sessionId, objectId: 'ab'.repeat(32) })).toBe('422 invalid_request');
    expect(await post({})).toBe('422 invalid_request');
    expect(await post({ sessionId, cursor: 'nonsense' })).toBe('422 invalid_cursor');
  });
});

describe('a restore that was not finished', () => {
  const opened = () =>
    appendAudit(db, {
      at: Date.now() + 3_600_000,
      actor: 'command line',
      role: null,
      action: recoveryActions.opened,
      target: null,
      country: null,
      requestId: '',
      detail: { backupId: 'b1' },
    });

  it('lets no activation start, resume or retry until it is', async () => {
    await addLeads(db, [{}, {}]);
    const earlier = await completed();
    await addLeads(db, [{ id: 3 }]);
    await opened();
    expect(await (await request('/crm/maintenance/recovery')).json()).toMatchObject({
      open: { detail: { backupId: 'b1' } },
    });
    const start = () =>
      send('POST', '/crm/activation', {
        sessionId: freshSessionId(),
        audience: { filter: {} },
        templateId: 'welcome',
      });
    for (const response of [
      await start(),
      await command(earlier, 'resume'),
      await command(earlier, 'retry', { outcome: 'unknown' }),
    ]) {
      expect(response.status).toBe(409);
      expect(await response.json()).toMatchObject({ code: 'recovery_open' });
    }
    expect((await send('POST', '/crm/maintenance/recovery/finish')).status).toBe(204);
    // The restoring machine's clock may be ahead: what closes a restore is what came after it, not later.
    expect(await (await request('/crm/maintenance/recovery')).json()).toEqual({ open: null });
    expect((await start()).status).toBe(201);
    await opened();
    expect((await start()).status).toBe(409);
    await send('POST', '/crm/maintenance/recovery/finish');
  });
});

describe('the key of the address hash', () => {
  const spki = async () => {
    const pair = (await crypto.subtle.generateKey(
      { name: 'RSA-OAEP', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
      false,
      ['encrypt', 'decrypt'],
    )) as CryptoKeyPair;
    const publicKey = Buffer.from(await crypto.subtle.exportKey('spki', pair.publicKey));
    return { pair, publicKey: publicKey.toString('base64') };
  };

  it("is exported only encrypted to an admin's key, and the audit says so", async () => {
    const { pair, publicKey } = await spki();
    const response = await send('POST', '/crm/maintenance/address-hash-key', { publicKey });
    const text = await response.text();
    expect(text).not.toContain(env.ADDRESS_HASH_KEY);
    const { sealedKey } = JSON.parse(text) as { sealedKey: string };
    const key = await crypto.subtle.decrypt(
      { name: 'RSA-OAEP' },
      pair.privateKey,
      Buffer.from(sealedKey, 'base64'),
    );
    expect(new TextDecoder().decode(key)).toBe(env.ADDRESS_HASH_KEY);
    const entry = await db.prepare('SELECT action, actor FROM audit ORDER BY id DESC LIMIT 1').first();
    expect(entry).toEqual({ action: 'recovery.key', actor: 'ana@example.com' });
  });

  it('is refused to other roles, and for an invalid key', async () => {
    const { publicKey } = await spki();
    hooks.env = roleSettings;
    const ask = (role: 'operator' | 'admin', body: unknown) =>
      exports.default.fetch(
        requestAs(identityOf(role), 'POST', '/crm/maintenance/address-hash-key', {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      );
    expect((await ask('operator', { publicKey })).status).toBe(403);
    expect((await ask('admin', { publicKey: 'a'.repeat(400) })).status).toBe(422);
    expect((await ask('admin', { publicKey })).status).toBe(200);
  });
});

/** As {@link snapshot}, for leads that are all new: quicker for thousands. */
async function snapshotOfNew(): Promise<() => Promise<void>> {
  const total = (await statuses(db)).length;
  return async () => {
    await db.batch([
      db.prepare("UPDATE leads SET status = 'new', activated_at = NULL, activated_by = NULL"),
      db.prepare('UPDATE lead_counts SET new_count = ?, active_count = 0').bind(total),
      db.prepare('DELETE FROM activations'),
    ]);
  };
}
