/**
 * `npm run chaos:kill`: kills the real stack with SIGKILL, again and again, during real work.
 *
 * `wrangler dev` and the runtime below it die as one process group. The mail API lives on in this process, as a provider
 * would, with the provider's key rules and a record of whom it mailed. In every round two sessions work on overlapping
 * audiences under faults, outages, kills and random commands, while a poller and a stream reader watch. At its end the
 * record, the results, the CSV, the counters, the CRM and the list of activations are compared lead by lead. Exits with
 * 1 if a promise was broken, and prints the seed and everything that happened to the leads concerned.
 *
 * Options: `--seed 1`, `--kills 20`, `--minutes 15` (whichever comes first), `--kills-per-round 4` (0: commands and
 * outages only), `--leads 1200` a round, `--provider resend|postmark|mixed`, `--calm` (kills only),
 * `--control forget-keys|key-per-attempt` (must find duplicates).
 *
 * @module
 */
import { parseArgs } from 'node:util';
import { stopWhenAsked } from '../../scripts/lib/processes.ts';
import { startBareProduct } from '../support/product.ts';
import { seededRandom } from '../support/random.ts';
import { Client } from './client.ts';
import { outages, type Provider } from './mail-faults.ts';
import { startMailApi, type MailApi } from './mail-api.ts';
import type { Violation } from './records.ts';
import { aims, Round, type Aim, type RoundReport } from './round.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    kills: { type: 'string', default: '20' },
    minutes: { type: 'string', default: '15' },
    'kills-per-round': { type: 'string', default: '4' },
    leads: { type: 'string', default: '1200' },
    provider: { type: 'string', default: 'mixed' },
    calm: { type: 'boolean', default: false },
    control: { type: 'string' },
  },
});
const seed = Number(values.seed);
const killCount = Number(values.kills);
const killsPerRound = Number(values['kills-per-round']);
const leadCount = Number(values.leads);
const controls = ['forget-keys', 'key-per-attempt'] as const;
const control = controls.find((name) => name === values.control);
const isUsable =
  [seed, killCount, killsPerRound, leadCount, Number(values.minutes)].every(Number.isFinite) &&
  ['resend', 'postmark', 'mixed'].includes(values.provider) &&
  (values.control === undefined || control !== undefined);
if (!isUsable) {
  console.error(
    'usage: npm run chaos:kill -- [--seed S] [--kills N] [--minutes M] [--kills-per-round K] ' +
      '[--leads L] [--provider resend|postmark|mixed] [--calm] [--control forget-keys|key-per-attempt]',
  );
  process.exit(2);
}
const deadline = Date.now() + Number(values.minutes) * 60_000;

function drawAims(random: () => number, isKeyed: boolean): Aim[] {
  if (control !== undefined) return Array.from({ length: killsPerRound }, () => 'running');
  const drawn: Aim[] = killsPerRound === 0 ? [] : ['running'];
  while (drawn.length < killsPerRound) {
    const aim = aims[Math.floor(random() * aims.length)];
    if (aim !== undefined && (aim === 'running' || !drawn.includes(aim))) drawn.push(aim);
  }
  // Under another provider the keyed one is what is left behind: what was in doubt is unknown then.
  return isKeyed ? drawn : drawn.map((aim) => (aim === 'provider' ? 'settings' : aim));
}

/** All that is known of one violation, for a person. */
function tell(violation: Violation, report: RoundReport, mailApi: MailApi): string {
  const { rule, words, sessionId, leadId } = violation;
  const lines = [`✗ ${rule}: ${words}`, `    session ${sessionId ?? '-'}, lead ${String(leadId ?? '-')}`];
  const events = report.journal.events
    .filter((event) => event.sessionId === null || event.sessionId === sessionId)
    .map(({ at, words: what }) => ({ at, what }));
  const calls = mailApi.calls
    .filter((call) => leadId !== undefined && call.leadIds.includes(leadId))
    .map((call) => ({
      at: call.at,
      what:
        `call ${String(call.index)} key ${call.key ?? '-'}, ${String(call.leadIds.length)} mails, fault ${call.fault}: ` +
        `${call.takenLeadIds.includes(leadId ?? 0) ? 'taken' : call.effect}, told ${call.answer} ` +
        `${String(call.status ?? '-')} at +${String((call.endedAt ?? call.at) - call.at)} ms`,
    }));
  for (const { at, what } of [...events, ...calls].sort((a, b) => a.at - b.at))
    lines.push(`    ${new Date(at).toISOString().slice(11, 23)} ${what}`);
  return lines.join('\n');
}

/** Rounds on one state folder, so that it holds more than one life's work. */
const roundsPerFolder = 3;

/** At least one round is played, so that a pass always means something was tried. */
function goesOn(totals: Totals): boolean {
  return totals.killCount < killCount && Date.now() < deadline;
}

