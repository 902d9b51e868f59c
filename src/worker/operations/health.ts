/**
 * The health of the product: what the metrics are read from, and telling people when an alert fires or ends.
 *
 * Owns who is asked: the database in two calls, the gate where an activation runs, and the settings. What the figures
 * mean is core/health. Invariant: nothing here comes from the memory of one isolate, so every isolate says the same.
 *
 * @module
 */
import { alerts, firingAlerts, ruleText, type AlertId } from '../../core/health/alerts.ts';
import { samplesOf, type Figures, type Sample } from '../../core/health/metrics.ts';
import { accountOf } from '../../crm/connection-state.ts';
import { endpointIds } from '../../crm/event-endpoints.ts';
import { firingRows, lastAlert, noteAlerts, readHealth, writeSweep } from '../../crm/health.ts';
import { openRecovery } from '../../crm/recovery.ts';
import { endpointStub } from '../../durable/stubs.ts';
import { crmAccount } from '../../durable/crm-account.ts';
import { mailAccount } from '../../durable/mail-account.ts';
import { isStandIn } from '../../mail/readiness.ts';
import { lookUpSender } from '../../mail/sender-dns.ts';
import { domainOf } from '../../mail/templates/render.ts';
import { faultText, isMissingMethod } from '../../runtime/faults.ts';
import { logEvent } from '../../runtime/log.ts';
import { unreadableSettings } from '../../runtime/settings.ts';
import { allowancePercent } from '../../shared/crm.ts';
import { alertSourceId } from '../../shared/events.ts';
import type { DatabaseFigures } from '../../shared/health.ts';
import type { Alerts } from '../../shared/schemas/health.ts';
import { mailFaults, reportsDeliveries, sendingSettings } from './require-mail.ts';
import type { SweepFindings } from './scheduled-cleanup.ts';

/** The samples of now: two calls of the database, and one of the gate where an activation runs. */
export async function readSamples(env: Env, nowMs: number): Promise<Sample[]> {
  const database = await databaseFigures(env, nowMs);
  // An idle gate is left asleep.
  const isRunning = database?.activations.some(({ state }) => state === 'running') ?? false;
  const faults = mailFaults(env).map(({ setting }) => setting);
  return samplesOf({
    nowMs,
    database,
    mailRatePercent: isRunning ? await mailRatePercent(env, nowMs) : null,
    crmAllowancePercent: crmAllowancePercent(env, database?.crmAllowances ?? [], nowMs),
    faultySettings: [...new Set([...faults, ...unreadableSettings(env)])],
    hasReports: reportsDeliveries(env),
  });
}

async function databaseFigures(env: Env, nowMs: number): Promise<Figures['database']> {
  try {
    const [figures, recovery] = await Promise.all([readHealth(env.DB, nowMs), openRecovery(env.DB)]);
    return { ...figures, isRestoreOpen: recovery !== null };
  } catch (error) {
    logEvent('error', 'health_unread', { error: faultText(error) });
    return null;
  }
}

async function mailRatePercent(env: Env, nowMs: number): Promise<number | null> {
  const account = mailAccount(env, () => nowMs);
  if (account.kind === 'refused') return null;
  try {
    return await account.gate.ratePercent();
  } catch (error) {
    if (!isMissingMethod(error)) logEvent('warn', 'gate_unreached', { error: faultText(error) });
    return null;
  }
}

function crmAllowancePercent(
  env: Env,
  allowances: DatabaseFigures['crmAllowances'],
  nowMs: number,
): number | null {
  const choice = crmAccount(env, () => nowMs);
  if (choice.kind !== 'ready') return null;
  const account = accountOf(choice.port.target);
  const known = allowances.find((one) => one.account === account);
  return known === undefined ? null : allowancePercent(known.allowance, nowMs);
}

/** The alerts that fire now, for people. */
export async function presentAlerts(env: Env, nowMs: number): Promise<Alerts> {
  const firing = firingAlerts(await readSamples(env, nowMs));
  // While the database is down, nobody knows since when.
  const known = await firingRows(env.DB).catch(() => []);
  return {
    checkedAt: nowMs,
    alerts: firing.map(({ alertId, value, subjects }) => {
      const { title, meaning, severity } = alerts[alertId];
      const since = known.find((row) => row.alertId === alertId)?.at ?? null;
      return {
        ...{ alertId, title, meaning, severity, value, since },
        rule: ruleText(alerts[alertId]),
        subjects: subjects.slice(0, maxSubjectCount),
      };
    }),
  };
}

const maxSubjectCount = 10;

/** Endpoints are told again for so long that there are alerts, in case one did not answer. */
const announceForMs = 600_000;

/** Stores what a sweep has found, and which DNS records the sender lacks while there are activations. Never throws. */
export async function storeSweep(env: Env, found: SweepFindings, nowMs: number): Promise<void> {
  const { openCount, lateIds, lostIds, unreachedIds } = found;
  try {
    const missingRecords = openCount === 0 ? null : await missingSenderRecords(env);
    await writeSweep(env.DB, { at: nowMs, lateIds, lostIds, unreachedIds, missingRecords });
  } catch (error) {
    logEvent('error', 'sweep_not_stored', { error: faultText(error) });
  }
}

/** Null: the sender needs none, because nothing leaves. */
async function missingSenderRecords(env: Env): Promise<string[] | null> {
  const sending = sendingSettings(env);
  const domain = domainOf(sending.from);
  if (isStandIn(sending) || domain === '') return null;
  const { provider } = sending;
  const findings = await lookUpSender((url, init) => fetch(url, init), { domain, provider });
  return findings.filter(({ status }) => status === 'missing').map(({ id }) => id);
}

/**
 * Compares the alerts that fire now with those that did, and tells of the difference: a line in the log, and an event
 * for every endpoint. Never throws.
 *
 * @returns the alerts that fire now
 */
export async function judgeAlerts(env: Env, nowMs: number): Promise<AlertId[]> {
  const firing = firingAlerts(await readSamples(env, nowMs));
  const ids = firing.map(({ alertId }) => alertId);
  try {
    const before = await firingRows(env.DB);
    const isDown = ids.includes('database_down');
    const changes = [
      ...firing
        .filter(({ alertId }) => before.every((row) => row.alertId !== alertId))
        .map(({ alertId, value }) => ({ at: nowMs, alertId, state: 'firing' as const, value })),
      // What is unknown while the database is down has not ended.
      ...(isDown ? [] : before)
        .filter(({ alertId }) => !(ids as string[]).includes(alertId))
        .map(({ alertId }) => ({ at: nowMs, alertId, state: 'ended' as const, value: null })),
    ];
    for (const { alertId, state } of await noteAlerts(env.DB, changes))
      logEvent(state === 'firing' ? 'error' : 'info', `alert_${state}`, { alertId });
    await announceAlerts(env, nowMs);
  } catch (error) {
    // Nothing can be noted, so every check says it: the log is all that is left.
    for (const alertId of ids) logEvent('error', 'alert_firing', { alertId });
    logEvent('error', 'alerts_not_stored', { error: faultText(error) });
  }
  return ids;
}

/** Tells the endpoints how far the alerts go; what they know already costs them nothing. */
async function announceAlerts(env: Env, nowMs: number): Promise<void> {
  const last = await lastAlert(env.DB);
  if (last === null || Math.abs(nowMs - last.at) > announceForMs) return;
  for (const endpointId of await endpointIds(env.DB)) {
    try {
      await endpointStub(env, endpointId).announce(alertSourceId, last.seq);
    } catch (error) {
      logEvent('warn', 'endpoint_unreached', { endpointId, error: faultText(error) });
    }
  }
}
