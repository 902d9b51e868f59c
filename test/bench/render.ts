/**
 * Render: mails per second, made as a slice makes them: Liquid, the recipient's own unsubscribe link, the mail's
 * headers and tags, and the payload of a call.
 *
 * @module
 */
import { emailHash } from '../../src/crm/email.ts';
import { erasedRecipient } from '../../src/shared/recipient.ts';
import { builtinTemplates } from '../../src/mail/templates/builtin.ts';
import { compileTemplate, composeMail, senderNameOf } from '../../src/mail/templates/render.ts';
import { createResendTransport } from '../../src/mail/providers/resend/transport.ts';
import type { OutgoingMail } from '../../src/mail/transport.ts';
import { unsubscribeToken } from '../../src/mail/unsubscribe-token.ts';
import type { BenchOptions, PartResult } from './lib/part.ts';
import { say } from './lib/harness.ts';
import { median, round } from './lib/stats.ts';

const sessionId = 'activation_1704123456789_a7bc3d2f1';
const secret = 'a key of the benchmark';
const from = 'Acme <hello@acme.test>';
const batchCount = 100;
/** A session at Resend's limit of ten calls a second sends 1,000 mails a second: rendering must not slow it down. */
const wantedPerSecond = 1_000;

interface Figure {
  template: string;
  mailCount: number;
  ms: number;
  bytes: number;
}

function measure(id: string, mailCount: number): Figure {
  const template = builtinTemplates.find((found) => found.id === id);
  const compiled = template === undefined ? null : compileTemplate(template);
  if (compiled?.kind !== 'compiled') throw new Error(`There is no template ${id}.`);
  const transport = createResendTransport({
    apiUrl: 'http://127.0.0.1:9',
    apiKey: 'none',
    fetch: () => Promise.reject(new Error('Nothing is sent.')),
    now: () => 0,
  });
  let bytes = 0;
  const startedAt = performance.now();
  for (let done = 0; done < mailCount; done += batchCount) {
    const mails: OutgoingMail[] = [];
    for (let leadId = done + 1; leadId <= Math.min(mailCount, done + batchCount); leadId++) {
      const email = `lead${leadId}@example.com`;
      const recipient = {
        ...erasedRecipient(leadId),
        ...{ email, firstName: `Ann${leadId % 1_000}`, lastName: `Name${leadId}` },
        ...{ company: `Example ${leadId % 5_000} & Sons`, source: 'Webinar', stage: 'Qualified' },
      };
      const claim = { sessionId, leadId, emailHash: emailHash(secret, email) };
      const unsubscribeUrl = `https://leads.acme.test/unsubscribe/${unsubscribeToken(secret, claim)}`;
      const rendered = compiled.encode(recipient, {
        senderName: senderNameOf(from),
        actionUrl: 'https://acme.test/start',
        unsubscribeUrl,
        postalAddress: '1 Example Way, 10115 Berlin',
      });
      if (rendered.kind === 'refused') throw new Error(rendered.message);
      const settings = {
        from,
        replyTo: null,
        unsubscribeUrl,
        sessionId,
        batchId: String(done / batchCount + 1),
      };
      mails.push(composeMail(rendered, recipient, settings));
    }
    bytes += transport.encode(mails).length;
  }
  return { template: id, mailCount, ms: performance.now() - startedAt, bytes };
}

export function render(options: BenchOptions): Promise<PartResult> {
  const mailCount = options.leadCounts?.[0] ?? 100_000;
  const repeatCount = options.repeatCount ?? (options.isFull ? 5 : 3);
  const figures: Figure[] = [];
  for (const { id } of builtinTemplates) {
    measure(id, 2_000);
    for (let turn = 1; turn <= repeatCount; turn++) {
      say(`render: ${id}, round ${turn} of ${repeatCount}`);
      figures.push(measure(id, mailCount));
    }
  }
  const perSecond = (id: string): number =>
    round(
      median(figures.filter(({ template }) => template === id).map(({ ms }) => (1_000 * mailCount) / ms)),
    );
  const slowest = Math.min(...builtinTemplates.map(({ id }) => perSecond(id)));
  return Promise.resolve({
    tables: [
      {
        title: `Mails a second, ${mailCount} mails on one core`,
        columns: ['template', 'mails/s', 'bytes of payload per mail'],
        rows: builtinTemplates.map(({ id }) => [
          id,
          perSecond(id),
          Math.round((figures.find(({ template }) => template === id)?.bytes ?? 0) / mailCount),
        ]),
      },
    ],
    verdicts: [
      {
        target: `at least ${wantedPerSecond} mails a second on one core`,
        measured: `${slowest} a second`,
        isMet: slowest >= wantedPerSecond,
      },
    ],
    figures,
  });
}
