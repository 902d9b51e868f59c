/**
 * The import that is under way, shared by all screens of one page load: it goes on while a person looks at
 * other pages.
 *
 * @module
 */
import { createContext } from 'svelte';
import type { ImportFlow } from './import-flow.svelte.ts';

export const [getImportFlow, setImportFlow] = createContext<ImportFlow>();
