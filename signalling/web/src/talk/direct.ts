// From browser to browser: one peer connection, in which only the offerer makes offers.

import { type Entry, readReports } from '../call/measure';
import type { Candidate, IceServer, PeerSignal } from '../calls';
import type { Codec } from '../store';
import {
  type Path,
  type Remote,
  type Sending,
  type Source,
  SOURCES,
  type Watcher,
} from './path';

/** Milliseconds of a lost connection before ICE begins anew. */
const LOST_MS = 2_000;
/** Milliseconds in which a connection must come about, for the first time or again. */
const CONNECT_MS = 12_000;
/** Times that ICE begins anew before the path is given up. */
const RESTARTS_MAX = 3;
/** Most candidates that wait for a description. */
const CANDIDATES_MAX = 64;

/** Whom the path leads to, and how it is found. */
export interface Peer {
  identity: string;
  offerer: boolean;
  ice_servers: IceServer[];
  codec: Codec;
}

type Said = { on: Record<Source, boolean> } | { bye: true };

/** A direct path: three transceivers in the order of `SOURCES`, and a channel for what is on. */
export class DirectPath implements Path {
  readonly via = 'direct';
  private readonly connection: RTCPeerConnection;
  private readonly channel: RTCDataChannel;
  private theirs: Record<Source, boolean> | null = null;
  private sending: Sending | null = null;
  private early: (Candidate | null)[] = [];
  private work: Promise<unknown> = Promise.resolve();
  private restarts = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  /** Whether ICE is to begin anew once the answer has come. */
  private again = false;

  constructor(
    private readonly peer: Peer,
    private readonly signal: (signal: PeerSignal) => void,
    private readonly watcher: Watcher,
  ) {
    this.connection = new RTCPeerConnection({
      iceServers: peer.ice_servers as RTCIceServer[],
      bundlePolicy: 'max-bundle',
    });
    // Both know its number: it needs no event of its own, and is there with the first packet.
    this.channel = this.connection.createDataChannel('state', { negotiated: true, id: 0 });
    this.channel.onopen = () => this.say();
    this.channel.onmessage = ({ data }) => this.hear(String(data));
    this.connection.onicecandidate = ({ candidate }) => this.trickle(candidate);
    this.connection.onconnectionstatechange = () => this.follow();
    addEventListener('online', this.moved);
    network()?.addEventListener('change', this.moved);
    if (peer.offerer) this.begin();
    this.expect();
  }

  get connected(): boolean {
    return this.connection.connectionState === 'connected' && this.theirs !== null;
  }

  people(): Map<string, Remote> {
    const remote: Remote = {};
    this.connection.getTransceivers().forEach(({ receiver }, index) => {
      const source = SOURCES[index];
      const on = source && this.theirs?.[source];
      if (!source || on === undefined || (!on && source !== 'microphone')) return;
      remote[source] = { track: receiver.track, receiver, on };
    });

    return new Map(this.theirs ? [[this.peer.identity, remote]] : []);
  }

  async send(sending: Sending): Promise<void> {
    this.sending = sending;
    await this.attach();
    this.say();
  }

  /** Takes what the other browser says; in order, and never two at once. */
  receive(signal: PeerSignal): void {
    this.enqueue(() => this.take(signal));
  }

  /** Tells the other that this is the end, and not a broken line. */
  bye(): void {
    if (this.channel.readyState === 'open') this.channel.send(JSON.stringify({ bye: true }));
  }

  reports(): Promise<Entry[][]> {
    return readReports([this.connection]);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    removeEventListener('online', this.moved);
    network()?.removeEventListener('change', this.moved);
    this.connection.close();
  }

  private begin(): void {
    for (const source of SOURCES) {
      const kind = source === 'microphone' ? 'audio' : 'video';
      const transceiver = this.connection.addTransceiver(kind, { direction: 'sendrecv' });
      if (kind === 'video') prefer(transceiver, this.peer.codec);
    }
    this.enqueue(() => this.offer(false));
  }

  private async offer(iceRestart: boolean): Promise<void> {
    // The answer on its way belongs to the last offer: the next one follows it.
    this.again = this.connection.signalingState !== 'stable';
    if (this.again) return;

    const offer = await this.connection.createOffer({ iceRestart });
    await this.connection.setLocalDescription(offer);
    this.signal({ offer: { sdp: this.connection.localDescription?.sdp ?? '' } });
  }

  private async take(signal: PeerSignal): Promise<void> {
    const { offer, answer, candidate, restart } = signal;
    if (offer && !this.peer.offerer) await this.answer(offer.sdp);
    if (answer && this.connection.signalingState === 'have-local-offer') {
      await this.connection.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
      await this.addEarly();
      if (this.again) await this.offer(true);
    }
    if (candidate !== undefined) await this.add(candidate);
    if (restart && this.peer.offerer) await this.offer(true);
  }

