// What the page says about contacts and the ends of calls.

import type { Advice } from '../advice';
import { CallsError, type EndReason, type State } from '../calls';

/** A contact's state, for people. */
export const STATES: Record<State, string> = {
  online: 'Online',
  busy: 'In a call',
  do_not_disturb: 'Do not disturb',
  offline: 'Not available',
};

const ENDS: Record<EndReason, string> = {
  declined: 'declined the call.',
  busy: 'is busy.',
  timeout: 'did not answer.',
  unavailable: 'is not available.',
  cancelled: '',
  hangup: '',
  answered_elsewhere: '',
  merged: '',
  lost: '',
  failed: '',
};

/** Says how a call ended, to whoever called `name`; empty when there is nothing to say. */
export function sayEnd(reason: EndReason, name: string): string {
  if (ENDS[reason]) return `${name} ${ENDS[reason]}`;
  if (reason === 'answered_elsewhere') return 'You answered on another device.';
  if (reason === 'lost') return 'The call was lost. Call again.';
  if (reason === 'failed') return 'No way for sound and pictures was found. Call again.';

  return reason === 'hangup' ? 'The call has ended.' : '';
}

/** Says how somebody left a call that goes on. */
export function sayLeft(reason: string): string {
  const words = ENDS[reason as EndReason];

  return words ? words.replace(/\.$/, '') : 'left';
}

/** Explains why something was not carried out; `name` is whom it was about. */
export function explainCall(error: unknown, name: string): Advice {
  const code = error instanceof CallsError ? error.code : '';
  const said = error instanceof Error && error.message ? ` (${error.message})` : '';
  if (code === 'unavailable') {
    return { title: `${name} is not available.`, action: 'Try again later.' };
  }
  if (code === 'too_many') {
    return { title: 'Too many calls in a short time.', action: 'Wait a minute, then try again.' };
  }
  if (code === 'full') {
    return { title: 'The call is full.', action: 'Somebody must leave before others can come.' };
  }
  if (code === 'not_permitted') {
    return { title: `You may not call ${name}.`, action: `Ask the operator${said}.` };
  }
  if (code === 'offline' || code === 'lost' || code === 'away') {
    return { title: 'The server is out of reach.', action: 'Try again once it is back.' };
  }

  const action = `Try again; if it lasts, tell the operator${said}.`;

  return { title: 'That did not work.', action };
}

/** Explains why the server closed the line for good. */
export function explainBye(reason: string, message: string): Advice {
  if (reason === 'replaced') {
    return {
      title: 'You signed in from another tab.',
      action: 'Calls ring there now. Sign in again to have them here.',
    };
  }
  if (reason === 'token') {
    return { title: 'Your sign-in is not valid any more.', action: 'Sign in again.' };
  }

  return {
    title: 'The server closed the connection.',
    action: `Sign in again; if it happens again, tell the operator: "${message || reason}".`,
  };
}
