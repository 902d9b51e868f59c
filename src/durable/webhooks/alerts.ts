/**
 * Alerts as events for endpoints: they come from the database, in pages by number as those of a session do.
 *
 * @module
 */
import { alerts, isAlertId } from '../../core/health/alerts.ts';
import { alertsAfter, lastAlert } from '../../crm/health.ts';
import type { OutEvent } from '../../shared/events.ts';
import type { EventAnswer, EventQuery } from '../session/events.ts';

const maxPageCount = 100;

/** The next alerts that fired or ended, or those of a page again. */
export async function alertPage(
  db: D1Database,
  { afterSeq, untilSeq, since }: EventQuery,
): Promise<EventAnswer> {
  const rows = await alertsAfter(db, { afterSeq, untilSeq, limit: maxPageCount });
  const last = await lastAlert(db);
  const events = rows
    .filter(({ at }) => at >= since)
    .flatMap(({ seq, at, alertId, state, value }): OutEvent[] => {
      // Of a later version, before a rollback.
      if (!isAlertId(alertId)) return [];
      const { title, severity } = alerts[alertId];
      return [{ type: `alert.${state}`, at, data: { alertId, title, severity, sequence: seq, value } }];
    });
  return {
    until: untilSeq ?? rows.at(-1)?.seq ?? afterSeq,
    events: JSON.stringify(events),
    lastSeq: last?.seq ?? afterSeq,
  };
}
