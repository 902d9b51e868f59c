import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeConfig, readConfig } from '../../scripts/lib/deploy/config.ts';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { alertIds, alerts, firingAlerts, ruleText, type AlertRule } from '../../src/core/health/alerts.ts';
import {
  batchPoint,
  metricNames,
  metrics,
  samplesOf,
  type Figures,
  type Sample,
} from '../../src/core/health/metrics.ts';
import { alertingRules, exposition } from '../../src/core/health/prometheus.ts';
import { BatchPoints, maxSinglePointCount, type BatchPoint } from '../../src/runtime/metric-points.ts';
import { allowancePercent } from '../../src/shared/crm.ts';
import type { ActivationFigures } from '../../src/shared/health.ts';
import { readRunbooks } from '../support/runbook.ts';

const page = readFileSync(join(projectRoot, 'docs/OPERATIONS.md'), 'utf8');
const between = (name: string): string[] => {
  const [, text = ''] = new RegExp(`<!-- ${name} -->\\n([\\s\\S]*?)<!-- /${name} -->`).exec(page) ?? [];
  return text.trim().split('\n').slice(2);
};

const nowMs = 1_800_000_000_000;

const activation = (change: Partial<ActivationFigures> = {}): ActivationFigures => ({
  ...{ sessionId: 'activation_1', state: 'running', reason: null, waitingFor: null, waitingUntil: null },
  ...{
    stalledSince: null,
    undoUntil: null,
    updatedAt: nowMs,
    startedAt: nowMs,
    finishedAt: null,
    startAt: null,
  },
  ...{ expiresAt: null, sent: 0, failed: 0, unknown: 0, delivered: 0, bounced: 0, complained: 0 },
  ...change,
});

function samples(
  activations: readonly ActivationFigures[],
  change: Partial<Figures> = {},
  database: Partial<NonNullable<Figures['database']>> = {},
): Sample[] {
  const none = { endpoints: [], imports: [], crmAllowances: [], sweep: null, isRestoreOpen: false };
  return samplesOf({
    ...{ nowMs, mailRatePercent: 100, crmAllowancePercent: 10, faultySettings: [], hasReports: true },
    database: { activations, ...none, ...database },
    ...change,
  });
}

const firing = (...given: Parameters<typeof samples>): string[] =>
  firingAlerts(samples(...given)).map(({ alertId }) => alertId);

describe('the metrics', () => {
  it('are those of docs/OPERATIONS.md', () => {
    expect(between('metrics')).toEqual(
      metricNames.map((name) => {
        const { labels, unit, meaning } = metrics[name];
        return `| \`${name}\` | ${labels.map((label) => `\`${label}\``).join(', ')} | ${unit} | ${meaning} |`;
      }),
    );
    expect(between('points')).toEqual([
      ...batchPoint.blobs.map(([name, meaning], at) => `| \`blob${at + 1}\` | ${name} | ${meaning} |`),
      ...batchPoint.doubles.map(([name, meaning], at) => `| \`double${at + 1}\` | ${name} | ${meaning} |`),
    ]);
  });

  it('are all made, with the labels of the table and never an id', () => {
    const sweep = { at: nowMs, lateIds: [], lostIds: [], unreachedIds: [], missingRecords: [] };
    const waiting = activation({ state: 'awaiting_approval', expiresAt: nowMs + 1_000 });
    const made = samples([activation(), waiting], {}, { sweep });
    expect(new Set(made.map(({ metric }) => metric))).toEqual(new Set(metricNames));
    for (const { metric, labels } of made) expect(Object.keys(labels)).toEqual(metrics[metric].labels);
    expect(exposition(made)).not.toContain('activation_1');
  });

  it('are in the text format of Prometheus', () => {
    const text = exposition([
      { metric: 'activations', labels: { state: 'a"b\\c\nd' }, value: 2, subjects: [] },
      { metric: 'database_up', labels: {}, value: 1, subjects: [] },
    ]);
    expect(text).toBe(
      [
        `# HELP lead_activation_database_up ${metrics.database_up.meaning}`,
        '# TYPE lead_activation_database_up gauge',
        'lead_activation_database_up 1',
        `# HELP lead_activation_activations ${metrics.activations.meaning}`,
        '# TYPE lead_activation_activations gauge',
        String.raw`lead_activation_activations{state="a\"b\\c\nd"} 2`,
        '',
      ].join('\n'),
    );
  });

  it('are few where the database is down', () => {
    const down = samples([], { database: null }).map(({ metric }) => metric);
    expect(down).toEqual(['database_up', 'settings_faulty', 'mail_rate_percent']);
  });
});

