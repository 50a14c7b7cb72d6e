import json

import pytest

from webhook_receivers import SECRET

POLICY = """
model = "flights"
[[rules]]
name = "missing"
statistic = "missing_increase"
above = 0.1
"""


@pytest.fixture
def with_endpoints(make_settings, tmp_path):
    """Settings with a policy whose endpoints are these; this machine may be posted to."""

    def make(*endpoints, secret=SECRET):
        file = tmp_path / "policy.toml"
        tables = [
            "[[webhooks]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in e.items())
            for e in endpoints
        ]
        file.write_text("\n".join([POLICY, *tables]))
        return make_settings(
            alerting={"policy": file, "webhook_secret": secret},
            webhooks={"allow": ["127.0.0.0/8"]},
        )

    return make
