"""What stands between the clients and a web process, and can swallow its answers."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence

BYTES = 64 * 1024


class Proxy:
    """Passes on what comes. While it `cuts`, an answer ends the connection and is not passed on:
    what was asked for has then been done, and the client cannot know."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.cuts = False
        self.cut = 0

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            web_reader, web_writer = await asyncio.open_connection("127.0.0.1", self.target)
            with contextlib.closing(web_writer):
                await self._pass_on(
                    asyncio.create_task(self._requests(reader, web_writer)),
                    asyncio.create_task(self._answers(web_reader, writer)),
                )

    async def _pass_on(self, *ways: asyncio.Task[None]) -> None:
        """Until one side has had enough; the other is then told so."""
        _, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in pending:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self, client: asyncio.StreamReader, web: asyncio.StreamWriter) -> None:
        while data := await client.read(BYTES):
            web.write(data)
            await web.drain()

    async def _answers(self, web: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await web.read(BYTES):
            if self.cuts:
                self.cut += 1
                return
            client.write(data)
            await client.drain()


@contextlib.contextmanager
def standing_before(ports: Sequence[int]) -> Iterator[list[Proxy]]:
    """A proxy for each port, in a thread that they share."""
    proxies = [Proxy(port) for port in ports]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxies", daemon=True)
    thread.start()
    for proxy in proxies:
        asyncio.run_coroutine_threadsafe(proxy.open(), loop).result()
    try:
        yield proxies
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
