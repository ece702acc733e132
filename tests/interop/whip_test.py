"""aiortc, a WebRTC implementation of its own, as WHIP publisher and WHEP player."""

import asyncio
import fractions
import unittest

import aiohttp
import av
import pattern
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack
from hook import Hook
from livekit import api, rtc
from people import KEY, SECRET, Person, ascends, counted, heard, token
from server import Server

SDP = {"Content-Type": "application/sdp"}


class Counting(VideoStreamTrack):
    """Pictures that count up, in VP8 or H.264 as negotiated."""

    number = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        size = (pattern.WIDTH, pattern.HEIGHT)
        frame = av.VideoFrame(*size, "yuv420p")
        data, offset = pattern.picture(self.number), 0
        for plane in frame.planes:
            length = plane.line_size * plane.height
            plane.update(data[offset : offset + length])
            offset += length
        self.number += 1
        frame.pts, frame.time_base = pts, time_base

        return frame


class Humming(AudioStreamTrack):
    """A tone, in frames of 20 ms."""

    start = 0

    async def recv(self):
        count = pattern.RATE // 50
        wait = self.start / pattern.RATE - (asyncio.get_running_loop().time() - self.began())
        if wait > 0:
            await asyncio.sleep(wait)
        frame = av.AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(pattern.tone(self.start, count).tobytes())
        frame.sample_rate, frame.pts = pattern.RATE, self.start
        frame.time_base = fractions.Fraction(1, pattern.RATE)
        self.start += count

        return frame

    def began(self):
        if self.start == 0:
            self.origin = asyncio.get_running_loop().time()

        return self.origin


class Whip(unittest.IsolatedAsyncioTestCase):
    """Publishing and playing by HTTP."""

    async def asyncSetUp(self):
        self.hook = Hook(KEY, SECRET)
        self.addCleanup(self.hook.close)
        self.server = Server({"webhook.url": self.hook.url}).__enter__()
        self.addCleanup(self.server.__exit__)
        self.http = aiohttp.ClientSession(f"http://127.0.0.1:{self.server.http}")
        self.addAsyncCleanup(self.http.close)

    async def open(self, path, identity, peer):
        """A session on `peer`; gives its path and the token that owns it."""
        self.addAsyncCleanup(peer.close)
        await peer.setLocalDescription(await peer.createOffer())
        bearer = {"Authorization": f"Bearer {token(identity)}"}
        offer = peer.localDescription.sdp
        async with self.http.post(path, data=offer, headers={**SDP, **bearer}) as answer:
            text = await answer.text()
            self.assertEqual((answer.status, answer.content_type), (201, "application/sdp"), text)
            location = answer.headers["Location"]
        await peer.setRemoteDescription(RTCSessionDescription(text, "answer"))

        return location, bearer

    async def publish(self, identity, codec):
        peer = RTCPeerConnection()
        peer.addTrack(Humming())
        peer.addTrack(Counting())
        wanted = [c for c in RTCRtpSender.getCapabilities("video").codecs if c.name == codec]
        self.assertTrue(wanted, f"aiortc has {codec}")
        video = next(t for t in peer.getTransceivers() if t.kind == "video")
        video.setCodecPreferences(wanted)

        return await self.open("/whip/demo", identity, peer)

    async def play(self, identity):
        peer = RTCPeerConnection()
        peer.addTransceiver("audio", "recvonly")
        peer.addTransceiver("video", "recvonly")
        tracks = {}
        peer.on("track", lambda track: tracks.update({track.kind: track}))
        await self.open("/whep/demo", identity, peer)

        return tracks["audio"], tracks["video"]

    async def watch(self, video):
        """Checks that pictures of the right size count up."""
        numbers = []
        while len(numbers) < 12:
            frame = await asyncio.wait_for(video.recv(), 30)
            self.assertEqual((frame.width, frame.height), (pattern.WIDTH, pattern.HEIGHT))
            luma, line = bytes(frame.planes[0]), frame.planes[0].line_size
            rows = b"".join(luma[at : at + frame.width] for at in range(0, len(luma), line))
            number = pattern.number_of(rows, frame.width, frame.height)
            if number not in numbers[-1:]:
                numbers.append(number)
        self.assertTrue(ascends(numbers), numbers)

    async def listen(self, audio):
        """Checks that the tone is heard."""
        samples = []
        while len(samples) < pattern.RATE:
            frame = await asyncio.wait_for(audio.recv(), 30)
            # Interleaved, and padded at the end: the left of each pair.
            width = len(frame.layout.channels)
            data = memoryview(bytes(frame.planes[0])).cast("h")[: frame.samples * width : width]
            if samples or max(data) > 1_000:
                samples.extend(data)
        pitch = pattern.pitch(samples[pattern.RATE // 4 :])
        self.assertAlmostEqual(pitch, pattern.TONE_HZ, delta=5)

    async def test_vp8(self):
        await self.publishes_and_plays("VP8")

    async def test_h264(self):
        await self.publishes_and_plays("H264")

    async def publishes_and_plays(self, codec):
        location, bearer = await self.publish("obs", codec)
        audio, video = await self.play("viewer")
        await asyncio.gather(self.watch(video), self.listen(audio))
        async with self.http.delete(location, headers=bearer) as ended:
            self.assertEqual(ended.status, 200)

    async def test_sdk_and_aiortc(self):
        ann = await Person.join(self.server, "ann")
        self.addAsyncCleanup(ann.leave)
        await self.publish("obs", "VP8")
        numbers, _ = await counted(await ann.subscribed(rtc.TrackKind.KIND_VIDEO))
        self.assertTrue(ascends(numbers), numbers)
        pitch = await heard(await ann.subscribed(rtc.TrackKind.KIND_AUDIO))
        self.assertAlmostEqual(pitch, pattern.TONE_HZ, delta=5)

    async def test_moderation(self):
        ann = await Person.join(self.server, "ann")
        self.addAsyncCleanup(ann.leave)
        location, bearer = await self.publish("obs", "VP8")
        await counted(await ann.subscribed(rtc.TrackKind.KIND_VIDEO))
        livekit = api.LiveKitAPI(f"http://127.0.0.1:{self.server.http}", KEY, SECRET)
        self.addAsyncCleanup(livekit.aclose)
        who = api.RoomParticipantIdentity(room="demo", identity="obs")
        info = await livekit.room.get_participant(who)
        self.assertEqual(info.kind, api.ParticipantInfo.Kind.INGRESS)

        camera = next(track for track in info.tracks if track.type == api.TrackType.VIDEO)
        mute = api.MuteRoomTrackRequest(
            room="demo", identity="obs", track_sid=camera.sid, muted=True
        )
        await livekit.room.mute_published_track(mute)
        participant, publication = await ann.hears("track_muted")
        self.assertEqual((participant.identity, publication.sid), ("obs", camera.sid))
        await livekit.room.remove_participant(who)
        (gone,) = await ann.hears("participant_disconnected")
        self.assertEqual(gone.identity, "obs")
        async with self.http.delete(location, headers=bearer) as ended:
            self.assertEqual(ended.status, 404, await ended.text())

        told = []
        while told[-1:] != ["participant_left"]:
            event = await asyncio.to_thread(self.hook.told)
            if event.participant.identity == "obs":
                told.append(event.event)
        self.assertEqual(told[0], "participant_joined")
        self.assertEqual(told.count("track_published"), 2)
