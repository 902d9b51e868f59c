/**
 * Old addresses of the list and of one activation: they were under /activity.
 *
 * @module
 */
import { redirect } from '@sveltejs/kit';
import type { PageLoad } from './$types';

export const load: PageLoad = ({ params, url }) => {
  const rest = params.rest === '' ? '' : `/${params.rest}`;
  redirect(308, `/activations${rest}${url.search}`);
};
