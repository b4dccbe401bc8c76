"""The last bytes of a job's outputs, which go with the news of a failure."""

from headless.engines.base import Engine

__all__ = ["STREAMS", "read_tails"]

STREAMS = ("stdout", "stderr")
TAIL = 4096  # bytes of each


async def read_tails(engine: Engine, handle: str) -> dict[str, bytes]:
    """The last 4 KiB of both outputs of a job, by stream."""
    return {stream: (await engine.output(handle, stream, -TAIL, TAIL)).data for stream in STREAMS}
