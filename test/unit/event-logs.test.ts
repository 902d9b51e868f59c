/**
 * Two machines with one seed have the same event logs, byte for byte: this one, and the one of docs/PROOF.md.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { readRecord, runEventLogs, sourcesHere, type Surroundings } from '../simulation/event-logs.ts';

const { eventLogs, ...recorded } = readRecord(readFileSync(join(projectRoot, 'docs/PROOF.md'), 'utf8'));
const here = sourcesHere();
const isRecorded = here.sources === recorded.sources && here.node === recorded.node;

/** A few seconds, and more on a busy machine. */
const timeoutMs = 120_000;
const europe: Surroundings = { cwd: projectRoot, env: { TZ: 'UTC', LANG: 'C', LC_ALL: 'C' } };
const pacific: Surroundings = {
  cwd: tmpdir(),
  env: { TZ: 'Pacific/Kiritimati', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' },
};

it(
  isRecorded
    ? 'the event logs are those of docs/PROOF.md, in each time zone, language and folder'
    : 'the event logs are the same in each time zone, language and folder. Sources or Node have changed since docs/PROOF.md: npm run proof -- --event-logs renews its record',
  async () => {
    const [one, other] = await Promise.all([runEventLogs(europe), runEventLogs(pacific)]);
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(other).toBe(one);
    if (isRecorded) expect(one).toBe(eventLogs);
  },
  timeoutMs,
);
