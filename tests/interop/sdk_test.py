"""LiveKit's client SDK, unmodified: two people in a room."""

import unittest

import pattern
from livekit import rtc
from people import Person, ascends, counted, heard, until
from server import Server

AUDIO, VIDEO = rtc.TrackKind.KIND_AUDIO, rtc.TrackKind.KIND_VIDEO


class Call(unittest.IsolatedAsyncioTestCase):
    """What clients of each other see and hear."""

    def setUp(self):
        self.server = Server().__enter__()
        self.addCleanup(self.server.__exit__)

    async def enter(self, identity, **options):
        person = await Person.join(self.server, identity, **options)
        self.addAsyncCleanup(person.leave)

        return person

    async def sees(self, person, count=1):
        """Checks that pictures of the `count`th subscription move forward."""
        numbers, size = await counted(await person.subscribed(VIDEO, count))
        self.assertTrue(ascends(numbers), numbers)

        return size

    async def test_vp8_and_sound(self):
        await self.plays(rtc.VideoCodec.VP8, "video/VP8")

    async def test_h264(self):
        await self.plays(rtc.VideoCodec.H264, "video/H264")

    async def plays(self, codec, mime):
        ann, bob = await self.enter("ann"), await self.enter("bob")
        await ann.show(codec)
        await ann.sound()
        self.assertEqual(await self.sees(bob), (pattern.WIDTH, pattern.HEIGHT))
        self.assertAlmostEqual(await heard(await bob.subscribed(AUDIO)), pattern.TONE_HZ, delta=5)
        publications = bob.room.remote_participants["ann"].track_publications.values()
        codecs = {publication.mime_type.lower() for publication in publications}
        self.assertEqual(codecs, {mime.lower(), "audio/opus"})
        await ann.hears("local_track_subscribed", 2)

    async def test_data(self):
        ann, bob = await self.enter("ann"), await self.enter("bob")
        for sender, receiver in ((ann, bob), (bob, ann)):
            for reliable in (True, False):
                speak = sender.room.local_participant
                await speak.publish_data(b"x" * 1000, reliable=reliable, topic="t")
            await receiver.hears("data_received", 2)
            packets = [packet for (packet,) in receiver.all("data_received")]
            kinds = sorted(packet.kind for packet in packets)
            self.assertEqual(kinds, sorted(rtc.DataPacketKind.values()))
            for packet in packets:
                self.assertEqual((packet.data, packet.topic), (b"x" * 1000, "t"))
                self.assertEqual(packet.participant.identity, speak.identity)

    async def test_metadata(self):
        bob = await self.enter("bob")
        ann = await self.enter("ann", can_update_own_metadata=True)
        await ann.room.local_participant.set_metadata("new")
        await ann.room.local_participant.set_attributes({"hand": "up"})
        await ann.room.local_participant.set_name("Ann")
        seen = bob.room.remote_participants["ann"]
        await until("metadata", lambda: seen.metadata == "new")
        await until("attributes", lambda: seen.attributes.get("hand") == "up")
        await until("name", lambda: seen.name == "Ann")

    async def test_subscribing_again(self):
        ann, bob = await self.enter("ann"), await self.enter("bob")
        await ann.show()
        await self.sees(bob)
        publication = next(iter(bob.room.remote_participants["ann"].track_publications.values()))
        for count in (2, 3, 4):
            publication.set_subscribed(False)
            await bob.hears("track_unsubscribed", count - 1)
            publication.set_subscribed(True)
            await self.sees(bob, count)
