// Says what happens in the room, in words.

import {
  type Participant,
  type Room,
  RoomEvent,
  Track,
  type TrackPublication,
} from 'livekit-client';
import type { Notices } from '../notices';
import { displayName } from './tile';

/** In a larger room joining and leaving is only said to screen readers, not shown. */
const SHOWN_MAX = 12;

/** Follows the room and tells who joined, left, muted and shares. */
export function announce(room: Room, notices: Notices): void {
  const pass = (text: string) => {
    if (room.remoteParticipants.size < SHOWN_MAX) notices.tell(text);
    else notices.say(text);
  };
  const muted = (publication: TrackPublication, participant: Participant, off: boolean) => {
    const words = trackWords(publication.source, off);
    if (words && !participant.isLocal) notices.say(`${displayName(participant)} ${words}.`);
  };

  room
    .on(RoomEvent.ParticipantConnected, (who) => pass(`${displayName(who)} joined.`))
    .on(RoomEvent.ParticipantDisconnected, (who) => pass(`${displayName(who)} left.`))
    .on(RoomEvent.TrackMuted, (publication, who) => muted(publication, who, true))
    .on(RoomEvent.TrackUnmuted, (publication, who) => muted(publication, who, false))
    .on(RoomEvent.TrackSubscribed, (_track, publication, who) => {
      if (publication.source === Track.Source.ScreenShare) {
        pass(`${displayName(who)} shares the screen.`);
      }
    });
}

function trackWords(source: Track.Source, off: boolean): string | null {
  if (source === Track.Source.Microphone) return off ? 'is muted' : 'is not muted any more';
  if (source === Track.Source.Camera) return off ? 'turned the camera off' : 'turned the camera on';

  return null;
}
