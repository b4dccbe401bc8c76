"""The TCP connection is cut at random, in the login, the start and the output; and the server is killed meanwhile."""

import random
from itertools import takewhile

from fault_support import Fleet, Killer, check_log, draw_budgets, find_fixed_port, scale
from support import World
from tcp_relay import tcp_relay


def test_cut_connections_cost_no_job_and_no_byte(world: World, chance: random.Random) -> None:
    server = world.serve()
    login = server.add_user("batch", "--allow-code")
    cuts = scale(40, 400)
    # Many a connection ends before its cut: so there is no end of cuts until there were enough.
    budgets = takewhile(lambda _: relay.cuts < cuts, draw_budgets(chance))
    with tcp_relay(server.service, budgets) as relay:
        fleet = Fleet(world, [["-s", relay.service, *login[2:]]], chance)
        fleet.run(scale(40, 300), lambda: relay.cuts >= cuts)
    fleet.check_history(["-s", server.unix])
    check_log(server)


def test_cut_connections_and_a_killed_server_together(world: World, chance: random.Random) -> None:
    server = world.serve(service=find_fixed_port())
    login = server.add_user("batch", "--allow-code")
    killer = Killer(server, chance, kills=scale(5, 100))
    budgets = takewhile(lambda _: not killer.has_ended(), draw_budgets(chance))
    with tcp_relay(server.service, budgets) as relay:
        fleet = Fleet(world, [["-s", relay.service, *login[2:]]], chance)
        killer.start()
        fleet.run(scale(30, 300), killer.has_ended)
        killer.finish()
    assert relay.cuts
    fleet.check_history(["-s", server.unix])
    check_log(server)
