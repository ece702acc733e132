// Camera resolutions, by the setting's name.

import { type VideoCaptureOptions, type VideoPreset, VideoPresets } from 'livekit-client';
import { h, uniqueId } from './dom';
import type { Quality, Settings } from './store';

/** What each quality asks of the camera. */
export const PRESETS: Record<Quality, VideoPreset> = {
  full: VideoPresets.h1080,
  high: VideoPresets.h720,
  standard: VideoPresets.h540,
  low: VideoPresets.h360,
};

/** What the settings call each quality. */
export const QUALITY_NAMES: Record<Quality, string> = {
  full: 'Full HD (1080p)',
  high: 'High (720p)',
  standard: 'Standard (540p)',
  low: 'Data saver (360p)',
};

/** What the settings ask of the camera. */
export function capture(settings: Settings): VideoCaptureOptions {
  const { resolution } = PRESETS[settings.quality];

  return { deviceId: settings.camera || undefined, resolution };
}

/** Makes the labelled list of qualities. */
export function qualityField(current: Quality, choose: (quality: Quality) => void): HTMLElement {
  const id = uniqueId('quality');
  const options = Object.entries(QUALITY_NAMES).map(([value, name]) =>
    h('option', { value, selected: value === current }, name),
  );
  const select = h('select', { id, onchange: () => choose(select.value as Quality) }, ...options);

  return h('div', { class: 'field' }, h('label', { for: id }, 'Camera quality'), select);
}
