// How camera and screen are published, and published again after a change of the settings.

import { LocalVideoTrack, type Room, Track } from 'livekit-client';
import { browserCodecs, codecToSend } from '../codec';
import { capture } from '../quality';
import type { Settings } from '../store';

/** Makes the settings hold for whatever is opened and published from now on. */
export function apply(room: Room, settings: Settings): void {
  room.options.videoCaptureDefaults = {
    ...room.options.videoCaptureDefaults,
    ...capture(settings),
  };
  room.options.publishDefaults = {
    ...room.options.publishDefaults,
    videoCodec: codecToSend(settings.codec, browserCodecs()),
  };
}

/**
 * Publishes a camera or a screen again. Codec, layers and bitrates are fixed when a track is
 * published: a larger picture in the layers of a small one would look worse than the small one.
 */
export async function republish(
  room: Room,
  source: Track.Source.Camera | Track.Source.ScreenShare,
  settings: Settings,
): Promise<void> {
  const me = room.localParticipant;
  const track = me.getTrackPublication(source)?.track;
  if (!(track instanceof LocalVideoTrack)) return;
  // A camera that is off is opened and published anew when it is turned on.
  if (track.isMuted) return void (await me.unpublishTrack(track));
  if (source === Track.Source.Camera) await track.restartTrack(capture(settings));
  await me.unpublishTrack(track, false);
  await me.publishTrack(track);
}
