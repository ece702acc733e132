// Video codecs to send with, by the setting's name.

import { supportsAV1, supportsVP9 } from 'livekit-client';
import { h } from './dom';
import { CODECS, type Codec } from './store';

/** What the settings call each codec, and what speaks for it. */
export const CODEC_NAMES: Record<Codec, string> = {
  vp8: 'VP8 (safe choice)',
  h264: 'H.264 (saves battery)',
  vp9: 'VP9 (saves bandwidth)',
  av1: 'AV1 (saves most, needs a fast device)',
};

/** The codecs to choose from: what the server takes (MIME types) and the browser can send. */
export function codecsToOffer(server: readonly string[], browser: readonly Codec[]): Codec[] {
  const taken = server.map((mime) => mime.toLowerCase());

  return CODECS.filter((codec) => taken.includes(`video/${codec}`) && browser.includes(codec));
}

/** The codecs that this browser can send in the form we publish them: VP9 and AV1 in layers. */
export function browserCodecs(): Codec[] {
  const capable = RTCRtpSender.getCapabilities?.('video')?.codecs ?? [];
  const mimes = capable.map(({ mimeType }) => mimeType);
  const layered: Partial<Record<Codec, boolean>> = { vp9: supportsVP9(), av1: supportsAV1() };

  return codecsToOffer(mimes, CODECS).filter((codec) => layered[codec] ?? true);
}

/** The codec to send with: the wanted one if it is on offer, else VP8, which always is. */
export function codecToSend(wanted: Codec, offered: readonly Codec[]): Codec {
  return offered.includes(wanted) ? wanted : 'vp8';
}

/** Makes the list's entries. */
export function codecOptions(offered: readonly Codec[], current: Codec): HTMLOptionElement[] {
  return offered.map((value) => {
    return h('option', { value, selected: value === current }, CODEC_NAMES[value]);
  });
}
