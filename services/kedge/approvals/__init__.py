"""Approval: a person answers a proposal by a signed link."""
