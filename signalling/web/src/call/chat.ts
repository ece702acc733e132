// Chat between this page and every LiveKit SDK.
//
// Today's SDKs read text streams with the topic `lk.chat`, older ones a data packet with the topic
// `lk-chat-topic` and JSON in it. Both are sent with one id, and a receiver shows the first.

import type { Participant, RemoteParticipant, Room } from 'livekit-client';
import { RoomEvent } from 'livekit-client';

/** One chat message as shown. */
export interface ChatLine {
  id: string;
  from: Participant | null;
  sender: string;
  text: string;
  at: Date;
}

/** Longest message in characters. */
export const TEXT_MAX = 4_000;

/** Most ids remembered to tell a message's second copy. */
const IDS_MAX = 500;

const TOPIC = 'lk.chat';
const OLD_TOPIC = 'lk-chat-topic';

/** The JSON inside an old chat packet. */
export interface OldMessage {
  id: string;
  timestamp: number;
  message: string;
  ignoreLegacy?: boolean;
}

/** Sends and receives chat messages in a room. */
export class Chat {
  private readonly seen = new Set<string>();

  constructor(
    private readonly room: Room,
    private readonly received: (line: ChatLine) => void,
  ) {
    room.registerTextStreamHandler(TOPIC, async (reader, sender) => {
      const text = await reader.readAll();
      this.accept(sender.identity, reader.info.id, reader.info.timestamp, text);
    });
    room.on(RoomEvent.DataReceived, this.readOld);
  }

  /** Sends a text to everybody; rejects when the connection is away. */
  async send(text: string): Promise<void> {
    const me = this.room.localParticipant;
    const { id, timestamp } = await me.sendText(text, { topic: TOPIC });
    const old: OldMessage = { id, timestamp, message: text, ignoreLegacy: true };
    await me.publishData(new TextEncoder().encode(JSON.stringify(old)), {
      reliable: true,
      topic: OLD_TOPIC,
    });
    this.accept(me.identity, id, timestamp, text);
  }

  private readonly readOld = (
    payload: Uint8Array,
    sender?: RemoteParticipant,
    _kind?: unknown,
    topic?: string,
  ): void => {
    if (topic !== OLD_TOPIC || !sender) return;
    const old = parseOld(payload);
    if (old) this.accept(sender.identity, old.id, old.timestamp, old.message);
  };

  private accept(identity: string, id: string, timestamp: number, text: string): void {
    if (this.seen.has(id) || text.trim() === '') return;
    if (this.seen.size >= IDS_MAX) this.seen.delete(this.seen.values().next().value as string);
    this.seen.add(id);

    const from = this.room.getParticipantByIdentity(identity) ?? null;
    const sender = from?.name || identity;
    this.received({ id, from, sender, text: text.slice(0, TEXT_MAX), at: new Date(timestamp) });
  }
}

/** Reads an old chat packet; `null` when it is none. */
export function parseOld(payload: Uint8Array): OldMessage | null {
  try {
    const old = JSON.parse(new TextDecoder().decode(payload)) as Partial<OldMessage>;
    const valid =
      typeof old.id === 'string' &&
      typeof old.message === 'string' &&
      typeof old.timestamp === 'number';

    return valid ? (old as OldMessage) : null;
  } catch {
    return null;
  }
}

/** A piece of a message: plain text, or a link. */
export interface Piece {
  text: string;
  href?: string;
}

/** Finds the web addresses in a text. */
export function splitLinks(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]}']/g)) {
    if (match.index > end) pieces.push({ text: text.slice(end, match.index) });
    pieces.push({ text: match[0], href: match[0] });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });

  return pieces;
}
