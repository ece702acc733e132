// A sound that lasts: Chromium's own fake microphone only beeps, which is no speech.

/** Runs in the page: the microphone hums. */
export function hum() {
  const { mediaDevices } = navigator;
  const original = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (constraints) => {
    const stream = await original(constraints);
    if (!constraints.audio) return stream;

    const audio = new AudioContext();
    const [voice, out] = [audio.createOscillator(), audio.createMediaStreamDestination()];
    voice.connect(out);
    voice.start();
    const video = stream.getVideoTracks();

    return new MediaStream([...out.stream.getAudioTracks(), ...video]);
  };
}
