// The call screen: it puts the parts together and keeps them in step with the room.

import { ConnectionState, type DisconnectReason, type Room, RoomEvent } from 'livekit-client';
import { invitationLink } from '../address';
import { h } from '../dom';
import { icon } from '../icons';
import type { Entry } from '../lobby/lobby';
import type { Brought } from '../lobby/preview';
import type { Notices } from '../notices';
import type { Settings } from '../store';
import { announce } from './announce';
import { Chat, type ChatLine } from './chat';
import { ChatPanel } from './chat-panel';
import { Controls } from './controls';
import { Moderator } from './moderator';
import { PeoplePanel } from './people-panel';
import { SettingsDialog } from './settings-dialog';
import { Shortcuts } from './shortcuts';
import { Sound } from './sound';
import { Stage } from './stage';
import { Statistics } from './statistics';
import { Toolbar } from './toolbar';

/** What changes the picture of the room. */
const CHANGES = [
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.ConnectionStateChanged,
] as const;

/** The second screen. */
export class Call {
  readonly element: HTMLElement;
  private readonly stage: Stage;
  private readonly statistics: Statistics;
  private readonly sound: Sound;
  private readonly controls: Controls;
  private readonly toolbar: Toolbar;
  private readonly chat: Chat;
  private readonly chatPanel: ChatPanel;
  private readonly moderator: Moderator;
  private readonly people: PeoplePanel;
  private readonly shortcuts: Shortcuts;
  private readonly dialog: SettingsDialog;
  private readonly away = h('div', { class: 'banner', role: 'status' });
  private unread = 0;
  private stale = false;

  /** `left` is called once, when the call is over for whatever reason. */
  constructor(
    private readonly room: Room,
    private readonly entry: Entry,
    settings: Settings,
    private readonly notices: Notices,
    left: (reason: DisconnectReason | undefined) => void,
  ) {
    this.stage = new Stage(
      room,
      () => this.togglePanel(this.people),
      () => this.paintToolbar(),
    );
    this.statistics = new Statistics(room, () => this.stage.all(), notices);
    this.sound = new Sound(room);
    this.controls = new Controls(room, settings, notices, this.changed);
    this.chat = new Chat(room, (line) => this.received(line));
    this.chatPanel = new ChatPanel(
      (text) => this.chat.send(text),
      () => this.closePanels(),
    );
    this.moderator = new Moderator(room, location.origin, this.changed);
    this.people = new PeoplePanel(
      room,
      this.moderator,
      notices,
      () => this.closePanels(),
      () => void this.copyLink(),
    );
    this.toolbar = new Toolbar(room, this.actions());
    this.shortcuts = new Shortcuts(settings, this.keys());
    this.dialog = new SettingsDialog(room, settings, notices, this.shortcuts, () => {
      void this.controls.settle();
    });
    this.chatPanel.element.hidden = true;
    this.people.element.hidden = true;
    this.away.hidden = true;
    this.element = this.build();
    this.follow(left);
  }

  /** Begins the call once the room is connected, by means of `token`. */
  open(brought: Brought, token: string): void {
    this.moderator.begin(token);
    this.changed();
    void this.controls.publish(brought);
    this.stage.element.focus();
    this.notices.say(`You are in ${this.entry.room}.`);
  }

  /** Takes the screen down. */
  close(): void {
    this.shortcuts.stop();
    this.dialog.close();
    this.statistics.close();
    this.stage.close();
    this.element.remove();
  }

  private build(): HTMLElement {
    const copy = h('button', { class: 'plain', onclick: () => void this.copyLink() }, icon('link'));
    copy.append(h('span', { class: 'wide-only' }, 'Copy link'));
    copy.setAttribute('aria-label', 'Copy the link to this room');
    const top = h(
      'header',
      { class: 'topbar' },
      h('span', { class: 'logo' }),
      h('h1', {}, this.entry.room),
      this.statistics.opener,
      copy,
    );
    const middle = h(
      'div',
      { class: 'middle' },
      this.stage.element,
      this.chatPanel.element,
      this.people.element,
    );
    const banners = h(
      'div',
      { class: 'banners' },
      this.away,
      this.sound.banner,
      this.statistics.element,
    );

    return h(
      'main',
      { class: 'call' },
      top,
      banners,
      middle,
      this.toolbar.element,
      this.sound.element,
      this.dialog.element,
    );
  }