describe('the points of batches', () => {
  const point = (outcome: string): BatchPoint => ({
    ...{ provider: 'resend', outcome, batches: 1, emails: 100, flip_ms: 5, call_ms: 20, attempts: 1 },
  });

  it('are fewer than an invocation may write, and lose nothing', () => {
    const written: { indexes: string[]; blobs: string[]; doubles: number[] }[] = [];
    const points = new BatchPoints({ writeDataPoint: (one) => written.push(one) }, 'activation_1');
    for (let batch = 0; batch < 1_600; batch++)
      points.add(point(batch % 10 === 0 ? 'throttled' : 'accepted'));
    points.end();
    expect(written).toHaveLength(maxSinglePointCount + 2);
    expect(written.length).toBeLessThan(250);
    const sum = (at: number): number => written.reduce((total, { doubles }) => total + (doubles[at] ?? 0), 0);
    expect([sum(0), sum(1)]).toEqual([1_600, 160_000]);
    expect(written[0]).toEqual({
      indexes: ['activation_1'],
      blobs: ['resend', 'throttled'],
      doubles: [1, 100, 5, 20, 1],
    });
    // The limits of one point.
    expect(batchPoint.blobs.length).toBeLessThanOrEqual(20);
    expect(batchPoint.doubles.length).toBeLessThanOrEqual(20);
  });
});

