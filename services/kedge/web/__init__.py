"""The HTTP API, on which the dashboard stands.

Nothing is imported here, so that the settings of this service can be read without it.
"""

API = "/api/v1"
"""What the paths of the API begin with."""
