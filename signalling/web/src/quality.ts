// Camera resolutions, by the setting's name.

import { VideoPresets, type VideoPreset } from 'livekit-client';
import { h, uniqueId } from './dom';
import type { Quality } from './store';

/** What each quality asks of the camera. */
export const PRESETS: Record<Quality, VideoPreset> = {
  high: VideoPresets.h720,
  standard: VideoPresets.h540,
  low: VideoPresets.h360,
};

/** What the settings call each quality. */
export const QUALITY_NAMES: Record<Quality, string> = {
  high: 'High (720p)',
  standard: 'Standard (540p)',
  low: 'Data saver (360p)',
};

/** Makes the labelled list of qualities. */
export function qualityField(current: Quality, choose: (quality: Quality) => void): HTMLElement {
  const id = uniqueId('quality');
  const options = Object.entries(QUALITY_NAMES).map(([value, name]) =>
    h('option', { value, selected: value === current }, name),
  );
  const select = h('select', { id, onchange: () => choose(select.value as Quality) }, ...options);

  return h('div', { class: 'field' }, h('label', { for: id }, 'Camera quality'), select);
}
