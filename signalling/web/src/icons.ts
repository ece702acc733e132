// The page's icons: 24 x 24 outlines in the colour of the text around them.

const PATHS = {
  mic: ['M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3z', 'M6 11a6 6 0 0 0 12 0', 'M12 17v4'],
  micOff: [
    'M9 9v2a3 3 0 0 0 4.8 2.4',
    'M15 10.5V6a3 3 0 0 0-5.9-.8',
    'M6 11a6 6 0 0 0 9.7 4.7',
    'M18 11a6 6 0 0 1-.5 2.4',
    'M12 17v4',
    'M4 4l16 16',
  ],
  camera: [
    'M5 6.5h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2z',
    'M15 11l6-3.5v9L15 13',
  ],
  cameraOff: [
    'M10.5 6.5H13a2 2 0 0 1 2 2V11l6-3.5v9l-2.5-1.5',
    'M15 15.5a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2h1',
    'M4 4l16 16',
  ],
  screen: [
    'M4 4.5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-10a1 1 0 0 1 1-1z',
    'M8 20h8',
    'M12 13.5v-6',
    'M9 10l3-3 3 3',
  ],
  screenStop: [
    'M4 4.5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-10a1 1 0 0 1 1-1z',
    'M8 20h8',
    'M9.5 8l5 5',
    'M14.5 8l-5 5',
  ],
  chat: ['M5 4.5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2z'],
  people: [
    'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z',
    'M2.5 19.5a6.5 6.5 0 0 1 13 0',
    'M16 4.8a3.5 3.5 0 0 1 0 6.4',
    'M18 14.5a6.5 6.5 0 0 1 3.5 5',
  ],
  settings: [
    'M4 7h9',
    'M17 7h3',
    'M15 5v4',
    'M4 12h3',
    'M11 12h9',
    'M9 10v4',
    'M4 17h9',
    'M17 17h3',
    'M15 15v4',
  ],
  link: [
    'M10 14a4 4 0 0 0 5.7 0l3.5-3.5a4 4 0 0 0-5.7-5.7L12.3 6',
    'M14 10a4 4 0 0 0-5.7 0l-3.5 3.5a4 4 0 0 0 5.7 5.7l1.2-1.2',
  ],
  leave: [
    'M3.5 13.5c0-6 17-6 17 0v1.2a1.3 1.3 0 0 1' +
      '-1.6 1.3l-2.9-.7a1.3 1.3 0 0 1-1-1.2v-1.8a12 12 0 0 0-6 0v1.8' +
      'a1.3 1.3 0 0 1-1 1.2l-2.9.7a1.3 1.3 0 0 1-1.6-1.3z',
  ],
  phone: [
    'M6.2 3.5h3l1.6 4.2-2 1.6a12 12 0 0 0 5.9 5.9l1.6-2 4.2 1.6v3' +
      'a2 2 0 0 1-2.2 2A16.5 16.5 0 0 1 4.2 5.7a2 2 0 0 1 2-2.2z',
  ],
  invite: [
    'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z',
    'M2.5 19.5a6.5 6.5 0 0 1 13 0',
    'M19 9v6',
    'M16 12h6',
  ],
  pin: ['M9 3.5h6l-1 6 3 3.5H7l3-3.5z', 'M12 13v7.5'],
  layout: ['M3.5 5h11v14h-11z', 'M17.5 5h3v4h-3z', 'M17.5 12h3v4h-3z'],
  chart: ['M4 20h16', 'M7 16v-5', 'M12 16V5', 'M17 16V9'],
  close: ['M6 6l12 12', 'M18 6L6 18'],
  send: ['M4 12l16-7.5-5.5 15-3-6z', 'M11.5 13.5L20 4.5'],
  more: ['M12 5.5v.01', 'M12 12v.01', 'M12 18.5v.01'],
  signal: ['M5 19v-4', 'M12 19v-9', 'M19 19V5'],
  weak: ['M12 4v9', 'M12 17.5v.5'],
} as const;

export type IconName = keyof typeof PATHS;

const SVG = 'http://www.w3.org/2000/svg';

/** Draws an icon; it is hidden from screen readers, so the element around it needs a label. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }

  return svg;
}
