/**
 * The alerts: what a person has to be told of, as rules over metrics, and which of them fire.
 *
 * One table; the minute cron judges by it, docs/OPERATIONS.md has a runbook for each, and Prometheus gets it as a file
 * (prometheus.ts). Pure.
 * Invariant: the product and Prometheus judge the same rule, because both come from here.
 *
 * @module
 */
import type { MetricName, Sample } from './metrics.ts';

export interface AlertRule {
  /** For people; the words of the app's screens. */
  title: string;
  /** What follows from it while nobody acts. */
  meaning: string;
  /** `critical`: mail stands still, or leaves wrongly. `warning`: it will, or is not as it should be. */
  severity: 'critical' | 'warning';
  metric: MetricName;
  /** Only samples with these labels count. */
  labels?: Readonly<Record<string, string>>;
  /** It fires while one sample is on this side of `limit`. */
  op: '>' | '<';
  limit: number;
}

const paused = (reason: string) =>
  ({ metric: 'activations_paused', labels: { reason }, op: '>', limit: 0 }) as const;
const waiting = (kind: string) =>
  ({ metric: 'activations_waiting', labels: { for: kind }, op: '>', limit: 0 }) as const;

/**
 * Every alert. Limits of time are short, because the product has waited itself before it writes what the metrics read:
 * a pause, a wait that is shown and a standstill are not the first second of a fault.
 */
export const alerts = {
  activation_stalled: {
    title: 'An activation makes no progress',
    meaning: 'It should send and does not. Nobody is mailed twice; the rest waits.',
    severity: 'critical',
    metric: 'activation_stalled_seconds',
    op: '>',
    limit: 40,
  },
  mail_unreachable: {
    title: 'The email provider does not answer',
    meaning: 'The activation is paused and tries again by itself, more and more rarely.',
    severity: 'critical',
    ...paused('mail_unreachable'),
  },
  mail_auth: {
    title: 'The email provider rejected the API key',
    meaning: 'The activation is paused until somebody corrects the key and resumes it.',
    severity: 'critical',
    ...paused('mail_auth'),
  },
  mail_quota: {
    title: 'The email provider’s quota is used up',
    meaning: 'The activation is paused until the provider’s allowance is larger or starts anew.',
    severity: 'critical',
    ...paused('mail_quota'),
  },
  mail_refused: {
    title: 'The email provider refuses the emails',
    meaning: 'The activation is paused: email after email was refused for its content.',
    severity: 'critical',
    ...paused('mail_refused'),
  },
  mail_throttled: {
    title: 'The email provider limits our rate',
    meaning: 'Answers with 429 have more than halved the rate. Emails leave, but late.',
    severity: 'warning',
    metric: 'mail_rate_percent',
    op: '<',
    limit: 50,
  },
  emails_unconfirmed: {
    title: 'Emails are unconfirmed',
    meaning: 'The provider may have taken them or not. They are not sent again by themselves.',
    severity: 'warning',
    metric: 'emails',
    labels: { result: 'unconfirmed' },
    op: '>',
    limit: 0,
  },
  reports_silent: {
    title: 'No delivery reports arrive',
    meaning: 'Emails leave, but bounces and complaints are not seen, so nothing pauses because of them.',
    severity: 'warning',
    metric: 'reports_silent_activations',
    op: '>',
    limit: 0,
  },
  bounce_rate: {
    title: 'Too many emails bounce',
    meaning: 'The activation is paused. Going on can cost the account at the provider.',
    severity: 'critical',
    ...paused('bounce_rate'),
  },
  complaint_rate: {
    title: 'Too many emails are marked as spam',
    meaning: 'The activation is paused. Going on can cost the account at the provider.',
    severity: 'critical',
    ...paused('complaint_rate'),
  },
  crm_unreachable: {
    title: 'The CRM does not answer',
    meaning: 'Activations wait for the connected CRM, or for our database, and go on by themselves.',
    severity: 'warning',
    ...waiting('crm'),
  },
  crm_auth: {
    title: 'The CRM rejected the key or a field',
    meaning: 'The activation is paused until somebody corrects the setting and resumes it.',
    severity: 'critical',
    ...paused('crm_auth'),
  },
  crm_allowance: {
    title: 'The CRM’s allowance is running out',
    meaning: 'Four fifths of the calls of a day are used. When all are, activations pause.',
    severity: 'warning',
    metric: 'crm_allowance_percent',
    op: '>',
    limit: 80,
  },
  crm_quota: {
    title: 'The CRM’s allowance is used up',
    meaning: 'The activation is paused until the CRM takes calls again and somebody resumes it.',
    severity: 'critical',
    ...paused('crm_quota'),
  },
  crm_refused: {
    title: 'The CRM refuses every record',
    meaning: 'The activation is paused: call after call was refused before one record was set.',
    severity: 'critical',
    ...paused('crm_refused'),
  },
  wave_held: {
    title: 'A wave broke a limit',
    meaning: 'The next wave waits until somebody releases it or cancels the activation.',
    severity: 'warning',
    metric: 'activations',
    labels: { state: 'wave_held' },
    op: '>',
    limit: 0,
  },
  daily_cap: {
    title: 'The daily cap is reached',
    meaning: 'The rest leaves from midnight UTC on.',
    severity: 'warning',
    ...waiting('daily_cap'),
  },
  approval_expires: {
    title: 'An approval is about to expire',
    meaning: 'Less than a day is left; then the activation is cancelled.',
    severity: 'warning',
    metric: 'approval_left_seconds',
    op: '<',
    limit: 86_400,
  },
  schedule_missed: {
    title: 'An activation missed its start',
    meaning: 'It is paused, because its time passed by more than an hour.',
    severity: 'warning',
    ...paused('schedule_missed'),
  },
  schedule_late: {
    title: 'An activation has not started at its time',
    meaning: 'It is still scheduled, although its time has passed.',
    severity: 'critical',
    metric: 'schedule_late_seconds',
    op: '>',
    limit: 30,
  },
  alarm_late: {
    title: 'An alarm was late',
    meaning: 'An activation was not woken at its time. The sweep set it going.',
    severity: 'warning',
    metric: 'alarms_late',
    op: '>',
    limit: 0,
  },
  alarm_lost: {
    title: 'An activation had no alarm',
    meaning: 'Nothing would have woken it. The sweep gave it one.',
    severity: 'warning',
    metric: 'alarms_lost',
    op: '>',
    limit: 0,
  },
  activation_unreached: {
    title: 'An activation does not answer',
    meaning: 'Its object, or the storage of it, is not available.',
    severity: 'critical',
    metric: 'activations_unreached',
    op: '>',
    limit: 0,
  },
  database_down: {
    title: 'The database does not answer',
    meaning: 'Activations wait and go on by themselves; pages show errors.',
    severity: 'critical',
    metric: 'database_up',
    op: '<',
    limit: 1,
  },
  sweep_stopped: {
    title: 'The sweep of each minute has stopped',
    meaning:
      'Lost alarms are not noticed, and the product sends no alerts. Only Prometheus and this page see it.',
    severity: 'critical',
    metric: 'sweep_age_seconds',
    op: '>',
    limit: 180,
  },
  endpoint_failed: {
    title: 'A webhook was switched off',
    meaning: 'Its receiver gets no events. They are kept.',
    severity: 'warning',
    metric: 'endpoints',
    labels: { state: 'failed' },
    op: '>',
    limit: 0,
  },
  settings_faulty: {
    title: 'A setting is missing or cannot be read',
    meaning: 'No activation starts, or the default counts in its place.',
    severity: 'critical',
    metric: 'settings_faulty',
    op: '>',
    limit: 0,
  },
  sender_dns: {
    title: 'DNS records of the sender are missing',
    meaning: 'Large mailbox providers refuse bulk email without them.',
    severity: 'critical',
    metric: 'sender_records_missing',
    op: '>',
    limit: 0,
  },
  import_stuck: {
    title: 'An import has stopped',
    meaning: 'Its file was not read to the end. Rows that are in stay.',
    severity: 'warning',
    metric: 'imports_silent_seconds',
    op: '>',
    limit: 40,
  },
  restore_open: {
    title: 'A restored database is not reconciled',
    meaning: 'No activation starts, and running ones wait.',
    severity: 'critical',
    metric: 'restore_open',
    op: '>',
    limit: 0,
  },
} as const satisfies Record<string, AlertRule>;

