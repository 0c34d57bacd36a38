"""Reference FIDs, by the matrix square root itself (scipy 1.17) and in 60 digits (mpmath 1.3).

python tests/golden/make_fid.py     # writes tests/golden/fid.json
"""

import json
import pathlib

import numpy as np

CASES = {  # name -> (N, M, D)
    "full": (60, 50, 12),
    "singular": (8, 6, 12),
    "one_singular": (60, 6, 12),
}


def draw(case):
    """Two sets of correlated, skewed features float64[N, D], float64[M, D]."""
    N, M, D = CASES[case]
    rng = np.random.default_rng(N + M)
    mixing = rng.normal(size=(D, D))
    one, other = (np.maximum(rng.normal(size=(n, D)) @ mixing + 0.5, 0) for n in (N, M))
    return one, 1.2 * other + 0.1


def by_scipy(x, y):
    """The formula as it stands, as pytorch-fid evaluates it."""
    from scipy import linalg

    c, d = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(c @ d)
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(c + d - 2 * root.real)


def by_mpmath(x, y):
    """The trace of the root as the sum of the roots of the eigenvalues of C C'."""
    import mpmath as mp

    mp.mp.dps = 60

    def moments(x):
        N, D = x.shape
        x = mp.matrix(x.tolist())
        mean = [mp.fsum(x[i, j] for i in range(N)) / N for j in range(D)]
        centred = mp.matrix(N, D)
        for i in range(N):
            for j in range(D):
                centred[i, j] = x[i, j] - mean[j]
        return mean, centred.T * centred / (N - 1)

    (m, c), (n, d) = moments(x), moments(y)
    eigenvalues = mp.eig(c * d, left=False, right=False)
    distance = mp.fsum((a - b) ** 2 for a, b in zip(m, n, strict=True))
    traces = mp.fsum(c[i, i] + d[i, i] for i in range(c.rows))
    return float(distance + traces - 2 * mp.fsum(mp.sqrt(abs(mp.re(e))) for e in eigenvalues))


def main():
    """Writes {case: {"scipy": FID, "mpmath": FID}}."""
    values = {
        case: {"scipy": by_scipy(*draw(case)), "mpmath": by_mpmath(*draw(case))} for case in CASES
    }
    path = pathlib.Path(__file__).with_name("fid.json")
    path.write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
