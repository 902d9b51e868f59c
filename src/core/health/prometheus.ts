/**
 * Metrics and alerts as Prometheus reads them.
 *
 * Pure. The text format is https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4, which every
 * Prometheus takes; the rules are https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/.
 *
 * @module
 */
import { alertIds, alerts, ruleText, type AlertRule } from './alerts.ts';
import { metricNames, metricPrefix, metrics, type Sample } from './metrics.ts';

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** The samples in the text format, each metric with its meaning and type before its values. */
export function exposition(samples: readonly Sample[]): string {
  const lines = metricNames.flatMap((metric) => {
    const own = samples.filter((sample) => sample.metric === metric);
    if (own.length === 0) return [];
    const name = `${metricPrefix}${metric}`;
    return [
      `# HELP ${name} ${helpText(metrics[metric].meaning)}`,
      `# TYPE ${name} gauge`,
      ...own.map(({ labels, value }) => `${name}${labelText(labels)} ${value}`),
    ];
  });
  return lines.map((line) => `${line}\n`).join('');
}

function helpText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${quoted(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function quoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/**
 * The alerts as a rule file. It is JSON in part, which is YAML too, so that no text has to be escaped in a second way.
 *
 * @param runbookUrl - the page with the runbooks, without a fragment
 */
export function alertingRules(runbookUrl: string): string {
  const rules = alertIds.flatMap((alertId) => {
    const { title, meaning, severity, ...condition }: AlertRule = alerts[alertId];
    const expr = ruleText({ title, meaning, severity, ...condition }, metricPrefix);
    return [
      `      - alert: ${alertId}`,
      `        expr: ${JSON.stringify(expr)}`,
      `        labels: { severity: ${severity} }`,
      `        annotations:`,
      `          summary: ${JSON.stringify(title)}`,
      `          description: ${JSON.stringify(meaning)}`,
      `          runbook_url: ${JSON.stringify(`${runbookUrl}#${alertId}`)}`,
    ];
  });
  return ['groups:', '  - name: lead-activation', '    rules:', ...rules, ''].join('\n');
}
