/**
 * Menus and dialogs of the leads page: one part of the program, loaded when the first of them is asked for.
 *
 * @module
 */
export { BulkAction } from './bulk/bulk-action.svelte.ts';
export { default as BulkDialog } from './bulk/bulk-dialog.svelte';
export { default as ColumnsMenu } from './columns-menu.svelte';
export { default as NewLeadDialog } from './new-lead-dialog.svelte';
export { bulkMessages } from '../messages/bulk.ts';
