import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emailPendingCount, remainingCount } from '../../src/shared/progress.ts';
import { addLeads, statuses, suppress } from '../support/crm-database.ts';
import type { FakeMailApi } from '../support/fake-mail-api.ts';
import {
  freshSessionId,
  readProgress,
  request,
  readRows,
  send,
  startSession,
  waitForEnd,
} from '../support/session-driver.ts';
import { blankLeads, setUpSession, tearDownSession } from '../support/session-setup.ts';

let db: D1Database;
let mail: FakeMailApi;

beforeEach(async () => {
  ({ db, mail } = await setUpSession({ isRealTime: true }));
});

afterEach(tearDownSession);

describe('a session', () => {
  it('activates every lead of its audience and mails each of them once', async () => {
    await addLeads(db, blankLeads(250));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const end = await waitForEnd(sessionId);

    expect(end).toMatchObject({ state: 'completed', total: 250, processed: 250, etaSeconds: null });
    expect(end.activation).toEqual({ activated: 250, skipped: 0, failed: 0 });
    expect(end.email).toMatchObject({ sent: 250, failed: 0, unknown: 0 });
    expect(mail.callCount).toBe(3);
    expect([...mail.countByAddress().values()].every((count) => count === 1)).toBe(true);
    expect(mail.mails).toHaveLength(250);
    expect(
      (await statuses(db)).every((lead) => lead.status === 'active' && lead.activated_by === sessionId),
    ).toBe(true);
    const rows = await readRows(sessionId);
    expect(rows.recount).toEqual(rows.session.counts);
  });

  it('skips, with the reason, whom it must not or need not mail', async () => {
    await addLeads(db, [{ email: 'no@example.com' }, { status: 'active' }, { emailValid: false }, {}]);
    await suppress(db, 'no@example.com');
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const end = await waitForEnd(sessionId);
    expect(end.activation).toEqual({ activated: 1, skipped: 3, failed: 0 });
    const { batches } = await readRows(sessionId);
    expect(batches.flatMap((batch) => batch.skipped).map((skip) => skip.reason)).toEqual([
      'suppressed',
      'already_active',
      'invalid_address',
    ]);
  });

  it('shows numbers that add up and never go down, in every view', async () => {
    await addLeads(db, blankLeads(1_000));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    let lastRev = 0;
    let lastSent = 0;
    await waitForEnd(sessionId, (view) => {
      expect(view.rev).toBeGreaterThanOrEqual(lastRev);
      expect(view.email.sent).toBeGreaterThanOrEqual(lastSent);
      const { activated, skipped, failed } = view.activation;
      expect(activated + skipped + failed + remainingCount(view)).toBe(view.total);
      expect(view.email.sent + view.email.failed + view.email.unknown + emailPendingCount(view)).toBe(
        activated,
      );
      lastRev = view.rev;
      lastSent = view.email.sent;
    });
  });

  it('isolates one address that the provider refuses, and mails everyone else', async () => {
    await addLeads(db, blankLeads(100));
    mail.refused.add('lead37@example.com');
    const sessionId = freshSessionId();
    await startSession(sessionId);
    const end = await waitForEnd(sessionId);
    expect(end.email).toMatchObject({ sent: 99, failed: 1, unknown: 0 });
    expect(mail.countByAddress().has('lead37@example.com')).toBe(false);
    expect(mail.mails).toHaveLength(99);
  });

  it('is started once by ten equal requests at once, and refuses another request under its id', async () => {
    await addLeads(db, blankLeads(20));
    const sessionId = freshSessionId();
    const body = { sessionId, audience: { filter: {} }, templateId: 'welcome' };
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => send('POST', '/crm/activation', body)),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([
      200, 200, 200, 200, 200, 200, 200, 200, 200, 201,
    ]);
    const other = await send('POST', '/crm/activation', { ...body, audience: { leadIds: [1] } });
    expect(other.status).toBe(409);
    expect(await other.json()).toMatchObject({ code: 'session_conflict' });
    await waitForEnd(sessionId);
    expect(mail.mails).toHaveLength(20);
  });

  it('answers a poll whose tag is the same with 304, also where an edge has made the tag a weak one', async () => {
    await addLeads(db, blankLeads(5));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    const path = `/crm/activation/progress/${sessionId}`;
    const ask = (tag: string) => request(path, { headers: { 'if-none-match': tag } });
    let etag = '';
    // The last record in the list of activations may still be on its way.
    await expect
      .poll(async () => {
        const before = etag;
        etag = (await request(path)).headers.get('etag') ?? '';
        return etag !== '' && before === etag;
      })
      .toBe(true);
    for (const tag of [etag, `W/${etag}`, `"other", W/${etag}`, '*']) {
      expect((await ask(tag)).status, tag).toBe(304);
    }
    for (const tag of ['"other"', 'W/"other"', '']) expect((await ask(tag)).status, tag).toBe(200);
  });

  it('skips leads that another session over the same audience has activated', async () => {
    await addLeads(db, blankLeads(300));
    const [one, two] = [freshSessionId(), freshSessionId()];
    await Promise.all([startSession(one), startSession(two)]);
    const ends = await Promise.all([waitForEnd(one), waitForEnd(two)]);
    expect(mail.mails).toHaveLength(300);
    expect(Math.max(...mail.countByAddress().values())).toBe(1);
    expect(ends[0].activation.activated + ends[1].activation.activated).toBe(300);
    expect(ends[0].activation.skipped + ends[1].activation.skipped).toBe(300);
  });

  it('writes at most 0.06 rows per lead and reads nothing for a warm progress request', async () => {
    await addLeads(db, blankLeads(5_000));
    const sessionId = freshSessionId();
    await startSession(sessionId);
    await waitForEnd(sessionId);
    expect((await readProgress(sessionId)).processed).toBe(5_000);
    const { session } = await readRows(sessionId);
    // Every change of a session is one row of it, and at most one batch row beside it.
    expect((2 * session.rev) / 5_000).toBeLessThanOrEqual(0.06);
  });
});
