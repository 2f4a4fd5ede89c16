"""Pages of the checks of a drive through the private path."""

from __future__ import annotations

from verifier.report.explanations.explanation import Explanation

__all__ = ["DRIVE_PATH"]

DRIVE_PATH = (
    Explanation(
        check="drive.path.answer",
        proves="Random texts went from an attested client through relay and gateway to a CVM of "
        "the driven release, and were answered exactly as the released code answers them. Where "
        "the hops are watched every CVM that the finding names was asked.",
        does_not_prove="That other code could not give the same answers to these texts, or what "
        "happens to the texts besides. In somebody else's deployment one CVM was asked.",
        fails_when="What answers is not the released workload, or a session on the way to it is "
        "not VERIFIED. Silence is not determined instead.",
        do="Compare the answer with what docs/spec/workload.md says of the text. If `drive "
        "--direct` is answered rightly, look at relay and gateway.",
        attacks=("ATK-043", "ATK-050", "ATK-051"),
    ),
    Explanation(
        check="drive.path.binding",
        proves="The evidence binds the exporter value of this very session, over a nonce that was "
        "sent after the handshake, and the session's keys were agreed on with X25519MLKEM768.",
        does_not_prove="That nothing but this CVM has the keys of its certificate; the binding "
        "makes that matter little.",
        fails_when="The CVM chose another key exchange, which a computer of the future could "
        "undo, or the evidence binds less than the session.",
        do="Look at the versions of OpenSSL on both sides; a client needs 3.5 or later.",
        attacks=("ATK-040", "ATK-044", "ATK-052"),
    ),
    Explanation(
        check="drive.path.canary",
        proves="Random words that a client sent in every kind of request were nowhere in what "
        "passed any hop, nor in any file of a role, nor on the console of a CVM, in none of the "
        "usual spellings, packed or not. Nor had the files of the roles 24 bytes of each sealed "
        "message, by which it would be known.",
        does_not_prove="That no role keeps it in a form that was not searched for, or sends it "
        "elsewhere by a way that has no tap.",
        fails_when="A role writes down or passes on what it must not be able to read, or the "
        "request was not sealed.",
        do="Look at the named place, and at what that role imports.",
        attacks=("ATK-051", "ATK-082", "ATK-086"),
    ),
    Explanation(
        check="drive.path.memory",
        proves="While its session was open, a client's words were in no writable memory of key "
        "CDN, issuer, relay or gateway.",
        does_not_prove="That they never were, or are in no other program. What the CVM has in its "
        "memory no probe sees.",
        fails_when="A role holds a text that it must not be able to read. Where the memory of a "
        "process may not be read, or a role is several, the check is not determined instead.",
        do="Look at the role whose memory is named.",
        attacks=("ATK-082",),
    ),
    Explanation(
        check="drive.path.token_replay",
        proves="A token that had opened a tunnel did not open another one: not by the same bytes, "
        "while the tunnel was open or after, and not in a new request.",
        does_not_prove="That a second gateway with a store of its own refuses it, too, or that the "
        "store outlives the gateway.",
        fails_when="The gateway does not write down which tokens were spent, or writes it down "
        "too late.",
        do="Look at the gateway's store of spent tokens.",
        attacks=("ATK-080",),
    ),
    Explanation(
        check="drive.path.token_linkage",
        proves="Nothing that was seen where tokens are issued was seen again where one was spent: "
        "no value, and no mark of the issuer in what it signed.",
        does_not_prove="That issuer and gateway cannot link by the times of what they see.",
        fails_when="The issuer signs with a key for one user alone, marks what it signs, or "
        "somebody passes on what was issued.",
        do="Compare the issuer's key with the logged one, and fetch it as another user.",
        attacks=("ATK-078", "ATK-079", "ATK-080"),
    ),
    Explanation(
        check="drive.path.key_consistency",
        proves="The key document was the same, byte for byte, for every address and user agent "
        "that asked for it, and every configuration in it is in the log.",
        does_not_prove="What is given to an address that was not asked from. But whoever is given "
        "other keys, they are in the log too, or that client refuses them.",
        fails_when="The key CDN gives one client other keys than another, or keys that are not in "
        "the log. A CDN that changes its keys at that moment looks the same: drive again.",
        do="Compare the documents, and find out who else was given the second one.",
        attacks=("ATK-077", "ATK-078"),
    ),
    Explanation(
        check="drive.path.clients_alike",
        proves="What reached the gateway of two clients with other addresses and accounts differed "
        "only in what is random or encrypted.",
        does_not_prove="That their requests cannot be told apart by when they come.",
        fails_when="The relay passes on an address, a cookie, or any field that comes from the "
        "client, or treats two clients differently.",
        do="Read the differing field in the finding, and look at what the relay forwards.",
        attacks=("ATK-081",),
    ),
    Explanation(
        check="drive.path.steering",
        proves="Over many sessions, which CVM a client came to had nothing to do with who it was, "
        "as far as an exact test on the counts can tell.",
        does_not_prove="That no single session was led somewhere, or a client with another mark.",
        fails_when="The gateway leads some clients to one CVM. By chance an honest gateway fails "
        "as rarely as the finding says.",
        do="Drive again; what fails twice is no chance.",
        attacks=("ATK-041", "ATK-084"),
    ),
    Explanation(
        check="drive.path.length_buckets",
        proves="Texts of different lengths in the same bucket made messages of the same lengths at "
        "every hop, in both directions.",
        does_not_prove="That the number of messages, or their times, tell nothing.",
        fails_when="Client or CVM seals without padding, or pads to other lengths than those of "
        "the format.",
        do="Look at which hop and direction differ.",
        attacks=("ATK-083",),
    ),
    Explanation(
        check="drive.path.stateless",
        proves="A second session, of another client and of the same one, asked the CVM about what "
        "the first one had told, and was answered as if nobody had told it anything.",
        does_not_prove="That nothing was kept where no answer comes from. In somebody else's "
        "deployment nobody sees which CVM a session reached; it may have been another one.",
        fails_when="The CVM keeps a conversation after its session.",
        do="Do not use the release: what one user says another one may hear.",
        attacks=("ATK-088",),
    ),
    Explanation(
        check="drive.path.restart",
        proves="The CVM, ended and booted again, knew nothing of what it had been told before.",
        does_not_prove="That nothing was kept where no answer comes from.",
        fails_when="The CVM keeps a conversation on a disk or with its host.",
        do="Look for what the image can write to.",
        attacks=("ATK-088",),
    ),
    Explanation(
        check="drive.path.forward_secrecy",
        proves="With every long-lived private key of the roles at hand, what was recorded before "
        "opened as far as TLS 1.3 whose keys were agreed on with fresh shares, and no further.",
        does_not_prove="That both ends forgot the keys of the session, or that the CVM's "
        "randomness is good.",
        fails_when="The session can be opened by a key that outlives it.",
        do="Look at which key opened what.",
        attacks=("ATK-089",),
    ),
    Explanation(
        check="drive.path.feature_off",
        proves="A client whose user has not switched the feature on was asked for everything, and "
        "not one connection was opened nor one byte sent at any hop.",
        does_not_prove="That a program which uses the client asks its user before it switches on.",
        fails_when="The client looks for keys or tokens, or says anything, before its user wants.",
        do="Look at which hop the bytes passed.",
        attacks=("ATK-087",),
    ),
    Explanation(
        check="drive.path.fail_closed",
        proves="A client was given key configurations and a release whose proofs were corrupted by "
        "one bit a signature. It refused each for that reason; with corrupted keys it opened "
        "no connection to issuer or relay, and else sent to the CVM what is sent for evidence "
        "alone.",
        does_not_prove="That it refuses every other wrong proof; the fixtures of the judge do.",
        fails_when="A client asks although a proof does not hold, or sends its prompt before it "
        "has looked.",
        do="Do not use this client.",
        attacks=("ATK-042", "ATK-043", "ATK-061", "ATK-087"),
    ),
)
"""The drive through the path, in the order of the registry."""
