// Being reachable: the line to the server, who is there, who calls, and the one talk that is on.

import {
  Calls,
  type Contact,
  type EndReason,
  type Events,
  type MissedCall,
  type OwnSettings,
  type Person,
  type StandingCall,
  type Welcome,
} from '../calls';
import type { Notices } from '../notices';
import type { Settings } from '../store';
import { Talk } from '../talk/talk';
import { Bell } from './bell';
import { Contacts } from './contacts';
import { chooseContact } from './invite';
import { Ring } from './ring';
import { explainBye, explainCall, sayEnd, sayLeft } from './words';

/** Where the phone shows itself. */
export interface Place {
  show(element: HTMLElement, title: string): void;
  /** Puts words into the title while they last; `null` takes them away. */
  alert(words: string | null): void;
  /** Leaves whatever else is on: a lobby, or a room. */
  vacate(): void;
  rooms(): void;
  signedOut(why: ReturnType<typeof explainBye> | null): void;
}

/** Who signed in, and by what. */
export interface Account {
  me: Person;
  url: string;
  device: string;
  token: () => string | Promise<string>;
}

/** One signed-in person on this device. */
export class Phone {
  private readonly calls: Calls;
  private readonly contacts: Contacts;
  private readonly ring = new Ring();
  private readonly people = new Map<string, Contact>();
  private readonly missed = new Map<string, MissedCall>();
  private readonly bell: Bell;
  private own: OwnSettings = { do_not_disturb: false, blocked: [] };
  private me: Person;
  private talk: Talk | null = null;

  constructor(
    account: Account,
    private readonly settings: Settings,
    private readonly notices: Notices,
    private readonly place: Place,
  ) {
    this.me = account.me;
    this.calls = new Calls(account);
    this.bell = new Bell(this.ring, place.alert);
    this.contacts = new Contacts(account.me, this.actions());
    this.listen();
    addEventListener('online', () => this.calls.hurry());
  }

  /** Connects, and shows the contacts. */
  open(): void {
    this.calls.connect();
    this.show();
  }

  /** Shows the contacts, or the talk that is on. */
  show(): void {
    if (this.talk) return;
    this.place.vacate();
    this.place.show(this.contacts.element, 'Contacts – Millrace');
    this.contacts.focus();
  }

  /** Ends whatever is on, and the line. */
  close(): void {
    this.talk?.leave();
    this.bell.endAll();
    this.calls.close();
  }

  private actions() {
    return {
      call: (contact: Contact, video: boolean) => void this.call(contact, video),
      block: (contact: Contact, blocked: boolean) => {
        const list = [contact.identity];
        void this.set(blocked ? { block: list } : { unblock: list });
      },
      disturb: (do_not_disturb: boolean) => void this.set({ do_not_disturb }),
      callBack: (one: MissedCall) => {
        this.dismiss(one);
        void this.call(one.from, true);
      },
      dismiss: (one: MissedCall) => this.dismiss(one),
      rooms: () => this.place.rooms(),
      signOut: () => {
        this.close();
        this.place.signedOut(null);
      },
    };
  }

  private listen(): void {
    const { calls } = this;
    const ours = (call: string) => (this.talk?.id === call ? this.talk : null);
    calls.on('line', (line) => this.contacts.connection(line));
    calls.on('welcome', (welcome) => this.welcome(welcome));
    calls.on('bye', (bye) => !bye.reconnect && this.dismissed(bye.reason, bye.message));
    calls.on('presence', (contact) => this.seen([contact]));
    calls.on('settings', (own) => this.owns(own));
    calls.on('notice', (one) => this.note(one));
    calls.on('notice_gone', ({ notice }) => this.unnote(notice));
    calls.on('incoming', (event) => this.rings(event));
    calls.on('ringing', ({ call, identity }) => ours(call)?.ringing(identity));
    calls.on('accepted', (event) => this.accepted(event));
    calls.on('declined', ({ call, identity, reason }) => {
      ours(call)?.left(identity, sayLeft(reason));
    });
    calls.on('left', ({ call, identity, reason }) => ours(call)?.left(identity, sayLeft(reason)));
    calls.on('route', (event) => ours(event.call)?.routed(event));
    calls.on('p2p', (event) => ours(event.call)?.signalled(event));
    calls.on('ended', (event) => this.ended(event));
  }

  private welcome(welcome: Welcome): void {
    const { identity, name, resumed, calls } = welcome;
    if (resumed) return;

    this.me = { identity, name };
    this.missed.clear();
    for (const one of welcome.notices ?? []) this.missed.set(one.notice, one);
    this.contacts.notices([...this.missed.values()]);
    this.owns(welcome.settings ?? this.own);
    void this.watch();
    this.reconcile(calls);
  }

  /** A new session: what the server knows of, against what this page knows of. */
  private reconcile(calls: readonly StandingCall[]): void {
    this.bell.endAll();
    const { talk } = this;
    const ours = calls.find(({ call }) => call === talk?.id);
    if (talk?.id && ours) talk.stand(ours);
    else if (talk?.id) talk.lost();
    for (const standing of calls) {
      const { call, state, participants, device_in } = standing;
      const from = participants.find((each) => each.identity !== this.me.identity);
      if (standing === ours || !from) continue;
      // The page was loaded anew: it has lost its part of the call.
      if (device_in) this.tell(state === 'ringing' ? 'cancel' : 'hangup', call);
      else if (state === 'incoming') {
        const { video = true, expires_ms = 0 } = standing;
        this.rings({ call, from, video, participants, expires_ms });
      }
    }
  }

