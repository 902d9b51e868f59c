/**
 * Which leads a command means, from its options.
 *
 * @module
 */
import type { Schemas } from '../../client/src/index.ts';
import { UsageError } from './usage.ts';

export interface SelectionOptions {
  leads?: string | undefined;
  status?: string | undefined;
  search?: string | undefined;
  source?: string | undefined;
  stage?: string | undefined;
  import?: string | undefined;
}

export type Filter = Schemas['LeadFilter'];

/** The filter that the options say; without any it is empty, which means every lead. */
export function filterOf(options: SelectionOptions): Filter {
  const { status, search, source, stage } = options;
  if (status !== undefined && status !== 'new' && status !== 'active') {
    throw new UsageError('--status is new or active.');
  }
  return {
    ...(status === undefined ? {} : { status }),
    ...(search === undefined ? {} : { search }),
    ...(source === undefined ? {} : { source }),
    ...(stage === undefined ? {} : { stage }),
    ...(options.import === undefined ? {} : { importId: options.import }),
  };
}

/**
 * Whom an activation is for.
 *
 * @throws UsageError where nothing is named: every lead is never meant by saying nothing
 */
export function audienceOf(options: SelectionOptions): Schemas['Audience'] {
  const filter = filterOf(options);
  if (options.leads === undefined) {
    if (Object.keys(filter).length === 0) {
      throw new UsageError('Say who is meant: --leads 1,2,3 or, for every new lead, --status new.');
    }
    return { filter };
  }
  if (Object.keys(filter).length > 0) throw new UsageError('Say --leads or a filter, not both.');
  const leadIds = options.leads.split(',').map((word) => Number(word.trim()));
  if (!leadIds.every((id) => Number.isSafeInteger(id) && id > 0)) {
    throw new UsageError('--leads is a list of ids: 1,2,3.');
  }
  return { leadIds };
}
