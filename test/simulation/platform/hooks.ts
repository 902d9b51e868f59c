/**
 * Module hooks of the simulation's process: `cloudflare:workers` is the stand-in, and a planted fault replaces a piece
 * of the product's source as it is loaded.
 *
 * Import it before anything of src.
 *
 * @module
 */
import { registerHooks } from 'node:module';

/** Replaces one piece of one file. */
export interface SourceChange {
  /** Below the project's folder. */
  file: string;
  find: string;
  replace: string;
}

let changes: readonly SourceChange[] = [];
const applied = new Set<SourceChange>();

/** Plants changes in modules that are loaded from now on. */
export function plant(planned: readonly SourceChange[]): void {
  changes = planned;
}

/** @throws when a planted change was not applied: its file was not loaded */
export function requirePlanted(): void {
  for (const change of changes) {
    if (!applied.has(change)) throw new Error(`${change.file} was not loaded, so nothing was planted in it.`);
  }
}

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== 'cloudflare:workers') return next(specifier, context);
    return { url: new URL('cloudflare-workers.ts', import.meta.url).href, shortCircuit: true };
  },
  load(url, context, next) {
    const loaded = next(url, context);
    const planted = changes.filter(({ file }) => url.endsWith(`/${file}`));
    if (planted.length === 0) return loaded;
    let source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
    for (const change of planted) {
      const parts = source.split(change.find);
      if (parts.length !== 2) {
        throw new Error(
          `${change.file} has ${parts.length - 1} places like the planted fault's: ${change.find}`,
        );
      }
      source = parts.join(change.replace);
      applied.add(change);
    }
    return { ...loaded, source };
  },
});
