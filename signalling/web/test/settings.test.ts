import { describe, expect, test } from 'vitest';
import { codecsToOffer, codecToSend } from '../src/codec';
import { CODECS, readSettings } from '../src/store';

describe('settings that were kept', () => {
  test('come back', () => {
    const kept = readSettings('{"name":"Ada","quality":"full","codec":"av1","cameraOn":false}');

    expect(kept).toMatchObject({ name: 'Ada', quality: 'full', codec: 'av1', cameraOn: false });
    expect(kept.singleKeys).toBe(true);
  });

  test('by another version, or by nobody, are the built-in ones where they make no sense', () => {
    const odd = readSettings('{"quality":"8k","codec":"h261","cameraOn":"yes","name":7,"x":1}');

    expect(odd).toEqual(readSettings(null));
    expect(odd).not.toHaveProperty('x');
    for (const text of ['null', '[]', '"text"', '7']) expect(readSettings(text)).toEqual(odd);
  });
});

describe('the codecs to choose from', () => {
  test('are those that the server takes and the browser can send, whatever their case', () => {
    const server = ['video/AV1', 'video/H264', 'video/VP8', 'audio/opus', 'video/H265'];

    expect(codecsToOffer(server, CODECS)).toEqual(['vp8', 'h264', 'av1']);
    expect(codecsToOffer(server, ['vp8', 'vp9'])).toEqual(['vp8']);
    expect(codecsToOffer([], CODECS)).toEqual([]);
  });

  test('limit what is sent, which is VP8 else', () => {
    expect(codecToSend('av1', ['vp8', 'av1'])).toBe('av1');
    expect(codecToSend('h264', ['vp8', 'av1'])).toBe('vp8');
  });
});
