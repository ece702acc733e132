// What a developer's first page with livekit-client does; the tests call it by name.

const { LivekitClient } = window;

/** Connects, plays what comes, and keeps what was seen. */
window.start = async (url, token, options = {}) => {
  const room = new LivekitClient.Room(options);
  const seen = { data: [], texts: [], left: [], muted: [], speakers: [], states: [] };
  const text = (bytes) => new TextDecoder().decode(bytes);
  room.on('trackSubscribed', (track) => document.body.append(track.attach()));
  room.on('dataReceived', (bytes, from, _kind, topic) => {
    seen.data.push({ from: from?.identity, topic, text: text(bytes) });
  });
  room.on('participantDisconnected', (who) => seen.left.push(who.identity));
  room.on('trackMuted', (track, who) => seen.muted.push(`${who.identity} ${track.source}`));
  room.on('activeSpeakersChanged', (all) => seen.speakers.push(...all.map((p) => p.identity)));
  room.on('connectionStateChanged', (state) => seen.states.push(state));
  room.registerTextStreamHandler('greetings', async (reader, from) => {
    seen.texts.push({ from: from.identity, text: await reader.readAll() });
  });
  window.room = room;
  window.seen = seen;
  await room.connect(url, token);
};

/** Publishes the camera with a codec; all layers at once, whoever watches. */
window.publishCamera = async (videoCodec, width, height, options = { backupCodec: false }) => {
  const track = await LivekitClient.createLocalVideoTrack({ resolution: { width, height } });
  await window.room.localParticipant.publishTrack(track, {
    videoCodec,
    simulcast: true,
    ...options,
  });
};

/** Publishes the microphone. */
window.publishMicrophone = () => window.room.localParticipant.setMicrophoneEnabled(true);

/** Video that comes in from somebody: what its statistics say. */
window.watched = async (identity) => {
  const who = window.room.getParticipantByIdentity(identity);
  const publication = [...who.videoTrackPublications.values()][0];
  const id = publication?.track?.mediaStreamTrack.id;
  const report = (await window.inbound()).find(
    (r) => r.kind === 'video' && r.trackIdentifier === id,
  );

  return {
    frames: report?.framesDecoded ?? 0,
    width: report?.frameWidth ?? 0,
    height: report?.frameHeight ?? 0,
    mimeType: publication?.mimeType,
    decoded: report?.mimeType,
  };
};

/** Asks for one of the simulcast layers: 0 low, 1 medium, 2 high. */
window.wantQuality = (identity, quality) => {
  const who = window.room.getParticipantByIdentity(identity);
  for (const publication of who.videoTrackPublications.values())
    publication.setVideoQuality(quality);
};

/** Asks for at most so many frames a second of somebody. */
window.wantFps = (identity, fps) => {
  const who = window.room.getParticipantByIdentity(identity);
  for (const publication of who.videoTrackPublications.values()) publication.setVideoFPS(fps);
};

/** Frames that the camera gave so far. */
window.captured = async () => {
  const sources = (await window.reports('media-source')).filter((r) => r.kind === 'video');

  return Math.max(0, ...sources.map((r) => r.frames ?? 0));
};

/** From now on, finds the longest time between two pictures on the screen, by their RTP stamps. */
window.watchGaps = () => {
  const video = document.querySelector('video');
  let before;
  window.longestGapSeconds = 0;
  const look = (_now, { rtpTimestamp }) => {
    const gap = ((rtpTimestamp - (before ?? rtpTimestamp)) >>> 0) / 90_000;
    before = rtpTimestamp;
    window.longestGapSeconds = Math.max(window.longestGapSeconds, gap);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
};

/** Gives somebody's pictures up, or wants them again. */
window.subscribeTo = (identity, wanted) => {
  const who = window.room.getParticipantByIdentity(identity);
  for (const publication of who.videoTrackPublications.values()) publication.setSubscribed(wanted);
};
