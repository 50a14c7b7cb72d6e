"""Every operation of the description with values that fit it and that do not: no fault, and no
answer that the description does not have.

`make fuzz-api` does the same for longer.
"""

import os
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import CHECKS, load_all_checks

from kedge.settings import Settings
from web.asking import API, web_settings
from web.fuzzing import lead, stocked

EXAMPLES = int(os.environ.get("KEDGE_FUZZ_EXAMPLES", "8"))
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nothing_that_is_asked_brings_a_fault_or_an_undocumented_answer(make_settings, tmp_path):
    web = web_settings(tmp_path).web
    settings: Settings = make_settings(web=web)
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKED]
    served = Counter()

    def fuzz(operation, headers, there, *, real):
        @hypothesis_settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case):
            if real:
                lead(case, there)
            # What was wrong with the case may be right now.
            excluded = [CHECKS.get_one("negative_data_rejection")] if real else []
            answer = case.call_and_validate(
                headers=headers, checks=checks, excluded_checks=excluded
            )
            served[operation.label] += answer.status_code < 400

        ask()

    with stocked(settings) as (token, there):
        headers = {"Authorization": f"Bearer {token}"}
        description = f"http://127.0.0.1:{web.port}{API}/openapi.json"
        # A stream has no end to wait for: `test_events.py` listens to it.
        operations = schemathesis.openapi.from_url(description).exclude(path=f"{API}/events")
        for found in operations.get_all_operations():
            for real in (False, True):
                fuzz(found.ok(), headers, there, real=real)
    # Luck makes no table of data, no commit and no matchers; a proposal has one answer only, and
    # what there is to delete is needed.
    assert {label for label, often in served.items() if not often} <= {
        f"POST {API}/models/{{model}}/versions",
        f"POST {API}/models/{{model}}/code",
        f"POST {API}/silences",
        f"POST {API}/proposals/{{number}}/approve",
        f"POST {API}/proposals/{{number}}/reject",
        f"DELETE {API}/models/{{model}}/releases/{{number}}",
        f"DELETE {API}/models/{{model}}/versions/{{version}}",
        f"DELETE {API}/models/{{model}}/code/{{version}}",
    }
    assert len(served) > 25
