"""A link with a long round trip: passes on what comes to a port of its own, both ways, half of a round trip late.

    link.py PORT ROUND_TRIP_MS       prints its port, and ends with its standard input

It loses nothing and has no limit of bandwidth: only the distance is measured.
"""

import asyncio
import collections
import sys


class Direction(asyncio.Protocol):
    """Writes what it receives to `target`, in order, each piece when it is due."""

    def __init__(self, delay):
        self.delay = delay
        self.target = None
        self.pieces = collections.deque()  # (when it is due, the bytes; None for the end)
        self.timer = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.hold(data)

    def eof_received(self):
        self.hold(None)
        return True

    def connection_lost(self, _):
        self.hold(None)

    def hold(self, piece):
        loop = asyncio.get_running_loop()
        self.pieces.append((loop.time() + self.delay, piece))
        if self.timer is None:
            self.timer = loop.call_later(self.delay, self.pass_on)

    def pass_on(self):
        loop = asyncio.get_running_loop()
        self.timer = None
        # A server that is not reached yet gets it when it is.
        while self.pieces and self.target and self.pieces[0][0] <= loop.time():
            _, piece = self.pieces.popleft()
            if self.target.is_closing():
                continue
            if piece is None:
                self.target.write_eof()
            else:
                self.target.write(piece)
        if self.pieces:
            wait = self.pieces[0][0] - loop.time() if self.target else 0.001
            self.timer = loop.call_later(max(0, wait), self.pass_on)


async def main(port, round_trip):
    loop = asyncio.get_running_loop()
    delay = round_trip / 1000 / 2
    connecting = set()

    def accept():
        from_client, from_server = Direction(delay), Direction(delay)

        async def connect():
            transport, _ = await loop.create_connection(lambda: from_server, "127.0.0.1", port)
            from_client.target, from_server.target = transport, from_client.transport

        task = loop.create_task(connect())
        connecting.add(task)
        task.add_done_callback(connecting.discard)
        return from_client

    server = await loop.create_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
