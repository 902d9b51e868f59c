/**
 * The planted faults still have their places in the source; whether they are found is `npm run simulate:mutants`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mutants } from '../simulation/mutants/mutants.ts';

const root = join(import.meta.dirname, '../..');

it.each(mutants)('$name: each of its changes has one place', ({ changes }) => {
  for (const { file, find } of changes)
    expect(readFileSync(join(root, file), 'utf8').split(find), `${file}: ${find}`).toHaveLength(2);
});
