"""From what a launcher asks for to what may run: permissions, the job's record, and the job as an engine gets it."""

import asyncio
import hashlib
import os
import sys

from headless.engines.base import EngineJob, OsUser
from headless.engines.os_users import find_closed_folder, read_os_user
from headless.errors import ParameterError, Refused
from headless.job import JobKind, JobSpec, JobState, Overlap
from headless.protocol.codec import decode_bytes
from headless.protocol.messages import JobStart
from headless.protocol.staging import parse_inputs, parse_outputs
from headless.server.hooks.actions import Hooks
from headless.server.limits import build_limits, combine_limits
from headless.server.login import Account
from headless.server.modules import Modules
from headless.server.policy import Policy, read_policy
from headless.server.records import Record, read_clock
from headless.server.room import check_room
from headless.server.settings import ServerSettings
from headless.server.staged import Program, wrap_staged
from headless.server.surroundings import build_environment, find_os_user
from headless.server.users import UserStore

if sys.platform == "win32":
    raise ImportError("the server runs on POSIX systems only: give --service HOST:PORT of one")

__all__ = ["Admission"]


class Admission:
    """Says what may run, and as what."""

    def __init__(self, settings: ServerSettings, modules: Modules, users: UserStore) -> None:
        self.modules = modules
        self._settings = settings
        self._users = users

    @property
    def max_script(self) -> int:
        """Largest script or code, in bytes."""
        return self._settings.max_script

    def find_max_running(self, user: str) -> int:
        """How many jobs of a user may run at a time; 0 for no limit of its own."""
        account = self._users.current().get(user)
        limit = int(account.limits.get("max_running", 0)) if account else 0
        return min(filter(None, (limit, self._settings.max_running_per_user)), default=0)

    def find_hooks(self, record: Record) -> Hooks:
        """What is to be told of a job, and to whom: the server's hooks, and those of its module in their place."""
        hooks = self._settings.hooks
        if record.spec.kind is not JobKind.MODULE:
            return hooks
        try:
            path = self.modules.find(record.spec.module, lambda _: False)
            return hooks.override(read_policy(path).hooks)
        except (ParameterError, Refused):
            return hooks  # its module is gone, or is of no use by now: the server's are left

    def check(self, account: Account, kind: JobKind, module: str) -> str:
        """Whether the account may run such a job; return the module's path, empty for a script or code.

        Raises:
            Refused: it may not, or there is nobody to run it as.
            ParameterError: there is no such module.
        """
        user, is_owner = account.user, account.is_owner
        path = ""
        if kind is JobKind.MODULE:
            if not (is_owner or user.may_run_module(module)):
                raise Refused(
                    f"{user.name} may not run module {module!r}: headless user allow {user.name} --module {module}"
                )
            path = self.modules.find(module, lambda name: is_owner or user.may_run_module(name))
        elif not (is_owner or (user.scripts if kind is JobKind.SCRIPT else user.code)):
            what = "scripts" if kind is JobKind.SCRIPT else "code"
            raise Refused(f"{user.name} may not run {what} of its own: headless user allow {user.name} --{kind}")
        os_user = find_os_user(account, os.geteuid())
        if os_user is not None and os_user.uid and (closed := find_closed_folder(self._settings.state)):
            raise Refused(
                f"other OS users' jobs cannot reach their folders in {self._settings.state}: chmod o+x {closed}"
            )
        return path

    def check_start(self, account: Account, kind: JobKind, module: str) -> None:
        """All of a start that can be looked at without one; raises as :meth:`admit`."""
        read_policy(self.check(account, kind, module))

    def check_any(self, account: Account) -> None:
        """Whether the account may run anything at all.

        Raises:
            Refused: it may not.
        """
        user = account.user
        if not (account.is_owner or user.modules or user.scripts or user.code):
            raise Refused(f"{user.name} may run nothing: headless user allow {user.name} ...")

    async def admit(self, account: Account, message: JobStart, origin: str) -> Record:
        """The record of a start that may be accepted, with what the module and the server say to it.

        Raises:
            Refused: as :meth:`check`.
            ParameterError: as :meth:`check`, the source is too large, or the module's settings are of no use.
            Unavailable: the disk has no room for it.
        """
        kind = JobKind(message.kind)
        path = self.check(account, kind, message.module)
        source = decode_bytes(message.source)
        if len(source) > self._settings.max_script:
            raise ParameterError(
                f"the {kind} has {len(source)} bytes, the server takes at most {self._settings.max_script} (max_script)"
            )
        parse_inputs(message.inputs)
        parse_outputs(message.outputs)
        check_room(self._settings.state, len(source))
        self._check_name(account, message, path)
        policy = read_policy(path)
        os_user = find_os_user(account, os.geteuid())
        clock = read_clock()
        return Record(
            spec=_build_spec(message, kind, source, policy),
            source_sha256=await _compute_sha256(path, source),
            user=account.user.name,
            run_as=os_user.name if os_user else "",
            origin=origin,
            state=JobState.WAITING,
            boot_id=clock.boot_id,
            accepted_at=clock.at,
            accepted_up=clock.up,
        )

    def _check_name(self, account: Account, message: JobStart, path: str) -> None:
        """A module's name is for those who may run it: overlap and alarms go by it.

        Raises:
            Refused: it is the name of another module, which the account may not run.
        """
        name = message.name
        if account.is_owner or not name or (path and name == message.module) or account.user.may_run_module(name):
            return
        try:
            self.modules.find(name, lambda _: False)
        except ParameterError:
            return  # there is none
        raise Refused(f"{name!r} is the name of a module that {account.user.name} may not run: give the job another")

    def build_engine_job(self, record: Record, stdin: str | None) -> EngineJob:
        """An accepted job as its engine gets it; also for one that an earlier server has accepted.

        Args:
            record: with its source.
            stdin: path of its input, if it has one.

        Raises:
            Refused: the OS user that it was to run as is gone.
            ParameterError: its module is, or the module's settings are of no use.
        """
        spec = record.spec
        path = self.modules.find(spec.module, lambda _: False) if spec.kind is JobKind.MODULE else ""
        policy = read_policy(path)
        account = self._users.current().get(record.user)
        limits = combine_limits(self._settings.limits, policy.limits, account.limits if account else {})
        if spec.max_runtime_s > 0:
            limits = combine_limits(limits, {"max_runtime": spec.max_runtime_s})
        user = self._find_user(record.run_as)
        identity = {"HEADLESS_JOB_ID": spec.job_id, "HEADLESS_JOB_NAME": spec.name, "HEADLESS_JOB_USER": record.user}
        program = Program(path or None, spec.source, spec.arguments, self._settings.python)
        if spec.inputs or spec.outputs:
            program = wrap_staged(program, spec)
        return EngineJob(
            job_id=spec.job_id,
            name=spec.name,
            script=program.script,
            source=program.source,
            arguments=program.arguments,
            environment=build_environment(user, os.geteuid(), self._settings.environment, identity),
            stdin=stdin,
            user=user,
            python=program.python,
            max_runtime_s=limits.get("max_runtime"),
            grace_s=spec.grace_s if spec.grace_s >= 0 else self._settings.grace,
            limits=build_limits(limits),
        )

    def _find_user(self, run_as: str) -> OsUser | None:
        if not run_as:
            return None
        try:
            return read_os_user(run_as)
        except KeyError as exc:
            raise Refused(f"the OS user {run_as}, who it was to run as, is gone") from exc


def _build_spec(message: JobStart, kind: JobKind, source: bytes, policy: Policy) -> JobSpec:
    return JobSpec(
        job_id=message.job_id,
        kind=kind,
        name=message.name or message.module or str(kind),
        module=message.module,
        source=source,
        arguments=message.arguments,
        stdin=message.stdin,
        overlap=Overlap(message.overlap or policy.overlap or Overlap.ALLOW),
        wait_for_s=message.wait_for if message.wait_for >= 0 else policy.wait_for,
        start_within_s=message.start_within,
        max_runtime_s=message.max_runtime,
        grace_s=message.grace if message.grace >= 0 else policy.grace,
        inputs=message.inputs,
        outputs=message.outputs,
    )


async def _compute_sha256(path: str, source: bytes) -> str:
    """Of what will run: the module's file as it is now, or the bytes that were sent."""
    if not path:
        return hashlib.sha256(source).hexdigest()
    return await asyncio.to_thread(_compute_file_sha256, path)


def _compute_file_sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise ParameterError(f"the module's file {path} cannot be read: {exc.strerror}") from exc
