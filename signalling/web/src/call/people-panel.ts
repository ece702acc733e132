// The list of everybody in the call, and what a moderator does there.

import type { Participant, Room } from 'livekit-client';
import { type Capture, explainModeration } from '../advice';
import { h } from '../dom';
import { icon } from '../icons';
import type { Notices } from '../notices';
import { panelHead } from './chat-panel';
import { confirm } from './confirm';
import type { Moderator } from './moderator';
import { PersonRow } from './person-row';
import { displayName } from './tile';

const DONE: Record<Capture, string> = {
  microphone: 'microphone is muted',
  camera: 'camera is off',
  screen: 'screen is stopped',
};

/** Names everybody, also those who have no place on the stage. */
export class PeoplePanel {
  readonly element: HTMLElement;
  private readonly list = h('ul', { class: 'people' });
  private readonly rows = new Map<Participant, PersonRow>();

  constructor(
    private readonly room: Room,
    private readonly moderator: Moderator,
    private readonly notices: Notices,
    close: () => void,
    copyLink: () => void,
  ) {
    this.element = h(
      'section',
      { class: 'panel', 'aria-label': 'People' },
      panelHead('People', close),
      this.list,
      h('button', { class: 'wide', onclick: copyLink }, icon('link'), 'Copy the link to invite'),
    );
  }

  /** Reads the room again; nothing to do while the panel is closed. */
  update(): void {
    if (this.element.hidden) return;
    const { allowed } = this.moderator;
    const people = [this.room.localParticipant, ...this.room.remoteParticipants.values()];
    this.forget(new Set<Participant>(people));
    for (const participant of people) {
      this.row(participant).update(allowed && !participant.isLocal);
    }
  }

  /** Puts the focus on the panel. */
  focus(): void {
    this.element.querySelector('button')?.focus();
  }

  private row(participant: Participant): PersonRow {
    const known = this.rows.get(participant);
    if (known) return known;

    const row = new PersonRow(participant, {
      mute: (who, what, trackSid) => void this.mute(who, what, trackSid),
      remove: (who) => void this.remove(who),
    });
    this.rows.set(participant, row);
    this.list.append(row.element);

    return row;
  }

  /** Takes away who has left; the focus stays in the panel. */
  private forget(present: Set<Participant>): void {
    for (const [participant, row] of this.rows) {
      if (present.has(participant)) continue;

      const held = row.element.contains(document.activeElement);
      this.rows.delete(participant);
      row.element.remove();
      if (held) this.focus();
    }
  }

  private mute(participant: Participant, what: Capture, trackSid: string): Promise<void> {
    const { identity } = participant;
    const name = displayName(participant);

    return this.attempt(name, `${name}’s ${DONE[what]}.`, () =>
      this.moderator.mute(identity, trackSid),
    );
  }

  private async remove(participant: Participant): Promise<void> {
    const name = displayName(participant);
    const question = { title: `Remove ${name} from the call?`, yes: 'Remove' };
    if (!(await confirm(question))) return;

    const { identity } = participant;
    await this.attempt(name, `${name} is removed.`, () => this.moderator.remove(identity));
  }

  private async attempt(name: string, done: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      this.notices.tell(done);
    } catch (error) {
      this.notices.warn(explainModeration(error, name));
    }
  }
}
