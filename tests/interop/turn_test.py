"""aioice, an ICE implementation of its own, through our TURN server."""

import asyncio
import os
import tempfile
import unittest

import aioice
from server import PASSWORD, USER, Server


class Turn(unittest.IsolatedAsyncioTestCase):
    """Two agents whose only candidates are relayed ones."""

    def setUp(self):
        self.server = Server().__enter__()
        self.addCleanup(self.server.__exit__)

    async def test_udp(self):
        await self.talk(("127.0.0.1", self.server.media), turn_transport="udp")

    async def test_tcp(self):
        await self.talk(("127.0.0.1", self.server.media), turn_transport="tcp")

    async def test_tls(self):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as trusted:
            trusted.write(self.server.certificate())
            trusted.flush()
            os.environ["SSL_CERT_FILE"] = trusted.name
            self.addCleanup(os.environ.pop, "SSL_CERT_FILE")
            address = ("localhost", self.server.tls)
            await self.talk(address, turn_transport="tcp", turn_ssl=True)

    async def talk(self, address, **options):
        first, second = (
            aioice.Connection(
                ice_controlling=controlling,
                turn_server=address,
                turn_username=USER,
                turn_password=PASSWORD,
                transport_policy=aioice.TransportPolicy.RELAY,
                **options,
            )
            for controlling in (True, False)
        )
        await asyncio.gather(first.gather_candidates(), second.gather_candidates())
        for one, other in ((first, second), (second, first)):
            kinds = {candidate.type for candidate in one.local_candidates}
            self.assertEqual(kinds, {"relay"})
            for candidate in one.local_candidates:
                await other.add_remote_candidate(candidate)
            await other.add_remote_candidate(None)
            other.remote_username, other.remote_password = one.local_username, one.local_password
        await asyncio.wait_for(asyncio.gather(first.connect(), second.connect()), 30)

        for size in (1, 172, 1200):
            await first.send(b"x" * size)
            self.assertEqual(await asyncio.wait_for(second.recv(), 10), b"x" * size)
            await second.send(b"y" * size)
            self.assertEqual(await asyncio.wait_for(first.recv(), 10), b"y" * size)
        await asyncio.gather(first.close(), second.close())
