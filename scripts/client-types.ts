/**
 * Makes packages/client/src/api.ts: the types of every operation, from the description of the API. It is not committed;
 * the installation makes it, and the checks make it again.
 *
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import openapiTypes, { astToString } from 'openapi-typescript';
import { describeTheApi } from './lib/describe-api.ts';
import { projectRoot } from './lib/local-state.ts';

const file = join(projectRoot, 'packages/client/src/api.ts');
const description = await describeTheApi();
const types = await openapiTypes(JSON.stringify(description), {
  alphabetize: true,
  // A field with a default may be left out of a request.
  defaultNonNullable: false,
});
const text = `// Made from the description of the API by scripts/client-types.ts.\n\n${astToString(types)}`;
// A file that is the same keeps its time, so that nothing is built anew for it.
if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
