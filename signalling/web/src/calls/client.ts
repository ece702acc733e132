// One client of `/calls`: it stays connected, resumes, and turns frames into promises and events.

import { Mail, type Reply } from './mail.js';
import {
  type Answer,
  type Bye,
  type Events,
  type Requests,
  VERSION,
  type Welcome,
} from './messages.js';

/** Milliseconds until a connection must have brought the welcome, and a ping its answer. */
export const PATIENCE_MS = 10_000;
/** Milliseconds of silence after which a ping asks whether the line still stands. */
export const PING_MS = 15_000;
/** An acknowledgement goes out after so many events, or so many milliseconds after the first. */
export const ACK_EVENTS = 16;
export const ACK_MS = 1_000;
/** Milliseconds before the first attempt to come back, and at most before any other. */
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_MAX_MS = 8_000;

/** How the line stands. */
export type Line = 'connecting' | 'connected' | 'closed';

/** What the library tells beside the server's events. */
export interface Tidings extends Events {
  /** A session began or was resumed: `calls` says what stands. */
  welcome: Welcome;
  line: Line;
  /** The server closed for good, or until the reconnect that follows. */
  bye: Bye;
}

/** As much of a `WebSocket` as is used. */
export interface Socket {
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
}

export interface Options {
  /** `ws://` or `wss://` address of `/calls`. */
  url: string;
  /** An access token; asked for at each new connection. */
  token: () => string | Promise<string>;
  /** At most 64 characters, the same for this tab or device each time. */
  device: string;
  /** Opens a socket; the browser's own when left out. */
  open?: (url: string) => Socket;
}

type Listener<K extends keyof Tidings> = (tiding: Tidings[K]) => void;

/** A client; `connect` begins, `close` ends. */
export class Calls {
  private readonly mail = new Mail();
  private readonly listeners = new Map<string, Set<(tiding: never) => void>>();
  private socket: Socket | null = null;
  private state: Line = 'closed';
  private session: string | null = null;
  private received = 0;
  private acknowledged = 0;
  private attempts = 0;
  private reconnects = true;
  private retry: Timer;
  private deadline: Timer;
  private ping: Timer;
  private ack: Timer;

  constructor(private readonly options: Options) {}

  /** How the line stands now. */
  get line(): Line {
    return this.state;
  }

  /** Connects, and goes on connecting until `close` or until the server says not to. */
  connect(): void {
    if (this.state !== 'closed') return;

    this.reconnects = true;
    this.become('connecting');
    void this.open();
  }

  /** Tries at once instead of when the backoff is over: the network has come back. */
  hurry(): void {
    if (this.state === 'connecting' && !this.socket) void this.open();
    else if (this.state === 'connected') void this.send('ping', {}).catch(() => undefined);
  }

  /** Ends the connection; what waits for an answer fails with `offline`. */
  close(): void {
    this.reconnects = false;
    this.session = null;
    this.drop();
  }

  /**
   * Sends a frame, at once or when the line is back; the promise fails with a `CallsError`.
   * No more than 64 wait for their answers: the next fails with `offline`.
   */
  send<K extends keyof Requests>(type: K, body: Requests[K]): Promise<Answer<K>> {
    const answer = this.mail.post(type, body);
    if (this.state === 'connected') this.flush();

    return answer;
  }

  /** Calls `listener` for each tiding of this type; what it gives stops that. */
  on<K extends keyof Tidings>(type: K, listener: Listener<K>): () => void {
    const set = this.listeners.get(type) ?? new Set();
    this.listeners.set(type, set.add(listener));

    return () => void set.delete(listener);
  }

  private async open(): Promise<void> {
    clearTimeout(this.retry);
    const token = await this.token();
    if (this.socket || !this.reconnects) return;
    if (token === null) return this.drop();

    const open = this.options.open ?? ((url) => new WebSocket(url) as Socket);
    const socket = open(this.options.url);
    const own = () => this.socket === socket;
    this.socket = socket;
    socket.onopen = () => own() && socket.send(this.hello(token));
    socket.onmessage = ({ data }) => own() && this.receive(String(data));
    socket.onclose = () => own() && this.drop();
    this.expect();
  }

