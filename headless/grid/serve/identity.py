"""Commands about users and roles: whoami."""

from headless.grid.serve.call import Call, Command, Rows

__all__ = ["COMMANDS"]


async def _whoami(call: Call) -> Rows:
    return [{"username": call.session.user.name, "role": call.session.role, "message": call.session.user.name}]


COMMANDS = {"whoami": Command(_whoami, "whoami [-v]: who is logged in")}
