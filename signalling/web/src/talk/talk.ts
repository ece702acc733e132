// One call, from the first ring to the end: who is in it, and the path that its media takes.

import {
  type Calls,
  type EndReason,
  type Events,
  type Person,
  type Proposal,
  type StandingCall,
} from '../calls';
import type { Notices } from '../notices';
import type { Settings } from '../store';
import { DirectPath } from './direct';
import { type Figures, Measuring } from './figures';
import { Media } from './media';
import type { Path, Watcher } from './path';
import { type Leg, Route } from './route';
import { TalkScreen, type TalkState } from './screen';
import { ServedPath } from './served';
import { noteSwitch } from './switches';
import type { Face } from './tile';
import { Voice } from './voice';

/** What a talk works with. */
export interface Desk {
  calls: Calls;
  me: Person;
  settings: Settings;
  notices: Notices;
  /** Opens the list of whom to invite. */
  invite(talk: Talk): void;
  /** The call is over for this device; `quiet` when somebody else says why. */
  over(talk: Talk, reason: EndReason, quiet: boolean): void;
}

/** Somebody in the call, or called into it. */
type Member = Person & { state: 'ringing' | 'in' };

/** A call on this device. */
export class Talk {
  readonly screen: TalkScreen;
  /** Whom it is with, by name. */
  title: string;
  private state: TalkState;
  private readonly members = new Map<string, Member>();
  private readonly voices = new Map<string, Voice>();
  private readonly media: Media;
  private readonly route: Route;
  private readonly measuring: Measuring;
  private over = false;
  private adrift = false;

  /** `id` is empty until the server has named the call; `answered`: the others are in it. */
  constructor(
    private readonly desk: Desk,
    public id: string,
    others: readonly Person[],
    answered: boolean,
  ) {
    this.title = others.map(({ name }) => name).join(', ');
    this.state = answered ? 'connecting' : 'calling';
    for (const { identity, name } of others) {
      this.members.set(identity, { identity, name, state: answered ? 'in' : 'ringing' });
    }
    this.screen = new TalkScreen(this.actions());
    this.media = new Media(desk.settings, this.sent, (advice) => desk.notices.warn(advice));
    this.route = new Route({
      make: (proposal, watcher) => this.make(proposal, watcher),
      report: (epoch, state, reason) => this.report(epoch, state, reason),
      isIn: (identity) => this.members.get(identity)?.state === 'in',
      shown: (leg) => this.shown(leg),
      gone: () => this.alone(),
    });
    this.measuring = new Measuring(
      () => this.route.leg?.path ?? null,
      (figures) => this.measured(figures),
      () => this.send('route', { state: 'wanted', via: 'server', reason: 'quality' }),
    );
    this.paint();
  }

  /** Opens microphone and camera. */
  open(camera: boolean): Promise<void> {
    return this.media.open(camera);
  }

  /** Who is in the call or called into it. */
  has(identity: string): boolean {
    return this.members.has(identity);
  }

  /** Whether it still rings at the other end. */
  get waits(): boolean {
    return this.state === 'calling' || this.state === 'ringing';
  }

  /** Takes over what stands at the server: people, and who is in. */
  stand(call: StandingCall): void {
    this.floats(false);
    this.members.clear();
    for (const member of call.participants) {
      if (member.identity !== this.desk.me.identity) this.members.set(member.identity, member);
    }
    if (call.state === 'active' && this.waits) this.become('connecting');
    this.paint();
  }

  /** The server knows nothing of the call any more: what goes directly goes on. */
  lost(): void {
    if (this.route.leg?.path.via === 'direct') this.floats(true);
    else this.finish('lost');
  }

  ringing(identity: string): void {
    if (!this.waits) return;
    this.become('ringing');
    this.desk.notices.say(`It rings at ${this.name(identity)}.`);
  }

  /** Somebody is in: maybe oneself. */
  accepted({ identity, name }: Person): void {
    if (identity !== this.desk.me.identity) {
      this.members.set(identity, { identity, name, state: 'in' });
      this.desk.notices.say(`${name} is in the call.`);
    }
    if (this.waits) this.become('connecting');
    this.paint();
  }

  /** Somebody is called into it. */
  added(person: Person): void {
    this.members.set(person.identity, { ...person, state: 'ringing' });
    this.paint();
  }

  /** Somebody left, or did not come. */
  left(identity: string, words: string): void {
    const name = this.name(identity);
    this.members.delete(identity);
    this.desk.notices.tell(`${name} ${words}.`);
    this.paint();
  }

  routed(event: Events['route']): void {
    if (event.state === 'proposed') this.route.propose(event);
    else void this.route.judge(event);
  }

  signalled({ epoch, call: _call, from: _from, ...signal }: Events['p2p']): void {
    this.route.receive(epoch, signal);
  }

