"""The log as Parquet files, and DuckDB views on them."""

from kedge.archive.columns import ColumnLedger
from kedge.archive.datasets import SCHEMAS, prepare
from kedge.archive.disk import Disk
from kedge.archive.partition import PartitionWriter
from kedge.archive.views import VIEWS, connect

__all__ = ["SCHEMAS", "VIEWS", "ColumnLedger", "Disk", "PartitionWriter", "connect", "prepare"]
