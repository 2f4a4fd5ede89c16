"""A gateway that takes a token as often as it comes."""

from __future__ import annotations

from pipeline.gateway import cli
from pipeline.gateway.spent import SpentTokens
from verifier.wire.token import AuthenticToken

__all__ = ["corrupt"]


class ForgetfulTokens(SpentTokens):
    """Writes nothing down, so that nothing was ever spent."""

    def spend(self, authentic: AuthenticToken) -> None:
        pass


def corrupt() -> None:
    """Let the gateway of this process be the twin."""
    vars(cli)["SpentTokens"] = ForgetfulTokens


if __name__ == "__main__":
    corrupt()
    cli.main()
