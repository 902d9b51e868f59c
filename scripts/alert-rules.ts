/**
 * `npm run -s alerts [-- URL]`: the alerts as a rule file of Prometheus, on standard output.
 *
 * The URL is where your people read docs/OPERATIONS.md; each alert links to its runbook there.
 *
 * @module
 */
import { alertingRules } from '../src/core/health/prometheus.ts';

process.stdout.write(alertingRules(process.argv[2] ?? 'docs/OPERATIONS.md'));
