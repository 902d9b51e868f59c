/**
 * `npm run chaos:kill`: the real stack is killed with SIGKILL, over and over, in the middle of one run.
 *
 * `wrangler dev` and the runtime below it die as a whole process group, at random moments; the mail API lives
 * on in this process, as a provider would, behind a proxy that holds answers back after acceptance. After
 * each restart nobody asks for the session until the mail API has been called again: work must go on by
 * itself. Prints a table of what was measured; ends with 1 when anything was not as promised.
 *
 * Options: `--kills 20`, `--leads 20000`, `--seed 1`.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isTerminal, type Progress } from '../../src/shared/progress.ts';
import { newSessionId } from '../../src/shared/session-id.ts';
import { stopWhenAsked } from '../../scripts/lib/processes.ts';
import { readMailbox } from '../support/mailbox.ts';
import { startProduct, type Product } from '../support/product.ts';
import { seededRandom } from '../support/random.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    leads: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
  },
});
const killCount = Number(values.kills);
const leadCount = Number(values.leads);
const random = seededRandom(Number(values.seed));

/** DESIGN §6.4. */
const maxResumeMs = 5_000;
/** A kill comes at most this long after the first mail of a life, so that the kills fit into the run. */
const maxLifeMs = 1_600;
/** Half of the leads in a call that Resend takes: more calls, so more moments to be killed in. */
const batchLeadCount = 50;

/** What one life of the stack came to. */
interface Life {
  /** From "ready" to the first call that the mail API took; 0 when that was before we saw it ready. */
  resumeMs: number;
  callCount: number;
  /** Calls that the mail API had taken and not answered when the kill came. */
  inFlightCount: number;
}

async function waitFor(what: string, timeoutMs: number, isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(5);
  }
}

async function readProgress(product: Product, sessionId: string): Promise<Progress> {
  const response = await fetch(`${product.stack.url}/crm/activation/progress/${sessionId}`);
  if (!response.ok) throw new Error(`progress answered ${response.status}`);
  return (await response.json()) as Progress;
}

async function runToTheEnd(product: Product, sessionId: string): Promise<Progress> {
  const deadline = performance.now() + 300_000;
  for (;;) {
    const progress = await readProgress(product, sessionId);
    if (isTerminal(progress)) return progress;
    if (performance.now() > deadline) throw new Error(`it did not end: ${JSON.stringify(progress)}`);
    await sleep(500);
  }
}

/** Leads of the CRM that are active, and leads whose result says that their mail was sent. */
async function countActive(product: Product, sessionId: string): Promise<{ active: number; sent: number }> {
  const page = await fetch(`${product.stack.url}/crm/leads?status=active&limit=1`);
  const { total } = (await page.json()) as { total: number };
  const csv = await fetch(`${product.stack.url}/crm/activation/${sessionId}/leads.csv?email=sent`);
  const lines = (await csv.text()).trim().split('\n');
  return { active: total, sent: lines.length - 1 };
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

async function main(): Promise<boolean> {
  console.log(`Starting with ${leadCount} leads …`);
  const product = await startProduct({
    leadCount,
    env: { MAIL_RATE: '10', MAIL_BATCH_MAX: String(batchLeadCount) },
  });
  try {
    const { proxy } = product;
    // Taken, but not yet answered: the moment in which a kill leaves a batch in doubt.
    proxy.add({ fault: { kind: 'delayAfter', ms: 400 }, probability: 0.5 });
    proxy.add({ fault: { kind: 'delayAfter', ms: 100 } });
    const sessionId = newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));
    const started = await fetch(`${product.stack.url}/crm/activation`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sessionId, name: 'Killed', audience: { filter: {} }, templateId: 'welcome' }),
    });
    if (started.status !== 201) throw new Error(`start: ${started.status} ${await started.text()}`);

    const lives: Life[] = [];
    let readyAt = Date.now();
    let callsBefore = 0;
    while (lives.length < killCount) {
      await waitFor('new mail', 60_000, () => proxy.calls.length > callsBefore);
      const firstAt = proxy.calls[callsBefore]?.at ?? readyAt;
      await sleep(random() * maxLifeMs);
      await product.stack.killHard();
      const killedAt = Date.now();
      const calls = proxy.calls.slice(callsBefore);
      const inFlightCount = calls.filter(({ at }) => killedAt - at < 400).length;
      lives.push({ resumeMs: Math.max(0, firstAt - readyAt), callCount: calls.length, inFlightCount });
      console.log(
        `kill ${lives.length}: first mail ${lives.at(-1)?.resumeMs} ms after ready, ${calls.length} calls`,
      );
      // What the dead process had sent is still on its way to the mail API.
      await sleep(200);
      callsBefore = proxy.calls.length;
      await product.restart();
      readyAt = Date.now();
    }
    await waitFor('new mail', 60_000, () => proxy.calls.length > callsBefore);
    const lastResumeMs = Math.max(0, (proxy.calls[callsBefore]?.at ?? readyAt) - readyAt);
    // Only now does anybody look at the session.
    const atLast = await readProgress(product, sessionId);
    const end = await runToTheEnd(product, sessionId);
    const mailbox = await readMailbox(product.standIn.url);
    const { active, sent } = await countActive(product, sessionId);

    const resumes = [...lives.slice(1).map((life) => life.resumeMs), lastResumeMs];
    const repeatedKeys = new Set<string>();
    const seenKeys = new Set<string>();
    for (const { key } of proxy.calls) {
      if (key === null) continue;
      if (seenKeys.has(key)) repeatedKeys.add(key);
      seenKeys.add(key);
    }
    const figures: [what: string, figure: string | number, isRight: boolean][] = [
      ['kills (SIGKILL of the process group)', lives.length, lives.length >= killCount],
      ['leads', leadCount, end.total === leadCount],
      ['the run was still going after the last kill', String(!isTerminal(atLast)), !isTerminal(atLast)],
      ['mails that the mail API holds', mailbox.mails.length, mailbox.mails.length === leadCount],
      ['addresses mailed', mailbox.countByAddress.size, mailbox.countByAddress.size === leadCount],
      ['addresses mailed twice', mailbox.duplicates.length, mailbox.duplicates.length === 0],
      ['state at the end', end.state, end.state === 'completed'],
      [
        'activated / sent in the counters',
        `${end.activation.activated} / ${end.email.sent}`,
        end.email.sent === leadCount,
      ],
      [
        'failed / unknown',
        `${end.email.failed} / ${end.email.unknown}`,
        end.email.failed + end.email.unknown === 0,
      ],
      ['results that say sent', sent, sent === leadCount],
      ['active leads in the CRM', active, active === leadCount],
      ['calls to the mail API', proxy.calls.length, proxy.calls.length >= leadCount / batchLeadCount],
      ['batches that were asked again under their key', repeatedKeys.size, repeatedKeys.size > 0],
      ['from ready to new mail, median', `${median(resumes)} ms`, median(resumes) < maxResumeMs],
      ['from ready to new mail, longest', `${Math.max(...resumes)} ms`, Math.max(...resumes) < maxResumeMs],
    ];
    const width = Math.max(...figures.map(([what]) => what.length));
    console.log('');
    for (const [what, figure, isRight] of figures) {
      console.log(`${isRight ? '  ' : '✗ '}${what.padEnd(width)}  ${figure}`);
    }
    return figures.every(([, , isRight]) => isRight);
  } finally {
    await product.close();
  }
}

stopWhenAsked();
let isAsPromised = false;
try {
  isAsPromised = await main();
} catch (error) {
  console.error(error);
}
// The channel to the process that started this one would keep it open.
process.exit(isAsPromised ? 0 : 1);
