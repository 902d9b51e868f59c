import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LeadResultPage } from '../../src/shared/schemas/activation.ts';
import { addLeads, emptyCrm, hashEmail } from '../support/crm-database.ts';
import { hooks, resetHooks } from '../support/hooks.ts';
import {
  freshSessionId,
  origin,
  request,
  send,
  startSession,
  waitForEnd,
} from '../support/session-driver.ts';

interface SentMail {
  to: string[];
  html: string;
  text: string;
  headers: Record<string, string>;
}

let db: D1Database;
let sent: SentMail[];
/** Answers of the mail API, by default success. */
let refuse: (mails: SentMail[]) => boolean;

beforeEach(async () => {
  resetHooks();
  db = await emptyCrm();
  sent = [];
  refuse = () => false;
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const mails = await new Request(input, init).json<SentMail[]>();
    if (refuse(mails)) return Response.json({ name: 'validation_error', message: 'No.' }, { status: 422 });
    sent.push(...mails);
    return Response.json({ data: mails.map((_, index) => ({ id: `mail-${index}` })) });
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

async function mailedSession(leadCount: number): Promise<string> {
  await addLeads(
    db,
    Array.from({ length: leadCount }, () => ({})),
  );
  const sessionId = freshSessionId();
  await startSession(sessionId);
  await waitForEnd(sessionId);
  return sessionId;
}

function linkIn(mail: SentMail | undefined): string {
  const link = /<(http[^>]+)>/.exec(mail?.headers['List-Unsubscribe'] ?? '')?.[1] ?? '';
  expect(link).not.toBe('');
  return new URL(link).pathname;
}

/** The request of a mail program's unsubscribe button: no cookie, no login. */
const oneClick = (path: string): Promise<Response> =>
  request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'test-identity': 'none' },
    body: 'List-Unsubscribe=One-Click',
  });

const suppressedHashes = async (): Promise<string[]> =>
  (
    await db
      .prepare("SELECT email_hash FROM suppressions WHERE reason = 'unsubscribed'")
      .all<{ email_hash: string }>()
  ).results.map((row) => row.email_hash);

