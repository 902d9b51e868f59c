import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../scripts/lib/local-state.ts';
import { workerPaths } from '../../src/worker/http/app-files.ts';

describe('wrangler.toml', () => {
  const config = readFileSync(join(projectRoot, 'wrangler.toml'), 'utf8');

  it('lets the Worker answer the same paths as in local development', () => {
    const list = /^run_worker_first = (\[.*\])$/m.exec(config)?.[1] ?? '';
    expect(JSON.parse(list)).toEqual(workerPaths);
  });

  it('sets neither LOCAL_PERSON nor a simulated Access', () => {
    const settings = config.replace(/^\s*#.*$/gm, '');
    expect(settings).not.toMatch(/LOCAL_PERSON|\[access/);
  });

  it('alone lets nobody in', () => {
    expect(config).toMatch(/^ACCESS_TEAM_DOMAIN = ""$/m);
    expect(config).toMatch(/^ACCESS_AUD = ""$/m);
  });
});
