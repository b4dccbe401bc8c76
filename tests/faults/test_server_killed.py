"""The server is killed (SIGKILL) at random moments while launchers run jobs: nothing runs twice, nothing is lost."""

import random

from fault_support import Fleet, Killer, check_log, find_fixed_port, scale
from support import World


def test_a_server_killed_again_and_again_runs_every_job_once_and_tells_every_truth(
    world: World, chance: random.Random
) -> None:
    server = world.serve(service=find_fixed_port())
    login = server.add_user("batch", "--allow-code")
    fleet = Fleet(world, [["-s", server.unix], login], chance)
    killer = Killer(server, chance, kills=scale(8, 100))
    killer.start()
    fleet.run(scale(40, 300), killer.has_ended)
    killer.finish()
    fleet.check_history(["-s", server.unix])
    check_log(server)
