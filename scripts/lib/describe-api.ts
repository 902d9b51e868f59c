/**
 * The present description of the API, made in Node.
 *
 * @module
 */
import { join } from 'node:path';
import type { ApiDescription } from '../../src/worker/http/api-description.ts';
import { projectRoot } from './local-state.ts';

/** The description that the Worker serves. Its modules have the types of another runtime, so they are loaded by path. */
export async function describeTheApi(): Promise<ApiDescription> {
  const load = (path: string): Promise<unknown> => import(join(projectRoot, 'src/worker', path));
  const { createApp } = (await load('app.ts')) as { createApp: () => object };
  const { describeApi } = (await load('http/describe.ts')) as {
    describeApi: (app: object) => ApiDescription;
  };
  return describeApi(createApp());
}
