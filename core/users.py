"""People: who may sign in, and who runs the place. The first account is the operator's."""

from __future__ import annotations

from dataclasses import dataclass

from autostack.core import ids
from autostack.core.bus import Bus, Emit
from autostack.core.database import Refused, Row, Statement
from autostack.core.errors import AutoStackError, Conflict, InputRefused, LimitReached, NotFound
from autostack.core.settings import Settings

INSERT = """
insert into users (id, email, password_hash, role, created_at)
select :id, :email, :hash, case when exists (select 1 from users) then 'user' else 'operator' end, :now
where (:open = 1 or not exists (select 1 from users)) and (:limit is null or (select count(*) from users) < :limit)"""


class RegistrationClosed(AutoStackError):
    """Nobody may register here any more."""

    code = "registration-closed"
    exit = 4
    status = 403


@dataclass(frozen=True)
class User:
    """A person. `token_epoch` rises when all tokens shall end."""

    id: str
    email: str
    role: str
    status: str
    subscription_tier: str
    token_epoch: int
    created_at: str
    password_hash: str | None = None

    @property
    def operator(self) -> bool:
        return self.role == "operator"


class Users:
    """The table `users`."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings

    async def register(self, email: str, password_hash: str | None) -> User:
        """A new account; `email` is normalised already. Raises RegistrationClosed, LimitReached, InputRefused."""
        if await self.by_email(email) is not None:
            raise _taken()
        user = ids.new_id()
        limit = self._settings.limits.users
        insert = Statement(
            INSERT,
            {
                "id": user,
                "email": email,
                "hash": password_hash,
                "now": ids.now(),
                "open": int(self._settings.registration == "open"),
                "limit": limit,
            },
            rows=1,
        )
        try:
            await self._bus.commit(insert, Emit("user.registered", {"user": user}))
        except Refused:  # only now is it known what was in the way: others registered meanwhile
            raise await self._refusal(email, limit) from None
        return await self.get(user)

    async def by_email(self, email: str) -> User | None:
        row = await self._bus.database.fetch_one("select * from users where email = :email", {"email": email})
        return _user(row) if row else None

    async def get(self, user: str) -> User:
        """NotFound if there is no such account."""
        row = await self._bus.database.fetch_one("select * from users where id = :id", {"id": user})
        if row is None:
            raise NotFound("there is no such account")
        return _user(row)

    async def set_password(self, user: str, password_hash: str, *, end_tokens: bool) -> None:
        """Store a new hash; with `end_tokens` all tokens given out so far end."""
        await self._bus.commit(
            Statement(
                "update users set password_hash = :hash, token_epoch = token_epoch + :more where id = :id",
                {"hash": password_hash, "more": int(end_tokens), "id": user},
                rows=1,
                refusal=Conflict("the account has gone"),
            )
        )

    async def count(self) -> int:
        row = await self._bus.database.fetch_one("select count(*) as n from users")
        return int(str(row["n"])) if row else 0

    async def _refusal(self, email: str, limit: int | None) -> AutoStackError:
        if await self.by_email(email) is not None:
            return _taken()
        if limit is not None and await self.count() >= limit:
            return LimitReached(f"this AutoStack has room for {limit} users", limit=limit, of="users")
        return RegistrationClosed("registration is closed here; ask the operator of this AutoStack")


def _taken() -> InputRefused:
    return InputRefused("there is an account with this address already; log in, or use another one")


def _user(row: Row) -> User:
    return User(
        id=str(row["id"]),
        email=str(row["email"]),
        role=str(row["role"]),
        status=str(row["status"]),
        subscription_tier=str(row["subscription_tier"]),
        token_epoch=int(str(row["token_epoch"])),
        created_at=str(row["created_at"]),
        password_hash=None if row["password_hash"] is None else str(row["password_hash"]),
    )
