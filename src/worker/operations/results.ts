/**
 * Results per lead, in pages and as CSV.
 *
 * Owns the join of a session's results with the leads as they are now: a session has the address of a lead that it
 * mailed, but only the id of one that it skipped.
 *
 * @module
 */
import { decodeCursor, encodeCursor } from '../../crm/cursor.ts';
import type { ActivationSession, ResultCursor, ResultQuery } from '../../durable/activation-session.ts';
import { leadNames } from '../../crm/leads/lead.ts';
import { limits } from '../../shared/limits.ts';
import type { LeadResult, LeadResultPage } from '../../shared/schemas/activation.ts';
import { csvStream, type Cell } from '../http/csv-stream.ts';
import { Refusal } from '../http/problem.ts';

type Session = DurableObjectStub<ActivationSession>;
type Filter = Pick<ResultQuery, 'activation' | 'email'>;

/** One page, with names and addresses; an erased lead has neither. */
export async function resultPage(
  env: Env,
  session: Session,
  query: Filter & { cursor: string | null; limit: number },
): Promise<LeadResultPage> {
  const page = await session.results({ ...query, cursor: readResultCursor(query.cursor) });
  if (page === null) throw new Refusal('session_not_found');
  return {
    leads: await withNames(env, page.leads),
    nextCursor: page.next === null ? null : encodeCursor([page.next.seq, page.next.index]),
  };
}

const columns = [
  'leadId',
  'email',
  'name',
  'activation',
  'skipReason',
  'emailState',
  'code',
  'message',
  'messageId',
] as const satisfies (keyof LeadResult)[];

/** All results as CSV. */
export function csvOfResults(env: Env, session: Session, filter: Filter): ReadableStream<Uint8Array> {
  return csvStream(columns, pagesOfResults(env, session, filter));
}

async function* pagesOfResults(env: Env, session: Session, filter: Filter): AsyncGenerator<Cell[][], void> {
  let cursor: ResultCursor | null = null;
  do {
    const page: Awaited<ReturnType<Session['results']>> = await session.results({
      ...filter,
      cursor,
      limit: limits.maxPageLeadCount,
    });
    if (page === null) return;
    const leads = await withNames(env, page.leads);
    yield leads.map((lead) => columns.map((column) => lead[column]));
    cursor = page.next;
  } while (cursor !== null);
}

/**
 * The position in a session's results that a cursor names.
 *
 * @throws Refusal for a cursor that the list did not give out
 */
export function readResultCursor(cursor: string | null): ResultCursor | null {
  if (cursor === null) return null;
  const [seq, index, ...rest] = decodeCursor(cursor) ?? [];
  const isIndex = (part: unknown): part is number => Number.isSafeInteger(part) && Number(part) >= 0;
  if (!isIndex(seq) || !isIndex(index) || rest.length > 0) throw new Refusal('invalid_cursor');
  return { seq, index };
}

async function withNames(env: Env, results: readonly LeadResult[]): Promise<LeadResult[]> {
  const nameless = results.filter((result) => result.email === null).map((result) => result.leadId);
  if (nameless.length === 0) return [...results];
  const names = await leadNames(env.DB, nameless);
  return results.map((result) => {
    const known = result.email === null ? names.get(result.leadId) : undefined;
    return known === undefined ? result : { ...result, ...known };
  });
}
