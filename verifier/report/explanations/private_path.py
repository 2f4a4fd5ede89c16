"""Pages of the checks of the keys that clients of the private path are given."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["KEYS"]

KEYS = (
    Explanation(
        check="keys.format",
        proves="What the key CDN gave out is a well-formed key document, and each entry in it the "
        "canonical form of an envelope around a `key-configuration/v1` statement, in which every "
        "member is known and no entry comes twice.",
        does_not_prove="That anybody named signed the keys, or that anybody else is given them; "
        "the next checks and those of the log decide that.",
        fails_when="The policy requires keys and the bundle has no key document, the key CDN is of "
        "another version, or something on the way put another answer in its place.",
        do="Fetch the document again from the key CDN that the deployment names, and look at its "
        "entries in the log with `release show`.",
        attacks=("ATK-048", "ATK-077"),
    ),
    Explanation(
        check="keys.signature",
        proves="As many of the keys that the policy lists under `[keys]` signed every "
        "configuration of the document as the policy demands.",
        does_not_prove="That whoever holds the private halves keeps them apart: gateway and issuer "
        "are different parties only if somebody sees to it.",
        fails_when="The operator changed its publishing keys and the policy did not, or somebody "
        "else made keys and had them logged.",
        do="Compare the key ids of the finding with those that the operator gives out elsewhere. A "
        "logged configuration that its publisher does not know is an incident.",
        attacks=("ATK-077", "ATK-078"),
    ),
    Explanation(
        check="keys.validity",
        proves="The instant of judgement is not before `notBefore` and before `notAfter` of every "
        "configuration of the document.",
        does_not_prove="That no key was withdrawn before: a revocation is an entry of its own, "
        "which this check does not read.",
        fails_when="Keys expired and were not renewed, a key CDN gives out an old document so that "
        "some clients use keys that nobody else uses any more, or the clock is wrong.",
        do="Have the key CDN give out the current configurations. To judge a session of the past, "
        "give the instant of that time with `--at`.",
        attacks=("ATK-077", "ATK-078"),
    ),
    Explanation(
        check="keys.complete",
        proves="The document has a key of a gateway for Oblivious HTTP and a key of an issuer for "
        "tokens, of the algorithms that this client uses, and each is encoded exactly. The first "
        "of each is used, as by every other client.",
        does_not_prove="That the gateway or the issuer at the other end has the private half; an "
        "encapsulated request and the signature of a token show that.",
        fails_when="Only one of the two was published, a key stands under the wrong role, or the "
        "operator moved to algorithms that are unknown here.",
        do="Publish what is missing, each key under the role that holds it.",
        attacks=("ATK-077", "ATK-078"),
    ),
)
"""The keys of the private path, in the order of the registry."""
