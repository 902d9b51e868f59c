/**
 * `lead-activation leads`: lists leads, a line each.
 *
 * @module
 */
import type { Schemas } from '../../../client/src/index.ts';
import { filterOf } from '../selection.ts';
import { formatCount } from '../terminal.ts';
import { UsageError, exitCodes } from '../usage.ts';
import { writeJson, type Call, type ExitCode } from './call.ts';

const defaultLimit = 50;
const maxPageSize = 500;

export async function leads({ client, options, terminal, signal }: Call): Promise<ExitCode> {
  const limit = options.limit === undefined ? defaultLimit : Number(options.limit);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new UsageError('--limit is a number of leads.');
  if (options.leads !== undefined) throw new UsageError('--leads is for preview and start.');
  const filter = filterOf(options);
  let left = limit;
  let cursor: string | null = null;
  do {
    const page: Schemas['LeadPage'] = await client.request('get', '/crm/leads', {
      query: { ...filter, limit: Math.min(left, maxPageSize), ...(cursor === null ? {} : { cursor }) },
      signal,
    });
    for (const lead of page.leads) {
      if (options.json === true) await writeJson(terminal, lead);
      else {
        const name = `${lead.firstName} ${lead.lastName}`.trim();
        await terminal.write(`${[lead.id, lead.status, lead.email, name, lead.company].join('\t')}\n`);
      }
    }
    left -= page.leads.length;
    cursor = page.nextCursor;
    if (left <= 0 || cursor === null) {
      const total = `${page.isTotalExact ? '' : 'at least '}${formatCount(page.total)}`;
      terminal.tell(`${formatCount(limit - left)} of ${total}`);
    }
  } while (left > 0 && cursor !== null);
  return exitCodes.ok;
}