export type AlertId = keyof typeof alerts;
export const alertIds = Object.keys(alerts) as AlertId[];

/** An alert that fires now. */
export interface FiringAlert {
  alertId: AlertId;
  value: number;
  /** What it is about: ids of activations, webhooks or imports, or names of settings or records. */
  subjects: readonly string[];
}

/** True for an id of the table; the database may have others, of a later version. */
export function isAlertId(text: string): text is AlertId {
  return Object.hasOwn(alerts, text);
}

/** The alerts that fire, in the order of the table. A metric without a sample fires nothing. */
export function firingAlerts(samples: readonly Sample[]): FiringAlert[] {
  return alertIds.flatMap((alertId) => {
    const rule: AlertRule = alerts[alertId];
    const sample = samples.find((one) => isOf(rule, one));
    if (sample === undefined) return [];
    const { value } = sample;
    const isFiring = rule.op === '>' ? value > rule.limit : value < rule.limit;
    return isFiring ? [{ alertId, value, subjects: sample.subjects }] : [];
  });
}

function isOf({ metric, labels = {} }: AlertRule, sample: Sample): boolean {
  return (
    sample.metric === metric &&
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  );
}

/** The rule as people and Prometheus read it. */
export function ruleText(rule: AlertRule, prefix = ''): string {
  const labels = Object.entries(rule.labels ?? {}).map(([label, value]) => `${label}="${value}"`);
  return `${prefix}${rule.metric}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${rule.op} ${rule.limit}`;
}