  private async answer(sdp: string): Promise<void> {
    await this.connection.setRemoteDescription({ type: 'offer', sdp });
    for (const transceiver of this.connection.getTransceivers()) transceiver.direction = 'sendrecv';
    await this.attach();
    await this.connection.setLocalDescription();
    this.signal({ answer: { sdp: this.connection.localDescription?.sdp ?? '' } });
    await this.addEarly();
  }

  private async addEarly(): Promise<void> {
    const early = this.early;
    this.early = [];
    for (const candidate of early) await this.add(candidate);
  }

  private async add(candidate: Candidate | null): Promise<void> {
    if (!this.connection.remoteDescription) {
      if (this.early.length < CANDIDATES_MAX) this.early.push(candidate);

      return;
    }
    try {
      await this.connection.addIceCandidate(candidate ? readCandidate(candidate) : undefined);
    } catch {
      // One of an earlier ICE session, or of a kind that this browser does not know.
    }
  }

  private trickle(candidate: RTCIceCandidate | null): void {
    if (this.closed) return;
    if (!candidate?.candidate) return this.signal({ candidate: null });

    const { sdpMid, sdpMLineIndex } = candidate;
    const told = { candidate: candidate.candidate, sdp_mid: sdpMid };
    this.signal({ candidate: { ...told, sdp_m_line_index: sdpMLineIndex } });
  }

  private async attach(): Promise<void> {
    const { sending } = this;
    if (!sending) return;

    const transceivers = this.connection.getTransceivers();
    await Promise.all(
      SOURCES.map((source, index) => transceivers[index]?.sender.replaceTrack(sending[source])),
    );
  }

  private say(): void {
    if (this.channel.readyState !== 'open' || !this.sending) return;

    const { microphone, camera, screen, muted } = this.sending;
    const on = { microphone: Boolean(microphone) && !muted };
    const all = { ...on, camera: Boolean(camera), screen: Boolean(screen) };
    this.channel.send(JSON.stringify({ on: all }));
  }

  private hear(text: string): void {
    const said = readSaid(text);
    if (!said) return;
    if ('bye' in said) return this.watcher.gone();

    this.theirs = said.on;
    this.watcher.changed();
  }

  private follow(): void {
    const state = this.connection.connectionState;
    if (state === 'connected') {
      clearTimeout(this.timer);
      this.restarts = 0;
      this.watcher.changed();
    }
    if (state === 'disconnected') this.wait(LOST_MS);
    if (state === 'failed') this.wait(0);
  }

  /** Another network: the addresses that were found may be gone. */
  private readonly moved = (): void => this.wait(0);

  private expect(): void {
    this.wait(CONNECT_MS);
  }

  private wait(delay_ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.restart(), delay_ms);
  }

  private restart(): void {
    if (this.closed) return;
    if (this.restarts >= RESTARTS_MAX) return this.watcher.failed('ice');

    this.restarts += 1;
    if (this.peer.offerer) this.enqueue(() => this.offer(true));
    else this.signal({ restart: true });
    this.expect();
  }

  private enqueue(act: () => Promise<void>): void {
    this.work = this.work.then(async () => {
      if (this.closed) return;
      try {
        await act();
      } catch (error) {
        console.warn('negotiation', error);
        if (!this.closed) this.watcher.failed('negotiation');
      }
    });
  }
}

/** Brings the codec to the front of what is offered; the others stay, for the other browser. */
function prefer(transceiver: RTCRtpTransceiver, codec: Codec): void {
  const all = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const first = all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`);
  const rest = all.filter((candidate) => !first.includes(candidate));
  if (first.length > 0) transceiver.setCodecPreferences?.([...first, ...rest]);
}

function readCandidate({ candidate, sdp_mid, sdp_m_line_index }: Candidate): RTCIceCandidateInit {
  return { candidate, sdpMid: sdp_mid, sdpMLineIndex: sdp_m_line_index };
}

/** Reads what came over the channel, maybe from another version of the page. */
function readSaid(text: string): Said | null {
  try {
    const said = JSON.parse(text) as { on?: Record<string, unknown>; bye?: unknown };
    if (said.bye === true) return { bye: true };
    const { on } = said;
    if (!on) return null;
    const is = (source: Source) => on[source] === true;

    return { on: { microphone: is('microphone'), camera: is('camera'), screen: is('screen') } };
  } catch {
    return null;
  }
}

/** The Network Information API, where the browser has it. */
function network(): EventTarget | undefined {
  return (navigator as { connection?: EventTarget }).connection;
}
