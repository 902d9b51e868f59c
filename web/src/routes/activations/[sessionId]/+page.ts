import { error } from '@sveltejs/kit';
import { isSessionId } from '../../../../../src/shared/session-id.ts';
import { activationMessages } from '../../../lib/messages/activation.ts';
import type { PageLoad } from './$types';

export const load: PageLoad = ({ params }) => {
  if (!isSessionId(params.sessionId)) error(404);
  return { title: activationMessages.title, sessionId: params.sessionId };
};
