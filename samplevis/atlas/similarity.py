"""Units that respond alike: nearest units, and a map of all of them."""

from __future__ import annotations

import importlib.util

import numpy as np

# Units whose similarities are computed at a time.
BLOCK = 1024
NUM_NEAREST = 16


def standardized(responses: np.ndarray) -> np.ndarray:
    """Responses [unit, image] with mean 0 and norm 1 over the images; zeros for a unit that responds to nothing."""
    responses = np.nan_to_num(np.asarray(responses, np.float32))
    centred = responses - responses.mean(1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.where(norms > 1e-6 * np.abs(responses).max(1, keepdims=True), centred / np.maximum(norms, 1e-30), 0)


def nearest(responses: np.ndarray, count: int = NUM_NEAREST) -> tuple[np.ndarray, np.ndarray]:
    """The units whose responses to the same images correlate most.

    Args:
      responses: [unit, image].
      count: units to find for each. Defaults to 16.

    Returns:
      (numbers [unit, count], correlations [unit, count]), the nearest first, without the unit itself.

    Example:
      >>> import numpy as np
      >>> nearest(np.array([[0.0, 1, 2], [0, 2, 4.1], [2, 1, 0]]), 1)[0].ravel().tolist()
      [1, 0, 1]
    """
    rows = standardized(responses)
    return _most_correlated(rows, rows, min(count, len(rows) - 1), is_own=True)


def nearest_in(responses: np.ndarray, others: np.ndarray, count: int = NUM_NEAREST) -> tuple[np.ndarray, np.ndarray]:
    """The units of another network whose responses to the same images correlate most.

    Args:
      responses: [unit, image].
      others: [other unit, image], of the same images in the same order.
      count: units to find for each. Defaults to 16.

    Returns:
      (numbers [unit, count], correlations [unit, count]), the nearest first.

    Example:
      >>> import numpy as np
      >>> nearest_in(np.array([[0.0, 1, 2]]), np.array([[5.0, 3, 1], [1, 2, 2.9]]), 1)[0].tolist()
      [[1]]
    """
    return _most_correlated(standardized(responses), standardized(others), min(count, len(others)), is_own=False)


def _most_correlated(rows: np.ndarray, others: np.ndarray, count: int, is_own: bool) -> tuple[np.ndarray, np.ndarray]:
    """`nearest_in` of standardised responses, block by block; without the unit itself if the others are the same units."""
    numbers, values = np.zeros((len(rows), count), np.int64), np.zeros((len(rows), count), np.float32)
    for first in range(0, len(rows), BLOCK):
        part = rows[first : first + BLOCK] @ others.T
        if is_own:
            places = np.arange(len(part))
            part[places, first + places] = -np.inf
        order = np.argsort(-part, axis=1, kind="stable")[:, :count]
        numbers[first : first + BLOCK] = order
        values[first : first + BLOCK] = np.take_along_axis(part, order, 1)
    return numbers, values


def layout(responses: np.ndarray) -> np.ndarray:
    """A place for each unit on a map, near those that respond alike: UMAP if it is installed, else principal components.

    Args:
      responses: [unit, image].

    Returns:
      float32 [unit, 2] in [0, 1].
    """
    rows = standardized(responses)
    if len(rows) > NUM_NEAREST and importlib.util.find_spec("umap") is not None:
        import umap

        places = umap.UMAP(n_neighbors=NUM_NEAREST - 1, metric="cosine", random_state=0).fit_transform(rows)
    else:
        places = _components(rows)
    low, high = places.min(0), places.max(0)
    return ((places - low) / np.maximum(high - low, 1e-12)).astype(np.float32)


def _components(rows: np.ndarray) -> np.ndarray:
    """Coordinates along the two main axes; their signs are those of the largest weight."""
    centred = rows - rows.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    signs = np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    return centred @ (axes * np.where(signs == 0, 1, signs))
