import itertools
from dataclasses import replace

import numpy as np
import pytest

from evals.generator import DEMO, EFFICIENT, MarketSpec, generate
from evals.generator_stream import CHUNK_S, stream
from state.events import EVENT, LAST_IN_FRAME, Source

S = 1_000_000_000
SMALL = replace(
    EFFICIENT, windows=3, window_s=60, lookback_s=20, quoted_before_s=5, listed_before_s=60, warmup_s=40, makers=4,
)  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "seed"),
    [
        (SMALL, 1),
        (SMALL, 2),
        (replace(SMALL, quoted_before_s=60, book_delay_ms=300.0, lookback_s=0), 3),
        (replace(DEMO, windows=2), 4),
    ],
    ids=["small", "another seed", "quoted as soon as listed, slow frames", "the demonstration's"],
)
def test_the_chunks_put_together_are_what_generate_gives(spec: MarketSpec, seed: int) -> None:
    chunks = list(stream(spec, seed))
    assert len(chunks) > 3
    assert all(chunk.dtype == EVENT for chunk in chunks)
    assert np.concatenate(chunks).tobytes() == generate(spec, seed).tobytes()


def test_a_chunk_covers_some_seconds_at_most_and_no_frame_is_torn() -> None:
    chunks = list(stream(SMALL, 5))
    for chunk in chunks:
        assert 0 <= chunk["seen_ns"][-1] - chunk["seen_ns"][0] < CHUNK_S * S
    for before, after in itertools.pairwise(chunks):
        assert before["seen_ns"][-1] < after["seen_ns"][0]
        if before["source_code"][-1] == Source.POLYMARKET_BOOK:
            assert before["flags_mask"][-1] & LAST_IN_FRAME


def test_a_spec_that_cannot_be_played_is_refused_before_the_first_chunk() -> None:
    with pytest.raises(ValueError, match="windows must be"):
        stream(replace(SMALL, windows=0), 1)
