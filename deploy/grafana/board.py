"""Writes deploy/grafana/dashboards/dispatch.json: `python -m deploy.grafana.board`. What is on the board is the table here.

A test compares the file with this, and has a real Prometheus answer each query. Dashboards are read by Grafana 10 and later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOARD = Path(__file__).parent / "dashboards" / "dispatch.json"
SOURCE = {"type": "prometheus", "uid": "dispatch-prometheus"}
"""As provisioning/datasources/prometheus.yaml names it."""
_WIDTH = 24
_HEIGHT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. A query's key is the legend."""

    title: str
    says: str
    queries: Mapping[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    stacked: bool = False
    width: int = 8


def _each(metric: str, by: str, *, matching: str = "") -> str:
    return f"sum by ({by}) (increase({metric}{matching}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "") -> str:
    return f"histogram_quantile({share}, sum by (le{by}) (rate({metric}_bucket[$__rate_interval])))"


ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "Is it working for people?",
        (
            Panel(
                title="Tasks that were done",
                says="Of all accepted tasks that ended in the time shown, the share that was done.",
                queries={
                    "done": 'sum(increase(dispatch_relay_tasks_total{outcome="done"}[$__range]))'
                    ' / sum(increase(dispatch_relay_tasks_total{outcome!="refused"}[$__range]))'
                },
                unit="percentunit",
                kind="stat",
                width=6,
            ),
            Panel(
                title="Refused because of a host",
                says="Attempts refused and tasks out of contact because a host is not there, in the time shown.",
                queries={"failures": "sum(increase(dispatch_relay_host_offline_failures_total[$__range]))"},
                kind="stat",
                width=6,
            ),
            Panel(
                title="Verdict, 19 of 20 within",
                says="From the arrival of a task at the relay to the word that it was accepted.",
                queries={
                    "verdict": "histogram_quantile(0.95, sum by (le)"
                    ' (rate(dispatch_relay_verdict_seconds_bucket{verdict="accepted"}[$__range])))'
                },
                unit="s",
                kind="stat",
                width=6,
            ),
            Panel(
                title="Processes up",
                says="Processes of each kind that Prometheus can read.",
                queries={"{{job}}": "sum by (job) (up)"},
                kind="stat",
                width=6,
            ),
            Panel(
                title="Tasks by outcome",
                says="refused: for each attempt that never ran. The others: of accepted tasks.",
                queries={"{{outcome}}": _each("dispatch_relay_tasks_total", "outcome")},
                stacked=True,
            ),
            Panel(
                title="Refusals by reason",
                says="Of commands, rows and live frames. Reasons without any are left out.",
                queries={"{{reason}}": _each("dispatch_relay_refusals_total", "reason") + " > 0 or vector(0)"},
                stacked=True,
            ),
            Panel(
                title="Failures because of a host, by cause",
                says="Alert HostOfflineFailures compares this with the week before.",
                queries={"{{cause}}": _each("dispatch_relay_host_offline_failures_total", "cause")},
                stacked=True,
            ),
            Panel(
                title="Time to a verdict",
                says="Half of all, and 19 of 20, by verdict.",
                queries={
                    "{{verdict}}, half": _quantile(0.5, "dispatch_relay_verdict_seconds", ", verdict"),
                    "{{verdict}}, 19 of 20": _quantile(0.95, "dispatch_relay_verdict_seconds", ", verdict"),
                },
                unit="s",
                width=12,
            ),
            Panel(
                title="What agents need for a task",
                says="On the hosts that Prometheus reads.",
                queries={
                    "half": _quantile(0.5, "dispatch_host_agent_seconds"),
                    "19 of 20": _quantile(0.95, "dispatch_host_agent_seconds"),
                },
                unit="s",
                width=12,
            ),
        ),
    ),
    (
        "Presence and streams",
        (
            Panel(
                title="Hosts by state",
                says="All hosts that the relays know.",
                queries={"{{state}}": "sum by (state) (dispatch_relay_hosts)"},
                stacked=True,
            ),
            Panel(
                title="Changes of state",
                says="Many reconnecting: hosts come and go.",
                queries={"{{state}}": _each("dispatch_relay_presence_changes_total", "state")},
            ),
            Panel(
                title="Open streams",
                says="By kind of device and what carries them.",
                queries={"{{kind}}, {{carrier}}": "sum by (kind, carrier) (dispatch_relay_streams)"},
                stacked=True,
            ),
            Panel(
                title="Ends of streams",
                says="bye is a goodbye; broke ended without a word.",
                queries={"{{reason}}": _each("dispatch_relay_stream_ends_total", "reason") + " > 0 or vector(0)"},
                stacked=True,
                width=12,
            ),
            Panel(
                title="Trust",
                says="Age of the pairing service's last word at each relay. Above 300 s nobody is let in.",
                queries={"{{instance}}": "dispatch_relay_trust_age_seconds"},
                unit="s",
                width=12,
            ),
        ),
    ),
    (
        "Calls to people",
        (
            Panel(
                title="Calls by outcome",
                says="What became of what people were to be called for.",
                queries={"{{outcome}}": _each("dispatch_relay_pushes_total", "outcome")},
                stacked=True,
            ),
            Panel(
                title="Attempts to push",
                says="busy and unreachable are tried again.",
                queries={"{{transport}}, {{result}}": _each("dispatch_relay_push_attempts_total", "transport, result")},
                stacked=True,
            ),
            Panel(
                title="Calls that wait",
                says="For more to come, for the end of quiet hours, or to be tried again.",
                queries={"{{instance}}": "dispatch_relay_push_waiting"},
            ),
        ),
    ),
    (
        "Inside the relays",
        (
            Panel(
                title="Commits",
                says="How long they take.",
                queries={
                    "{{instance}}, half": _quantile(0.5, "dispatch_relay_commit_seconds", ", instance"),
                    "{{instance}}, 99 of 100": _quantile(0.99, "dispatch_relay_commit_seconds", ", instance"),
                },
                unit="s",
            ),
            Panel(
                title="Writes",
                says="A second; and how many share a commit.",
                queries={
                    "{{instance}}, a second": "sum by (instance) (rate(dispatch_relay_commit_ops_sum[$__rate_interval]))",
                    "{{instance}}, a commit": "sum by (instance) (rate(dispatch_relay_commit_ops_sum[$__rate_interval]))"
                    " / sum by (instance) (rate(dispatch_relay_commit_ops_count[$__rate_interval]))",
                },
            ),
            Panel(
                title="What waits",
                says="Writes for the next commit, commands for their verdict, reports for the pairing service.",
                queries={
                    "{{instance}}, writes": "dispatch_relay_log_queue",
                    "{{instance}}, commands": "dispatch_relay_pending_commands",
                    "{{instance}}, reports": "dispatch_relay_reports_waiting",
                },
            ),
            Panel(
                title="Lost",
                says="Writes that could not be stored, live frames that were dropped, spans that were lost.",
                queries={
                    "{{instance}}, store failures": _each("dispatch_relay_store_failures_total", "instance"),
                    "{{instance}}, live frames": _each("dispatch_relay_live_dropped_total", "instance"),
                    "{{instance}}, spans": _each(
                        "dispatch_relay_spans_total", "instance", matching='{result=~"dropped|failed"}'
                    ),
                },
                width=12,
            ),
            Panel(
                title="Bytes of files",
                says="Sealed bytes carried, by who gets them.",
                queries={
                    "to {{to}}": "sum by (to) (rate(dispatch_relay_transfer_bytes_total[$__rate_interval]))",
                },
                unit="Bps",
                width=12,
            ),
        ),
    ),
    (
        "Several relays",
        (
            Panel(
                title="Seats",
                says="Pairings that each relay has, when there are several; and those of which it found out that another has them.",
                queries={
                    "{{instance}}": "dispatch_relay_seats",
                    "{{instance}}, lost": _each("dispatch_relay_seats_lost_total", "instance"),
                },
            ),
            Panel(
                title="Channels",
                says="Streams that come in at one relay and whose seat is at another.",
                queries={"{{instance}}, as {{side}}": "sum by (instance, side) (dispatch_relay_channels)"},
            ),
            Panel(
                title="Ends of channels",
                says="peace, gone and refused are as it should be. The others were lost. Reasons without any are left out.",
                queries={"{{reason}}": _each("dispatch_relay_channel_ends_total", "reason") + " > 0 or vector(0)"},
                stacked=True,
            ),
            Panel(
                title="Away",
                says="1 while a service does not reach the database, or the bus.",
                queries={
                    "{{instance}}, database": "dispatch_relay_database_away or dispatch_pairing_database_away",
                    "{{instance}}, bus": "dispatch_relay_bus_away or dispatch_pairing_bus_away",
                },
                width=24,
            ),
        ),
    ),
    (
        "Pairing service",
        (
            Panel(
                title="Sign-ins",
                says="By result.",
                queries={"{{result}}": _each("dispatch_pairing_sign_ins_total", "result")},
                stacked=True,
            ),
            Panel(
                title="Offers",
                says="What became of invitations to pair.",
                queries={"{{result}}": _each("dispatch_pairing_offers_total", "result")},
                stacked=True,
            ),
            Panel(
                title="Refusals by reason",
                says="NONCE_EXPIRED is how conversations begin. Reasons without any are left out.",
                queries={"{{reason}}": _each("dispatch_pairing_refusals_total", "reason") + " > 0 or vector(0)"},
                stacked=True,
            ),
            Panel(
                title="Pairings and relays",
                says="Pairings that may be used; relays that hear of revocations.",
                queries={
                    # Each of several services says all of them.
                    "pairings": "max(dispatch_pairing_pairings_active)",
                    "relays": "sum(dispatch_pairing_relays_live)",
                },
                width=12,
            ),
            Panel(
                title="Calls",
                says="19 of 20 are answered within.",
                queries={"{{method}}": _quantile(0.95, "dispatch_pairing_call_seconds", ", method")},
                unit="s",
                width=12,
            ),
        ),
    ),
    (
        "Hosts",
        (
            Panel(
                title="Tasks",
                says="That run, and that wait behind them.",
                queries={
                    "{{instance}}, run": "dispatch_host_running",
                    "{{instance}}, wait": "dispatch_host_waiting",
                },
            ),
            Panel(
                title="Rows that have not arrived",
                says="They are on the host's disk, and wait for the relay's receipt.",
                queries={"{{instance}}": "dispatch_host_outbox"},
            ),
            Panel(
                title="Questions",
                says="By how they ended.",
                queries={"{{ending}}": _each("dispatch_host_questions_total", "ending")},
                stacked=True,
            ),
        ),
    ),
)


