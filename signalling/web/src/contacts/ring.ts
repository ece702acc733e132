// What one hears: a bell while somebody calls, and the tone while it rings over there.

/** A tone: frequencies in hertz, seconds on, seconds until it comes again, loudness 0 to 1. */
interface Tone {
  hertz: [number, number];
  on_s: number;
  every_s: number;
  gain: number;
}

const BELL: Tone = { hertz: [659, 784], on_s: 0.9, every_s: 2.4, gain: 0.12 };
const RINGBACK: Tone = { hertz: [440, 480], on_s: 1.2, every_s: 4, gain: 0.04 };

/** Plays one tone at a time. A browser that wants a click first just stays silent. */
export class Ring {
  private audio: AudioContext | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;

  /** Rings as a telephone does. */
  bell(): void {
    this.start(BELL);
  }

  /** Sounds as the telephone at one's ear while one waits. */
  ringback(): void {
    this.start(RINGBACK);
  }

  stop(): void {
    clearInterval(this.timer);
    void this.audio?.close().catch(() => undefined);
    this.audio = null;
  }

  private start(tone: Tone): void {
    this.stop();
    try {
      this.audio = new AudioContext();
    } catch {
      return;
    }
    const play = () => this.audio && sound(this.audio, tone);
    play();
    this.timer = setInterval(play, tone.every_s * 1000);
  }
}

function sound(audio: AudioContext, { hertz, on_s, gain }: Tone): void {
  const [begin, end] = [audio.currentTime, audio.currentTime + on_s];
  const volume = audio.createGain();
  volume.gain.setValueAtTime(0, begin);
  volume.gain.linearRampToValueAtTime(gain, begin + 0.03);
  volume.gain.setValueAtTime(gain, end - 0.1);
  volume.gain.linearRampToValueAtTime(0, end);
  volume.connect(audio.destination);
  for (const frequency of hertz) {
    const voice = audio.createOscillator();
    voice.frequency.value = frequency;
    voice.connect(volume);
    voice.start(begin);
    voice.stop(end);
  }
}
