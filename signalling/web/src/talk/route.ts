// Which path a call's media takes, and how it goes over to another: make, then break.

import type { PeerSignal, Proposal, Verdict } from '../calls';
import { carries, type Path, type Remote, type Sending, type Watcher } from './path';

/** A path that may be spoken to by the other browser. */
export interface Negotiated extends Path {
  receive(signal: PeerSignal): void;
}

/** Milliseconds that the old path stays after the new one is shown: the others may be slower. */
export const LINGER_MS = 2_000;

/** What the route asks for, and what it tells. */
export interface Guide {
  make(proposal: Proposal, watcher: Watcher): Path;
  /** Reports to the server about a proposal or the present path. */
  report(epoch: number, state: 'ready' | 'failed', reason?: string): void;
  /** Who is in the call, but for oneself. */
  isIn(identity: string): boolean;
  /** Tracks, people or the path have changed: shows what `people` gives, then resolves. */
  shown(switched: Leg | null): Promise<void>;
  gone(): void;
}

/** A path, with the number and the reason under which the server proposed it. */
export interface Leg {
  epoch: number;
  reason: string;
  path: Path;
}

/** The present path, and beside it the one that is being made. */
export class Route {
  private present: Leg | null = null;
  private next: (Leg & { abort: AbortController }) | null = null;
  private sending: Sending | null = null;

  constructor(private readonly guide: Guide) {}

  /** The path that is shown: before the first stands, the one that is being made. */
  get leg(): Leg | null {
    return this.present ?? this.next;
  }

  /** What comes in, by identity. */
  people(): Map<string, Remote> {
    return this.leg?.path.people() ?? new Map();
  }

  /** Sends these tracks on every path there is. */
  async send(sending: Sending): Promise<void> {
    this.sending = sending;
    await Promise.all([this.present?.path.send(sending), this.next?.path.send(sending)]);
  }

  /** Makes the proposed path beside the present one, and reports when it carries media. */
  propose(proposal: Proposal): void {
    const { epoch, reason } = proposal;
    if (this.next?.epoch === epoch || this.present?.epoch === epoch) return;

    this.abandon();
    const abort = new AbortController();
    const watcher = {
      changed: () => void (this.leg?.epoch === epoch && this.guide.shown(null)),
      failed: (why: string) => this.fail(epoch, why),
      gone: () => void (this.leg?.epoch === epoch && this.guide.gone()),
    };
    const path = this.guide.make(proposal, watcher);
    this.next = { epoch, reason, path, abort };
    void this.prepare(this.next);
  }

  /** The server says how a proposal ended. */
  async judge({ epoch, state }: Verdict): Promise<void> {
    const { next, present } = this;
    if (next?.epoch !== epoch) return;
    if (state === 'failed') return this.abandon();

    this.next = null;
    next.abort.abort();
    this.present = next;
    await this.guide.shown(next);
    if (present) setTimeout(() => present.path.close(), LINGER_MS);
  }

  /** Hands on what the other browser says about the path of this number. */
  receive(epoch: number, signal: PeerSignal): void {
    const leg = [this.next, this.present].find((each) => each?.epoch === epoch);
    if (leg && 'receive' in leg.path) (leg.path as Negotiated).receive(signal);
  }

  /** Ends all paths. */
  close(): void {
    this.abandon();
    this.present?.path.close();
    this.present = null;
  }

  private async prepare(leg: Leg & { abort: AbortController }): Promise<void> {
    if (this.sending) await leg.path.send(this.sending);
    if (!(await carries(leg.path, () => this.wanted(), leg.abort.signal))) return;

    this.guide.report(leg.epoch, 'ready');
  }

  /** Whoever is heard and seen now must be so on the next path as well. */
  private wanted(): Map<string, Remote> {
    const people = this.present?.path.people() ?? new Map<string, Remote>();

    return new Map([...people].filter(([identity]) => this.guide.isIn(identity)));
  }

  private fail(epoch: number, reason: string): void {
    if (this.next?.epoch === epoch) this.abandon();
    else if (this.present?.epoch !== epoch) return;
    this.guide.report(epoch, 'failed', reason);
  }

  private abandon(): void {
    this.next?.abort.abort();
    this.next?.path.close();
    this.next = null;
  }
}
