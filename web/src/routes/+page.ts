import { redirect } from '@sveltejs/kit';

// The leads are where work begins.
export function load(): never {
  redirect(307, '/leads');
}
