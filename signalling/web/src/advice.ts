// Turns every failure into two sentences: what happened, and what to do.

import { ConnectionError, ConnectionErrorReason, DisconnectReason } from 'livekit-client';
import { AdmissionError } from './admission';

/** What happened, and what the person can do about it. */
export interface Advice {
  title: string;
  action: string;
}

/** A camera, a microphone, or a screen. */
export type Capture = 'camera' | 'microphone' | 'screen';

const AWAY: Advice = {
  title: 'The server does not answer.',
  action: 'Check your network, then try again. If others fail too, tell the operator.',
};

/** Explains why a call could not be joined. */
export function explainJoin(error: unknown): Advice {
  if (error instanceof AdmissionError) return explainStatus(error.status, error.reason);
  if (error instanceof ConnectionError) return explainConnection(error);

  return {
    title: 'The call could not be joined.',
    action: `Try again. If it happens again, tell the operator: "${String(error)}".`,
  };
}

function explainStatus(status: number, reason: string): Advice {
  const said = reason ? ` The server says: "${reason}".` : '';
  if (status === 0) return AWAY;
  if (status === 400) {
    return { title: 'The name or the room is not valid.', action: `Choose another one.${said}` };
  }
  if (status === 401) {
    return {
      title: 'The invitation is not valid.',
      action: `It may have expired: ask for a new link.${said}`,
    };
  }
  if (status === 403 || status === 404) {
    return {
      title: 'This server needs an invitation.',
      action: `Ask whoever invited you for a link with a token in it.${said}`,
    };
  }
  if (status === 429 || status === 503) {
    return {
      title: 'The room or the server is full.',
      action: `Wait until somebody leaves, then try again.${said}`,
    };
  }

  return {
    title: `The server failed (status ${status}).`,
    action: `Try again in a minute. If it lasts, tell the operator.${said}`,
  };
}

function explainConnection(error: ConnectionError): Advice {
  if (error.reason === ConnectionErrorReason.NotAllowed) {
    return explainStatus(error.status ?? 401, error.message);
  }
  if (error.reason === ConnectionErrorReason.LeaveRequest) {
    return explainLeave(error.context as DisconnectReason | undefined);
  }
  if (error.reason === ConnectionErrorReason.InternalError && /pc connection/.test(error.message)) {
    return {
      title: 'The media connection failed.',
      action: 'A firewall may block UDP port 3478. Try another network, or tell the operator.',
    };
  }

  return AWAY;
}

/** Explains why a call ended. */
export function explainLeave(reason: DisconnectReason | undefined): Advice {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return { title: 'You left the call.', action: 'You can come back at any time.' };
    case DisconnectReason.DUPLICATE_IDENTITY:
      return {
        title: 'You joined from somewhere else.',
        action: 'The call goes on in the other tab or device. Rejoin to bring it back here.',
      };
    case DisconnectReason.PARTICIPANT_REMOVED:
      return {
        title: 'You were removed by a moderator.',
        action: 'Ask whoever runs the call before you come back.',
      };
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return { title: 'The call was ended.', action: 'Rejoin to start it again.' };
    case DisconnectReason.SERVER_SHUTDOWN:
      return { title: 'The server is restarting.', action: 'Rejoin in a few seconds.' };
    default:
      return {
        title: 'The connection was lost.',
        action: 'Check your network, then rejoin. If it happens again, tell the operator.',
      };
  }
}

/** Explains why a moderator's wish was not done; `name` is whom it was about. */
export function explainModeration(error: unknown, name: string): Advice {
  const { status, reason } =
    error instanceof AdmissionError ? error : new AdmissionError(500, String(error));
  const said = reason ? ` The server says: "${reason}".` : '';
  const title = `Nothing was done to ${name}.`;
  if (status === 0) return { title, action: `${AWAY.title} ${AWAY.action}` };
  if (status === 401) {
    return {
      title: 'You may not moderate this room.',
      action: `Ask the operator for a moderator's link.${said}`,
    };
  }
  if (status === 404) {
    return { title, action: `${name} has left, or stopped it before.` };
  }

  return { title, action: `Try again; if it happens again, tell the operator.${said}` };
}

/** Explains what a moderator turned off at oneself. */
export function explainMuted(what: Capture): Advice {
  const title = {
    microphone: 'A moderator muted your microphone.',
    camera: 'A moderator turned your camera off.',
    screen: 'A moderator stopped your screen.',
  }[what];

  return { title, action: 'You can turn it on again.' };
}

/** Explains why a camera, a microphone or a screen gave nothing. */
export function explainCapture(error: unknown, what: Capture): Advice {
  const name = error instanceof Error ? error.name : '';
  const title = what === 'screen' ? 'The screen is not shared.' : `The ${what} is not available.`;
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    const site = 'Allow it in the site settings beside the address, and in the system settings.';

    return { title, action: what === 'screen' ? 'Start again and choose what to share.' : site };
  }
  if (name === 'NotFoundError' || name === 'OverconstrainedError') {
    return { title, action: `None was found: plug a ${what} in, or choose another one.` };
  }
  if (name === 'NotReadableError' || name === 'AbortError') {
    return { title, action: 'Another program may be using it: close that one and try again.' };
  }

  return {
    title,
    action: `Choose another one and try again. The browser says: "${String(error)}".`,
  };
}

/** Explains why a page without HTTPS has no camera. */
export function explainInsecure(link: string): Advice {
  return {
    title: 'Browsers give cameras to secure pages only.',
    action: `Open ${link} and accept the certificate. You can still join to watch and listen.`,
  };
}
