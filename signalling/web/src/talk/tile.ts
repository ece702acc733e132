// One picture of a talk: somebody's camera or screen, or oneself.

import type { Rect } from '../call/layout';
import { initials } from '../call/tile';
import { attribute, h } from '../dom';
import { icon } from '../icons';
import { Picture } from './picture';

/** What a tile shows. */
export interface Face {
  identity: string;
  name: string;
  own: boolean;
  screen: boolean;
  muted: boolean;
  /** Not in the call yet: it rings there. */
  rings: boolean;
  track: MediaStreamTrack | null;
}

/** A tile; it never moves in the document, since moving would stop its video. */
export class TalkTile {
  readonly element: HTMLElement;
  private readonly picture = new Picture();
  private readonly avatar = h('div', { class: 'avatar', 'aria-hidden': 'true' });
  private readonly label = h('span', { class: 'tile-name' });
  private readonly muteMark = h('span', { class: 'tile-mark' }, icon('micOff'));

  constructor({ identity, own, screen }: Face) {
    const foot = h('div', { class: 'tile-foot' }, this.muteMark, this.label);
    const source = screen ? 'screen_share' : 'camera';
    this.element = h(
      'div',
      { class: 'tile', role: 'group', 'data-identity': identity, 'data-source': source },
      this.avatar,
      this.picture.element,
      foot,
    );
    if (own && !screen) this.picture.element.classList.add('mirrored');
  }

  /** Shows a face; gives the gap between two tracks, in milliseconds, once both were seen. */
  update(face: Face): Promise<number | null> {
    const { element } = this;
    const words = sayFace(face);
    this.label.textContent = words;
    this.avatar.textContent = initials(face.name);
    this.muteMark.hidden = !face.muted;
    attribute(element, 'aria-label', face.muted ? `${words}, muted` : words);
    attribute(element, 'data-name', face.name);
    attribute(element, 'data-muted', face.muted);
    attribute(element, 'data-rings', face.rings);
    attribute(element, 'data-video', face.track !== null);
    this.picture.element.hidden = face.track === null;

    return this.picture.show(face.track);
  }

  /** Puts the tile at a place of the stage. */
  place(rect: Rect, main: boolean): void {
    const { style } = this.element;
    style.left = `${Math.round(rect.left)}px`;
    style.top = `${Math.round(rect.top)}px`;
    style.width = `${Math.floor(rect.width)}px`;
    style.height = `${Math.floor(rect.height)}px`;
    attribute(this.element, 'data-main', main);
    attribute(this.element, 'data-small', rect.width < 180);
  }

  close(): void {
    void this.picture.show(null);
    this.element.remove();
  }
}

function sayFace({ name, own, screen, rings }: Face): string {
  if (screen) return own ? 'Your screen' : `${name}’s screen`;
  if (rings) return `${name}, ringing…`;

  return own ? `${name} (you)` : name;
}
