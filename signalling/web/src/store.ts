// What the page remembers: settings in this browser, the identity in this tab.

/** Camera resolutions to choose from. */
export type Quality = 'high' | 'standard' | 'low';

/** A person's settings, kept in this browser only. */
export interface Settings {
  name: string;
  camera: string;
  microphone: string;
  speaker: string;
  cameraOn: boolean;
  microphoneOn: boolean;
  quality: Quality;
  singleKeys: boolean;
}

const KEY = 'millrace.settings';
const DEFAULTS: Settings = {
  name: '',
  camera: '',
  microphone: '',
  speaker: '',
  cameraOn: true,
  microphoneOn: true,
  quality: 'high',
  singleKeys: true,
};

/** Reads the settings; the built-in ones where the browser keeps nothing. */
export function loadSettings(): Settings {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Settings>;

    return { ...DEFAULTS, ...kept };
  } catch {
    return { ...DEFAULTS };
  }
}

/** Keeps the settings; a browser that refuses storage just forgets them. */
export function saveSettings(settings: Settings): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Private windows may refuse storage.
  }
}

/**
 * Gives this tab's identity: the same after a reload, so that the reloaded page takes its own
 * place in the room, and another in another tab.
 */
export function tabIdentity(name: string): string {
  const key = 'millrace.identity';
  let suffix: string | null = null;
  try {
    suffix = sessionStorage.getItem(key);
    if (!suffix) {
      suffix = randomSuffix();
      sessionStorage.setItem(key, suffix);
    }
  } catch {
    suffix ??= randomSuffix();
  }

  return `${slug(name) || 'guest'}-${suffix}`;
}

/** Makes the readable part of an identity out of a name. */
export function slug(name: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase();

  return plain
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 24);
}

function randomSuffix(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(4));

  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
