"""What the answers of a forced choice say: shares, intervals, tests.

share      of all choices, for a method; the interval is that of a bootstrap which draws
           participants and faces, both with replacement ("pigeonhole", Owen, Annals of Applied
           Statistics 1(2), 2007): answers of one person, and on one face, resemble each other
p          two-sided, exact binomial: the share is 1 / methods.  If nobody can tell the methods
           apart, a choice is a draw of a random place, so answers are independent
places     the same test of the places on the screen, by chi squared: small p = people chose a
           side, not a picture
agreement  Fleiss' kappa between participants: 0 = as by chance, 1 = all alike (Fleiss,
           Psychological Bulletin 76(5), 1971)
"""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Share(NamedTuple):
    """A method's share of the choices with its interval; p of "as by chance"."""

    votes: int
    share: float
    low: float
    high: float
    p: float


class Preference(NamedTuple):
    """methods: in the key's order.  versus[i][j]: (share of i among choices of i or j, p).

    agreement: NaN for one participant, or where all always chose one method.
    """

    methods: list[Share]
    versus: dict[tuple[int, int], tuple[float, float]]
    places_p: float
    agreement: float


def preference(
    chosen: np.ndarray,
    places: np.ndarray,
    *,
    num_methods: int,
    seed: int = 0,
    num_resamples: int = 2000,
) -> Preference:
    """chosen, places: int[participants, faces], the method and the place of each answer."""
    people, faces = chosen.shape
    votes = np.bincount(chosen.ravel(), minlength=num_methods)
    is_chosen = chosen[..., None] == np.arange(num_methods)  # people, faces, methods
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(num_resamples):
        rows = random.integers(0, people, people)
        drawn.append(is_chosen[rows][:, random.integers(0, faces, faces)].mean((0, 1)))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    methods = [
        Share(
            int(count),
            float(count / chosen.size),
            float(low[i]),
            float(high[i]),
            float(stats.binomtest(int(count), chosen.size, 1 / num_methods).pvalue),
        )
        for i, count in enumerate(votes)
    ]
    versus = {}
    for i in range(num_methods):
        for j in range(i + 1, num_methods):
            both = int(votes[i] + votes[j])
            if both:
                test = stats.binomtest(int(votes[i]), both)
                versus[i, j] = (float(votes[i] / both), float(test.pvalue))
    places_p = stats.chisquare(np.bincount(places.ravel(), minlength=num_methods)).pvalue
    return Preference(methods, versus, float(places_p), _kappa(is_chosen.sum(0)))


def _kappa(counts: np.ndarray) -> float:
    """Fleiss' kappa of counts [faces, methods], as many answers for each face."""
    people = counts[0].sum()
    by_chance = ((counts.sum(0) / counts.sum()) ** 2).sum()
    if people < 2 or by_chance == 1:
        return float("nan")
    alike = ((counts**2).sum(1) - people) / (people * (people - 1))
    return float((alike.mean() - by_chance) / (1 - by_chance))
