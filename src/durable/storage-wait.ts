/**
 * Waiting inside an alarm for storage that takes no write.
 *
 * A handler that throws uses one of the six repeats that the platform gives an alarm, and then the alarm is gone
 * (https://developers.cloudflare.com/durable-objects/api/alarms/). One that waits uses none, and goes on within a second
 * after storage is back.
 *
 * @module
 */
import { classifyFault, faultText } from '../runtime/faults.ts';
import type { LogFields, LogLevel } from '../runtime/log.ts';

/** How soon the write is tried again. */
const storageRetryMs = 1_000;
/** Shorter than the 15 minutes that the platform gives an alarm. */
const maxStorageWaitMs = 600_000;

/**
 * Does the first write of an alarm, as often as it takes.
 *
 * @throws when storage has been away for too long, or this object is being replaced
 */
export async function onceStorageIsThere<T>(
  {
    sleep,
    log,
  }: {
    sleep: (ms: number) => Promise<void>;
    log: (level: LogLevel, event: string, fields: LogFields) => void;
  },
  write: () => Promise<T>,
): Promise<T> {
  for (let waitedMs = 0; ; waitedMs += storageRetryMs) {
    try {
      return await write();
    } catch (error) {
      const { kind } = classifyFault(error);
      const isPassing = kind === 'storage' || kind === 'transient';
      if (!isPassing || waitedMs >= maxStorageWaitMs) throw error;
      if (waitedMs === 0) log('warn', 'storage_away', { error: faultText(error) });
    }
    await sleep(storageRetryMs);
  }
}
