// The frames of `/calls`, version 1: what a client sends, what it is answered, what it is told.

/** The version of the protocol that this library speaks. */
export const VERSION = 1;

/** What others see of somebody; who has blocked the asker is always `offline`. */
export type State = 'online' | 'busy' | 'do_not_disturb' | 'offline';

/** How media goes: from browser to browser (or through TURN), or through the server's SFU. */
export type Via = 'direct' | 'server';

/** Somebody, by the token's identity and name. */
export interface Person {
  identity: string;
  name: string;
}

/** Somebody, and whether they can be called. */
export interface Contact extends Person {
  state: State;
}

/** One's own settings; all devices of a person have the same. */
export interface OwnSettings {
  do_not_disturb: boolean;
  blocked: string[];
}

/** A call that came while nobody answered; `at_ms` and `expires_ms` are Unix milliseconds. */
export interface MissedCall {
  notice: string;
  kind: 'missed_call';
  from: Person;
  call: string;
  at_ms: number;
  expires_ms: number;
}

/** A STUN or TURN server, as `RTCConfiguration` takes it. */
export interface IceServer {
  urls: string | string[];
  username?: string;
  credential?: string;
}

/** An ICE candidate; `null` in its place says that there are no more. */
export interface Candidate {
  candidate: string;
  sdp_mid: string | null;
  sdp_m_line_index: number | null;
}

/** What one browser tells the other about a direct path: exactly one of the four. */
export interface PeerSignal {
  offer?: { sdp: string };
  answer?: { sdp: string };
  candidate?: Candidate | null;
  /** Asks the offerer for an ICE restart. */
  restart?: true;
}

/** A path to prepare beside the present one, and to answer with `ready` or `failed`. */
export type Proposal = { call: string; epoch: number; state: 'proposed'; reason: string } & (
  | { via: 'direct'; peer: Person; offerer: boolean; ice_servers: IceServer[] }
  | { via: 'server'; room: string; url: string; token: string }
);

/** How a proposal ended: all go over to it, or it is given up. */
export interface Verdict {
  call: string;
  epoch: number;
  state: 'switched' | 'failed';
  reason?: string;
}

/** Why a call is over. */
export type EndReason =
  | 'declined'
  | 'busy'
  | 'timeout'
  | 'cancelled'
  | 'hangup'
  | 'unavailable'
  | 'answered_elsewhere'
  | 'merged'
  | 'lost'
  | 'failed';

/** A call that stands when one connects. */
export interface StandingCall {
  call: string;
  state: 'ringing' | 'incoming' | 'active';
  participants: (Person & { state: 'ringing' | 'in' })[];
  /** Whether this device is in it. */
  device_in: boolean;
  video?: boolean;
  expires_ms?: number;
}

/** What the server says first. */
export interface Welcome extends Person {
  version: number;
  session: string;
  resumed: boolean;
  grace_s: number;
  ring_s: number;
  node: string;
  ice_servers: IceServer[];
  calls: StandingCall[];
  notices: MissedCall[];
  settings: OwnSettings;
}

/** Frames of a client, by `type`, without `type` and `id`. */
export interface Requests {
  ping: Record<never, never>;
  watch: { identities: string[] | null };
  settings: { do_not_disturb?: boolean; block?: string[]; unblock?: string[] };
  call: { to: string; video: boolean };
  ringing: { call: string };
  accept: { call: string };
  decline: { call: string };
  cancel: { call: string };
  hangup: { call: string };
  busy: { call: string };
  add: { call: string; to: string };
  p2p: { call: string; epoch: number; to: string } & PeerSignal;
  route:
    | { call: string; epoch: number; state: 'ready' | 'failed'; reason?: string }
    | { call: string; state: 'wanted'; via: Via; reason: string };
  seen: { notice: string };
}

/** What each frame is answered with; the others with nothing. */
export interface Answers {
  watch: { presence: Contact[]; truncated?: boolean };
  settings: OwnSettings;
  call: { call: string };
}

/** The answer to a frame of this type. */
export type Answer<K> = K extends keyof Answers ? Answers[K] : Record<never, never>;

/** What the server tells by itself, by `type`, without `type` and `seq`. */
export interface Events {
  incoming: {
    call: string;
    from: Person;
    video: boolean;
    participants: Person[];
    expires_ms: number;
  };
  ringing: { call: string; identity: string };
  accepted: { call: string; identity: string; name: string; device: string };
  declined: { call: string; identity: string; reason: string };
  left: { call: string; identity: string; reason: string };
  ended: { call: string; reason: EndReason; into?: string };
  p2p: { call: string; epoch: number; from: string } & PeerSignal;
  route: Proposal | Verdict;
  presence: Contact;
  settings: OwnSettings;
  notice: MissedCall;
  notice_gone: { notice: string };
}

/** The server closes the connection, and says whether to come back. */
export interface Bye {
  reason: string;
  message: string;
  reconnect: boolean;
}

/** Why a frame was not carried out; `offline` and `lost` are this library's own. */
export class CallsError extends Error {
  /** `field` is a JSON pointer into the frame, where one is to blame. */
  constructor(
    readonly code: string,
    message: string,
    readonly field?: string,
    readonly retry_after_ms?: number,
  ) {
    super(message);
  }
}