  private async token(): Promise<string | null> {
    try {
      return await this.options.token();
    } catch {
      return null;
    }
  }

  private hello(token: string): string {
    const { session, received } = this;
    const resume = session ? { resume: { session, received } } : {};

    return JSON.stringify({
      type: 'hello',
      version: VERSION,
      token,
      device: this.options.device,
      ...resume,
    });
  }

  private receive(text: string): void {
    const frame = read(text);
    if (!frame) return this.drop();

    this.hear();
    if (frame.type === 'welcome') this.welcome(frame as unknown as Welcome);
    else if (frame.type === 'bye') this.bye(frame as unknown as Bye);
    else if (frame.type === 'ok' || frame.type === 'error') {
      this.mail.answer(frame as Reply);
      this.flush();
    } else this.event(frame);
  }

  private welcome(welcome: Welcome): void {
    this.attempts = 0;
    this.session = welcome.session;
    if (!welcome.resumed) this.received = this.acknowledged = 0;
    // Before anybody hears of the connection and sends more: ids go out in their order.
    if (welcome.resumed) this.mail.resume();
    else this.mail.renew();
    this.flush();
    this.become('connected');
    this.tell('welcome', welcome);
  }

  /** An event that came before is left out; one that is missing is asked for by a resume. */
  private event(frame: Frame): void {
    const { type, seq, ...rest } = frame;
    if (typeof seq !== 'number' || seq <= this.received) return;
    if (seq > this.received + 1) return this.drop();

    this.received = seq;
    this.acknowledge();
    this.tell(type as keyof Events, rest as never);
  }

  private acknowledge(): void {
    if (this.received - this.acknowledged >= ACK_EVENTS) return this.sendAck();
    this.ack ??= setTimeout(() => this.sendAck(), ACK_MS);
  }

  private sendAck(): void {
    clearTimeout(this.ack);
    this.ack = undefined;
    if (this.state !== 'connected') return;

    this.acknowledged = this.received;
    this.socket?.send(JSON.stringify({ type: 'ack', seq: this.received }));
  }

  private bye(bye: Bye): void {
    this.reconnects = bye.reconnect;
    this.tell('bye', bye);
    this.drop();
  }

  /** Lets the socket go, and comes back later unless it is over. */
  private drop(): void {
    const { socket } = this;
    this.socket = null;
    for (const timer of [this.retry, this.deadline, this.ping, this.ack]) clearTimeout(timer);
    this.deadline = this.ack = undefined;
    socket?.close();
    if (!this.reconnects) {
      this.mail.fail('offline', 'the connection is closed');

      return this.become('closed');
    }
    this.become('connecting');
    this.retry = setTimeout(() => void this.open(), backoff(this.attempts, Math.random()));
    this.attempts += 1;
  }

  /** Something came: the line stands. */
  private hear(): void {
    clearTimeout(this.deadline);
    clearTimeout(this.ping);
    this.deadline = undefined;
    const ask = () => void this.send('ping', {}).catch(() => undefined);
    this.ping = setTimeout(ask, PING_MS);
  }

  private flush(): void {
    const due = this.mail.due();
    for (const text of due) this.socket?.send(text);
    if (due.length > 0 && this.deadline === undefined) this.expect();
  }

  private expect(): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => this.drop(), PATIENCE_MS);
  }

  private become(line: Line): void {
    if (line === this.state) return;

    this.state = line;
    this.tell('line', line);
  }

  private tell<K extends keyof Tidings>(type: K, tiding: Tidings[K]): void {
    for (const listener of [...(this.listeners.get(type) ?? [])]) listener(tiding as never);
  }
}

/** Milliseconds before attempt `attempt` (from 0): doubling, and spread by `random` in [0, 1). */
export function backoff(attempt: number, random: number): number {
  const longest = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 10));

  return longest * (0.5 + random / 2);
}

type Timer = ReturnType<typeof setTimeout> | undefined;
type Frame = { type: string; seq?: unknown; [member: string]: unknown };

function read(text: string): Frame | null {
  try {
    const frame: unknown = JSON.parse(text);
    const type = frame && typeof frame === 'object' && 'type' in frame ? frame.type : null;

    return typeof type === 'string' ? (frame as Frame) : null;
  } catch {
    return null;
  }
}
