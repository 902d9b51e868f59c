import { describe, expect, it } from 'vitest';
import {
  alertNotice,
  noticeEmail,
  noticeOf,
  slackBody,
  teamsBody,
  type ActivationEvent,
} from '../../src/core/events/notices.ts';
import { afterFailure, eventBackoff, giveUpAfterMs } from '../../src/core/events/retry.ts';
import { isPrivateAddress, targetFault } from '../../src/core/events/target.ts';
import { eventTypeNames } from '../../src/shared/events.ts';
import { seededRandom } from '../support/random.ts';

describe('an address', () => {
  it.each([
    'https://crm.acme.com/events',
    'https://hooks.slack.com/services/a/b/c',
    'https://acme.com:8443/',
  ])('is taken: %s', (target) => {
    expect(targetFault(target, false)).toBeNull();
  });

  it.each([
    ...[
      'http://crm.acme.com/',
      'ftp://acme.com/',
      'acme.com',
      'https://user:pass@acme.com/',
      'https://acme.com:22/',
    ],
    // Every way to write 127.0.0.1 and 10.0.0.1.
    ...[
      'https://127.0.0.1/',
      'https://127.1/',
      'https://2130706433/',
      'https://0x7f000001/',
      'https://0177.0.0.1/',
    ],
    ...[
      'https://10.0.0.1./',
      'https://8.8.8.8/',
      'https://[::1]/',
      'https://[::ffff:10.0.0.1]/',
      'https://[fd00::1]/',
    ],
    ...[
      'https://localhost/',
      'https://api.localhost/',
      'https://LOCALHOST./',
      'https://db.internal/',
      'https://nas/',
    ],
    ...[
      'https://printer.local/',
      'https://router.home.arpa/',
      'https://metadata.google.internal/',
      'https://a.test/',
    ],
  ])('is refused: %s', (target) => {
    expect(targetFault(target, false)).not.toBeNull();
  });

  it('of this machine is taken in local development', () => {
    expect(targetFault('http://127.0.0.1:8080/events', true)).toBeNull();
    expect(targetFault('file:///etc/passwd', true)).not.toBeNull();
  });

  it.each([
    ...['10.1.2.3', '127.0.0.1', '169.254.169.254', '172.31.255.255', '192.168.0.1', '100.64.0.1', '0.0.0.0'],
    ...['224.0.0.1', '255.255.255.255', '198.18.0.1', '203.0.113.9'],
    ...['::1', '::', 'fe80::1', 'fc00::1', 'fd12:3456::1', 'ff02::1', '::ffff:10.0.0.1', '::ffff:7f00:1'],
    ...[
      '64:ff9b::10.0.0.1',
      '64:ff9b:1::1',
      '2002:a00:1::',
      '2001:db8::1',
      '2001::1',
      '::10.0.0.1',
      '3fff::1',
    ],
    ...['', 'acme.com', '1.2.3', '1.2.3.256'],
  ])('that a name leads to is private: %s', (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  it.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'])(
    'that a name leads to is public: %s',
    (address) => {
      expect(isPrivateAddress(address)).toBe(false);
    },
  );
});

describe('an event that was refused', () => {
  const random = seededRandom(4);

  it('is sent again for three days, more and more rarely, and never all at once', () => {
    let now = 0;
    let attempts = 1;
    const waits: number[] = [];
    for (;;) {
      const next = afterFailure({ attempts, firstFailedAt: 0, takenAt: null }, null, now, random);
      if (next.kind !== 'retry') {
        expect(next.kind).toBe('disable');
        break;
      }
      waits.push(next.at - now);
      now = next.at;
      attempts++;
    }
    expect(now).toBe(giveUpAfterMs);
    expect(waits[0]).toBeLessThanOrEqual(eventBackoff.baseMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(eventBackoff.maxMs);
    expect(waits.length).toBeGreaterThan(20);
    expect(waits.length).toBeLessThan(60);
  });

  it('is given up alone where the endpoint has taken others since', () => {
    const failed = { attempts: 30, firstFailedAt: 1_000, takenAt: 2_000 };
    expect(afterFailure(failed, null, 1_000 + giveUpAfterMs, random)).toEqual({ kind: 'giveUp' });
    expect(afterFailure({ ...failed, takenAt: 900 }, null, 1_000 + giveUpAfterMs, random)).toEqual({
      kind: 'disable',
    });
  });

  it('waits as long as the receiver asks, but not beyond the last attempt', () => {
    const failed = { attempts: 1, firstFailedAt: 0, takenAt: null };
    expect(afterFailure(failed, 90_000, 5, random)).toEqual({ kind: 'retry', at: 90_005 });
    expect(afterFailure(failed, giveUpAfterMs, 5, random)).toEqual({ kind: 'retry', at: giveUpAfterMs });
  });
});

describe('a notice', () => {
  const event = (change: Partial<ActivationEvent> = {}, name = 'Trade fair'): ActivationEvent => ({
    type: 'activation.completed',
    at: 1,
    data: {
      sessionId: 'activation_1764580800000_a7bc3d2f1',
      name,
      sequence: 1,
      reason: null,
      counts: { total: 1_200, activated: 1_190, skipped: 7, sent: 1_190, failed: 3, unconfirmed: 0 },
    },
    ...change,
  });
  const link = 'https://leads.acme.com/activations/activation_1764580800000_a7bc3d2f1';

  it('is one sentence with the numbers that matter', () => {
    expect(noticeOf(event(), 'https://leads.acme.com')).toEqual({
      title: 'Activation done',
      name: 'Trade fair',
      text: 'Trade fair: 1,190 of 1,200 leads emailed, 3 failed, 7 skipped.',
      link,
      linkText: 'Open activation',
    });
  });

  it('of an alert says what fires, and leads to what to do', () => {
    const data = {
      alertId: 'mail_auth',
      title: 'The key was rejected',
      severity: 'critical',
      sequence: 1,
    } as const;
    const firing = alertNotice(
      { type: 'alert.firing', at: 1, data: { ...data, value: 1 } },
      'https://leads.acme.com',
    );
    expect(firing).toMatchObject({ title: 'Critical alert', link: 'https://leads.acme.com/settings#alerts' });
    expect(firing.text).toMatch(/^The key was rejected\./);
    const ended = alertNotice({ type: 'alert.ended', at: 2, data: { ...data, value: null } }, null);
    expect(ended).toMatchObject({ title: 'Alert ended', link: null });
  });

  it('of a pause says why, in the words of the app', () => {
    const { data } = event();
    const paused = event({ type: 'activation.paused', data: { ...data, reason: 'mail_auth' } });
    expect(noticeOf(paused, null)).toMatchObject({
      title: 'Activation paused',
      text: expect.stringContaining('Fix it in Settings, then resume.') as string,
      link: null,
    });
  });

  it('exists for every event of an activation', () => {
    for (const type of eventTypeNames.filter((one) => one.startsWith('activation.')))
      expect(noticeOf(event({ type: type as ActivationEvent['type'] }), null).title).toMatch(
        /^(Activation|Approval) \w/,
      );
  });

  it('for Slack escapes what Slack reads', () => {
    const body = JSON.parse(slackBody(noticeOf(event({}, '<!channel> A & B'), 'https://leads.acme.com'))) as {
      text: string;
      blocks: { text: { text: string } }[];
    };
    expect(body.text).toContain('&lt;!channel&gt; A &amp; B');
    expect(body.blocks[0]?.text.text).not.toContain('<!channel>');
    expect(body.blocks[0]?.text.text).toContain(`<${link}|Open activation>`);
  });

  it('for Teams is one Adaptive Card, in which a name stays as it was typed', () => {
    const body = JSON.parse(teamsBody(noticeOf(event({}, '[x](https://evil.example)'), null))) as {
      type: string;
      attachments: { contentType: string; content: { type: string; body: { text: string }[] } }[];
    };
    expect(body.type).toBe('message');
    expect(body.attachments).toHaveLength(1);
    expect(body.attachments[0]?.contentType).toBe('application/vnd.microsoft.card.adaptive');
    expect(body.attachments[0]?.content.body[1]?.text).toContain('\\[x\\]\\(https://evil.example\\)');
  });

  it('by mail has no markup and no second header in it', () => {
    const mail = noticeEmail(
      noticeOf(event({}, '<b>A</b>\r\nBcc: eve@example.com'), 'https://leads.acme.com'),
    );
    expect(mail.subject).toBe('Activation done: <b>A</b> Bcc: eve@example.com');
    expect(mail.html).toContain('&lt;b&gt;A&lt;/b&gt;');
    expect(mail.html).toContain(`href="${link}"`);
    expect(mail.text).toContain(link);
  });
});
