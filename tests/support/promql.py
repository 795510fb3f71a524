"""The series that a PromQL expression names, and whether any process of ours counts them: a typo in a rule or a panel hides else.

No parser of PromQL: it finds names of ours with the labels behind them, which is all that rules and panels of ours need.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from dispatch.runtime.certificate import BROKEN, OK, CertificateMetrics
from dispatch.runtime.metrics import CallMetrics
from dispatch.runtime.span_metrics import SpanMetrics
from dispatch_host.metrics import HostMetrics
from dispatch_pairing.metrics import Metrics as PairingMetrics
from dispatch_relay.metrics import Metrics as RelayMetrics
from prometheus_client import CollectorRegistry

PROCESSES = ("pairing", "relay", "host")
FROM_PROMETHEUS = {"job", "instance", "alertname", "alertstate"}
"""Labels that a scrape or an alert adds."""
OPEN = {"le", "listener", "method", "code"}
"""Labels whose words are not known before there are processes."""
BUILT_IN: Mapping[str, frozenset[str]] = {"up": frozenset(), "ALERTS": frozenset()}
_NAMED = re.compile(r"\b(dispatch[_:][\w:]+|up|ALERTS)\b\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")

Words = Mapping[str, frozenset[str]]
"""Of one series: the words that each label may have."""


@dataclass(frozen=True, slots=True)
class Series:
    """One selector."""

    name: str
    labels: Mapping[str, tuple[str, str]]
    """By name: how it is compared, and with what."""

    def wrong(self, known: Mapping[str, Words]) -> str:
        """Say what no process counts; empty when all is there."""
        if self.name in BUILT_IN:
            return ""
        if self.name not in known:
            return f"there is no {self.name}"
        words = known[self.name]
        for label, (how, said) in self.labels.items():
            if label in FROM_PROMETHEUS:
                continue
            if label not in words:
                return f"{self.name} has no label {label}"
            asked = said.split("|") if how in ("=~", "!~") else [said]
            # A variable of the dashboard stands for whatever is chosen.
            missing = {one for one in asked if not one.startswith("$") and one != ".*"} - words[label]
            if missing and label not in OPEN:
                return f"{self.name} has no {label} {sorted(missing)}"
        return ""


def named_series(expression: str) -> list[Series]:
    """Find the selectors of an expression, or the one of a series."""
    found = _NAMED.findall(_GROUPED.sub("", expression))
    return [
        Series(name, {label: (how, said) for label, how, said in _MATCHER.findall(inside)}) for name, inside in found
    ]


def registries() -> list[CollectorRegistry]:
    """Give all that the three processes count."""
    pairing, relay, host = CollectorRegistry(), CollectorRegistry(), HostMetrics().registry
    PairingMetrics(pairing)
    CallMetrics(pairing, prefix="dispatch_pairing")
    RelayMetrics(relay)
    found = [pairing, relay, host]
    for registry, process in zip(found, PROCESSES, strict=True):
        seen = CertificateMetrics(registry, prefix=f"dispatch_{process}")
        seen.expiry.labels("web")
        for result in (OK, BROKEN):
            seen.loads.labels("web", result)
        if process != "pairing":
            SpanMetrics(registry, prefix=f"dispatch_{process}")
    return found


@cache
def known_series() -> Mapping[str, Words]:
    """Give each series that a process can have, with the words of its labels."""
    known: dict[str, dict[str, set[str]]] = {}
    for registry in registries():
        for family in registry.collect():
            names = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
            for suffix in names:
                words = known.setdefault(family.name + suffix, {})
                for label in _labels_of(registry, family.name):
                    words.setdefault(label, set())
                for sample in family.samples:
                    if sample.name == family.name + suffix:
                        for label, word in sample.labels.items():
                            words.setdefault(label, set()).add(word)
    return {name: {label: frozenset(said) for label, said in words.items()} for name, words in known.items()}


def _labels_of(registry: CollectorRegistry, name: str) -> tuple[str, ...]:
    """Give the labels of a family that has no samples yet."""
    # The library tells of labels only where there are samples; families such as certificates have none before there is a listener.
    collectors = registry._names_to_collectors
    collector = collectors.get(name) or collectors.get(name + "_total")
    return tuple(getattr(collector, "_labelnames", ()))
