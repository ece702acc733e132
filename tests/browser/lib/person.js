// Somebody who uses the page as a person would: by names, labels and keys.

import { openPage } from './browser.js';
import { until } from './poll.js';

/** Opens the page, enters the names and joins; by `token`, if the link is to hold one. */
export async function join(browser, url, name, room, options = {}) {
  const { prepare, token, quality = 'low', ...rest } = options;
  const page = await openPage(browser, rest);
  await prepare?.(page);
  const person = new Person(page, name);
  await page.goto(`${url}/?${new URLSearchParams(token ? { token } : { room })}`);
  await person.enter(quality);
  await page.locator('main.call').waitFor();

  return person;
}

/** A person in front of a page. */
export class Person {
  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  /** Fills in the lobby and presses the button; camera and microphone are ready by then. */
  async enter(quality = 'low') {
    const { page } = this;
    await page.getByLabel('Camera quality').selectOption(quality);
    await page.getByRole('button', { name: 'Turn camera off' }).waitFor();
    await page.getByRole('button', { name: 'Turn microphone off' }).waitFor();
    const name = page.getByLabel('Your name');
    if (await name.isEditable()) await name.fill(this.name);
    await page.getByRole('button', { name: 'Join the call' }).click();
  }

  /** The tile of somebody, or of their screen. */
  tile(name, source = 'camera') {
    return this.page.locator(`.tile[data-name="${name}"][data-source="${source}"]`);
  }

  /** The names on the stage. */
  names() {
    return this.page
      .locator('.tile[data-source="camera"]')
      .evaluateAll((tiles) => tiles.map((tile) => tile.dataset.name).sort());
  }

  /** Waits until exactly these people are on the stage. */
  sees(...names) {
    const wanted = [this.name, ...names].sort().join();

    return until(
      `${this.name} to see ${wanted}`,
      async () => (await this.names()).join() === wanted,
    );
  }

  /** Frames decoded so far of somebody's tile, their size, and their codec. */
  async video(name, source = 'camera') {
    return this.tile(name, source).evaluate(async (tile) => {
      const track = tile.querySelector('video').srcObject?.getVideoTracks()[0];
      const reports = await window.inbound();
      const report = reports.find((r) => r.kind === 'video' && r.trackIdentifier === track?.id);

      return {
        frames: report?.framesDecoded ?? 0,
        width: report?.frameWidth ?? 0,
        height: report?.frameHeight ?? 0,
        mimeType: report?.mimeType,
      };
    });
  }

  /** Waits until at least `count` more frames of somebody were decoded; gives the last sight. */
  async watches(name, { source = 'camera', count = 15 } = {}) {
    const before = await this.video(name, source);

    return until(`${this.name} to decode ${count} frames of ${name}'s ${source}`, async () => {
      const sight = await this.video(name, source);

      return sight.frames >= before.frames + count && sight;
    });
  }

  /** Energy of each audio track that comes in. */
  async energies() {
    const reports = await this.page.evaluate(() => window.inbound());

    return reports.filter((r) => r.kind === 'audio').map((r) => r.totalAudioEnergy ?? 0);
  }

  /** Waits until `count` audio tracks have all gained energy. */
  async hears(count) {
    const before = await this.page.evaluate(() => window.inbound());
    const energy = new Map(before.map((r) => [r.trackIdentifier, r.totalAudioEnergy ?? 0]));

    return until(`${this.name} to hear ${count} people`, async () => {
      const now = await this.page.evaluate(() => window.inbound());
      const louder = now.filter(
        (r) =>
          r.kind === 'audio' && r.totalAudioEnergy > (energy.get(r.trackIdentifier) ?? 0) + 1e-6,
      );

      return louder.length >= count;
    });
  }

  /** Presses one of the call's buttons. */
  press(name) {
    return this.page.getByRole('toolbar').getByRole('button', { name }).click();
  }

  /** Writes a chat message; opens the chat when it is closed. */
  async writes(text) {
    const input = this.page.getByLabel('Message', { exact: true });
    if (!(await input.isVisible())) await this.press(/^Chat/);
    await input.fill(text);
    await input.press('Enter');
  }

  /** Waits for a chat message with its sender. */
  async reads(sender, text) {
    const message = this.page.locator('.message', { hasText: text }).filter({ hasText: sender });
    if (!(await this.page.getByLabel('Message', { exact: true }).isVisible()))
      await this.press(/^Chat/);
    await message.waitFor();
  }

  /** Closes the tab without a word. */
  closeTab() {
    return this.page.context().close();
  }
}
