// Takes the README's picture: three people in a call, drawn rather than filmed.
//
//   MILLRACE_BIN=target/debug/millrace npm --prefix tests/browser run shot [DIRECTORY]

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { launch } from './lib/browser.js';
import { hum } from './lib/hum.js';
import { join } from './lib/person.js';
import { startServer } from './lib/server.js';

const PEOPLE = [
  { name: 'Ada Lovelace', hue: 192, hair: '#3b2a20', skin: '#e9c3a3' },
  { name: 'Grace Hopper', speaks: true, hue: 36, hair: '#8a8f94', skin: '#d8a582' },
  { name: 'Katherine Johnson', hue: 262, hair: '#231a17', skin: '#8f5d3e' },
];

const directory = resolve(process.argv[2] ?? new URL('../../docs', import.meta.url).pathname);
const server = await startServer();
const browser = await launch();
try {
  const room = 'Weekly planning';
  const size = { width: 1280, height: 800 };
  const people = [];
  for (const who of PEOPLE) {
    const prepare = async (page) => {
      await page.addInitScript(drawPerson, who);
      if (who.speaks) await page.addInitScript(hum);
    };
    people.push(
      await join(browser, server.url, who.name, room, { size, prepare, quality: 'high' }),
    );
  }
  const [ada, grace, katherine] = people;
  await ada.sees(grace.name, katherine.name);
  for (const other of [grace, katherine]) await ada.watches(other.name, { count: 60 });
  await grace.writes('Shall we look at the numbers first?');
  await ada.reads(grace.name, 'Shall we look at the numbers first?');
  await ada.writes('Yes, I will share my screen in a minute.');
  await katherine.press('Mute microphone');
  await ada.page.locator('.tile[data-name^="Katherine"][data-muted]').waitFor();
  await ada.page.locator('.toast').first().waitFor({ state: 'detached' });
  await ada.page.locator('.tile[data-name^="Grace"][data-speaking]').waitFor();

  const path = `${directory}/call.png`;
  await ada.page.screenshot({ path });
  console.log(`${path}: ${statSync(path).size} bytes`);
} finally {
  await browser.close();
  await server.stop();
}

/** Runs in the page: a camera that shows a drawn person. */
function drawPerson({ hue, hair, skin }) {
  const { mediaDevices } = navigator;
  const original = mediaDevices.getUserMedia.bind(mediaDevices);
  const scene = () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const pen = canvas.getContext('2d');
    const ellipse = (color, x, y, rx, ry) => {
      pen.fillStyle = color;
      pen.beginPath();
      pen.ellipse(x, y, rx, ry, 0, 0, 7);
      pen.fill();
    };
    const draw = () => {
      const wall = pen.createLinearGradient(0, 0, 1280, 720);
      wall.addColorStop(0, `hsl(${hue} 30% 82%)`);
      wall.addColorStop(1, `hsl(${hue} 28% 62%)`);
      pen.fillStyle = wall;
      pen.fillRect(0, 0, 1280, 720);
      pen.fillStyle = `hsl(${hue} 26% 90%)`;
      pen.fillRect(150, 90, 230, 300);
      pen.fillStyle = `hsl(${hue} 30% 72%)`;
      pen.fillRect(166, 106, 198, 268);
      const sway = 4 * Math.sin(performance.now() / 900);
      ellipse(hair, 640 + sway, 320, 152, 178);
      ellipse(`hsl(${hue} 34% 36%)`, 640, 760, 330, 250);
      pen.fillStyle = skin;
      pen.fillRect(590 + sway / 2, 420, 100, 120);
      ellipse(skin, 640 + sway, 335, 116, 148);
      ellipse(hair, 640 + sway, 212, 122, 62);
      ellipse('#2a2320', 598 + sway, 332, 9, 11);
      ellipse('#2a2320', 682 + sway, 332, 9, 11);
      pen.strokeStyle = '#7a3b33';
      pen.lineWidth = 6;
      pen.lineCap = 'round';
      pen.beginPath();
      pen.arc(640 + sway, 372, 40, 0.5, 2.64);
      pen.stroke();
    };
    draw();
    setInterval(draw, 66);

    return canvas.captureStream(15).getVideoTracks()[0];
  };
  mediaDevices.getUserMedia = async (constraints) => {
    const stream = new MediaStream();
    if (constraints.audio) {
      const sound = await original({ audio: constraints.audio });
      for (const track of sound.getTracks()) stream.addTrack(track);
    }
    if (constraints.video) stream.addTrack(scene());

    return stream;
  };
}
