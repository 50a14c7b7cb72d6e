"""Policies over the archive: what would have fired, when, and with which blame."""

from kedge.backtest.report import Counterpart, Fired, Report, Trial
from kedge.backtest.run import backtest

__all__ = ["Counterpart", "Fired", "Report", "Trial", "backtest"]
