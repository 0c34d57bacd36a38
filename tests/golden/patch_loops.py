"""The patch model once more in numpy, patch by patch in loops: what the fast one must equal."""

import numpy as np


def corners(side, patch, step):
    return [step * i for i in range(1 + max(0, -(-(side - patch) // step)))]


def pad(image, patch, step):
    """The image with its last row and column repeated to where the lattice ends."""
    pads = [corners(side, patch, step)[-1] + patch - side for side in image.shape[:2]]
    return np.pad(image, [(0, max(0, p)) for p in pads] + [(0, 0)], mode="edge")


def nearest(gallery, query, admitted, *, patch, step, radius, count, is_distinct):
    """{(row, column): [(distance, photo, top, left), ...]}, nearest first."""
    gallery = [pad(image, patch, step) for image in gallery]
    query = pad(query, patch, step)
    height, width = query.shape[:2]
    found = {}
    for r, top in enumerate(range(0, height - patch + 1, step)):
        for c, left in enumerate(range(0, width - patch + 1, step)):
            mine = query[top : top + patch, left : left + patch]
            all_of = []
            for n, image in enumerate(gallery):
                if not admitted[n]:
                    continue
                of_one = []
                for y in range(max(0, top - radius), min(height - patch, top + radius) + 1):
                    for x in range(max(0, left - radius), min(width - patch, left + radius) + 1):
                        other = image[y : y + patch, x : x + patch]
                        of_one.append((float(np.square(other - mine).sum()), n, y, x))
                all_of += [min(of_one)] if is_distinct else of_one
            found[r, c] = sorted(all_of)[:count]
    return found


def cut_out(images, found, patch, step):
    """{node: [K, patch, patch, C]} of the candidates."""
    images = [pad(image, patch, step) for image in images]
    return {
        node: np.stack([images[n][y : y + patch, x : x + patch] for _, n, y, x in candidates])
        for node, candidates in found.items()
    }


def neighbours(nodes):
    """(node, its right or lower neighbour, whether it is to the right), each pair once."""
    for r, c in nodes:
        for other in ((r, c + 1), (r + 1, c)):
            if other in nodes:
                yield (r, c), other, other[0] == r


def strips(one, other, is_right, step, patch):
    """What the patches [..., patch, patch, C] of two neighbours share."""
    shared = patch - step
    if is_right:
        return one[..., :, step:, :], other[..., :, :shared, :]
    return one[..., step:, :, :], other[..., :shared, :, :]


def energy(weights, given, near, wanted, *, step, overlap_weight):
    """E(w) from patches; dicts by node."""
    patch = next(iter(given.values())).shape[0]
    total = 0.0
    for node, mine in given.items():
        mixed = np.tensordot(weights[node], near[node], 1)
        total += np.square(mine - mixed).sum() / 2
    mixed = {node: np.tensordot(weights[node], wanted[node], 1) for node in wanted}
    for node, other, is_right in neighbours(wanted):
        one, two = strips(mixed[node], mixed[other], is_right, step, patch)
        total += overlap_weight / 2 * np.square(one - two).sum()
    return total


def project(v):
    """Onto the simplex, by sorting."""
    u = np.sort(v)[::-1]
    excess = (np.cumsum(u) - 1) / np.arange(1, len(v) + 1)
    return np.maximum(v - excess[np.nonzero(u > excess)[0][-1]], 0)


def solve(given, near, wanted, *, step, overlap_weight, sweeps):
    """Weights by projected gradient, node after node with its neighbours as they are."""
    patch = next(iter(given.values())).shape[0]
    count = len(next(iter(near.values())))
    weights = {node: np.full(count, 1 / count) for node in given}
    around = {node: [] for node in given}
    for node, other, is_right in neighbours(given):
        one, two = strips(wanted[node], wanted[other], is_right, step, patch)
        one, two = one.reshape(count, -1), two.reshape(count, -1)
        around[node].append((other, one, two))
        around[other].append((node, two, one))
    quadratic, bound = {}, {}
    for node, mine in given.items():
        residual = (near[node] - mine).reshape(count, -1)
        matrix = residual @ residual.T
        for _, own, _ in around[node]:
            own = own - own.mean(0)
            matrix = matrix + overlap_weight * own @ own.T
        quadratic[node] = residual
        bound[node] = np.linalg.eigvalsh(matrix)[-1] + 1e-9
    for _ in range(sweeps):
        for node, residual in quadratic.items():
            slope = residual @ (residual.T @ weights[node])
            for other, own, theirs in around[node]:
                error = own.T @ weights[node] - theirs.T @ weights[other]
                slope += overlap_weight * own @ error
            weights[node] = project(weights[node] - slope / bound[node])
    return weights


def stitch(weights, wanted, size, *, step):
    """The mean of overlapping patches, [H, W, C]."""
    patch, channels = next(iter(wanted.values())).shape[1], next(iter(wanted.values())).shape[-1]
    reach = [max(node[i] for node in wanted) * step + patch for i in (0, 1)]
    total, times = np.zeros((*reach, channels)), np.zeros((*reach, 1))
    for (r, c), patches in wanted.items():
        place = slice(r * step, r * step + patch), slice(c * step, c * step + patch)
        total[place] += np.tensordot(weights[r, c], patches, 1)
        times[place] += 1
    return (total / times)[: size[0], : size[1]]


def given_patches(query, found, patch, step):
    """{node: patch of the given image}."""
    query = pad(query, patch, step)
    return {
        (r, c): query[r * step : r * step + patch, c * step : c * step + patch] for r, c in found
    }


def translate(gallery, wanted, query, admitted, *, settings, sweeps):
    """An image by the whole model; images float64[H, W, C] in [0, 1]."""
    patch, step = settings.patch_px, settings.step_px
    found = nearest(
        gallery, query, admitted, patch=patch, step=step, radius=settings.radius_px,
        count=settings.num_candidates, is_distinct=settings.is_distinct,
    )  # fmt: skip
    given = given_patches(query, found, patch, step)
    near, targets = (cut_out(images, found, patch, step) for images in (gallery, wanted))
    weights = solve(
        given, near, targets, step=step, overlap_weight=settings.overlap_weight, sweeps=sweeps
    )
    return stitch(weights, targets, query.shape[:2], step=step)
