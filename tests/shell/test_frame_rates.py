"""How many frames a second a wire gives, in the session's time."""

from infra.shell.frame_rates import FrameRates
from state.units import NS_PER_S


def test_a_rate_is_known_after_a_second_and_looks_back_ten() -> None:
    rates = FrameRates()
    assert rates.rate("okx", 5, 0) is None
    assert rates.rate("okx", 30, NS_PER_S // 2) is None
    assert rates.rate("okx", 55, NS_PER_S) == 50.0
    told = [rates.rate("okx", 55 + 10 * second, (1 + second) * NS_PER_S) for second in range(1, 30)]
    assert told[0] == 30.0 and told[-1] == 10.0, "what came long ago is forgotten"


def test_wires_do_not_mix_and_silence_is_a_rate_of_nought() -> None:
    rates = FrameRates()
    for second in range(20):
        loud, silent = rates.rate("okx", 100 * second, second * NS_PER_S), rates.rate("rtds", 7, second * NS_PER_S)
    assert (loud, silent) == (100.0, 0.0)
