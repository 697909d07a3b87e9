"""Rounding of one linear layer's weights so that its output, not its weights, comes out closest.

A layer is ``acc = w x + b`` on integer inputs ``x``. Given rows of real inputs and the accumulator values the
float network wants there, the weights minimise the mean squared error over the integers: first the
least-squares solution (which also takes up what the layers before did wrong), then rounding column by column
with the error passed on to the columns not yet rounded (optimal brain quantisation in the order of GPTQ),
then coordinate descent until nothing improves. A ridge towards the original weights, in proportion to each
input's own energy, keeps rarely seen inputs honest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: ridge towards the original weights, relative to an input's own second moment
RIDGE = 0.01
_SWEEPS = 4


@dataclass(frozen=True)
class Moments:
    """Centred second moments of a layer's rows: ``x`` inputs ``[N, K]``, ``t`` wanted outputs ``[N, O]``.

    ``xx`` is ``[K, K]``, or ``[O, K, K]`` where every output weighs the rows by itself; ``xt`` is ``[K, O]``;
    ``mean_x`` ``[K]`` or ``[O, K]``; ``mean_t`` ``[O]``; ``tt`` ``[O]``.
    """

    xx: np.ndarray
    xt: np.ndarray
    mean_x: np.ndarray
    mean_t: np.ndarray
    tt: np.ndarray


def moments(x: np.ndarray, t: np.ndarray, row_weight: np.ndarray | None = None) -> Moments:
    """Moments of the rows; ``row_weight`` ``[N, O]`` >= 0 gives every output its own weights."""
    if row_weight is None:
        mean_x, mean_t = x.mean(0), t.mean(0)
        xc, tc = x - mean_x, t - mean_t
        n = len(x)
        return Moments(xc.T @ xc / n, xc.T @ tc / n, mean_x, mean_t, (tc * tc).mean(0))
    total = np.maximum(row_weight.sum(0), 1e-30)
    share = row_weight / total
    mean_x, mean_t = share.T @ x, (share * t).sum(0)
    xx = np.empty((t.shape[1], x.shape[1], x.shape[1]))
    xt = np.empty((x.shape[1], t.shape[1]))
    tt = np.empty(t.shape[1])
    for o in range(t.shape[1]):
        xc, tc = x - mean_x[o], t[:, o] - mean_t[o]
        weighted = xc * share[:, o, None]
        xx[o], xt[:, o], tt[o] = weighted.T @ xc, weighted.T @ tc, (share[:, o] * tc) @ tc
    return Moments(xx, xt, mean_x, mean_t, tt)


def round_nearest(w: np.ndarray, limit: int) -> np.ndarray:
    """Plain rounding of real weights, in weight steps, to ``-limit..limit``."""
    return np.clip(np.rint(w), -limit, limit)


def round_adaptive(w: np.ndarray, m: Moments, limit: int, ridge: float = RIDGE) -> np.ndarray:
    """Integer weights ``[O, K]`` for the real weights ``w`` (in weight steps) and the layer's moments."""
    if m.xx.ndim == 2:
        return _round_rows(w, m.xx, m.xt, limit, ridge)
    rows = [_round_rows(w[o : o + 1], m.xx[o], m.xt[:, o : o + 1], limit, ridge) for o in range(len(w))]
    return np.concatenate(rows)


def _round_rows(w: np.ndarray, xx: np.ndarray, xt: np.ndarray, limit: int, ridge: float) -> np.ndarray:
    energy = np.diag(xx)
    floor = 1e-9 * energy.mean() + 1e-12
    h = xx + np.diag(ridge * energy + floor)
    best = w + np.linalg.solve(h, xt - xx @ w.T).T
    chosen, least = np.empty_like(best), np.full(len(best), np.inf)
    # Coordinate descent ends in a local minimum; where it started decides which. Keep the best of a few.
    for order in (np.argsort(-np.diag(h), kind="stable"), np.argsort(np.diag(h), kind="stable"), None):
        if order is None:
            found = _descend(round_nearest(best, limit), best, h, limit)
        else:
            sorted_h, sorted_best = h[np.ix_(order, order)], best[:, order]
            found = np.empty_like(best)
            found[:, order] = _descend(_pass_on(sorted_best, sorted_h, limit), sorted_best, sorted_h, limit)
        cost = (((found - best) @ h) * (found - best)).sum(1)
        better = cost < least
        chosen[better], least[better] = found[better], cost[better]
    return chosen


def _pass_on(best: np.ndarray, h: np.ndarray, limit: int) -> np.ndarray:
    """Column by column, each column's rounding error passed on to the later ones."""
    k = len(h)
    # h^-1 = U^T U with U upper triangular: row j of U says how later columns make up for column j.
    inverse = np.linalg.inv(h)
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    w, out = best.copy(), np.empty_like(best)
    for start in range(0, k, 64):
        stop = min(start + 64, k)
        errors = np.empty((len(w), stop - start))
        for j in range(start, stop):
            out[:, j] = np.clip(np.rint(w[:, j]), -limit, limit)
            error = (w[:, j] - out[:, j]) / upper[j, j]
            w[:, j + 1 : stop] -= error[:, None] * upper[j, j + 1 : stop]
            errors[:, j - start] = error
        w[:, stop:] -= errors @ upper[start:stop, stop:]
    return out


def _descend(w: np.ndarray, best: np.ndarray, h: np.ndarray, limit: int) -> np.ndarray:
    """Moves single weights while that lowers ``(w - best) h (w - best)``."""
    w = w.copy()
    slope = (w - best) @ h
    for _ in range(_SWEEPS):
        moved = 0
        for j in range(len(h)):
            wanted = np.clip(np.rint(w[:, j] - slope[:, j] / h[j, j]), -limit, limit)
            step = wanted - w[:, j]
            rows = np.flatnonzero(step)
            if rows.size:
                w[rows, j] = wanted[rows]
                slope[rows] += step[rows, None] * h[j]
                moved += rows.size
        if moved == 0:
            break
    return w


def best_bias(w: np.ndarray, m: Moments) -> np.ndarray:
    """The bias ``[O]`` that makes the mean error zero."""
    mean = w @ m.mean_x if m.mean_x.ndim == 1 else (w * m.mean_x).sum(1)
    return m.mean_t - mean
