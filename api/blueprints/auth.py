"""`/api/auth`: accounts and tokens."""

from __future__ import annotations

from quart import Blueprint

from autostack.api import contract, emails, passwords, views
from autostack.api.access import current_user
from autostack.api.state import api
from autostack.api.tokens import LIFETIME_S
from autostack.core.errors import AutoStackError, Busy
from autostack.core.users import RegistrationClosed, User

blueprint = Blueprint("auth", __name__, url_prefix="/api/auth")


class WrongCredentials(AutoStackError):
    """No such account, or not its password: the answer is the same."""

    code = "wrong-credentials"
    status = 401


class TooManyGuesses(Busy):
    """Wrong passwords for this account came too often."""

    code = "too-many-guesses"
    status = 429


@blueprint.post("/register")
@contract.public
@contract.answers(views.Account, 201)
@contract.accepts(views.Credentials)
async def register(data: views.Credentials) -> views.Account:
    """Make an account; the first one is the operator's"""
    core = api().core
    if core.settings.registration == "closed" and await core.users.count() > 0:
        raise RegistrationClosed("registration is closed here; ask the operator of this AutoStack")
    email = emails.normal(data.email)
    hashed = await api().passwords.hash(passwords.checked(data.password, email))
    return views.account(await core.users.register(email, hashed))


@blueprint.post("/login")
@contract.public
@contract.answers(views.Session)
@contract.accepts(views.Credentials)
async def login(data: views.Credentials) -> views.Session:
    """Sign in: a token for eight hours"""
    users = api().core.users
    user = await users.by_email(emails.folded(data.email))
    await _check(user, f"account:{emails.folded(data.email)}", data.password)
    assert user is not None
    if user.password_hash is not None and api().passwords.is_outdated(user.password_hash):
        await users.set_password(user.id, await api().passwords.hash(data.password), end_tokens=False)
    return views.Session(api().tokens.issue(user.id, user.token_epoch), "Bearer", LIFETIME_S, views.account(user))


@blueprint.post("/logout")
@contract.answers(None, 204)
async def logout() -> None:
    """Sign out everywhere: every token of the account ends"""
    user = current_user()
    await api().core.users.set_password(user.id, user.password_hash or "", end_tokens=True)


@blueprint.get("/account")
@contract.answers(views.Account)
async def read_account() -> views.Account:
    """Who is signed in"""
    return views.account(current_user())


@blueprint.put("/password")
@contract.answers(None, 204)
@contract.accepts(views.NewPassword)
async def change_password(data: views.NewPassword) -> None:
    """Change the password; every token of the account ends"""
    user = current_user()
    new = passwords.checked(data.new, user.email)
    await _check(user, f"account:{user.email}", data.current)
    await api().core.users.set_password(user.id, await api().passwords.hash(new), end_tokens=True)


async def _check(user: User | None, account: str, password: str) -> None:
    """Raises WrongCredentials, after the same work for an account that isn't there; TooManyGuesses before it."""
    async with api().guessing(account):  # one guess at a time: none slips through while another is counted
        guesses = await api().guesses.test(account)
        if not guesses.allowed:
            raise TooManyGuesses("too many wrong passwords for this account; wait", retry_after=guesses.reset)
        fits = await api().passwords.verify(None if user is None else user.password_hash, password)
        if user is None or not fits or user.status != "active":
            await api().guesses.hit(account)
            raise WrongCredentials("the e-mail address or the password is wrong")