describe('every mail', () => {
  it('has its own one-click header, and the same link in its footer', async () => {
    await mailedSession(3);
    const links = sent.map(linkIn);
    expect(new Set(links).size).toBe(3);
    for (const [index, mail] of sent.entries()) {
      expect(mail.headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click');
      expect(mail.headers['List-Unsubscribe']).toBe(`<${origin}${links[index]}>`);
      expect(mail.html).toContain(`href="${origin}${links[index]}"`);
      expect(mail.text).toContain(`Unsubscribe: ${origin}${links[index]}`);
    }
  });

  it('points to PUBLIC_URL when that is set', async () => {
    hooks.env = { PUBLIC_URL: 'https://mail.acme.test/' };
    await mailedSession(1);
    expect(sent[0]?.headers['List-Unsubscribe']).toMatch(
      /^<https:\/\/mail\.acme\.test\/unsubscribe\/[\w-]{91}>$/,
    );
  });
});

describe('the unsubscribe link', () => {
  it('unsubscribes nobody when scanners open every link with any method except POST', async () => {
    await mailedSession(20);
    for (const link of sent.map(linkIn)) {
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        const response = await request(link, { method, headers: { 'test-identity': 'none' } });
        await response.body?.cancel();
      }
    }
    expect(await suppressedHashes()).toEqual([]);
  });

  it('shows a page with one button, which loads nothing and cannot be framed', async () => {
    await mailedSession(1);
    const response = await request(linkIn(sent[0]), { headers: { 'test-identity': 'none' } });
    const html = await response.text();
    expect(response.status).toBe(200);
    expect(html).toContain('<form method="post"><button type="submit"');
    expect(html).not.toMatch(/<script|src=|https?:\/\//);
    expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('set-cookie')).toBeNull();
  });

  it('works with one POST and no login, and can be repeated', async () => {
    await mailedSession(2);
    const link = linkIn(sent.find((mail) => mail.to[0] === 'lead2@example.com'));
    for (let time = 0; time < 2; time++) {
      const response = await oneClick(link);
      expect(response.status).toBe(200);
      expect(response.redirected).toBe(false);
      expect(await response.text()).toContain('You are unsubscribed');
    }
    expect(await suppressedHashes()).toEqual([hashEmail('lead2@example.com')]);
  });

  it('works with any body or none', async () => {
    await mailedSession(2);
    const plain = await request(linkIn(sent[0]), { method: 'POST' });
    const json = await send('POST', linkIn(sent[1]), { any: 'thing' });
    expect([plain.status, json.status]).toEqual([200, 200]);
    expect(await suppressedHashes()).toHaveLength(2);
  });

  it('does nothing for a forged token', async () => {
    await mailedSession(1);
    const link = linkIn(sent[0]);
    const last = link.at(-20) === 'A' ? 'B' : 'A';
    for (const wrong of [
      `${link.slice(0, -20)}${last}${link.slice(-19)}`,
      '/unsubscribe/1',
      `/unsubscribe/${'A'.repeat(91)}`,
    ]) {
      expect((await oneClick(wrong)).status).toBe(404);
      expect((await request(wrong)).status).toBe(404);
    }
    expect(await suppressedHashes()).toEqual([]);
  });

  it('works for an erased lead, and prevents mail to the person after a later import', async () => {
    await mailedSession(1);
    expect((await send('DELETE', '/crm/leads/1')).status).toBe(204);
    expect((await oneClick(linkIn(sent[0]))).status).toBe(200);
    await addLeads(db, [{ id: 50, email: 'LEAD1@example.com' }]);
    const next = freshSessionId();
    await startSession(next);
    expect((await waitForEnd(next)).activation).toEqual({ activated: 0, skipped: 1, failed: 0 });
  });
});

describe('after an unsubscribe', () => {
  it('the next activation skips the lead with the reason, and a preview counts it', async () => {
    await mailedSession(1);
    await oneClick(linkIn(sent[0]));
    await db.prepare("UPDATE leads SET status = 'new', activated_at = NULL, activated_by = NULL").run();
    const audience = { filter: {} };
    const preview = await send('POST', '/crm/activation/preview', { audience, templateId: 'welcome' });
    expect(await preview.json()).toMatchObject({ total: 1, willActivate: 0, suppressed: 1 });
    const next = freshSessionId();
    await startSession(next);
    await waitForEnd(next);
    const { leads } = await (await request(`/crm/activation/${next}/leads`)).json<LeadResultPage>();
    expect(leads).toMatchObject([{ leadId: 1, activation: 'skipped', skipReason: 'suppressed' }]);
    expect(sent).toHaveLength(1);
  });

  it('a retry of failed mail leaves the person out, and mails the others', async () => {
    await addLeads(db, [{}, {}, {}]);
    refuse = () => true;
    const sessionId = freshSessionId();
    await startSession(sessionId);
    expect((await waitForEnd(sessionId)).email.failed).toBe(3);
    await db
      .prepare("INSERT INTO suppressions (email_hash, reason, created_at) VALUES (?, 'unsubscribed', 0)")
      .bind(hashEmail('lead2@example.com'))
      .run();
    refuse = () => false;
    await send('POST', `/crm/activation/${sessionId}/retry`, { outcome: 'failed' });
    const end = await waitForEnd(sessionId);
    expect(sent.map((mail) => mail.to[0]).sort()).toEqual(['lead1@example.com', 'lead3@example.com']);
    expect(end.email).toMatchObject({ sent: 2, failed: 1 });
    const { leads } = await (
      await request(`/crm/activation/${sessionId}/leads?email=failed`)
    ).json<LeadResultPage>();
    expect(leads).toMatchObject([{ leadId: 2, code: 'suppressed' }]);
  });
});
