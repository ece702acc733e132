// What the page reads from its own address, and the addresses it makes.

/** What a link to the page asks for. */
export interface Invitation {
  room: string;
  token: string | null;
  /** Whether it leads to the contacts: by `?calls`. */
  calls: boolean;
}

/** The port on which a server offers HTTPS when nothing else is configured. */
export const HTTPS_PORT = 7443;

/** Longest name of a room or a person, in characters. */
export const NAME_MAX = 64;

/** Reads `?room=` and `?token=`; a token's own room wins. */
export function readInvitation(search: string): Invitation {
  const query = new URLSearchParams(search);
  const token = query.get('token')?.trim() || null;
  const held = token ? readToken(token) : null;
  const room = cleanName(held?.room || query.get('room') || '');

  return { room, token, calls: query.has('calls') };
}

/** What the page shows of a token; the server alone decides whether it is good. */
export interface TokenText {
  identity: string;
  name: string;
  room: string;
  /** Whether its holder may mute and remove others in that room. */
  moderates: boolean;
}

interface Claims {
  sub?: string;
  name?: string;
  video?: { room?: string; roomAdmin?: boolean };
}

/** Reads a token's payload without checking its signature; `null` when it is none. */
export function readToken(token: string): TokenText | null {
  const payload = token.split('.')[1];
  if (!payload) return null;
  try {
    const bytes = atob(payload.replace(/-/g, '+').replace(/_/g, '/'));
    const text = new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
    const claims = JSON.parse(text) as Claims;

    return {
      identity: claims.sub ?? '',
      name: claims.name ?? '',
      room: claims.video?.room ?? '',
      moderates: claims.video?.roomAdmin === true,
    };
  } catch {
    return null;
  }
}

/** Gives the WebSocket address of the server that served the page. */
export function serverUrl(page: URL): string {
  return `${page.protocol === 'https:' ? 'wss:' : 'ws:'}//${page.host}`;
}

/** Gives the link to hand to others: never with a token in it. */
export function invitationLink(page: URL, room: string): string {
  const link = new URL(page.pathname, page.origin);
  link.searchParams.set('room', room);

  return link.href;
}

/** Gives the same page over HTTPS, which browsers demand for cameras on another machine. */
export function secureLink(page: URL): string {
  return `https://${page.hostname}:${HTTPS_PORT}${page.pathname}${page.search}`;
}

/** Trims, joins runs of white space, and cuts to `NAME_MAX` characters. */
export function cleanName(text: string): string {
  const joined = text.replace(/\s+/g, ' ').trim();

  return [...joined].slice(0, NAME_MAX).join('').trim();
}
