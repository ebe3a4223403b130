"""The inside of the desk's process: take a view, run the LangGraph desk, give the mandate; until the pipe closes."""

import sys
import time
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import numpy as np
import uvloop

from infra.compile_cache import prepare
from infra.quiet import quiet
from infra.shell.desk_process import READY, Answer, Ask


async def work(pipe: "Connection[Any, Any]") -> None:
    """Answer one request after the other; a run that fails is answered with its fault.

    One loop runs for good, and waits for the pipe without yielding: it has nothing else to do. A loop begun for each
    run takes signals over anew each time, and that alone cost half as much as a run.
    """
    from graph.desk import compile_desk, run_desk
    from graph.stages import RECORDS
    from state.desk import Mandate
    from state.params import Params, default_params
    from state.records import layout

    desk = compile_desk()
    decoder, encoder = msgspec.msgpack.Decoder(Ask), msgspec.msgpack.Encoder()
    blank: Any = np.zeros(1, layout(RECORDS["market"]))
    await run_desk(desk, default_params(), blank[0])
    with quiet():
        pipe.send_bytes(READY)
        while True:
            try:
                ask = decoder.decode(pipe.recv_bytes())
            except EOFError:
                return
            mandate, fault = b"", ""
            try:
                params: Any = np.frombuffer(bytearray(ask.params), layout(Params))[0]
                view: Any = np.frombuffer(bytearray(ask.market), layout(RECORDS["market"]))[0]
                final = await run_desk(desk, params, view)
            except Exception as error:  # boundary: a fault in a run is told, and ends the session that asked
                fault = f"{type(error).__name__}: {error}"
            else:
                packed: Any = np.zeros(1, layout(Mandate))
                packed[0] = final["mandate"]
                mandate = packed.tobytes()
            pipe.send_bytes(encoder.encode(Answer(ask.ticket, mandate, fault, time.process_time())))


def main() -> None:
    """Work on the pipe whose descriptor is the first argument."""
    prepare(show=False)
    with Connection(int(sys.argv[1])) as pipe:
        try:
            uvloop.run(work(pipe))
        except (BrokenPipeError, ConnectionResetError):
            return  # the session is over and wants no answer


if __name__ == "__main__":
    main()
