/**
 * The metrics: one table, which the code, docs/OPERATIONS.md and the tests use, and how figures become samples.
 *
 * Pure. Does not ask anybody; the figures come from the database, the gate and the settings (worker/operations/health.ts).
 * Invariant: a label has a value of a fixed set, so no name, address or id is in a metric.
 *
 * @module
 */
import type { ActivationFigures, DatabaseFigures } from '../../shared/health.ts';
import { isTerminal, sessionReasons, sessionStates, waitKinds } from '../../shared/progress.ts';

/** A metric as Prometheus has it; all are gauges, because they are read where the truth is and may fall. */
interface MetricRow {
  /** UCUM's word for what is counted, or `1`. */
  unit: string;
  meaning: string;
  labels: readonly string[];
}

const row = (unit: string, meaning: string, labels: readonly string[] = []): MetricRow => ({
  unit,
  meaning,
  labels,
});

/** Every metric that `GET /crm/metrics` has. A new one is one line here and one in {@link samplesOf}. */
export const metrics = {
  database_up: row('1', '1 while the database takes a read, 0 otherwise. Then most others are missing.'),
  activations: row('activations', 'Activations that have not ended.', ['state']),
  activations_paused: row('activations', 'Paused activations.', ['reason']),
  activations_waiting: row('activations', 'Activations that wait, and for what.', ['for']),
  activation_stalled_seconds: row(
    'seconds',
    'The longest time for which an activation that should make progress has made none.',
  ),
  schedule_late_seconds: row('seconds', 'How long the most overdue start of an activation is overdue.'),
  approval_left_seconds: row('seconds', 'Time left for the approval that expires first.'),
  emails: row('emails', 'Emails of the activations that began in the last seven days.', ['result']),
  reports_silent_activations: row(
    'activations',
    'Activations with at least 20 emails sent, of which none was reported as delivered, bounced or marked as spam for half a minute.',
  ),
  mail_rate_percent: row(
    '%',
    'The present rate of calls to the email provider, as a part of `MAIL_RATE`. Missing while no activation runs.',
  ),
  crm_allowance_percent: row(
    '%',
    'The used part of the calls that the connected CRM takes in 24 hours, as it said within the last day. Missing where it does not say it.',
  ),
  endpoints: row('webhooks', 'Webhooks; `off` by a person, `failed` by itself.', ['state']),
  imports_silent_seconds: row(
    'seconds',
    'The longest time for which an unfinished import of the last day has had no rows.',
  ),
  settings_faulty: row('settings', 'Settings that keep email from being sent, or cannot be read.'),
  sender_records_missing: row('records', 'DNS records of the sender’s domain that are missing.'),
  restore_open: row('1', '1 while a restored database is not reconciled.'),
  sweep_age_seconds: row('seconds', 'Time since the last sweep of each minute ended.'),
  alarms_late: row(
    'activations',
    'Activations whose alarm was overdue at the last sweep, which set it again.',
  ),
  alarms_lost: row('activations', 'Activations without an alarm at the last sweep, which set one.'),
  activations_unreached: row('activations', 'Activations whose object did not answer the last sweep.'),
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof metrics;
export const metricNames = Object.keys(metrics) as MetricName[];

/** Every name begins with it, as Prometheus advises: https://prometheus.io/docs/practices/naming/ */
export const metricPrefix = 'lead_activation_';

/**
 * A point of Workers Analytics Engine for one batch, or for several with the same outcome. The order is that of the
 * columns `blob1`, `double1` and so on; the index is the session's id.
 */
export const batchPoint = {
  blobs: [
    ['provider', 'Name of the mail provider.'],
    ['outcome', 'What the call came to: `accepted`, `throttled`, `unknown` and so on.'],
  ],
  doubles: [
    ['batches', 'Batches in the point.'],
    ['emails', 'Emails in their calls.'],
    ['flip_ms', 'Time to set the leads active, in ms; 0 for a repeat.'],
    ['call_ms', 'Time until the provider had answered, in ms.'],
    ['attempts', 'Attempts so far, this one included.'],
  ],
} as const;

/** One value. `subjects` says which activations, webhooks, imports or settings it is about; it is not exported. */
export interface Sample {
  metric: MetricName;
  labels: Readonly<Record<string, string>>;
  value: number;
  subjects: readonly string[];
}

export interface Figures {
  nowMs: number;
  /** Null: the database does not answer. */
  database: (DatabaseFigures & { isRestoreOpen: boolean }) | null;
  /** Null: nobody asked the gate. */
  mailRatePercent: number | null;
  /** Null: no CRM is connected, or it does not say it. */
  crmAllowancePercent: number | null;
  /** Names of settings at fault. */
  faultySettings: readonly string[];
  /** The provider reports deliveries to this app. */
  hasReports: boolean;
}

/** So few emails may all be on their way still. */
const minSentCount = 20;
/** Providers report a delivery within seconds. */
const reportDelayMs = 30_000;
/** Waiting for a time that is known is no standstill. */
const plannedWaits: readonly (string | null)[] = ['window', 'wave', 'daily_cap'];

/** The samples of what is known; what nobody was asked for is missing. */
export function samplesOf({
  nowMs,
  database,
  mailRatePercent,
  crmAllowancePercent,
  faultySettings,
  hasReports,
}: Figures): Sample[] {
  const samples: Sample[] = [];
  const add = (
    metric: MetricName,
    value: number,
    subjects: readonly string[] = [],
    labels: Readonly<Record<string, string>> = {},
  ): void => void samples.push({ metric, labels, value, subjects });
  add('database_up', database === null ? 0 : 1);
  add('settings_faulty', faultySettings.length, faultySettings);
  if (mailRatePercent !== null) add('mail_rate_percent', mailRatePercent);
  if (database === null) return samples;

  const { activations, endpoints, imports, sweep, isRestoreOpen } = database;
  const open = activations.filter((one) => !isTerminal(one));
  const idsOf = (all: readonly ActivationFigures[]): string[] => all.map(({ sessionId }) => sessionId);
  const count = (
    metric: MetricName,
    label: string,
    values: readonly string[],
    of: (one: ActivationFigures) => string | null,
  ): void => {
    for (const value of values) {
      const found = open.filter((one) => of(one) === value);
      add(metric, found.length, idsOf(found), { [label]: value });
    }
  };
  count('activations', 'state', sessionStates, ({ state }) => state);
  count('activations_paused', 'reason', sessionReasons, ({ state, reason }) =>
    state === 'paused' ? reason : null,
  );
  count('activations_waiting', 'for', waitKinds, ({ state, waitingFor }) =>
    state === 'running' ? waitingFor : null,
  );

  const oldest = (metric: MetricName, ages: readonly { id: string; ageMs: number }[]): void => {
    const sorted = [...ages].sort((a, b) => b.ageMs - a.ageMs);
    add(
      metric,
      Math.max(0, (sorted[0]?.ageMs ?? 0) / 1_000),
      sorted.map(({ id }) => id),
    );
  };
  oldest(
    'activation_stalled_seconds',
    open
      // One that dies in its first slice never comes to be recorded as running.
      .filter(
        ({ state, waitingFor }) =>
          ['queued', 'running'].includes(state) && !plannedWaits.includes(waitingFor),
      )
      // A record that is older than its own wait: whoever should have gone on did not.
      .map((one) => ({
        id: one.sessionId,
        ageMs:
          nowMs - (one.stalledSince ?? Math.max(one.updatedAt, one.waitingUntil ?? 0, one.undoUntil ?? 0)),
      })),
  );
  oldest(
    'schedule_late_seconds',
    open
      .filter(({ state }) => state === 'scheduled')
      .map(({ sessionId: id, startAt }) => ({ id, ageMs: nowMs - (startAt ?? nowMs) })),
  );
  const awaited = open
    .filter(({ state, expiresAt }) => state === 'awaiting_approval' && expiresAt !== null)
    .sort((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0));
  const [first] = awaited;
  if (first !== undefined)
    add('approval_left_seconds', Math.max(0, ((first.expiresAt ?? 0) - nowMs) / 1_000), idsOf(awaited));

  const results = {
    sent: 'sent',
    failed: 'failed',
    unconfirmed: 'unknown',
    delivered: 'delivered',
    bounced: 'bounced',
    complained: 'complained',
  } as const;
  for (const [result, field] of Object.entries(results)) {
    const found = activations.filter((one) => one[field] > 0);
    const sum = found.reduce((total, one) => total + one[field], 0);
    add('emails', sum, idsOf(found), { result });
  }
  const silent = activations.filter(
    ({ sent, delivered, bounced, complained, startedAt }) =>
      hasReports &&
      sent >= minSentCount &&
      delivered + bounced + complained === 0 &&
      startedAt !== null &&
      nowMs - startedAt > reportDelayMs,
  );
  add('reports_silent_activations', silent.length, idsOf(silent));

  if (crmAllowancePercent !== null) add('crm_allowance_percent', crmAllowancePercent);

  const state = ({ isOff, disabledReason }: (typeof endpoints)[number]): string =>
    isOff ? (disabledReason === 'person' ? 'off' : 'failed') : 'on';
  for (const value of ['on', 'off', 'failed']) {
    const found = endpoints.filter((one) => state(one) === value);
    add(
      'endpoints',
      found.length,
      found.map(({ endpointId }) => endpointId),
      { state: value },
    );
  }
  oldest(
    'imports_silent_seconds',
    imports.map(({ importId: id, updatedAt }) => ({ id, ageMs: nowMs - updatedAt })),
  );
  add('restore_open', isRestoreOpen ? 1 : 0);
  if (sweep === null) return samples;
  add('sweep_age_seconds', Math.max(0, (nowMs - sweep.at) / 1_000));
  add('alarms_late', sweep.lateIds.length, sweep.lateIds);
  add('alarms_lost', sweep.lostIds.length, sweep.lostIds);
  add('activations_unreached', sweep.unreachedIds.length, sweep.unreachedIds);
  const { missingRecords } = sweep;
  if (missingRecords !== null) add('sender_records_missing', missingRecords.length, missingRecords);
  return samples;
}
