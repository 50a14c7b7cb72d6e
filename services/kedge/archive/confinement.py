"""Which ad-hoc SQL may run: what only reads the views, by what DuckDB's own parser makes of it.

It is a list of what is allowed, so that what a new DuckDB adds is refused until somebody has looked
at it. It stands before the settings of a confined connection, which let DuckDB itself open no
other file but would let a statement write where it may read: into the archive.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import duckdb

from kedge.errors import KedgeError

LONGEST: Final = 100_000
"""Characters of a query."""
DEEPEST: Final = 100
"""Brackets within brackets: DuckDB's parser crashes on ten thousands."""

# The kinds of nodes of a syntax tree but expressions, as `json_serialize_sql` names them: queries,
# what they read from, and what orders and limits them. Others are INSERT_QUERY_NODE and the like,
# for a WITH may hold a statement that writes.
_NODES: Final = frozenset(
    "SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE "  # noqa: SIM905
    "BASE_TABLE EMPTY EXPRESSION_LIST JOIN PIVOT SHOW_REF SUBQUERY TABLE_FUNCTION "
    "ASCENDING DESCENDING ORDER_DEFAULT "
    "DISTINCT_MODIFIER LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER ORDER_MODIFIER".split()
)
_SHOWN: Final = frozenset({"", '"tables"', "__show_tables_expanded"})
_SCHEMAS: Final = frozenset(
    {(), ("main",), ("memory",), ("memory", "main"), ("information_schema",), ("pg_catalog",)}
)
TABLE_FUNCTIONS: Final = frozenset(
    "at_release duckdb_columns duckdb_functions duckdb_keywords duckdb_tables duckdb_types "  # noqa: SIM905
    "duckdb_views generate_series generate_subscripts histogram histogram_values "
    "icu_calendar_names json_each json_tree pg_timezone_names pragma_show pragma_table_info "
    "pragma_version range regexp_split_to_table repeat repeat_row summary test_all_types "
    "unnest".split()
)
"""Functions that a query may read from. None of them reads a file or takes SQL as text."""
HARMLESS: Final = frozenset(
    "current_catalog current_connection_id current_database current_date current_localtime "  # noqa: SIM905
    "current_localtimestamp current_query current_query_id current_role current_schema "
    "current_schemas current_transaction_id current_user error gen_random_uuid get_current_time "
    "get_current_timestamp in_search_path now random session_user setseed sleep_ms "
    "today transaction_timestamp txid_current user uuid uuidv4 uuidv7".split()
)
"""Functions that are not only of their arguments and yet change nothing and tell no secret."""
REFUSED_FUNCTIONS: Final = frozenset(
    "combine currval current_setting finalize getenv getvariable json_serialize_plan nextval "  # noqa: SIM905
    "setval stats to_aggregate_state vector_type write_log".split()
)
"""Functions that tell settings, keep something, or take states that only DuckDB should make."""
_SYSTEM_VIEWS: Final = frozenset({"duckdb_logs", "pg_settings"})
_FILE: Final = re.compile(r"[./\\:*?\[]")
_COMMENT: Final = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_EXPLAIN: Final = re.compile(
    rf"{_COMMENT}explain\b{_COMMENT}(?P<analyze>analyze\b)?(?P<explained>.*)",
    re.IGNORECASE | re.DOTALL,
)


class RefusedQueryError(KedgeError):
    """The query would do more than read the archive.

    Attributes:
        refused: what of it is refused, for example `COPY` or `FROM read_csv()`.
        instead: why, or what is allowed.
    """

    exit_code = 3

    def __init__(self, refused: str, instead: str) -> None:
        super().__init__(f"{refused} is refused: {instead}")
        self.refused, self.instead = refused, instead


