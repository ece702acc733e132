// A picture that goes from one track to another at a frame, without a moment of nothing.

import { h } from '../dom';

/** Milliseconds after which a track that brings no frame is shown all the same. */
const FRAME_WAIT_MS = 10_000;

/** Shows one track; a new one lies under it until its first frame is there. */
export class Picture {
  readonly element = h('div', { class: 'picture' });
  private shown: HTMLVideoElement | null = null;
  private track: MediaStreamTrack | null = null;
  private frame_ms: number | null = null;
  private going: Promise<number | null> = Promise.resolve(null);

  /** Goes over to a track. Gives the milliseconds between the last frame and the first. */
  show(track: MediaStreamTrack | null): Promise<number | null> {
    if (track === this.track) return this.going;
    this.track = track;
    this.going = this.goOver(track);

    return this.going;
  }

  private async goOver(track: MediaStreamTrack | null): Promise<number | null> {
    if (!track) {
      this.replace(null);

      return null;
    }
    const video = h('video', { autoplay: true, playsinline: true });
    video.muted = true;
    video.srcObject = new MediaStream([track]);
    // Below the old one: it is drawn, but not seen.
    this.element.prepend(video);
    const first_ms = await firstFrame(video);
    if (this.track !== track) {
      video.remove();

      return null;
    }
    const last_ms = this.shown ? this.frame_ms : null;
    this.replace(video);

    return first_ms === null || last_ms === null ? null : Math.max(0, first_ms - last_ms);
  }

  private replace(video: HTMLVideoElement | null): void {
    if (this.shown) this.shown.srcObject = null;
    this.shown?.remove();
    this.shown = video;
    this.frame_ms = null;
    if (video) this.follow(video);
  }

  private follow(video: HTMLVideoElement): void {
    video.requestVideoFrameCallback?.((now) => {
      if (this.shown !== video) return;
      this.frame_ms = now;
      this.follow(video);
    });
  }
}

/** When the first frame was drawn (`performance.now()`); `null` when none came in time. */
function firstFrame(video: HTMLVideoElement): Promise<number | null> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(null), FRAME_WAIT_MS);
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(resolve);
    else (video as HTMLVideoElement).onloadeddata = () => resolve(performance.now());
  });
}
