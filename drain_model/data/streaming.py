"""Training data that does not fit in memory: products read from a panel in Zarr, ahead of use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from draingym.common.arrays import require_range
from draingym.drain_model.data.dataset import DrainData, Float32Array, Geography, Inputs
from draingym.world.identity import WorldIdentity
from draingym.world.views import attribute_matrix

# What is read of each product, chunk by chunk.
_READ = ("outbound", "ship_cost", "available", "glance_views", "ordered_units")
_LABELS = ("lane_node", "lane_region", "lane_units")  # and these, where there are any


class PanelStream:
    """The first periods of a panel on disk, as a random-access source of products.

    What all products share, and their attributes, are read when the stream is opened. Products
    are read and checked chunk by chunk, by grain's threads and ahead of use; the last chunks
    stay in memory. The order of products is drawn chunk-wise: ``window`` chunks at a time are
    taken at random, and their products shuffled, so that no chunk is read twice in an epoch. A
    panel of at most ``window`` chunks is shuffled as one in memory, and gives the same batches.

    Memory: about ``window`` chunks of products_per_chunk * T * (3 N + Z) * 4 bytes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        periods: int | None = None,
        window: int = 64,
        threads: int = 2,
        ahead: int = 2,
    ) -> None:
        """Open a panel written by ``draingym.world.panel.save_panel``.

        Args:
            folder: The panel.
            periods: How many periods to take, from the first; all when not given.
            window: Chunks whose products are shuffled together, and that memory holds.
            threads: That read.
            ahead: Batches that each thread reads ahead.

        Raises:
            ImportError: If xarray, zarr or grain are not there (extra ``train``).
            ValueError: If the folder is no panel, or damaged, naming it; or if an argument is out
                of its bounds.
        """
        from draingym.world.panel import open_panel, reading_panel

        folder = Path(folder)
        for name, value in (("window", window), ("threads", threads), ("ahead", ahead)):
            require_range(name, value, low=1)
        panel = open_panel(folder)
        there = panel.sizes["period"]
        if periods is not None and not 1 <= periods <= there:
            raise ValueError(f"periods is {periods}, must be in [1, {there}], those of {folder}")
        panel = panel.isel(period=slice(0, periods))
        dims = panel["outbound"].dims
        encoded = panel["outbound"].encoding.get("chunks")
        self._size = int(encoded[dims.index("product")]) if encoded else 1
        self.num_products = int(panel.sizes["product"])
        self.num_periods = int(panel.sizes["period"])
        self._num_chunks = -(-self.num_products // self._size)
        self._window, self._threads, self._ahead = window, threads, ahead
        self._kept: OrderedDict[int, Future[Inputs]] = OrderedDict()
        self._lock = Lock()
        self._folder = folder
        # Open for one product is open for all, as where they are all in memory.
        is_open = panel["active"].transpose("product", "period", "node")
        active = np.zeros(is_open.shape[1:], bool)
        with reading_panel(folder):
            for chunk in range(self._num_chunks):
                active |= is_open.isel(product=self._part(chunk)).to_numpy().any(axis=0)
            small = {
                n: x.load() for n, x in panel.items() if not {"product", "period"} <= {*x.dims}
            }
        self._panel = panel.assign(small).assign(active=(("period", "node"), active))
        self.product_id = tuple(str(x) for x in panel["product"].to_numpy())
        told = panel.attrs.get("known_periods")
        self.known_periods = None if told is None else int(told)
        self.world = WorldIdentity.from_panel(self._panel)
        first = self._read(0)
        self.calendar: Float32Array = first.calendar
        self.geography: Geography = first.geography
        self.attributes: Float32Array = attribute_matrix(self._panel).astype(np.float32)

    def name_of(self, product: int) -> str:
        """Return the id of a product, quoted."""
        return repr(self.product_id[product])

    def blocks(self, first: int = 0, step: int = 1) -> Iterator[DrainData]:
        """Return all products in their order, or every ``step``-th chunk, read and checked anew."""
        return map(self._read, range(first, self._num_chunks, step))

    def shuffled(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return [P] all products once, in an order that reads every chunk once."""
        if self._num_chunks <= self._window:
            return random.permutation(self.num_products)
        order = random.permutation(self._num_chunks)
        every = np.arange(self.num_products)
        parts = [
            random.permutation(
                np.concatenate([every[self._part(c)] for c in order[i : i + self._window]])
            )
            for i in range(0, self._num_chunks, self._window)
        ]
        return np.concatenate(parts)

    def batches(self, rows: NDArray[np.int64]) -> Iterator[Inputs]:
        """Return a batch [B, T, ...] for each row of products ``rows`` [S, B], read ahead.

        Raises:
            ValueError: If data of a product are out of their bounds.
        """
        import grain

        options = grain.ReadOptions(
            num_threads=self._threads, prefetch_buffer_size=self._threads * self._ahead
        )
        return iter(grain.MapDataset.source(_Rows(self, rows)).to_iter_dataset(options))

    def batch(self, row: NDArray[np.int64]) -> Inputs:
        """Return the inputs of some products, [B, T, ...] in the host's memory."""
        found = [(self._chunk(int(p) // self._size), int(p) % self._size) for p in row]
        part: Inputs = jax.tree.map(
            lambda *leaves: np.stack(leaves),
            *[jax.tree.map(lambda x, i=i: x[i], inputs) for inputs, i in found],
        )
        return part

    def _part(self, chunk: int) -> slice:
        return slice(chunk * self._size, min((chunk + 1) * self._size, self.num_products))

    def _read(self, chunk: int) -> DrainData:
        """Read a chunk; ``DrainData`` checks it."""
        from draingym.world.panel import reading_panel

        part = self._part(chunk)
        chosen = self._panel.isel(product=part)
        with reading_panel(self._folder):
            read = (*_READ, *(name for name in _LABELS if name in chosen))
            chosen = chosen.assign({name: chosen[name].load() for name in read})
        try:
            return DrainData.from_panel(chosen)
        except ValueError as error:
            raise ValueError(
                f"{self._folder}: products {part.start} to {part.stop - 1} of the panel, counted "
                f"from the first of them: {error}"
            ) from error

    def _chunk(self, chunk: int) -> Inputs:
        """Return a chunk's inputs, read once however many threads ask."""
        with self._lock:
            future = self._kept.get(chunk)
            mine = future is None
            if future is None:
                future = self._kept[chunk] = Future()
                while len(self._kept) > self._window + self._threads:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(chunk)
        if mine:
            try:
                future.set_result(self._read(chunk).arrays())
            except BaseException as error:
                future.set_exception(error)
                with self._lock:
                    self._kept.pop(chunk, None)
        return future.result()


class _Rows:
    """Batches by number, as grain takes them."""

    def __init__(self, stream: PanelStream, rows: NDArray[np.int64]) -> None:
        self.stream, self.rows = stream, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Inputs:
        return self.stream.batch(self.rows[index])
