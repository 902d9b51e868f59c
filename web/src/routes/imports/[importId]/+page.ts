import { error } from '@sveltejs/kit';
import { importMessages } from '../../../lib/messages/imports.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = ({ params }) => {
  if (!/^[\w-]{1,64}$/.test(params.importId)) error(404);
  return { title: importMessages.title, importId: params.importId };
};
