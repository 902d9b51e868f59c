/**
 * The rules of the platform that the simulator assumes (test/simulation/platform/assumptions.ts), on the real runtime.
 *
 * An object's death is `ctx.abort()`. A process that is killed is test/chaos/kill.ts.
 */
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { assumptions } from '../simulation/platform/assumptions.ts';
import { emptyCrm } from '../support/crm-database.ts';
import { freshSessionId, stubOf } from '../support/session-driver.ts';
import { ActivationSession } from '../support/worker.ts';

type Work<T> = (state: DurableObjectState, instance: ActivationSession) => T | Promise<T>;

let id: string;

/** Does something in the object. */
function inside<T>(work: Work<T>): Promise<T> {
  return runInDurableObject(stubOf(id), (instance, state) => work(state, instance));
}

/** Does something in the object, which dies of it. */
async function deadly(work: Work<unknown>): Promise<void> {
  const killed = inside(async (state, instance) => {
    await work(state, instance);
    state.abort('killed by the test');
    // Otherwise the answer could be sent before the object is gone.
    await new Promise(() => {});
  });
  await expect(killed).rejects.toThrow('killed by the test');
}

const insert = 'INSERT INTO probe (n) VALUES (?)';

const written = (): Promise<number[]> =>
  inside(({ storage }) =>
    storage.sql
      .exec<{ n: number }>('SELECT n FROM probe ORDER BY n')
      .toArray()
      .map(({ n }) => n),
  );

const alarmAt = (): Promise<number | null> => inside(({ storage }) => storage.getAlarm());

async function inCrm(): Promise<string[]> {
  const { results } = await env.DB.prepare('SELECT actor FROM probe ORDER BY actor').all<{ actor: string }>();
  return results.map(({ actor }) => actor);
}

const toCrm = (actor: string): D1PreparedStatement =>
  env.DB.prepare('INSERT INTO probe (actor) VALUES (?)').bind(actor);

/** Far enough ahead that it does not fire by itself. */
const later = (): number => Date.now() + 3_600_000;

beforeEach(async () => {
  id = freshSessionId();
  await emptyCrm();
  await env.DB.exec('CREATE TABLE IF NOT EXISTS probe (actor TEXT NOT NULL UNIQUE)');
  await env.DB.exec('DELETE FROM probe');
  await inside(({ storage }) => storage.sql.exec('CREATE TABLE probe (n INTEGER PRIMARY KEY, bits BLOB)'));
});

afterEach(async () => {
  vi.restoreAllMocks();
  await env.DB.exec('DROP TABLE probe');
});

/** Handles the object's next alarms by these, one after the other. */
function onAlarms(...handlers: ((state: DurableObjectState) => Promise<void>)[]): { count: number } {
  const fired = { count: 0 };
  vi.spyOn(ActivationSession.prototype, 'alarm').mockImplementation(async function (
    this: ActivationSession,
  ): Promise<void> {
    const handler = handlers[fired.count++];
    await handler?.((this as unknown as { ctx: DurableObjectState }).ctx);
  });
  return fired;
}

/** The platform repeats an alarm after two seconds. */
const patience = { timeout: 20_000, interval: 50 };

