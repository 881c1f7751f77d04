"""What runs the queries of a log: DuckDB in the process, or Spark. Both give the same numbers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ibis

from draingym.common.arrays import require_whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """An engine at work.

    >>> import pyarrow as pa
    >>> import pyarrow.parquet as pq
    >>> path = getfixture("tmp_path") / "sales.parquet"
    >>> pq.write_table(pa.table({"units": [2, 3]}), path)
    >>> with DuckDB(threads=1).opened() as engine:
    ...     sales = engine.backend.read_parquet(path)
    ...     engine.rows(sales.aggregate(units=sales.units.sum())).to_pylist()
    [{'units': 5}]
    """

    backend: Any  # of Ibis; it reads Parquet files
    rows: Callable[[Any], Any]  # what an expression finds, as a ``pyarrow.Table``


class Engine(Protocol):
    """Opens a backend of Ibis: any that reads Parquet files will do.

    >>> from draingym.world.engines import DuckDB, Engine
    >>> engine: Engine = DuckDB(memory="1GB", threads=2)
    >>> with engine.opened() as opened:
    ...     type(opened.backend).__module__
    'ibis.backends.duckdb'
    """

    def opened(self) -> AbstractContextManager[Opened]:
        """Return the engine at work, for a while."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DuckDB:
    """DuckDB in this process; what does not fit its memory goes to a folder, which is then removed.

    Raises:
        ValueError: If there is no thread to run on.

    Example:
        >>> DuckDB(threads=0)
        Traceback (most recent call last):
        ValueError: threads is 0, must be at least 1
    """

    memory: str | None = None  # such as "2GB"; most of the machine's when not given
    threads: int | None = None  # the cores when not given
    scratch: Path | None = None  # where that folder is made; the system's choice when not given

    def __post_init__(self) -> None:
        """Check the number of threads."""
        if self.threads is not None:
            require_whole("threads", self.threads, low=1)

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Yield a connection to an empty database in memory.

        Raises:
            ValueError: If DuckDB does not take the memory for a size.
        """
        import duckdb

        settings: dict[str, Any] = {"preserve_insertion_order": False}
        if self.memory is not None:
            settings["memory_limit"] = self.memory
        if self.threads is not None:
            settings["threads"] = self.threads
        with tempfile.TemporaryDirectory(prefix="draingym-", dir=self.scratch) as folder:
            try:
                backend = ibis.duckdb.connect(temp_directory=folder, **settings)
            except duckdb.Error as error:
                raise ValueError(
                    f"memory is {self.memory!r}, must be a size such as '2GB' ({error})"
                ) from error
            try:
                yield Opened(backend=backend, rows=backend.to_pyarrow)
            finally:
                backend.disconnect()


@dataclass(frozen=True, kw_only=True, slots=True)
class Spark:
    """Spark: a session of one's own, on whatever cluster, or a local one for the time being.

    It reads logs from disk (``world.log_folder.open_log``), where all its workers see them.
    """

    session: Any = None  # a SparkSession; a local one on all cores when not given
    memory: str = "2g"  # of the local one

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Yield a connection to the session.

        Raises:
            ImportError: If PySpark is not there (extra ``spark``).
        """
        if self.session is not None:
            yield _on(self.session)
            return
        from pyspark.sql import SparkSession

        with tempfile.TemporaryDirectory(prefix="draingym-") as folder:
            builder = SparkSession.builder.master("local[*]").appName("draingym")
            for name, value in {
                "spark.driver.memory": self.memory,
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.driver.host": "127.0.0.1",
                "spark.ui.enabled": "false",
                "spark.local.dir": folder,
                "spark.sql.warehouse.dir": f"{folder}/warehouse",
            }.items():
                builder = builder.config(name, value)
            session = builder.getOrCreate()
            try:
                yield _on(session)
            finally:
                session.stop()


def _on(session: Any) -> Opened:
    """Return Spark at work; rows come as Arrow, which needs no pandas."""
    backend = ibis.pyspark.connect(session)
    return Opened(
        backend=backend,
        rows=lambda expression: session.sql(backend.compile(expression)).toArrow(),
    )
