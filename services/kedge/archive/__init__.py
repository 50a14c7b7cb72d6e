"""The log as Parquet files, and DuckDB views on them."""

from kedge.archive.columns import ColumnLedger
from kedge.archive.datasets import SCHEMAS, prepare
from kedge.archive.disk import Disk
from kedge.archive.partition import PartitionWriter
from kedge.archive.snapshots import Catalog
from kedge.archive.store import Store, open_archive
from kedge.archive.views import VIEWS, connect

__all__ = [
    "SCHEMAS",
    "VIEWS",
    "Catalog",
    "ColumnLedger",
    "Disk",
    "PartitionWriter",
    "Store",
    "connect",
    "open_archive",
    "prepare",
]