  private async watch(): Promise<void> {
    try {
      const { presence } = await this.calls.send('watch', { identities: null });
      this.people.clear();
      this.seen(presence);
    } catch (error) {
      this.contacts.complain(explainCall(error, 'The list of contacts'));
    }
  }

  private seen(contacts: readonly Contact[]): void {
    for (const contact of contacts) {
      const { identity } = contact;
      if (identity === this.me.identity) continue;
      const name = contact.name || this.people.get(identity)?.name || identity;
      this.people.set(identity, { ...contact, name });
    }
    this.contacts.people([...this.people.values()], this.own);
  }

  private owns(own: OwnSettings): void {
    this.own = own;
    this.contacts.people([...this.people.values()], own);
  }

  private async set(change: object): Promise<void> {
    try {
      this.owns(await this.calls.send('settings', change));
    } catch (error) {
      this.contacts.complain(explainCall(error, 'The setting'));
      this.owns(this.own);
    }
  }

  private note(one: MissedCall): void {
    this.missed.set(one.notice, one);
    this.contacts.notices([...this.missed.values()]);
  }

  private unnote(notice: string): void {
    this.missed.delete(notice);
    this.contacts.notices([...this.missed.values()]);
  }

  private dismiss({ notice }: MissedCall): void {
    this.unnote(notice);
    this.calls.send('seen', { notice }).catch(() => undefined);
  }

  private async call(to: Person, video: boolean): Promise<void> {
    if (this.talk) return;
    this.contacts.complain(null);
    const talk = this.begin('', [to], false);
    this.ring.ringback();
    void talk.open(video);
    try {
      const { call } = await this.calls.send('call', { to: to.identity, video });
      if (this.isOn(talk)) talk.id = call;
      else this.tell('cancel', call);
    } catch (error) {
      talk.finish('hangup', true);
      this.contacts.complain(explainCall(error, to.name));
    }
  }

  private isOn(talk: Talk): boolean {
    return talk === this.talk;
  }

  private begin(id: string, others: readonly Person[], answered: boolean): Talk {
    const desk = {
      calls: this.calls,
      me: this.me,
      settings: this.settings,
      notices: this.notices,
      invite: (talk: Talk) => void this.invite(talk),
      over: (talk: Talk, reason: EndReason, quiet: boolean) => this.over(talk, reason, quiet),
    };
    this.place.vacate();
    const talk = new Talk(desk, id, others, answered);
    this.talk = talk;
    this.place.show(talk.screen.element, `${others.map(({ name }) => name).join(', ')} – Millrace`);
    talk.screen.focus();

    return talk;
  }

  private rings(event: Events['incoming']): void {
    const { call } = event;
    const answer = {
      accept: (camera: boolean) => this.accept(event, camera),
      decline: () => this.refuse(call, 'decline'),
      busy: () => this.refuse(call, 'busy'),
    };
    if (this.bell.begin(event, answer, this.talk !== null)) this.tell('ringing', call);
  }

  private accept(event: Events['incoming'], camera: boolean): void {
    const { call, from, participants } = event;
    this.bell.end(call);
    this.talk?.leave();
    const others = participants.filter(({ identity }) => identity !== this.me.identity);
    const known = others.some(({ identity }) => identity === from.identity);
    const talk = this.begin(call, known ? others : [from, ...others], true);
    void talk.open(camera);
    this.calls.send('accept', { call }).catch((error) => {
      talk.finish('hangup', true);
      this.contacts.complain(explainCall(error, from.name));
    });
  }

  private refuse(call: string, how: 'decline' | 'busy'): void {
    this.bell.end(call);
    this.tell(how, call);
  }

  private accepted({ call, ...person }: Events['accepted']): void {
    if (this.talk?.id !== call) return;
    this.ring.stop();
    this.talk.accepted(person);
  }

  private ended({ call, reason, into }: Events['ended']): void {
    this.bell.end(call);
    if (this.talk?.id !== call) return;
    // Both called at the same time: the other's call is ours now.
    if (reason === 'merged' && into) this.talk.id = into;
    else this.talk.finish(reason);
  }

  private async invite(talk: Talk): Promise<void> {
    const callable = [...this.people.values()].filter(
      ({ identity, state }) => (state === 'online' || state === 'busy') && !talk.has(identity),
    );
    const to = await chooseContact(callable);
    if (!to || talk !== this.talk) return;

    try {
      await this.calls.send('add', { call: talk.id, to: to.identity });
      talk.added(to);
    } catch (error) {
      this.notices.warn(explainCall(error, to.name));
    }
  }

  private over(talk: Talk, reason: EndReason, quiet: boolean): void {
    if (talk !== this.talk) return;
    this.talk = null;
    this.ring.stop();
    this.show();
    const words = sayEnd(reason, talk.title);
    if (words && !quiet) this.notices.tell(words);
  }

  private dismissed(reason: string, message: string): void {
    this.talk?.finish('lost', true);
    this.bell.endAll();
    this.place.signedOut(explainBye(reason, message));
  }

  /** What becomes of it the events tell: an answer that says no changes nothing here. */
  private tell(type: 'ringing' | 'decline' | 'busy' | 'cancel' | 'hangup', call: string): void {
    this.calls.send(type, { call }).catch((error) => console.debug(type, error));
  }
}
