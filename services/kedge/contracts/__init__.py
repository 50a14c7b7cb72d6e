"""What producers and services share: the Avro contracts of `schemas/` and their values."""

from kedge.contracts.codec import UnreadableMessageError, decode, encode
from kedge.contracts.predictions import (
    Column,
    PredictionBatch,
    Producer,
    Role,
    State,
    Tags,
    columns_of,
)
from kedge.contracts.schemas import Record
from kedge.contracts.topics import LONGEST_MESSAGE, Topics
from kedge.contracts.wire import PackedIds, decode_predictions, encode_batch

__all__ = [
    "LONGEST_MESSAGE",
    "Column",
    "PackedIds",
    "PredictionBatch",
    "Producer",
    "Record",
    "Role",
    "State",
    "Tags",
    "Topics",
    "UnreadableMessageError",
    "columns_of",
    "decode",
    "decode_predictions",
    "encode",
    "encode_batch",
]
