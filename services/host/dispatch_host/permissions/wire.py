"""Permissions as the contract says them: to phones under the seal, to the command line through the socket."""

from __future__ import annotations

from dispatch import errors
from dispatch.api.thread.v1 import thread_pb2 as pb

from dispatch_host.journal.values import AlwaysRule
from dispatch_host.permissions.held import Held
from dispatch_host.permissions.permission import Grant, Kind, Permission

TOLD_BYTES = 24 * 1024
"""Most that phones are told: it has to fit into one sealed body beside whatever else begins a session."""

_KINDS = {
    Kind.FOLDER: pb.PERMISSION_KIND_FOLDER,
    Kind.TERMINAL: pb.PERMISSION_KIND_TERMINAL,
    Kind.NETWORK: pb.PERMISSION_KIND_NETWORK,
    Kind.BROWSER: pb.PERMISSION_KIND_BROWSER,
    Kind.DESKTOP: pb.PERMISSION_KIND_DESKTOP,
    Kind.CONNECTOR: pb.PERMISSION_KIND_CONNECTOR,
}


def read(said: pb.Permission) -> Grant:
    """Read a permission without its end. Raises BadRequest."""
    kind = next((kind for kind, meant in _KINDS.items() if meant == said.kind), None)
    try:
        if kind is None:
            raise ValueError("folder, terminal, network, browser, desktop or connector")
        return Grant(permission=Permission(kind, said.name, said.write, said.without_sandbox))
    except ValueError as wrong:
        raise errors.BadRequest(str(wrong), metadata={"field": "permission"}) from wrong


def written(grant: Grant) -> pb.Permission:
    """Write a permission."""
    permission = grant.permission
    return pb.Permission(
        kind=_KINDS[permission.kind],
        name=permission.name,
        write=permission.write,
        without_sandbox=permission.without_sandbox,
        ends_at_ms=grant.ends_at_ms or 0,
    )


def told(held: Held, *, limit_bytes: int = TOLD_BYTES) -> pb.Permissions:
    """Write all that is permitted, as far as it fits; how many are left out is said."""
    said = pb.Permissions()
    size = 0
    for grant in held.grants:
        one = written(grant)
        if (size := size + one.ByteSize() + 8) > limit_bytes:
            said.left_out += 1
        else:
            said.permissions.append(one)
    for rule in held.rules:
        always = _rule(rule)
        if (size := size + always.ByteSize() + 8) > limit_bytes:
            said.left_out += 1
        else:
            said.always.append(always)
    return said


def _rule(rule: AlwaysRule) -> pb.AlwaysRule:
    return pb.AlwaysRule(rule=rule.rule, by=rule.by, at_ms=rule.at_ms)