async function playRounds(provider: Provider, random: () => number, totals: Totals): Promise<void> {
  const mailApi = await startMailApi({ random });
  if (control !== undefined) {
    mailApi.rules = { control };
    // Long enough on the wire for a kill to find it there.
    mailApi.latencyMs = 1_500;
  }
  mailApi.bounceChance = 0.2;
  const batch = random() < 0.5 ? 4 : 8;
  const product = await startBareProduct(
    {
      leadCount: 0,
      env: { MAIL_PROVIDER: provider, MAIL_RATE: '8', MAIL_BATCH_MAX: String(batch) },
    },
    mailApi,
  );
  const client = new Client(() => product.stack.url);
  try {
    for (let count = 0; count < roundsPerFolder && (totals.roundCount === 0 || goesOn(totals)); count++) {
      const number = ++totals.roundCount;
      if (control === undefined)
        mailApi.rules = { checksContentFirst: random() < 0.5, remembersErrors: random() < 0.1 };
      const outage = outages[Math.floor(random() * outages.length)] ?? { kind: 'refused' };
      const round = new Round({
        ...{ number, random, product, client, mailApi, provider, leadCount },
        aims: drawAims(random, provider === 'resend'),
        faultChance: values.calm || control !== undefined ? 0 : 0.15 + random() * 0.2,
        outage: values.calm || control !== undefined ? null : { kind: outage, ms: 5_000 + random() * 15_000 },
      });
      const report = await round.play();
      totals.add(report);
      console.log(
        `round ${String(number)} (${provider}, batches of ${String(batch)}, ${JSON.stringify(mailApi.rules)}): ` +
          `${String(report.killCount)} kills, ${String(report.callCount)} calls, ${String(report.mailCount)} mails, ` +
          `${String(report.viewCount)} views, ${String(report.violations.length)} violations`,
      );
      for (const end of report.ends) console.log(`    ${end}`);
      // One lead of each kind is enough to see the cause.
      const shown = new Set<string>();
      for (const violation of report.violations) {
        const kind = `${violation.rule} ${violation.sessionId ?? ''}`;
        if (!shown.has(kind)) console.log(tell(violation, report, mailApi));
        shown.add(kind);
      }
    }
    for (const [fault, times] of mailApi.faultCounts())
      totals.faults.set(fault, (totals.faults.get(fault) ?? 0) + times);
  } finally {
    await product.close();
    await mailApi.close();
  }
}

class Totals {
  roundCount = 0;
  killCount = 0;
  inFlightKillCount = 0;
  mailCount = 0;
  callCount = 0;
  viewCount = 0;
  stopCount = 0;
  excusedCount = 0;
  readonly faults = new Map<string, number>();
  readonly violations: Violation[] = [];
  readonly resumes: number[] = [];
  readonly returns: { what: string; ms: number }[] = [];

  add(report: RoundReport): void {
    this.killCount += report.killCount;
    this.inFlightKillCount += report.inFlightKillCount;
    this.mailCount += report.mailCount;
    this.callCount += report.callCount;
    this.viewCount += report.viewCount;
    this.stopCount += report.stopCount;
    this.excusedCount += report.excusedCount;
    this.violations.push(...report.violations);
    for (const { what, ms } of report.recoveries) {
      if (what === 'kill') this.resumes.push(ms);
      else this.returns.push({ what, ms });
    }
  }

  print(): void {
    const median = [...this.resumes].sort((a, b) => a - b)[Math.floor(this.resumes.length / 2)] ?? 0;
    const faultCount = [...this.faults.values()].reduce((sum, count) => sum + count, 0);
    const byRule = new Map<string, number>();
    for (const { rule } of this.violations) byRule.set(rule, (byRule.get(rule) ?? 0) + 1);
    const figures: [what: string, figure: string][] = [
      ['rounds of two sessions', String(this.roundCount)],
      ['kills (SIGKILL of the process group)', String(this.killCount)],
      ['… that found calls on the wire', String(this.inFlightKillCount)],
      ['calls, mails', `${String(this.callCount)}, ${String(this.mailCount)}`],
      ['faults injected, of kinds', `${String(faultCount)}, ${String(this.faults.size)}`],
      ['views judged', String(this.viewCount)],
      ['times in which nothing may leave', String(this.stopCount)],
      ["second mails by a person's retry of unknown", String(this.excusedCount)],
      [
        `from ready to a new call, median and longest of ${String(this.resumes.length)}`,
        this.resumes.length === 0 ? '-' : `${String(median)}, ${String(Math.max(...this.resumes))} ms`,
      ],
      ...this.returns.map(({ what, ms }): [string, string] => [`back after an ${what}`, `${String(ms)} ms`]),
      ['violations', String(this.violations.length)],
      ...[...byRule].map(([rule, count]): [string, string] => [`✗ ${rule}`, String(count)]),
    ];
    const width = Math.max(...figures.map(([what]) => what.length));
    console.log('');
    for (const [what, figure] of figures) console.log(`  ${what.padEnd(width)}  ${figure}`);
  }
}

stopWhenAsked();
let isAsPromised = false;
try {
  const random = seededRandom(seed);
  const totals = new Totals();
  console.log(`seed ${String(seed)}`);
  while (totals.roundCount === 0 || goesOn(totals)) {
    const isKeyless =
      values.provider === 'postmark' ||
      (values.provider === 'mixed' && control === undefined && random() < 0.3);
    await playRounds(isKeyless ? 'postmark' : 'resend', random, totals);
  }
  totals.print();
  if (control === undefined) isAsPromised = totals.violations.length === 0;
  else {
    isAsPromised = totals.violations.some(({ rule }) => rule === 'mailed once');
    console.log(isAsPromised ? '\nThe control was found, as it must be.' : '\n✗ The control was not found.');
  }
  if (!isAsPromised) console.log(`\nAgain: npm run chaos:kill -- --seed ${String(seed)}`);
} catch (error) {
  console.error(`seed ${String(seed)}:`, error);
}
// The channel to the process that started this one would keep it open.
process.exit(isAsPromised ? 0 : 1);
