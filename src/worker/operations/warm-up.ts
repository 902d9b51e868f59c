/**
 * The warm-ups of the sender's domains, as the mail account's gate has them.
 *
 * @module
 */
import { allowanceOf } from '../../core/limits/warm-up.ts';
import { listOpenSessions } from '../../crm/activations.ts';
import { mailAccount } from '../../durable/mail-account.ts';
import type { WarmUpReport } from '../../durable/mail-gate.ts';
import { sessionStub } from '../../durable/stubs.ts';
import { domainOf } from '../../mail/templates/render.ts';
import { faultText } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
import { warmUpPlan } from '../../runtime/settings.ts';
import type { WarmUpList, WarmUpView } from '../../shared/schemas/warm-up.ts';
import type { ChosenWarmUpMode } from '../../shared/warm-up.ts';

const dayMs = 86_400_000;

/** As many as a sweep calls. Those beyond go on at midnight. */
const maxWokenCount = 40;

/** All warm-ups: that of the sender in the settings, and those of senders before. */
export async function listWarmUps(env: Env): Promise<WarmUpList> {
  const plan = warmUpPlan(env);
  const gate = gateOf(env);
  if (plan === null || gate === null) return { plan: null, domains: [] };
  const { startCount, growthPercent, maxBouncePercent, maxComplaintPercent } = plan;
  const own = domainOf(env.MAIL_FROM);
  const known = await gate.warmedDomains();
  const domains = [...(own === '' ? [] : [own]), ...known.filter((domain) => domain !== own)];
  const reports = await Promise.all(domains.map((domain) => gate.warmUp(domain)));
  return {
    plan: { startCount, growthPercent, maxBouncePercent, maxComplaintPercent },
    domains: reports.flatMap((report) => (report === null ? [] : [toView(report)])),
  };
}

/**
 * Holds a warm-up, lets it go on, or takes the domain for warm. Activations that wait for it look again at once.
 *
 * @returns null for a domain that is not warmed up
 */
export async function changeWarmUp(
  env: Env,
  domain: string,
  mode: ChosenWarmUpMode,
): Promise<{ before: WarmUpView; after: WarmUpView } | null> {
  const before = (await listWarmUps(env)).domains.find((one) => one.domain === domain);
  const report = before === undefined ? null : await gateOf(env)?.setWarmUp(domain, mode);
  if (before === undefined || report === null || report === undefined) return null;
  await wakeWaiting(env);
  return { before, after: toView(report) };
}

/** The most mails of a batch of a session that begins now; null: as many as the provider takes. */
export async function batchCountInWarmUp(env: Env, from: string): Promise<number | null> {
  if (warmUpPlan(env) === null) return null;
  return (await gateOf(env)?.warmUp(domainOf(from)))?.batchCount ?? null;
}

function gateOf(env: Env) {
  const account = mailAccount(env, Date.now);
  return account.kind === 'refused' ? null : account.gate;
}

/** Never throws: at midnight they look anyway. */
async function wakeWaiting(env: Env): Promise<void> {
  try {
    const { sessionIds } = await listOpenSessions(env.DB, {
      offset: 0,
      limit: maxWokenCount,
      nowMs: Date.now(),
    });
    await Promise.all(sessionIds.map((sessionId) => sessionStub(env, sessionId).dayChanged()));
  } catch (error) {
    logEvent('warn', 'warm_up_not_told', { error: faultText(error) });
  }
}

function toView(report: WarmUpReport): WarmUpView {
  const { domain, mode, day, restUntil, verdict, days, sentCount, forecast } = report;
  const allowance = allowanceOf(report);
  const isResting = mode !== 'warm' && mode !== 'stopped' && day < restUntil;
  return {
    ...{ domain, mode, verdict, forecast },
    allowance: allowance === null ? null : Math.min(allowance, forecast.dailyCap ?? allowance),
    sent: sentCount,
    goesOnAt: isResting ? restUntil * dayMs : null,
    days: days.map(({ day: number, allowance, sent, bounced, complained }) => ({
      ...{ startsAt: number * dayMs, allowance, sent, bounced, complained },
    })),
  };
}
