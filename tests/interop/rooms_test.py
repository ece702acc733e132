"""LiveKit's server SDK, unmodified: RoomService and webhooks."""

import asyncio
import unittest
import urllib.request

from hook import Hook
from livekit import api
from people import KEY, SECRET, token
from server import Server


class Rooms(unittest.IsolatedAsyncioTestCase):
    """What a back end does with rooms."""

    def setUp(self):
        self.hook = Hook(KEY, SECRET)
        self.addCleanup(self.hook.close)
        self.server = Server({"webhook.url": self.hook.url}).__enter__()
        self.addCleanup(self.server.__exit__)

    async def test_rooms(self):
        async with api.LiveKitAPI(f"http://127.0.0.1:{self.server.http}", KEY, SECRET) as livekit:
            rooms = livekit.room
            made = await rooms.create_room(
                api.CreateRoomRequest(name="demo", empty_timeout=60, max_participants=3)
            )
            self.assertEqual((made.empty_timeout, made.max_participants), (60, 3))
            started = await asyncio.to_thread(self.hook.told)
            self.assertEqual((started.event, started.room.sid), ("room_started", made.sid))
            listed = (await rooms.list_rooms(api.ListRoomsRequest())).rooms
            self.assertEqual([room.sid for room in listed], [made.sid])

            changed = await rooms.update_room_metadata(
                api.UpdateRoomMetadataRequest(room="demo", metadata="new")
            )
            self.assertEqual(changed.metadata, "new")
            await rooms.send_data(api.SendDataRequest(room="demo", data=b"hello"))
            people = await rooms.list_participants(api.ListParticipantsRequest(room="demo"))
            self.assertEqual(list(people.participants), [])
            with self.assertRaises(api.TwirpError) as refused:
                await rooms.get_participant(
                    api.RoomParticipantIdentity(room="demo", identity="nobody")
                )
            self.assertEqual((refused.exception.code, refused.exception.status), ("not_found", 404))

            await rooms.delete_room(api.DeleteRoomRequest(room="demo"))
            finished = await asyncio.to_thread(self.hook.told)
            self.assertEqual((finished.event, finished.room.sid), ("room_finished", made.sid))
            self.assertEqual(list((await rooms.list_rooms(api.ListRoomsRequest())).rooms), [])

    async def test_wrong_secret(self):
        url = f"http://127.0.0.1:{self.server.http}"
        async with api.LiveKitAPI(url, KEY, "another secret, as long as it should be") as livekit:
            with self.assertRaises(api.TwirpError) as refused:
                await livekit.room.list_rooms(api.ListRoomsRequest())
            error = refused.exception
            self.assertEqual((error.code, error.status), ("unauthenticated", 401))

    async def test_token(self):
        url = f"http://127.0.0.1:{self.server.http}/rtc/validate?access_token={token('ann')}"
        with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
            self.assertEqual(answer.status, 200)
