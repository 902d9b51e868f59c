/**
 * The wire contract of alerts.
 *
 * @module
 */
import { z } from 'zod';
import { timeMs } from './common.ts';

export const alertSchema = z
  .object({
    alertId: z.string().meta({ description: 'docs/OPERATIONS.md has a runbook under this id.' }),
    title: z.string(),
    meaning: z.string().meta({ description: 'What follows while nobody acts.' }),
    severity: z.enum(['critical', 'warning']),
    rule: z.string().meta({ description: 'The metric and its limit.' }),
    value: z.number().meta({ description: 'The value of the metric now.' }),
    since: timeMs
      .nullable()
      .meta({ description: 'Since when it fires; null: the check of each minute has not seen it yet.' }),
    subjects: z.array(z.string()).meta({
      description:
        'What it is about, ten at most: ids of activations, webhooks or imports, names of settings or DNS records.',
    }),
  })
  .meta({ id: 'Alert' });

/** `GET /crm/alerts`. */
export const alertsSchema = z
  .object({ checkedAt: timeMs, alerts: z.array(alertSchema) })
  .meta({ id: 'Alerts' });
export type Alerts = z.infer<typeof alertsSchema>;
