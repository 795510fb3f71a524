from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.relay import Relay


async def test_smoke(relay: Relay) -> None:
    pair = relay.pair()
    host = await relay.attach(pair.host)
    phone = await relay.attach(pair.phone)
    await phone.presence(pb.REACHABILITY_REACHABLE)
    m = await phone.post(b"sealed command")
    handed = await host.got("handover")
    await host.say(take=pb.Take(message_id=m))
    assert await phone.receipt(m) == 1
    d = await host.got("deliver")
    k = await host.keep(b"result", outcome=pb.OUTCOME_DONE, task_id=handed.handover.task_id)
    assert await host.receipt(k) == 2
    d = await phone.got("deliver")
    assert d.deliver.sealed == b"result"
    await host.bye()
    m = await phone.post(b"again")
    print(await phone.refusal(m))
    assert await relay.metric("dispatch_relay_tasks_total", outcome="done") == 1
