// Everybody's sound: one hidden element per audio track, and the browser's consent to play.

import { RemoteAudioTrack, type Room, RoomEvent, type RemoteTrack } from 'livekit-client';
import { h } from '../dom';

/** Plays remote audio, and says when the browser holds it back. */
export class Sound {
  readonly element = h('div', { class: 'sounds', hidden: true });
  /** Shown when the browser wants a click before it plays sound. */
  readonly banner: HTMLElement;

  constructor(private readonly room: Room) {
    const play = h('button', { onclick: () => void room.startAudio() }, 'Turn sound on');
    this.banner = h(
      'div',
      { class: 'banner', role: 'alert' },
      h('span', {}, 'Your browser holds the sound back.'),
      play,
    );
    this.banner.hidden = true;
    room
      .on(RoomEvent.TrackSubscribed, this.add)
      .on(RoomEvent.TrackUnsubscribed, this.remove)
      .on(RoomEvent.AudioPlaybackStatusChanged, this.check);
  }

  private readonly add = (track: RemoteTrack): void => {
    if (!(track instanceof RemoteAudioTrack)) return;
    this.element.append(track.attach());
    this.check();
  };

  private readonly remove = (track: RemoteTrack): void => {
    if (!(track instanceof RemoteAudioTrack)) return;
    for (const element of track.detach()) element.remove();
  };

  private readonly check = (): void => {
    this.banner.hidden = this.room.canPlaybackAudio;
  };
}
