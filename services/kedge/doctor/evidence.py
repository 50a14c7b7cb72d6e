"""What the doctor looks at, read from the topics, the consumer groups and the archive."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from kedge.archive import Catalog, connect, open_archive
from kedge.archive.layout import model_folder
from kedge.broker import connection
from kedge.contracts import Record, Topics, UnreadableMessageError, decode, decode_predictions
from kedge.doctor.books import Books, Evidence, Letter, Place
from kedge.doctor.lags import committed_offsets, lags
from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.streams import CommittedLog
from kedge.streams.accounts import NO_MODEL
from kedge.streams.clients import Options, admin

_TIMEOUT = 30.0


def gather(settings: Settings) -> Evidence:
    """Read everything, while everything may be running.

    The order matters. Lags come first: what was behind then may be the reason for what is lacking
    later. Crashes are read before the accounts, which then have all that came before them; other
    letters after the accounts too, which then have none that is not there. The archive comes last,
    after the place that the archiver has reached.

    Raises:
        KedgeError: the broker does not answer, or Kedge has no topics there.
    """
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    client = admin(kafka)
    partitions = _partitions(client, kafka, topics)
    before = lags(client, kafka, topics, partitions)
    logs = [CommittedLog(kafka, topics.deadletter, p) for p in range(partitions[topics.deadletter])]
    try:
        early = list(_letters(logs, topics))
        books = _books(kafka, topics, partitions[topics.accounts])
        late = list(_letters(logs, topics))
    finally:
        for log in logs:
            log.close()
    books.whole = _is_whole(client, topics.accounts, partitions[topics.accounts])
    letters = [
        letter
        for letter in early
        if letter.crashed and books.first_offsets.get(letter.place.partition, 0) <= letter.offset
    ]
    for letter in letters:
        books.cover(letter.place.partition, letter.offset, letter.offset)
    known = {(letter.place.partition, letter.offset) for letter in letters}
    letters += [
        letter
        for letter in early + late
        if (letter.place.partition, letter.offset) not in known and _is_covered(books, letter)
    ]
    archive_next = {
        partition: offset
        for (topic, partition), offset in committed_offsets(
            client, f"{topics.prefix}.archiver"
        ).items()
        if topic == topics.predictions
    }
    return Evidence(
        books,
        letters,
        _is_whole(client, topics.deadletter, partitions[topics.deadletter]),
        _archived(settings.archive_url, books),
        archive_next,
        before,
        _dropped(settings.archive_url, {place.model for place in books.sums}),
    )


def _partitions(client: AdminClient, kafka: Options, topics: Topics) -> dict[str, int]:
    """How many each of our topics has."""
    try:
        known = client.list_topics(timeout=_TIMEOUT).topics
    except KafkaException as error:
        raise KedgeError(
            f"the broker at {kafka.get('bootstrap.servers')} does not answer: {error}. "
            "See `kedge broker status`, or set KEDGE_KAFKA__BOOTSTRAP_SERVERS."
        ) from error
    found = {name: len(topic.partitions) for name, topic in known.items()}
    for needed in (topics.predictions, topics.accounts, topics.deadletter):
        if needed not in found:
            raise KedgeError(
                f"there is no topic {needed} at {kafka.get('bootstrap.servers')}: is "
                "KEDGE_TOPIC_PREFIX right? `kedge up` and `kedge run` make what is missing."
            )
    return found


def _books(kafka: Options, topics: Topics, partitions: int) -> Books:
    books = Books()
    for partition in range(partitions):
        with CommittedLog(kafka, topics.accounts, partition) as log:
            for _key, value in log.news():
                books.add(decode(value, "account")[1])
    return books


def _letters(logs: list[CommittedLog], topics: Topics) -> Iterator[Letter]:
    """The profiler's dead letters that came since the last call."""
    for log in logs:
        for _key, value in log.news():
            letter = decode(value, "dead_letter")[1]
            if letter["service"] == "profiler" and letter["topic"] == topics.predictions:
                yield Letter(
                    Place(_model(letter), letter["partition"]),
                    letter["offset"],
                    letter["rows"],
                    crashed=letter["reason"] in ("crashed", "too_large"),
                )


def _model(letter: Record) -> str:
    try:
        return decode_predictions(letter["value"]).tags.model
    except UnreadableMessageError:
        return NO_MODEL


def _is_covered(books: Books, letter: Letter) -> bool:
    partition = letter.place.partition
    if partition not in books.first_offsets:
        return False
    return books.first_offsets[partition] <= letter.offset <= books.last_offsets[partition]


def _is_whole(client: AdminClient, topic: str, partitions: int) -> bool:
    """Whether nothing has been deleted from a topic yet."""
    asked = {TopicPartition(topic, p): OffsetSpec.earliest() for p in range(partitions)}
    answers = client.list_offsets(asked, request_timeout=_TIMEOUT).values()
    return all(answer.result().offset == 0 for answer in answers)


def _archived(where: str, books: Books) -> dict[Place, int]:
    """Rows of the archive among what is accounted for."""
    with connect(where) as archive:
        archive.execute("CREATE TEMP TABLE accounted (part INTEGER, first BIGINT, last BIGINT)")
        for partition, first in books.first_offsets.items():
            archive.execute(
                "INSERT INTO accounted VALUES (?, ?, ?)",
                [partition, first, books.last_offsets[partition]],
            )
        rows = archive.execute(
            "SELECT model, kafka_partition, count(*) FROM predictions JOIN accounted "
            "ON kafka_partition = part AND kafka_offset BETWEEN first AND last GROUP BY ALL"
        ).fetchall()
    return {Place(model, partition): count for model, partition, count in rows}


def _dropped(where: str, models: set[str]) -> dict[str, str]:
    """By model, the date before which the archive has dropped all days."""
    catalog = Catalog(open_archive(where))
    found = {each: catalog.snapshot(model_folder("predictions", each)).before for each in models}
    return {model: before for model, before in found.items() if before}