def checked(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one statement in `sql`, as it may be run.

    Args:
        connection: any, for its parser; nothing is run on it.
        sql: what somebody wrote.

    Raises:
        RefusedQueryError: it is more than one statement, or does more than read the archive.
        duckdb.Error: it is no SQL.
    """
    _check_size(sql)
    try:
        statements = connection.extract_statements(sql)
        kinds = [statement.type.name for statement in statements]
    except ValueError as error:  # a kind of statement that DuckDB has no name of in Python
        raise RefusedQueryError("this statement", "only SELECT and its like are allowed") from error
    if len(statements) != 1:
        raise RefusedQueryError(
            f"a text with {len(statements)} statements", "give one statement at a time"
        )
    (statement,), (kind,) = statements, kinds
    if kind == "EXPLAIN":
        found = _EXPLAIN.fullmatch(statement.query)
        if found is None or found["explained"].lstrip().startswith("("):
            raise RefusedQueryError("this EXPLAIN", "write EXPLAIN or EXPLAIN ANALYZE and a SELECT")
        # What is run is what was looked at, however the text was to be read.
        explained = _select(connection, found["explained"])
        return f"EXPLAIN {'ANALYZE ' if found['analyze'] else ''}{explained}"
    if kind == "MULTI":
        raise RefusedQueryError(
            "PIVOT over whatever values there are",
            "it makes a type of its own; name the values: PIVOT … ON column IN (…)",
        )
    if kind != "SELECT":
        raise RefusedQueryError(
            _first_word(statement.query),
            "the archive is read only; SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, "
            "SHOW TABLES and EXPLAIN are allowed",
        )
    _check_tree(connection, statement.query)
    return statement.query


def _check_size(sql: str) -> None:
    if len(sql) > LONGEST:
        raise RefusedQueryError("a query this long", f"{LONGEST:,} characters are the most")
    depth = deepest = 0
    for letter in sql:
        if letter in "([{":
            depth += 1
            deepest = max(depth, deepest)
        elif letter in ")]}":
            depth -= 1
    if deepest > DEEPEST:
        raise RefusedQueryError("a query nested this deeply", f"{DEEPEST} brackets are the most")


def _select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one SELECT in what EXPLAIN is asked of."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
        raise RefusedQueryError(
            f"EXPLAIN of {_first_word(sql)}", "only what may be run may be explained: a SELECT"
        )
    query = statements[0].query
    _check_tree(connection, query)
    return query


def _check_tree(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    ((text,),) = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    try:
        tree = json.loads(text)
        if tree.get("error", True):
            raise RefusedQueryError("this statement", tree.get("error_message", "it can't be read"))
        _look(tree["statements"])
    except RecursionError as error:
        raise RefusedQueryError("a query nested this deeply", "write it flatter") from error


def _look(node: Any) -> None:
    if isinstance(node, list):
        for each in node:
            _look(each)
    elif isinstance(node, dict):
        kind = node.get("type")
        if isinstance(kind, str) and "class" not in node:
            _check_node(kind, node)
        if "function_name" in node:
            _check_function(str(node["function_name"]).lower())
        for each in node.values():
            _look(each)


def _check_node(kind: str, node: dict[str, Any]) -> None:
    if kind not in _NODES:
        raise RefusedQueryError(kind.partition("_")[0], "the archive is read only")
    if kind == "SHOW_REF" and (
        node["show_type"] == "SHOW_FROM" or node["table_name"] not in _SHOWN
    ):
        raise RefusedQueryError(
            f"SHOW {node['table_name']}".strip(), "SHOW TABLES and DESCRIBE say what there is"
        )
    if kind == "BASE_TABLE":
        *schema, name = node["qualified_name"]["path"]
        is_file = tuple(part.lower() for part in schema) not in _SCHEMAS or _FILE.search(name)
        if is_file or name.lower() in _SYSTEM_VIEWS:
            whole = ".".join([*schema, name])
            raise RefusedQueryError(f"reading {whole!r}", "SHOW TABLES lists what there is to read")
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            raise RefusedQueryError(
                f"FROM {name}()",
                "no function but those that make rows from their arguments; "
                "SHOW TABLES lists what there is to read",
            )


def _check_function(name: str) -> None:
    if name in REFUSED_FUNCTIONS or name.startswith("__internal"):
        raise RefusedQueryError(f"{name}()", "a query may use only what reads the archive")


def _first_word(sql: str) -> str:
    found = re.match(rf"{_COMMENT}(\w+)", sql, re.DOTALL)
    return found[1].upper() if found else "this statement"