  /** Leaves; the server is told. */
  leave(): void {
    const path = this.route.leg?.path;
    if (path instanceof DirectPath) path.bye();
    if (this.id) this.send(this.waits ? 'cancel' : 'hangup', {});
    this.finish('hangup', true);
  }

  /** Takes the call down. */
  finish(reason: EndReason, quiet = false): void {
    if (this.over) return;
    this.over = true;
    this.measuring.close();
    this.route.close();
    this.media.close();
    for (const voice of this.voices.values()) void voice.play(null);
    this.screen.close();
    this.desk.over(this, reason, quiet);
  }

  private actions() {
    return {
      microphone: () => void this.media.toggleMicrophone(),
      camera: () => void this.media.toggleCamera(),
      screen: () => void this.media.toggleScreen(),
      invite: () => this.desk.invite(this),
      sound: () => this.unblock(),
      leave: () => this.leave(),
    };
  }

  private make(proposal: Proposal, watcher: Watcher): Path {
    const { settings } = this.desk;
    if (proposal.via === 'server') return new ServedPath(proposal, settings, watcher);

    const { epoch, peer, offerer, ice_servers } = proposal;
    const { identity } = peer;
    const to = { identity, offerer, ice_servers, codec: settings.codec };

    return new DirectPath(to, (say) => this.send('p2p', { epoch, to: identity, ...say }), watcher);
  }

  private readonly sent = (): void => {
    void this.route.send(this.media.sending);
    this.paint();
  };

  /** Shows what comes in by the present path; a switch is over once all pictures are there. */
  private async shown(leg: Leg | null): Promise<void> {
    if (this.over) return;
    if (leg) this.become('active');
    for (const [identity, remote] of this.route.people()) {
      void this.voice(identity).play(remote.microphone?.track ?? null);
    }
    const gap_ms = await this.paint();
    if (!leg) return;

    noteSwitch({ via: leg.path.via, epoch: leg.epoch, reason: leg.reason, video_gap_ms: gap_ms });
    this.screen.element.dataset.epoch = String(leg.epoch);
    this.screen.element.dataset.via = leg.path.via;
  }

  private voice(identity: string): Voice {
    const known = this.voices.get(identity);
    if (known) return known;
    const voice = new Voice(() => this.screen.blocked(true));
    this.voices.set(identity, voice);
    this.screen.voices.append(voice.element);

    return voice;
  }

  private unblock(): void {
    this.screen.blocked(false);
    for (const voice of this.voices.values()) void voice.unblock();
  }

  private paint(): Promise<number | null> {
    for (const [identity, voice] of this.voices) {
      if (!this.members.has(identity)) void voice.play(null);
    }
    this.screen.update(this.state, this.media.sending);

    return this.screen.people(this.heading(), this.faces());
  }

  private heading(): string {
    const names = [...this.members.values()].map(({ name }) => name).join(', ');
    if (this.members.size > 0) this.title = names;
    if (this.state === 'calling') return `Calling ${names}…`;

    return this.state === 'ringing' ? `Ringing at ${names}…` : this.title;
  }

  private faces(): Face[] {
    const { sending } = this.media;
    const people = this.route.people();
    const faces: Face[] = [];
    for (const { identity, name, state } of this.members.values()) {
      const remote = people.get(identity);
      const muted = remote?.microphone ? !remote.microphone.on : false;
      const about = { identity, name, own: false, muted, rings: state === 'ringing' };
      faces.push({ ...about, screen: false, track: remote?.camera?.track ?? null });
      const track = remote?.screen?.track;
      if (track) faces.push({ ...about, screen: true, muted: false, track });
    }
    const own = { ...this.desk.me, own: true, muted: sending.muted, rings: false };
    faces.push({ ...own, screen: false, track: sending.camera });

    return faces;
  }

  private name(identity: string): string {
    return this.members.get(identity)?.name ?? identity;
  }

  private become(state: TalkState): void {
    this.state = state;
    void this.paint();
  }

  /** The other browser said goodbye, which the server tells too, if it knows the call. */
  private alone(): void {
    if (this.adrift) this.finish('hangup');
  }

  private report(epoch: number, state: 'ready' | 'failed', reason?: string): void {
    if (this.adrift && state === 'failed') return this.finish('lost');
    this.send('route', { epoch, state, reason });
  }

  private measured(figures: Figures | null): void {
    if (!this.over) this.screen.figures(figures);
  }

  private floats(adrift: boolean): void {
    this.adrift = adrift;
    const words = 'The server lost this call. Sound and pictures go on until somebody hangs up.';
    this.screen.say(adrift ? words : '');
  }

  /** What the server refuses it has its reasons for: the events say what becomes of the call. */
  private send(type: 'route' | 'p2p' | 'cancel' | 'hangup', body: object): void {
    if (this.adrift && type !== 'p2p') return;
    const frame = { call: this.id, ...body } as never;
    this.desk.calls.send(type, frame).catch((error) => console.debug(type, error));
  }
}