  private follow(left: (reason: DisconnectReason | undefined) => void): void {
    for (const event of CHANGES) this.room.on(event, this.changed);
    announce(this.room, this.notices);
    this.room
      .on(RoomEvent.ActiveSpeakersChanged, (speakers) => this.stage.speaking(speakers))
      .on(RoomEvent.SignalReconnecting, () =>
        this.lost('The server is out of reach. Sound and pictures go on; reconnecting…'),
      )
      .on(RoomEvent.Reconnecting, () => this.lost('The connection was lost. Reconnecting…'))
      .on(RoomEvent.Reconnected, () => this.back())
      .on(RoomEvent.Disconnected, left);
  }

  /** Draws once for all events of one turn. */
  private readonly changed = (): void => {
    if (this.stale) return;
    this.stale = true;
    queueMicrotask(() => {
      this.stale = false;
      if (this.room.state === ConnectionState.Disconnected) return;
      this.stage.update();
      this.people.update();
      this.paintToolbar();
    });
  };

  private paintToolbar(): void {
    this.toolbar.update({
      chatOpen: !this.chatPanel.element.hidden,
      peopleOpen: !this.people.element.hidden,
      unread: this.unread,
      focused: this.stage.focused,
    });
  }

  private lost(words: string): void {
    this.away.hidden = false;
    this.away.textContent = words;
  }

  private back(): void {
    this.away.hidden = true;
    this.away.textContent = '';
    this.notices.tell('The connection is back.');
    this.changed();
  }

  private received(line: ChatLine): void {
    this.chatPanel.add(line);
    if (!this.chatPanel.element.hidden || line.from?.isLocal) return;

    this.unread += 1;
    this.notices.tell(`${line.sender}: ${line.text.slice(0, 120)}`);
    this.paintToolbar();
  }

  private togglePanel(panel: ChatPanel | PeoplePanel): void {
    const opens = panel.element.hidden;
    this.closePanels();
    if (!opens) return;

    panel.element.hidden = false;
    if (panel === this.chatPanel) this.unread = 0;
    this.people.update();
    panel.focus();
    this.paintToolbar();
  }

  private closePanels(): void {
    const held = [this.chatPanel, this.people].find((p) =>
      p.element.contains(document.activeElement),
    );
    this.chatPanel.element.hidden = true;
    this.people.element.hidden = true;
    const opener = held === this.chatPanel ? '.tool-chat' : '.tool-people';
    if (held) this.toolbar.element.querySelector<HTMLElement>(opener)?.focus();
    this.paintToolbar();
  }

  private async copyLink(): Promise<void> {
    const link = invitationLink(new URL(location.href), this.entry.room);
    const own = this.entry.token ? ' Others need a token of their own.' : '';
    try {
      await navigator.clipboard.writeText(link);
      this.notices.tell(`The link is copied.${own}`);
    } catch {
      this.notices.tell(`Copy this link by hand: ${link}${own}`);
    }
  }

  private actions() {
    return {
      microphone: () => void this.controls.microphone(),
      camera: () => void this.controls.camera(),
      screen: () => void this.controls.screen(),
      layout: () => this.stage.toggleFocus(),
      chat: () => this.togglePanel(this.chatPanel),
      people: () => this.togglePanel(this.people),
      settings: () => this.dialog.open(),
      leave: () => void this.room.disconnect(),
    };
  }

  private keys() {
    const actions = this.actions();

    return [
      { key: 'm', words: 'Mute or unmute', run: actions.microphone },
      { key: 'v', words: 'Camera on or off', run: actions.camera },
      { key: 's', words: 'Share the screen, or stop', run: actions.screen },
      { key: 'g', words: 'Grid or large speaker', run: actions.layout },
      { key: 'Escape', words: 'Put back what is pinned', run: () => this.stage.unpin() },
      { key: 'c', words: 'Chat', run: actions.chat },
      { key: 'p', words: 'People', run: actions.people },
      { key: 'i', words: 'Statistics', run: this.statistics.toggle },
      { key: '?', words: 'Settings and shortcuts', run: actions.settings },
    ];
  }
}