const shown: Record<keyof typeof assumptions, () => Promise<void>> = {
  async oneCommit() {
    await deadly(async ({ storage }) => {
      storage.sql.exec(insert, 1);
      storage.sql.exec(insert, 2);
      await storage.sync();
    });
    expect(await written()).toEqual([1, 2]);
  },

  async lostTogether() {
    await deadly(({ storage }) => {
      storage.sql.exec(insert, 1);
      storage.sql.exec(insert, 2);
    });
    expect(await written()).toEqual([]);
  },

  async transaction() {
    await inside(({ storage }) => {
      storage.sql.exec(insert, 1);
      const work = (): void => {
        storage.sql.exec(insert, 2);
        throw new Error('no');
      };
      expect(() => storage.transactionSync(work)).toThrow('no');
      storage.sql.exec(insert, 3);
    });
    expect(await written()).toEqual([1, 3]);
  },

  async outputGate() {
    await deadly(({ storage }) => {
      storage.sql.exec(insert, 1);
      void toCrm('held').run();
    });
    expect(await written()).toEqual([]);
    // A request of another, for the time that the first would have needed.
    await toCrm('later').run();
    expect(await inCrm()).toEqual(['later']);
  },

  async leftArrives() {
    await deadly(async ({ storage }) => {
      storage.sql.exec(insert, 1);
      void toCrm('left').run();
      // Its answer comes on the way back: by then the first has left.
      await toCrm('second').run();
    });
    expect(await written()).toEqual([1]);
    await vi.waitFor(async () => expect(await inCrm()).toEqual(['left', 'second']), patience);
  },

  async inputGate() {
    const order = async (wait: (state: DurableObjectState) => Promise<unknown>): Promise<string> => {
      const seen: string[] = [];
      await Promise.all([
        inside(async (state) => {
          seen.push('begin');
          for (let i = 0; i < 20; i++) await wait(state);
          seen.push('end');
        }),
        inside(() => void seen.push('other')),
      ]);
      return seen.join(' ');
    };
    expect(await order(({ storage }) => storage.getAlarm())).toBe('begin end other');
    expect(await order(() => env.DB.prepare('SELECT 1').all())).toBe('begin other end');
  },

  async maxParameters() {
    const isAmong = (count: number): string =>
      `SELECT 2 IN (${Array.from({ length: count }, () => '?').join()}) AS n`;
    const ones = (count: number): number[] => Array.from({ length: count }, () => 1);
    await inside(({ storage }) => {
      expect(storage.sql.exec(isAmong(100), ...ones(100)).one()).toEqual({ n: 0 });
      expect(() => storage.sql.exec(isAmong(101), ...ones(101))).toThrow('too many SQL variables');
    });
    expect(
      await env.DB.prepare(isAmong(100))
        .bind(...ones(100))
        .first('n'),
    ).toBe(0);
    const tooMany = async (): Promise<unknown> =>
      env.DB.prepare(isAmong(101))
        .bind(...ones(101))
        .first('n');
    await expect(tooMany()).rejects.toThrow('too many SQL variables');
  },

  async missingTable() {
    await inside(({ storage }) => {
      expect(() => storage.sql.exec('SELECT 1 FROM missing')).toThrow('no such table');
    });
  },

  async blobs() {
    await inside(({ storage }) => {
      storage.sql.exec('INSERT INTO probe (n, bits) VALUES (1, ?)', new Uint8Array([7, 8]));
      const { bits } = storage.sql.exec<{ bits: ArrayBuffer }>('SELECT bits FROM probe').one();
      expect(bits).toBeInstanceOf(ArrayBuffer);
      expect([...new Uint8Array(bits)]).toEqual([7, 8]);
    });
  },

  async deleteAll() {
    await inside(({ storage }) => void storage.sql.exec(insert, 1));
    const replace = (storage: DurableObjectStorage): Promise<void> => {
      const deleted = storage.deleteAll();
      storage.sql.exec('CREATE TABLE tombstone (n INTEGER)');
      return deleted;
    };
    const tables = (): Promise<unknown[]> =>
      inside(({ storage }) =>
        storage.sql
          .exec("SELECT name FROM sqlite_master WHERE name IN ('probe', 'tombstone')")
          .toArray()
          .map(({ name }) => name),
      );
    await deadly(({ storage }) => void replace(storage));
    expect(await tables()).toEqual([]);
    await deadly(async ({ storage }) => {
      await replace(storage);
      await storage.sync();
    });
    expect(await tables()).toEqual(['tombstone']);
    const farAway = Date.now() + 3_600_000;
    const alarmAfter = (isSetAgain: boolean): Promise<number | null> =>
      inside(async ({ storage }) => {
        await storage.setAlarm(farAway);
        const deleted = storage.deleteAll();
        if (isSetAgain) await storage.setAlarm(farAway + 1);
        await deleted;
        return storage.getAlarm();
      });
    expect(await alarmAfter(false)).toBeNull();
    expect(await alarmAfter(true)).toBe(farAway + 1);
  },

  async newInstance() {
    const mark = (instance: ActivationSession): { mark?: boolean } =>
      instance as unknown as { mark?: boolean };
    await inside(({ storage }, instance) => {
      storage.sql.exec(insert, 1);
      mark(instance).mark = true;
    });
    expect(await inside((_, instance) => mark(instance).mark)).toBe(true);
    await deadly(() => {});
    expect(await inside((_, instance) => mark(instance).mark)).toBeUndefined();
    expect(await written()).toEqual([1]);
    await inside((_, instance) => void (mark(instance).mark = true));
    await evictDurableObject(stubOf(id));
    expect(await inside((_, instance) => mark(instance).mark)).toBeUndefined();
  },

  async callFails() {
    let hasBegun = false;
    const failed = expect(
      inside(() => {
        hasBegun = true;
        return new Promise(() => {});
      }),
    ).rejects.toThrow('killed by the test');
    await vi.waitFor(() => expect(hasBegun).toBe(true), patience);
    await deadly(() => {});
    await failed;
  },

  async copies() {
    const kept: unknown[] = [];
    const given = { filter: { search: 'x' } };
    vi.spyOn(ActivationSession.prototype, 'original').mockImplementation((async (query: unknown) => {
      kept.push(query);
      return query;
    }) as never);
    const returned = await (stubOf(id) as unknown as ActivationSession).original(given as never);
    expect(returned).toEqual(given);
    expect(kept[0]).toEqual(given);
    expect(kept[0]).not.toBe(given);
    expect(returned).not.toBe(kept[0]);
  },

  async oneAlarm() {
    const at = later();
    await inside(({ storage }) => storage.setAlarm(at));
    await inside(({ storage }) => storage.setAlarm(at + 1));
    expect(await alarmAt()).toBe(at + 1);
    await inside(({ storage }) => storage.deleteAlarm());
    expect(await alarmAt()).toBeNull();
  },

  async alarmIsWrite() {
    const at = later();
    await deadly(({ storage }) => {
      storage.sql.exec(insert, 1);
      void storage.setAlarm(at);
    });
    expect(await alarmAt()).toBeNull();
    expect(await written()).toEqual([]);
    await deadly(async ({ storage }) => {
      storage.sql.exec(insert, 1);
      void storage.setAlarm(at);
      await storage.sync();
    });
    expect(await alarmAt()).toBe(at);
    expect(await written()).toEqual([1]);
  },

  async noAlarmMeanwhile() {
    const seen: (number | null)[] = [];
    const at = later();
    const fired = onAlarms(
      async ({ storage }) => void seen.push(await storage.getAlarm()),
      async ({ storage }) => {
        await storage.setAlarm(at);
        seen.push(await storage.getAlarm());
      },
    );
    await inside(({ storage }) => storage.setAlarm(Date.now()));
    await vi.waitFor(() => expect(fired.count).toBe(1), patience);
    expect(seen).toEqual([null]);
    expect(await alarmAt()).toBeNull();
    await inside(({ storage }) => storage.setAlarm(Date.now()));
    await vi.waitFor(() => expect(fired.count).toBe(2), patience);
    expect(seen).toEqual([null, at]);
    expect(await alarmAt()).toBe(at);
  },

  async alarmAfterDeath() {
    const fired = onAlarms(
      async (state) => {
        state.storage.sql.exec(insert, 1);
        await state.storage.sync();
        state.storage.sql.exec(insert, 2);
        state.abort('killed by the test');
        await new Promise(() => {});
      },
      async ({ storage }) => void storage.sql.exec(insert, 3),
    );
    await inside(({ storage }) => storage.setAlarm(Date.now()));
    await vi.waitFor(() => expect(fired.count).toBe(2), patience);
    expect(await written()).toEqual([1, 3]);
  },

  async alarmAfterError() {
    const fired = onAlarms(
      () => Promise.reject(new Error('The handler failed.')),
      async ({ storage }) => void storage.sql.exec(insert, 2),
    );
    await inside(({ storage }) => storage.setAlarm(Date.now()));
    await vi.waitFor(() => expect(fired.count).toBe(2), patience);
    expect(await written()).toEqual([2]);
    expect(await alarmAt()).toBeNull();
  },

  async batch() {
    await toCrm('before').run();
    await expect(env.DB.batch([toCrm('one'), toCrm('before'), toCrm('two')])).rejects.toThrow();
    expect(await inCrm()).toEqual(['before']);
  },

  async batchSeesItself() {
    const [, changes, count] = await env.DB.batch<{ n: number }>([
      toCrm('one'),
      env.DB.prepare('SELECT changes() AS n'),
      env.DB.prepare('SELECT count(*) AS n FROM probe'),
    ]);
    expect([changes?.results, count?.results]).toEqual([[{ n: 1 }], [{ n: 1 }]]);
  },

  async refusals() {
    await toCrm('twice').run();
    await expect(toCrm('twice').run()).rejects.toThrow(/D1_ERROR.*SQLITE_CONSTRAINT/);
  },
};

describe('the platform', () => {
  for (const [name, { rule, page }] of Object.entries(assumptions)) {
    it(`${rule} (${page})`, () => shown[name as keyof typeof shown](), 60_000);
  }
});