def _panel(panel: Panel, number: int, *, x: int, y: int) -> dict[str, Any]:
    custom = {"fillOpacity": 20 if panel.stacked else 0, "stacking": {"mode": "normal" if panel.stacked else "none"}}
    options: dict[str, Any] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if panel.kind == "stat":
        custom = {}
        options = {
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto",
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": {"h": _HEIGHT // 2 if panel.kind == "stat" else _HEIGHT, "w": panel.width, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            | ({"instant": True} if panel.kind == "stat" else {})
            for place, (legend, expr) in enumerate(panel.queries.items())
        ],
    }


def board() -> dict[str, Any]:
    """Give the dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": y},
            }
        )
        x, y, height = 0, y + 1, 0
        for one in row:
            if x + one.width > _WIDTH:
                x, y, height = 0, y + height, 0
            panels.append(_panel(one, len(panels) + 1, x=x, y=y))
            x, height = x + one.width, max(height, panels[-1]["gridPos"]["h"])
        y += height
    return {
        "uid": "dispatch",
        "title": "Dispatch",
        "description": "Is it working for people, and if not, why. What to do: docs/runbooks.md.",
        "tags": ["dispatch"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": []},
        "panels": panels,
    }


def written() -> str:
    """Give the file."""
    return json.dumps(board(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    BOARD.write_text(written())
