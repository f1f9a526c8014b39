"""Who reads the member's page: whoever brings a token that a key of the member signed for this node."""

from ledger import entries as e
from ledger import membertoken, signature
from ledger.errors import Malformed, VerifyFailed
from node.app import App
from node.http.answers import Scope, header
from node.http.failures import Failure

_DO = "sign a new one: suyuan member-link"


def member_of(app: App, base: str, scope: Scope, now_ms: int) -> str:
    """The member whose token for the pages at `base` the request carries as `Authorization: Bearer`; Failure where it
    opens nothing.

    A key with limits (a till, an accountant's) opens nothing: what it may sign is bound, what is read here is not.
    """
    kind, _, text = header(scope, b"authorization").decode("latin-1").partition(" ")
    if kind.lower() != "bearer" or not text:
        raise Failure(401, "token.missing", "this page needs a member's token", "Authorization: Bearer TOKEN", _DO)
    try:
        token, signed, signed_by = membertoken.read(text.strip())
        membertoken.check(token, app.store.head.chain, base, now_ms)
        data = app.view.get(b"m" + e.key_path(token.member, token.key))
        if data is None:
            raise VerifyFailed("member token", f"{token.member} has no such key")
        key = e.KEY.decode_trusted(data)
        signature.verify(key.key, signed, signed_by)
    except (Malformed, VerifyFailed) as error:
        raise Failure(401, "token.refused", str(error), "a token signed for this node", _DO) from None
    if key.revoked is not None or key.retired is not None:
        raise Failure(401, "token.key", "the key that signed this token is no longer in use", "a key in use", _DO)
    if key.limits is not None:
        raise Failure(403, "token.limited", "the key that signed this token has limits", "a key without limits", _DO)
    return token.member
