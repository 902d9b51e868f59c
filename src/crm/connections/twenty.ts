/**
 * Twenty: people by id, 60 a call.
 *
 * `PATCH /rest/people?filter=id[in]:[…]` sets the same fields of all that match and answers with them
 * (https://docs.twenty.com/developers/extend/api: 60 records a request, 100 requests a minute; the route is
 * `rest-api-update-many` in github.com/twentyhq/twenty). Without a filter it would change every person, so a call without ids is
 * never made, and only ids in the form of a UUID go into the filter. A person who is not in the answer is not there.
 *
 * @module
 */
import { z } from 'zod';
import type { PushOutcome, RecordRefusal } from '../../core/crm/push.ts';
import { property } from '../../runtime/answer.ts';
import type { CrmPort, SetCall } from '../port.ts';
import { CrmAdapter } from './adapter.ts';
import {
  auth,
  callCrm,
  crmError,
  readCrmTable,
  testOutcome,
  unreadable,
  withRecordIds,
  type CrmAnswer,
  type CrmRule,
} from './call.ts';
import type { CrmConnection } from './connection.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const updated = z.object({ data: z.object({ updatePeople: z.array(z.object({ id: z.string() })) }) });

/** Errors are `{ statusCode, error, messages }`. */
const table: readonly CrmRule[] = [{ status: [400, 401, 403, 404], outcome: auth }];

class Twenty extends CrmAdapter implements CrmPort {
  set({ set, records: all, signal, mayLeave }: SetCall): Promise<PushOutcome> {
    return withRecordIds(all, uuid, async (records) => {
      const filter = `id[in]:[${records.map(({ recordId }) => recordId).join(',')}]`;
      const reply = await callCrm(this.effects, {
        method: 'PATCH',
        url: `${this.config.apiUrl}/rest/people?${new URLSearchParams({ depth: '0', filter }).toString()}`,
        headers: this.#headers,
        body: JSON.stringify(set),
        ...{ signal, mayLeave },
      });
      return reply.kind === 'answered' ? readUpdated(reply.answer, records) : reply;
    });
  }

  async test(signal: AbortSignal): ReturnType<CrmPort['test']> {
    // A field that is not there is answered with 400: the same documentation, *Selecting fields*.
    const fields = ['id', ...Object.keys(this.target.active)].join(',');
    const query = new URLSearchParams({ limit: '1', depth: '0', fields });
    const url = `${this.config.apiUrl}/rest/people?${query.toString()}`;
    return testOutcome(
      await callCrm(this.effects, { method: 'GET', url, headers: this.#headers, signal }),
      errorOf,
    );
  }

  get #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.config.apiKey}` };
  }
}

function readUpdated(answer: CrmAnswer, records: SetCall['records']): PushOutcome {
  if (answer.status !== 200) return errorOf(answer);
  const parsed = updated.safeParse(answer.body);
  if (!parsed.success) return unreadable;
  const done = new Set(parsed.data.data.updatePeople.map(({ id }) => id.toLowerCase()));
  const refusals = records.flatMap(({ recordId }, index): RecordRefusal[] =>
    done.has(recordId)
      ? []
      : [
          {
            index,
            code: 'not_found',
            message: 'Twenty has no person with this id, or the key may not change it.',
          },
        ],
  );
  return { kind: 'set', refusals };
}

function errorOf(answer: CrmAnswer): PushOutcome {
  const { body } = answer;
  const messages = property(body, 'messages');
  const message: unknown = Array.isArray(messages) ? messages[0] : property(body, 'message');
  return readCrmTable(table, crmError(answer, property(body, 'error'), message));
}

export const twenty: CrmConnection = {
  name: 'twenty',
  title: 'Twenty',
  // Of one's own server, or https://api.twenty.com.
  apiUrl: null,
  source: 'twenty',
  field: 'leadActivation',
  usualFields: {},
  // 100 calls in a minute; evenly spaced ones that arrive up to half a second late stay below that.
  ratePerSecond: 1.64,
  maxBatch: 60,
  port: (config, effects) => new Twenty(config, effects),
};
