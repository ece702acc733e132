// The page: lobby, room, contacts, talk, end, and the way from one to the next.

import { LogLevel, setLogLevel, type DisconnectReason, type Room } from 'livekit-client';
import { cleanName, invitationLink, readInvitation } from './address';
import { type Advice, explainJoin, explainLeave } from './advice';
import { Call } from './call/call';
import { connect, makeRoom } from './call/session';
import { accountOf, guestAccount } from './contacts/account';
import { type Account, Phone } from './contacts/phone';
import { SignIn } from './contacts/sign-in';
import { h } from './dom';
import { endScreen } from './end';
import { Lobby, type Entry } from './lobby/lobby';
import type { Brought } from './lobby/preview';
import { Notices } from './notices';
import { loadSettings, saveSettings } from './store';

const settings = loadSettings();
const notices = new Notices();
const screen = h('div', { class: 'screen' });
let title = 'Millrace';
let phone: Phone | null = null;
/** Leaves the lobby or the room that is on. */
let leave = (): void => undefined;

function show(element: HTMLElement, name: string): void {
  screen.replaceChildren(element);
  title = name;
  document.title = title;
}

function vacate(): void {
  leave();
  leave = () => undefined;
}

function showLobby(): void {
  vacate();
  const lobby = new Lobby(readInvitation(location.search), settings, enter);
  leave = () => lobby.close();
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
  leave = () => {
    joined = false;
    call.close();
    void room.disconnect();
  };
  // A reload comes back to the same room; a token stays where it is, or the reload would fail.
  if (!entry.token) history.replaceState(null, '', invitationLink(page, entry.room));
  show(call.element, `${entry.room} – Millrace`);
  call.open(brought, token);
}

function showEnd(call: Call, reason: DisconnectReason | undefined): void {
  call.close();
  leave = () => undefined;
  const end = endScreen(explainLeave(reason), showLobby);
  show(end, 'Call ended – Millrace');
  end.querySelector('h1')?.focus();
}

async function abandon(room: Room): Promise<void> {
  await room.disconnect(false);
}

/** The contacts: by the link's token, else by a name. */
function showCalls(token: string | null): void {
  if (phone) return phone.show();
  if (token) return openPhone(accountOf(token, new URL(location.href)));

  showSignIn(null);
}

function showSignIn(why: Advice | null): void {
  vacate();
  const signIn: SignIn = new SignIn(settings, (name) => enterCalls(name, signIn), showLobby);
  show(signIn.element, 'Sign in – Millrace');
  if (why) signIn.complain(why);
}

async function enterCalls(name: string, signIn: SignIn): Promise<void> {
  try {
    const account = await guestAccount(name, new URL(location.href));
    saveSettings(settings);
    // A reload comes back to the contacts.
    history.replaceState(null, '', `${location.pathname}?${new URLSearchParams({ calls: name })}`);
    openPhone(account);
  } catch (error) {
    signIn.complain(explainJoin(error));
    throw error;
  }
}

function openPhone(account: Account): void {
  phone = new Phone(account, settings, notices, {
    show,
    vacate,
    rooms: showLobby,
    alert: (words) => {
      document.title = words ?? title;
    },
    signedOut: (why) => {
      phone = null;
      if (location.search.includes('calls=')) history.replaceState(null, '', '?calls');
      showSignIn(why);
    },
  });
  phone.open();
}

function begin(): void {
  const { calls, token } = readInvitation(location.search);
  if (!calls) return showLobby();

  const name = cleanName(new URLSearchParams(location.search).get('calls') ?? '');
  if (token || !name) return showCalls(token);
  guestAccount(name, new URL(location.href)).then(openPhone, (error) => {
    showSignIn(explainJoin(error));
  });
}

function start(): void {
  setLogLevel(LogLevel.warn);
  document.getElementById('app')?.replaceChildren(screen, notices.element);
  if ('RTCPeerConnection' in window) return begin();

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
