/**
 * Mail days: on which day the mails of a session left, and how many of each day's bounced or were reported as spam.
 *
 * For the warm-up (limits/warm-up.ts), to which a bounce counts for the day of its mail, however late it comes. Leads are
 * mailed in the order of their ids, so a day is a range of ids, as a wave is, and no row says it for each lead. A mail
 * that a person has repeated counts for the day of its first attempt.
 *
 * @module
 */
/** The mails that left on one UTC day. */
export interface MailDay {
  /** Days since 1970. */
  day: number;
  /** The first lead that was mailed on it; those before it were mailed earlier. */
  fromLeadId: number;
  bounced: number;
  complained: number;
  /** The warm-up knows these figures. */
  isTold: boolean;
}

interface WithMailDays {
  mailDays: readonly MailDay[] | null;
}

/** The warm-up looks no further back. */
const maxDayCount = 14;

/** Notes that mails left on `day`, the first of them to this lead. The same session when it is known. */
export function noteMailDay<S extends WithMailDays>(session: S, day: number, leadId: number): S {
  const days = session.mailDays ?? [];
  const last = days.at(-1);
  if (last !== undefined && (day < last.day || leadId < last.fromLeadId)) {
    // Batches that leave at the same time are not in order.
    const isEarlier = day === last.day && leadId < last.fromLeadId;
    return isEarlier
      ? { ...session, mailDays: [...days.slice(0, -1), { ...last, fromLeadId: leadId }] }
      : session;
  }
  if (last?.day === day) return session;
  const added: MailDay = { day, fromLeadId: leadId, bounced: 0, complained: 0, isTold: true };
  return { ...session, mailDays: [...days, added].slice(-maxDayCount) };
}

/** Adds the events of leads to the days of their mails. The same session where it has no such day. */
export function countOnMailDays<S extends WithMailDays>(
  session: S,
  events: readonly { leadId: number; bounced: number; complained: number }[],
): S {
  let days: readonly MailDay[] | null = session.mailDays;
  if (days === null) return session;
  for (const { leadId, bounced, complained } of events) {
    if (bounced + complained === 0) continue;
    const of: MailDay | undefined = days.findLast(({ fromLeadId }) => fromLeadId <= leadId);
    days = days.map((one) =>
      one === of
        ? { ...one, bounced: one.bounced + bounced, complained: one.complained + complained, isTold: false }
        : one,
    );
  }
  return days === session.mailDays ? session : { ...session, mailDays: days };
}

/** Notes that the warm-up knows these figures; a day that has changed meanwhile is told once more. */
export function toldMailDays<S extends WithMailDays>(session: S, told: readonly MailDay[]): S {
  const days = session.mailDays?.map((one) =>
    told.some(
      ({ day, bounced, complained }) =>
        day === one.day && bounced === one.bounced && complained === one.complained,
    )
      ? { ...one, isTold: true }
      : one,
  );
  return days === undefined ? session : { ...session, mailDays: days };
}
