// The camera, microphone and speaker lists, in the lobby and in a call.

import { Room } from 'livekit-client';
import { h, uniqueId } from './dom';

/** The lists a person can choose from. */
export const KINDS = ['audioinput', 'videoinput', 'audiooutput'] as const;
export type Kind = (typeof KINDS)[number];

const LABELS: Record<Kind, string> = {
  audioinput: 'Microphone',
  videoinput: 'Camera',
  audiooutput: 'Speaker',
};

/** Three labelled lists that follow what is plugged in. */
export class DeviceChooser {
  readonly element = h('div', { class: 'devices' });
  private readonly selects = new Map<Kind, HTMLSelectElement>();

  /** `current` tells what is in use; `choose` is called with what a person picks. */
  constructor(
    private readonly current: (kind: Kind) => string,
    choose: (kind: Kind, deviceId: string) => void,
  ) {
    for (const kind of KINDS) {
      const id = uniqueId(kind);
      const select = h('select', { id, onchange: () => choose(kind, select.value) });
      const field = h('div', { class: 'field' }, h('label', { for: id }, LABELS[kind]), select);
      field.hidden = kind === 'audiooutput' && !canChooseSpeaker();
      this.selects.set(kind, select);
      this.element.append(field);
    }
    navigator.mediaDevices?.addEventListener('devicechange', this.refresh);
    void this.refresh();
  }

  /** Reads the lists again: names are known only once a device was allowed. */
  refresh = async (): Promise<void> => {
    for (const kind of KINDS) {
      const select = this.selects.get(kind);
      if (select) fill(select, kind, await list(kind), this.current(kind));
    }
  };

  /** Stops following what is plugged in. */
  close(): void {
    navigator.mediaDevices?.removeEventListener('devicechange', this.refresh);
  }
}

/** Tells whether this browser can send sound to a speaker of choice. */
export function canChooseSpeaker(): boolean {
  return 'setSinkId' in HTMLMediaElement.prototype;
}

async function list(kind: Kind): Promise<MediaDeviceInfo[]> {
  if (!navigator.mediaDevices) return [];
  try {
    const devices = await Room.getLocalDevices(kind, false);

    return devices.filter((device) => device.deviceId !== '');
  } catch {
    return [];
  }
}

function fill(
  select: HTMLSelectElement,
  kind: Kind,
  devices: MediaDeviceInfo[],
  current: string,
): void {
  const options = devices.map((device, index) => {
    const name = device.label || `${LABELS[kind]} ${index + 1}`;

    return h('option', { value: device.deviceId }, name);
  });
  if (options.length === 0) options.push(h('option', { value: '' }, 'Standard device'));
  select.replaceChildren(...options);
  select.disabled = devices.length < 2;
  if (devices.some((device) => device.deviceId === current)) select.value = current;
}
