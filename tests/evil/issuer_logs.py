"""An issuer that writes down what it signed for whom."""

from __future__ import annotations

from pipeline.issuer import cli
from pipeline.issuer.issuing import Issuing
from pipeline.role.exchange import Asked
from pipeline.role.problem import Answer

__all__ = ["corrupt"]


class WritingIssuing(Issuing):
    """Adds a line to the log of the role for every token."""

    def issue(self, asked: Asked) -> Answer:
        answer = super().issue(asked)
        members = {"request": asked.body.hex(), "signature": answer.body.hex()}
        self._counts._write({"account": asked.authorization, **members})
        return answer


def corrupt() -> None:
    """Let the issuer of this process be the twin."""
    vars(cli)["Issuing"] = WritingIssuing


if __name__ == "__main__":
    corrupt()
    cli.main()
