// What the page remembers: settings in this browser, the identity in this tab.

/** Camera resolutions to choose from. */
export const QUALITIES = ['full', 'high', 'standard', 'low'] as const;
export type Quality = (typeof QUALITIES)[number];

/** Video codecs that the page can send with. */
export const CODECS = ['vp8', 'h264', 'vp9', 'av1'] as const;
export type Codec = (typeof CODECS)[number];

/** A person's settings, kept in this browser only. */
export interface Settings {
  name: string;
  camera: string;
  microphone: string;
  speaker: string;
  cameraOn: boolean;
  microphoneOn: boolean;
  quality: Quality;
  codec: Codec;
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
  codec: 'vp8',
  singleKeys: true,
};

/** Reads the settings; the built-in ones where the browser keeps nothing. */
export function loadSettings(): Settings {
  try {
    return readSettings(localStorage.getItem(KEY));
  } catch {
    return { ...DEFAULTS };
  }
}

/** Reads what was kept, maybe by another version of the page: what makes no sense is left out. */
export function readSettings(text: string | null): Settings {
  const kept: unknown = JSON.parse(text ?? '{}');
  const good = Object.entries(kept ?? {}).filter(([name, value]) => makesSense(name, value));

  return { ...DEFAULTS, ...Object.fromEntries(good) };
}

function makesSense(name: string, value: unknown): boolean {
  if (name === 'quality') return QUALITIES.some((quality) => quality === value);
  if (name === 'codec') return CODECS.some((codec) => codec === value);

  return typeof value === typeof DEFAULTS[name as keyof Settings];
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
  return `${slug(name) || 'guest'}-${tabSecret('millrace.identity')}`;
}

/** Gives eight random letters that this tab keeps under `key`, also over a reload. */
export function tabSecret(key: string): string {
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

  return suffix;
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