describe('the alerts', () => {
  it('have a runbook each in docs/OPERATIONS.md, with the rule, and at least one step', () => {
    const runbooks = readRunbooks(page);
    expect(runbooks.map(({ alertId }) => alertId)).toEqual(alertIds);
    for (const { alertId, summary, steps } of runbooks) {
      const rule: AlertRule = alerts[alertId as keyof typeof alerts];
      const { title, severity, meaning } = rule;
      expect(summary).toBe(`**${title}** (${severity}): \`${ruleText(rule)}\`. ${meaning}`);
      expect([alertId, steps.length]).not.toEqual([alertId, 0]);
    }
  });

  it('watch metrics and labels that exist', () => {
    for (const alertId of alertIds) {
      const { metric, labels = {} }: AlertRule = alerts[alertId];
      expect(Object.keys(labels)).toEqual(metrics[metric].labels);
    }
  });

  it('do not fire while all is well, or nothing is known', () => {
    expect(firing([activation()])).toEqual([]);
    expect(firing([])).toEqual([]);
    expect(firingAlerts([])).toEqual([]);
  });

  it('fire for an activation that stands still, and not for one that waits for a time', () => {
    const old = { updatedAt: nowMs - 41_000 };
    expect(firing([activation(old)])).toEqual(['activation_stalled']);
    expect(firing([activation({ ...old, state: 'queued' })])).toEqual(['activation_stalled']);
    expect(firing([activation({ ...old, state: 'queued', undoUntil: nowMs + 500_000 })])).toEqual([]);
    for (const waitingFor of ['window', 'wave'])
      expect(firing([activation({ ...old, waitingFor })])).toEqual([]);
    expect(firing([activation({ ...old, state: 'paused', reason: 'user' })])).toEqual([]);
    expect(firing([activation({ ...old, waitingUntil: nowMs - 10_000 })])).toEqual([]);
  });

  it('fire for a pause by its reason, and name the activation', () => {
    const paused = activation({ state: 'paused', reason: 'mail_auth' });
    expect(firingAlerts(samples([activation({ sessionId: 'activation_2' }), paused]))).toEqual([
      { alertId: 'mail_auth', value: 1, subjects: ['activation_1'] },
    ]);
  });

  it('fire for silence only where reports are expected and enough was sent', () => {
    const silent = activation({ state: 'completed', finishedAt: nowMs, startedAt: nowMs - 31_000, sent: 20 });
    expect(firing([silent])).toEqual(['reports_silent']);
    expect(firing([{ ...silent, delivered: 1 }])).toEqual([]);
    expect(firing([{ ...silent, sent: 19 }])).toEqual([]);
    expect(firing([silent], { hasReports: false })).toEqual([]);
  });

  it('fire for an approval in its last day, a late start, a stuck import and a failed webhook', () => {
    const awaiting = activation({ state: 'awaiting_approval', expiresAt: nowMs + 86_399_000 });
    expect(firing([awaiting])).toEqual(['approval_expires']);
    expect(firing([{ ...awaiting, expiresAt: nowMs + 86_401_000 }])).toEqual([]);
    expect(firing([activation({ state: 'scheduled', startAt: nowMs - 31_000 })])).toEqual(['schedule_late']);
    expect(firing([], {}, { imports: [{ importId: 'import_1', updatedAt: nowMs - 41_000 }] })).toEqual([
      'import_stuck',
    ]);
    const endpoint = { endpointId: 'we_1', isOff: true };
    expect(firing([], {}, { endpoints: [{ ...endpoint, disabledReason: 'gone' }] })).toEqual([
      'endpoint_failed',
    ]);
    expect(firing([], {}, { endpoints: [{ ...endpoint, disabledReason: 'person' }] })).toEqual([]);
  });

  it('fire before the allowance of a CRM is used up, and not for what it said a day ago', () => {
    expect(firing([], { crmAllowancePercent: 80 })).toEqual([]);
    expect(firing([], { crmAllowancePercent: 80.1 })).toEqual(['crm_allowance']);
    expect(firing([], { crmAllowancePercent: null })).toEqual([]);
    const said = { usedCount: 90, maxCount: 100, at: nowMs };
    expect(allowancePercent(said, nowMs + 86_400_000)).toBe(90);
    expect(allowancePercent(said, nowMs + 86_400_001)).toBeNull();
  });

  it('become rules of Prometheus, each with its runbook', () => {
    const text = alertingRules('https://docs.acme.example/operations');
    expect(text.match(/^ {6}- alert: /gm)).toHaveLength(alertIds.length);
    expect(text).toContain(
      [
        '      - alert: mail_auth',
        String.raw`        expr: "lead_activation_activations_paused{reason=\"mail_auth\"} > 0"`,
        '        labels: { severity: critical }',
      ].join('\n'),
    );
    expect(text).toContain('runbook_url: "https://docs.acme.example/operations#mail_auth"');
  });
});

describe('a deploy with monitoring', () => {
  const base = readConfig(readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8'));
  const configOf = (vars: Record<string, string>) =>
    makeConfig(base, {
      accountId: null,
      names: { worker: 'la', database: 'la' },
      ...{ databaseId: 'id', vars, workersDev: true, crons: [], rateLimits: {}, sendEmail: [] },
      migrationsFolder: 'migrations',
    });

  it('binds the dataset and names the destination of the log, and keeps the platform’s traces off', () => {
    const config = configOf({ METRICS_DATASET: 'batches', LOGS_DESTINATION: 'grafana-logs' });
    expect(config.analytics_engine_datasets).toEqual([{ binding: 'METRICS', dataset: 'batches' }]);
    expect(config.observability).toMatchObject({
      logs: { enabled: true, invocation_logs: false, destinations: ['grafana-logs'] },
      traces: { enabled: false },
    });
  });

  it('binds nothing by itself', () => {
    expect(configOf({})).not.toHaveProperty('analytics_engine_datasets');
    expect(configOf({}).observability).toEqual(base.observability);
  });
});
