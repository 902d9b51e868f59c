import { redirect } from '@sveltejs/kit';
import type { PageLoad } from './$types';

// The page of activations was here; links to it are in old emails and bookmarks.
export const load: PageLoad = ({ params, url }) => {
  redirect(308, `/activations${params.rest === '' ? '' : `/${params.rest}`}${url.search}`);
};
