"""A back end (livekit-api) acts on people (LiveKit's client SDK), and hears of them by webhook."""

import asyncio
import unittest

from hook import Hook
from livekit import api, rtc
from people import KEY, SECRET, Person, counted, until
from server import Server

VIDEO = rtc.TrackKind.KIND_VIDEO


class Moderation(unittest.IsolatedAsyncioTestCase):
    """What an operator does, as those in the room see it."""

    async def asyncSetUp(self):
        self.hook = Hook(KEY, SECRET)
        self.addCleanup(self.hook.close)
        self.server = Server({"webhook.url": self.hook.url}).__enter__()
        self.addCleanup(self.server.__exit__)
        self.api = api.LiveKitAPI(f"http://127.0.0.1:{self.server.http}", KEY, SECRET)
        self.addAsyncCleanup(self.api.aclose)
        self.ann, self.bob = await self.enter("ann"), await self.enter("bob")

    async def enter(self, identity, **options):
        person = await Person.join(self.server, identity, **options)
        self.addAsyncCleanup(person.leave)

        return person

    async def told(self, event, identity):
        """Reads webhooks up to the one of this name about this participant."""
        while True:
            got = await asyncio.to_thread(self.hook.told)
            if (got.event, got.participant.identity) == (event, identity):
                return got

    async def test_mute(self):
        publication = await self.ann.show()
        await counted(await self.bob.subscribed(VIDEO))
        published = await self.told("track_published", "ann")
        self.assertEqual(published.track.sid, publication.sid)

        mute = api.MuteRoomTrackRequest(
            room="demo", identity="ann", track_sid=publication.sid, muted=True
        )
        answer = await self.api.room.mute_published_track(mute)
        self.assertTrue(answer.track.muted)
        for who in (self.ann, self.bob):
            participant, muted = await who.hears("track_muted")
            self.assertEqual((participant.identity, muted.sid), ("ann", publication.sid))
        # To unmute is the publisher's own to do.
        publication.track.unmute()
        await self.bob.hears("track_unmuted")

    async def test_remove(self):
        await self.api.room.remove_participant(
            api.RoomParticipantIdentity(room="demo", identity="ann")
        )
        (reason,) = await self.ann.hears("disconnected")
        self.assertEqual(reason, rtc.DisconnectReason.PARTICIPANT_REMOVED)
        (gone,) = await self.bob.hears("participant_disconnected")
        self.assertEqual(gone.identity, "ann")
        await self.told("participant_left", "ann")

    async def test_subscriptions(self):
        publication = await self.ann.show()
        await counted(await self.bob.subscribed(VIDEO))
        for count in (2, 3):
            for subscribe in (False, True):
                await self.api.room.update_subscriptions(
                    api.UpdateSubscriptionsRequest(
                        room="demo",
                        identity="bob",
                        track_sids=[publication.sid],
                        subscribe=subscribe,
                    )
                )
            await counted(await self.bob.subscribed(VIDEO, count))

    async def test_data(self):
        await self.api.room.send_data(
            api.SendDataRequest(
                room="demo",
                data=b"to bob",
                kind=api.DataPacket.Kind.RELIABLE,
                destination_identities=["bob"],
                topic="t",
            )
        )
        await self.api.room.send_data(api.SendDataRequest(room="demo", data=b"to all"))
        await self.ann.hears("data_received")
        await self.bob.hears("data_received", 2)
        ann, bob = ([p.data for p, in who.all("data_received")] for who in (self.ann, self.bob))
        self.assertEqual((ann, sorted(bob)), ([b"to all"], [b"to all", b"to bob"]))
        packet = self.bob.all("data_received")[0][0]
        self.assertIsNone(packet.participant, "nobody of the room said it")

    async def test_metadata_and_permission(self):
        await self.api.room.update_participant(
            api.UpdateParticipantRequest(
                room="demo",
                identity="ann",
                metadata="new",
                name="Ann",
                attributes={"hand": "up"},
                permission=api.ParticipantPermission(can_subscribe=True, can_publish=False),
            )
        )
        await self.api.room.update_room_metadata(
            api.UpdateRoomMetadataRequest(room="demo", metadata="of the room")
        )
        seen, own = self.bob.room.remote_participants["ann"], self.ann.room.local_participant
        for ann in (seen, own):
            await until("metadata", lambda ann=ann: ann.metadata == "new")
            await until("name", lambda ann=ann: ann.name == "Ann")
            await until("attributes", lambda ann=ann: ann.attributes.get("hand") == "up")
        await until("permission", lambda: not own.permissions.can_publish)
        for who in (self.ann, self.bob):
            await until("metadata of the room", lambda who=who: who.room.metadata == "of the room")
        info = await self.api.room.get_participant(
            api.RoomParticipantIdentity(room="demo", identity="ann")
        )
        self.assertEqual((info.metadata, info.name, info.state), ("new", "Ann", info.State.ACTIVE))
        self.assertFalse(info.permission.can_publish)
