"""LiveKit's client SDK, unmodified: people with a camera and a microphone."""

import asyncio
import logging

import pattern
from livekit import api, rtc

KEY, SECRET = "devkey", "secret-for-development-only-0123456789"
PATIENCE = 30
# It notes each thing that a server of the older protocol lacks.
logging.getLogger("livekit").setLevel(logging.ERROR)


def token(identity, room="demo", **grants):
    """A token that lets `identity` into `room`."""
    grants = api.VideoGrants(room_join=True, room=room, **grants)

    return api.AccessToken(KEY, SECRET).with_identity(identity).with_grants(grants).to_jwt()


async def until(what, holds):
    """Waits until `holds()` is true, and returns that."""
    for _ in range(PATIENCE * 20):
        found = holds()
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"never came: {what}")


class Person:
    """A participant; everything that its SDK tells it is kept."""

    EVENTS = (
        "track_subscribed track_unsubscribed track_muted track_unmuted data_received disconnected"
        " participant_connected participant_disconnected participant_metadata_changed"
        " participant_attributes_changed participant_name_changed room_metadata_changed"
        " participant_permissions_changed track_published track_unpublished local_track_subscribed"
    )

    def __init__(self):
        self.room = rtc.Room()
        self.told = []
        self.tasks = []
        for event in self.EVENTS.split():
            self.room.on(event, self._keep(event))

    def _keep(self, event):
        return lambda *given: self.told.append((event, given))

    @classmethod
    async def join(cls, server, identity, auto_subscribe=True, **grants):
        """Comes in; `grants` are those of the token."""
        person = cls()
        options = rtc.RoomOptions(auto_subscribe=auto_subscribe)
        url = f"ws://127.0.0.1:{server.http}"
        await person.room.connect(url, token(identity, **grants), options)

        return person

    async def leave(self):
        """Goes, with all that it does beside."""
        for task in self.tasks:
            task.cancel()
        await self.room.disconnect()

    def all(self, event):
        """Everything that was told under this name, oldest first."""
        return [given for name, given in self.told if name == event]

    async def hears(self, event, count=1):
        """What was told with the `count`th event of this name."""
        await until(f"{event} no. {count}", lambda: len(self.all(event)) >= count)

        return self.all(event)[count - 1]

    async def show(self, codec=rtc.VideoCodec.VP8, simulcast=False):
        """Publishes pictures that count up."""
        source = rtc.VideoSource(pattern.WIDTH, pattern.HEIGHT)
        track = rtc.LocalVideoTrack.create_video_track("camera", source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_CAMERA,
            video_codec=codec,
            simulcast=simulcast,
            degradation_preference=rtc.DegradationPreference.MAINTAIN_RESOLUTION,
        )
        publication = await self.room.local_participant.publish_track(track, options)
        self.tasks.append(asyncio.create_task(self._film(source)))

        return publication

    async def sound(self):
        """Publishes a tone."""
        source = rtc.AudioSource(pattern.RATE, 1)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        publication = await self.room.local_participant.publish_track(track, options)
        self.tasks.append(asyncio.create_task(self._hum(source)))

        return publication

    @staticmethod
    async def _film(source):
        number = 0
        while True:
            data = pattern.picture(number)
            size = (pattern.WIDTH, pattern.HEIGHT)
            source.capture_frame(rtc.VideoFrame(*size, rtc.VideoBufferType.I420, data))
            number += 1
            await asyncio.sleep(1 / 15)

    @staticmethod
    async def _hum(source):
        count, start = pattern.RATE // 100, 0
        while True:
            data = pattern.tone(start, count).tobytes()
            await source.capture_frame(rtc.AudioFrame(data, pattern.RATE, 1, count))
            start += count

    async def subscribed(self, kind, count=1):
        """The track of the `count`th subscription to sound or pictures."""

        def found():
            tracks = [track for track, *_ in self.all("track_subscribed") if track.kind == kind]
            return tracks[count - 1 :]

        return (await until(f"subscription no. {count} of {kind}", found))[0]


async def counted(track, wanted=12):
    """The numbers of `wanted` different pictures of a track, and the last one's size."""
    stream = rtc.VideoStream(track, format=rtc.VideoBufferType.I420)
    numbers, size = [], None

    async def watch():
        nonlocal size
        async for event in stream:
            frame = event.frame
            size = (frame.width, frame.height)
            number = pattern.number_of(frame.data, *size)
            if number not in numbers[-1:]:
                numbers.append(number)
            if len(numbers) == wanted:
                return

    try:
        await asyncio.wait_for(watch(), PATIENCE)
    finally:
        await stream.aclose()

    return numbers, size


async def heard(track):
    """The pitch of a second of a track's sound, once it is there."""
    stream = rtc.AudioStream(track, sample_rate=pattern.RATE, num_channels=1)
    samples = []

    async def listen():
        async for event in stream:
            if samples or max(event.frame.data, default=0) > 1_000:
                samples.extend(event.frame.data)
            if len(samples) >= pattern.RATE:
                return

    try:
        await asyncio.wait_for(listen(), PATIENCE)
    finally:
        await stream.aclose()

    return pattern.pitch(samples[pattern.RATE // 4 :])


def ascends(numbers):
    """Whether the numbers of pictures, modulo 256, go up: some may be missing."""
    return all(0 < (b - a) % 256 < 64 for a, b in zip(numbers, numbers[1:]))
