// The page: lobby, call, end, and the way from one to the next.

import { LogLevel, setLogLevel, type DisconnectReason, type Room } from 'livekit-client';
import { invitationLink, readInvitation } from './address';
import { explainJoin, explainLeave } from './advice';
import { Call } from './call/call';
import { connect, makeRoom } from './call/session';
import { h } from './dom';
import { endScreen } from './end';
import { Lobby, type Entry } from './lobby/lobby';
import type { Brought } from './lobby/preview';
import { Notices } from './notices';
import { loadSettings } from './store';

const settings = loadSettings();
const notices = new Notices();
const screen = h('div', { class: 'screen' });

function show(element: HTMLElement, title: string): void {
  screen.replaceChildren(element);
  document.title = title;
}

function showLobby(): void {
  const lobby = new Lobby(readInvitation(location.search), settings, enter);
  show(lobby.element, 'Millrace');
  void lobby.open();
}

async function enter(entry: Entry, brought: Brought, lobby: Lobby): Promise<void> {
  const page = new URL(location.href);
  const room = makeRoom(settings);
  let joined = false;
  let token: string;
  const call: Call = new Call(room, entry, settings, notices, (reason) => {
    if (joined) showEnd(call, reason);
  });
  try {
    token = await connect(room, entry, page);
  } catch (error) {
    call.close();
    await abandon(room);
    lobby.complain(explainJoin(error));
    throw error;
  }
  joined = true;
  // A reload comes back to the same room; a token stays where it is, or the reload would fail.
  if (!entry.token) history.replaceState(null, '', invitationLink(page, entry.room));
  show(call.element, `${entry.room} – Millrace`);
  call.open(brought, token);
}

function showEnd(call: Call, reason: DisconnectReason | undefined): void {
  call.close();
  const end = endScreen(explainLeave(reason), showLobby);
  show(end, 'Call ended – Millrace');
  end.querySelector('h1')?.focus();
}

async function abandon(room: Room): Promise<void> {
  await room.disconnect(false);
}

function start(): void {
  setLogLevel(LogLevel.warn);
  document.getElementById('app')?.replaceChildren(screen, notices.element);
  if ('RTCPeerConnection' in window) return showLobby();

  const advice = {
    title: 'This browser cannot make calls.',
    action: 'Use a current Firefox, Chrome, Edge or Safari, and allow WebRTC in it.',
  };
  show(
    endScreen(advice, () => location.reload()),
    'Millrace',
  );
}

start();
